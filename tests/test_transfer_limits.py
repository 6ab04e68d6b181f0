"""What breaks losses of embedding transfer: degenerate batches, half precision, bad input."""

import pytest
import torch

from dmlviz import losses
from transfer_cases import CASES, RELAXED, STAGES, batch, fitnet_loss, make, maps

HALVES = [torch.float16, torch.bfloat16]


def assert_finite(loss, target, source):
    target = target.clone().requires_grad_()
    value = loss(target, source)
    value.backward()
    assert value.isfinite()
    assert target.grad.isfinite().all()
    return value.item()


def degenerate():
    target, source = batch(0)
    one_zero, far = target.clone(), target.clone()
    one_zero[2] = 0
    far[0] *= 1e6
    return {
        "two samples": (target[:2], source[:2]),
        "two samples at one place": (target[:1].repeat(2, 1), source[:2]),
        "copies of rows": (target[:4].repeat(2, 1), source[:4].repeat(2, 1)),
        "all targets equal": (target[:1].repeat(8, 1), source),
        "all sources equal": (target, source[:1].repeat(8, 1)),
        "all equal": (target[:1].repeat(8, 1), source[:1].repeat(8, 1)),
        "a zero row": (one_zero, source),
        "a zero row of the source": (target, torch.cat([torch.zeros(2, 6), source[2:]])),
        "all zero": (0 * target, 0 * source),
        "opposite": (torch.cat([target[:4], -target[:4]]), torch.cat([source[4:], -source[4:]])),
        "far apart": (1e4 * target, source),
        "one far away": (far, source),
        "one dimension": (target[:, :1], source[:, :1]),
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", degenerate())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_batches_are_finite(name, kind, dtype):
    target, source = degenerate()[kind]
    assert_finite(make(name), target.to(dtype), source.to(dtype))


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "pkt" and "two views" not in name]
)
def test_a_single_sample_costs_nothing(name):
    target, source = batch(0, n=1)
    assert assert_finite(make(name), target, source) == 0


def test_a_single_sample_has_a_neighbour_for_sure():
    target, source = batch(0, n=1)
    assert assert_finite(losses.PKTLoss(), target, source) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["rkd distance", "rkd angle", "darkrank"])
def test_two_samples_have_neither_order_nor_angle_nor_relative_distance(name):
    target, source = batch(0, n=2)
    assert assert_finite(make(name), target, source) == pytest.approx(0, abs=1e-12)


def test_relaxed_contrastive_of_a_collapsed_target_is_what_the_push_costs():
    target, source = batch(0)
    w = losses.relaxed_labels(source, 0.7)
    value = losses.relaxed_contrastive(target[:1].repeat(8, 1), source, 0.7, 1.2)
    torch.testing.assert_close(value, (1 - w).sum() * 1.2**2 / 8)


def test_relaxed_contrastive_of_a_collapsed_source_only_pulls():
    target, source = batch(0)
    value = losses.relaxed_contrastive(target, source[:1].repeat(8, 1))
    torch.testing.assert_close(value, losses.relative_distances(target).square().sum() / 8)


def test_darkrank_of_a_collapsed_target_finds_all_orders_equally_likely():
    _, source = batch(0)
    value = losses.darkrank(torch.ones(8, 3), source, neighbors=4)
    assert value.item() == pytest.approx(torch.tensor(24.0).log().item())  # 4! orders


def test_darkrank_counts_all_others_where_there_are_fewer_than_its_neighbors():
    target, source = batch(0, n=4)
    all_others = losses.darkrank(target, source, neighbors=3)
    torch.testing.assert_close(losses.darkrank(target, source, neighbors=50), all_others)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.5])
def test_darkrank_beside_copies_is_finite_for_every_exponent(beta):
    """The derivative of d^β at the distance 0 is infinite for β < 1."""
    target, source = batch(0)
    target[3], target[4] = target[2], 2 * target[2]
    source[3] = source[2]
    assert_finite(losses.DarkRankLoss(beta=beta), target, source)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_pkt_of_opposite_directions_is_finite(n, dtype):
    """Rounding takes a cosine below -1, and a probability below 0, into the logarithm."""
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.cat([torch.ones(1, 1), -1 - torch.rand(n - 1, 1, generator=generator)])
        target = (lengths * torch.randn(1, 64, generator=generator)).to(dtype)
        source = torch.randn(n, 5, generator=generator).to(dtype)
        assert_finite(losses.PKTLoss(), target, source)
        assert_finite(losses.PKTLoss(), source, target)


# --- precision --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("zero_row", [False, True])
def test_half_precision_is_computed_in_float32(name, dtype, zero_row):
    target, source = (x.to(dtype) for x in batch(2))
    if zero_row:
        target[0] = 0
    target.requires_grad_()
    value = make(name)(target, source)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert target.grad.isfinite().all()
    expected = make(name)(target.detach().float(), source.float())
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_of_the_parts_of_the_relaxed_losses_is_computed_in_float32(dtype):
    """Squares of 1000 are infinite in float16."""
    target, source = (x.to(dtype) for x in batch(2))
    target = 1000 * target
    w, d = losses.relaxed_labels(source), losses.relative_distances(target)
    assert w.dtype == d.dtype == torch.float32
    torch.testing.assert_close(w, losses.relaxed_labels(source.float()))
    torch.testing.assert_close(d, losses.relative_distances(target.float()))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("build", [lambda: losses.AttentionTransferLoss(STAGES), fitnet_loss])
def test_half_precision_maps_are_computed_in_float32(build, dtype):
    """Squares of 300 are infinite in float16."""
    target, source = ({name: (300 * x).to(dtype) for name, x in side.items()} for side in maps(2))
    for x in target.values():
        x.requires_grad_()
    loss = build().float()
    value = loss(target, source)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert all(x.grad.isfinite().all() for x in target.values())
    expected = loss(*({k: x.detach().float() for k, x in m.items()} for m in (target, source)))
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_float64_stays_float64_whatever_the_source_is(name):
    target, source = batch(0)
    value = make(name)(target, source)
    for dtype in (torch.float32, torch.float16):
        coarse = make(name)(target, source.to(dtype))
        assert coarse.dtype == torch.float64
        torch.testing.assert_close(coarse, value, rtol=1e-1, atol=1e-2)
    assert value.dtype == torch.float64
    assert make(name)(target.float(), source).dtype == torch.float32


@pytest.mark.parametrize("name", CASES)
def test_autocast_changes_nothing(name):
    target, source = (x.float() for x in batch(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = make(name)(target, source)
    torch.testing.assert_close(inside, make(name)(target, source), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("build", [lambda: losses.AttentionTransferLoss(STAGES), fitnet_loss])
def test_autocast_changes_nothing_of_maps(build):
    target, source = ({name: x.float() for name, x in side.items()} for side in maps(2))
    loss = build().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(target, source)
    torch.testing.assert_close(inside, loss(target, source), rtol=1e-6, atol=1e-7)


def test_attention_of_dark_maps_is_finite():
    target, source = maps(0)
    dark = {name: torch.zeros_like(x, requires_grad=True) for name, x in target.items()}
    value = losses.AttentionTransferLoss(STAGES)(dark, source)
    value.backward()
    assert value.isfinite()
    assert all(x.grad.isfinite().all() for x in dark.values())


# --- bad input --------------------------------------------------------------------------------

FUNCTIONS = {
    name: getattr(losses, name)
    for name in (
        "relaxed_contrastive",
        "relaxed_multi_similarity",
        "rkd_distance",
        "rkd_angle",
        "pkt",
        "darkrank",
    )
}


@pytest.mark.parametrize("loss", [*FUNCTIONS.values(), *map(make, CASES)])
def test_bad_batches_are_named(loss):
    x, y = torch.ones(4, 3), torch.ones(4, 5)
    for target, source, message in (
        (x, y[:3], "target and source .* 4 and 3 rows"),
        (x[:2], y, "target and source .* 2 and 4 rows"),
        (x[:0], y[:0], "target is empty"),
        (x[0], y, r"target must be floats of shape \(N, D\).*\(3,\)"),
        (x, y[:, :, None], r"source must be floats of shape \(N, D\).*\(4, 5, 1\)"),
        (x.long(), y, "target must be floats.*int64"),
        (x, y.int(), "source must be floats.*int32"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(target, source)
    for target, source in ((x.tolist(), y), (x, y.numpy()), (None, y)):
        with pytest.raises(TypeError, match="target and source must be torch tensors"):
            loss(target, source)


@pytest.mark.parametrize("views", [0, -2, 3, 5])
def test_views_must_divide_the_batch(views):
    target, source = batch(0)
    with pytest.raises(ValueError, match=f"views must divide the batch of 8.*got {views}"):
        losses.relaxed_multi_similarity(target, source, views=views)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("cls", "argument"),
    [
        (losses.RelaxedContrastiveLoss, "sigma"),
        (losses.RelaxedContrastiveLoss, "delta"),
        (losses.RelaxedMultiSimilarityLoss, "sigma"),
        (losses.RelaxedMultiSimilarityLoss, "delta"),
        (losses.RelaxedMultiSimilarityLoss, "alpha"),
        (losses.RelaxedMultiSimilarityLoss, "beta"),
        (losses.RelaxedMultiSimilarityLoss, "views"),
        (losses.DarkRankLoss, "alpha"),
        (losses.DarkRankLoss, "beta"),
    ],
)
def test_impossible_settings_are_refused(cls, argument, bad):
    with pytest.raises(ValueError, match=f"{argument} must be a positive number, got {bad}"):
        cls(**{argument: bad})


@pytest.mark.parametrize("bad", [-0.1, float("nan")])
@pytest.mark.parametrize("argument", ["distance_weight", "angle_weight"])
def test_rkd_refuses_negative_weights(argument, bad):
    with pytest.raises(ValueError, match=f"{argument} must not be negative"):
        losses.RKDLoss(**{argument: bad})


@pytest.mark.parametrize("neighbors", [1, 0, -3])
def test_darkrank_needs_two_neighbors(neighbors):
    with pytest.raises(ValueError, match=f"neighbors must be at least 2.*got {neighbors}"):
        losses.DarkRankLoss(neighbors=neighbors)


def of_maps(stages):
    """A loss of either kind that compares maps."""
    return [
        losses.AttentionTransferLoss(stages),
        losses.FitNetLoss(stages, [3] * len(stages), [5] * len(stages)),
    ]


def test_stages_must_be_a_list_or_a_mapping_of_some_names():
    for build in (losses.AttentionTransferLoss, lambda s: losses.FitNetLoss(s, [3], [5])):
        with pytest.raises(TypeError, match=r"stages must be a list.*got the string 'block2'"):
            build("block2")
        for empty in ([], {}):
            with pytest.raises(ValueError, match="stages is empty"):
                build(empty)


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        ({"b": (2, 3, 4, 4)}, {"a": (2, 5, 4, 4)}, "the target has no stage 'a', there are: b"),
        ({"a": (2, 3, 4, 4)}, {"b": (2, 5, 4, 4)}, "the source has no stage 'a', there are: b"),
        ({"a": (2, 3, 4, 4)}, {"a": (2, 5, 2, 8)}, r"\(2, 3, 4, 4\).*\(2, 5, 2, 8\)"),
        ({"a": (2, 3, 4, 4)}, {"a": (1, 5, 4, 4)}, r"\(2, 3, 4, 4\).*\(1, 5, 4, 4\)"),
        ({"a": (2, 3)}, {"a": (2, 5)}, r"stage 'a' of the target has maps of shape \(2, 3\)"),
    ],
)
def test_maps_that_do_not_fit_are_named(target, source, message):
    target, source = ({k: torch.ones(s) for k, s in side.items()} for side in (target, source))
    for loss in of_maps(["a"]):
        with pytest.raises(ValueError, match=message):
            loss(target, source)


@pytest.mark.parametrize("loss", of_maps(["a"]), ids=lambda loss: type(loss).__name__)
def test_an_empty_batch_of_maps_is_refused(loss):
    with pytest.raises(ValueError, match="empty"):
        loss({"a": torch.ones(0, 3, 4, 4)}, {"a": torch.ones(0, 5, 4, 4)})


@pytest.mark.parametrize("loss", of_maps(["a"]), ids=lambda loss: type(loss).__name__)
def test_maps_without_names_are_refused(loss):
    with pytest.raises(TypeError, match="stage"):
        loss(torch.ones(2, 3, 4, 4), torch.ones(2, 5, 4, 4))


@pytest.mark.parametrize(
    ("target", "source"),
    [((2, 3, 4, 4), (1, 5, 4, 4)), ((2, 3, 4, 4), (2, 5, 2, 8)), ((2, 3), (2, 5))],
)
def test_attention_of_one_stage_refuses_maps_that_do_not_fit(target, source):
    with pytest.raises(ValueError, match="shape"):
        losses.attention_transfer(torch.ones(target), torch.ones(source))


def test_fitnet_names_channels_other_than_its_own():
    loss = losses.FitNetLoss(["a"], [3], [5])
    for a, b in ((4, 5), (3, 6)):
        message = f"made for 3 channels of the target and 5 of the source, got {a} and {b}"
        with pytest.raises(ValueError, match=message):
            loss({"a": torch.ones(2, a, 4, 4)}, {"a": torch.ones(2, b, 4, 4)})
    for channels in (([3, 3], [5]), ([3], [5, 5]), ([], [])):
        with pytest.raises(ValueError, match="target_channels and source_channels must be equally"):
            losses.FitNetLoss(["a"], *channels)


# --- the modules ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (losses.RelaxedContrastiveLoss(0.5, 2.0), "(sigma=0.5, delta=2.0)"),
        (
            losses.RelaxedMultiSimilarityLoss(0.5, 2.0, 3.0, 4.0, 1),
            "(sigma=0.5, delta=2.0, alpha=3.0, beta=4.0, views=1)",
        ),
        (losses.RKDLoss(0.5, 3.0), "(distance_weight=0.5, angle_weight=3.0)"),
        (losses.DarkRankLoss(2.0, 1.0, 5), "(alpha=2.0, beta=1.0, neighbors=5)"),
        (losses.PKTLoss(), "()"),
        (losses.AttentionTransferLoss({"a": "x"}), "(stages={'a': 'x'})"),
        (losses.FitNetLoss(["a"], [3], [5]), "stages={'a': 'a'}"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_hyperparameters_are_shown(loss, shown):
    assert shown in repr(loss)


@pytest.mark.parametrize("name", RELAXED)
def test_hyperparameters_can_change_between_steps(name):
    target, source = batch(4)
    loss = make(name)
    before = loss(target, source)
    loss.sigma *= 2
    assert loss(target, source) != before


def test_fitnets_weights_are_seeded_parameters_within_the_authors_bounds():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = (losses.FitNetLoss(["s"], [40], [50], seed=seed).weights[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)  # the global generator is left alone
    assert isinstance(a, torch.nn.Parameter)
    assert a.shape == (50, 40)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert 0.0049 < a.abs().max() <= 0.005


def test_sigma_of_the_plain_functions_must_be_positive_too():
    x = torch.randn(4, 3)
    for function in (losses.relaxed_contrastive, losses.relaxed_multi_similarity):
        with pytest.raises(ValueError, match="sigma must be a positive number, got 0"):
            function(x, x, sigma=0)
    with pytest.raises(ValueError, match="sigma must be a positive number, got -1"):
        losses.relaxed_labels(x, sigma=-1)
