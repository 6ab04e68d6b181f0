"""Losses of embedding transfer against naive forms, golden values, and what breaks losses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles_transfer as oracles
from dmlviz import losses
from transfer_cases import CASES, RELAXED, RKD, STAGES, batch, fitnet_loss, make, maps


def assert_same_gradients(value, expected, inputs, expected_inputs):
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-10)
    gradients = torch.autograd.grad(value, inputs)
    for ours, naive in zip(gradients, torch.autograd.grad(expected, expected_inputs), strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-7, atol=1e-9)
        assert ours.abs().sum() > 0


# --- naive forms ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_equal_the_naive_loops(name, seed):
    target, source = batch(seed, n=6)
    target[0] *= 5  # one far away: beyond δ, and on the straight part of the Huber loss
    _, naive, arguments = CASES[name]
    fast, slow = target.clone().requires_grad_(), target.clone().requires_grad_()
    value, expected = make(name)(fast, source), naive(slow, source, *arguments)
    assert_same_gradients(value, expected, [fast], [slow])


def test_darkrank_drops_each_sample_itself_and_not_its_copy():
    target, source = batch(0, n=6)
    source[3] = source[2]
    expected = oracles.darkrank(target, source, 2.0, 2.5, 3)
    torch.testing.assert_close(losses.darkrank(target, source, 2.0, 2.5, 3), expected)


def test_rkd_is_the_weighted_sum_of_its_terms():
    target, source = batch(0)
    expected = 0.5 * losses.rkd_distance(target, source) + 3 * losses.rkd_angle(target, source)
    torch.testing.assert_close(losses.RKDLoss(0.5, 3)(target, source), expected)


@pytest.mark.parametrize("seed", range(2))
def test_attention_equals_the_naive_loops_summed_over_the_stages(seed):
    target, source = maps(seed)
    fast = {name: x.clone().requires_grad_() for name, x in target.items()}
    slow = {name: x.clone().requires_grad_() for name, x in target.items()}
    value = losses.AttentionTransferLoss(STAGES)(fast, source)
    expected = oracles.attention(slow["a"], source["x"])
    expected = expected + oracles.attention(slow["b"], source["y"])
    assert_same_gradients(value, expected, list(fast.values()), list(slow.values()))


@pytest.mark.parametrize("seed", range(2))
def test_fitnet_equals_the_naive_loops_summed_over_the_stages(seed):
    target, source = maps(seed)
    loss = fitnet_loss()
    weights = [w.detach().clone().requires_grad_() for w in loss.weights]
    fast = {name: x.clone().requires_grad_() for name, x in target.items()}
    slow = {name: x.clone().requires_grad_() for name, x in target.items()}
    value = loss(fast, source)
    expected = oracles.fitnet(slow["a"], source["x"], weights[0])
    expected = expected + oracles.fitnet(slow["b"], source["y"], weights[1])
    assert_same_gradients(
        value, expected, [*fast.values(), *loss.weights], [*slow.values(), *weights]
    )


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    target, source = batch(11, n=6)
    assert torch.autograd.gradcheck(lambda t: make(name)(t, source), target.requires_grad_())


def test_gradcheck_of_maps_and_fitnets_weights():
    target, source = maps(12)
    attention, fitnet = losses.AttentionTransferLoss(STAGES), fitnet_loss()
    inputs = [x.requires_grad_() for x in target.values()]
    assert torch.autograd.gradcheck(lambda a, b: attention({"a": a, "b": b}, source), inputs)
    assert torch.autograd.gradcheck(
        lambda a, b, *w: torch.func.functional_call(
            fitnet, {"weights.0": w[0], "weights.1": w[1]}, ({"a": a, "b": b}, source)
        ),
        [*inputs, *fitnet.weights],
    )


# --- golden values ----------------------------------------------------------------------------


def wave(n, d, a, b, c, p):
    i, j = torch.meshgrid(torch.arange(n).double(), torch.arange(d).double(), indexing="ij")
    return torch.sin(a * i + b * j + c * i * j + p)


def golden_batch():
    return wave(8, 4, 0.9, 1.7, 0.13, 0.2).requires_grad_(), wave(8, 6, 0.5, 0.8, 0.31, 0.9)


def assert_close_to_7_digits(found, expected):
    torch.testing.assert_close(
        found.detach(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-7
    )


def test_relaxed_contrastive_golden_vector():
    """Golden vectors from running the authors' code, in float64; so are those below."""
    target, source = golden_batch()
    value = losses.relaxed_contrastive(target, source)
    value.backward()
    assert value.item() == pytest.approx(1.155044811506, abs=5e-12)
    assert_close_to_7_digits(target.grad[0], [-0.0787052, 0.0312037, 0.0179840, -0.0376136])
    w = [1, 0.2435220, 0.0653507, 0.1519020, 0.1239975, 0.0836189, 0.1515096, 0.1077514]
    assert_close_to_7_digits(losses.relaxed_labels(source)[0], w)
    d = [0, 0.9556986, 1.5264950, 1.4657791, 1.1794633, 0.7767883, 0.9459876, 1.1497880]
    assert_close_to_7_digits(losses.relative_distances(target)[0], d)


def test_relaxed_multi_similarity_golden_vector():
    target, source = golden_batch()
    value = losses.relaxed_multi_similarity(target, source)
    value.backward()
    assert value.item() == pytest.approx(2.800671239407, abs=5e-12)
    assert_close_to_7_digits(target.grad[0], [-0.0114778, 0.0171536, -0.0425671, 0.0460033])
    one_view = losses.relaxed_multi_similarity(target, source, views=1)
    assert one_view.item() == pytest.approx(2.2064080, abs=1e-7)


def test_golden_values_of_the_other_losses():
    target, source = golden_batch()
    unit = torch.nn.functional.normalize(source)
    assert losses.rkd_distance(target, source).item() == pytest.approx(0.0283737599, abs=1e-10)
    assert losses.rkd_angle(target, source).item() == pytest.approx(0.0399242610, abs=1e-10)
    assert losses.rkd_distance(target, unit).item() == pytest.approx(0.0268303, abs=1e-7)
    assert losses.rkd_angle(target, unit).item() == pytest.approx(0.0387872, abs=1e-7)
    # Their code adds 1e-7 to each length, which ours does not.
    assert losses.pkt(target, source).item() == pytest.approx(0.0294968314, abs=1e-7)
    ranking = losses.darkrank(target, source)
    assert ranking.item() == pytest.approx(7.2322829, abs=1e-7)
    labels = torch.arange(8) // 2
    unit_target = torch.nn.functional.normalize(target)
    triplet = losses.TripletLoss(0.2, "all")(unit_target, labels)
    assert (ranking + triplet).item() == pytest.approx(7.5278440, abs=1e-7)


def test_golden_values_of_attention_and_fitnet():
    a = wave(6, 16, 0.7, 1.3, 0.11, 1).view(2, 3, 4, 4)
    b = wave(10, 16, 0.3, 0.4, 0.05, 1).view(2, 5, 4, 4)
    assert losses.attention_transfer(a, b).item() == pytest.approx(0.00421999993, abs=1e-11)
    loss = losses.FitNetLoss(["s"], [3], [5]).double()
    with torch.no_grad():
        loss.weights[0].copy_(wave(5, 3, 0.7, 1.3, 0.11, 1))
    assert loss({"s": a}, {"s": b}).item() == pytest.approx(1.4598251547, abs=1e-10)


def test_slope_of_the_relaxed_contrastive_loss_with_respect_to_the_distance():
    """2/n (d - δ(1 - w)) below δ, 2/n w d above: by autograd on d, and through d to the target."""
    target, source = batch(3)
    target.requires_grad_()
    sigma, delta, n = 0.7, 1.2, len(target)
    w, d = losses.relaxed_labels(source, sigma), losses.relative_distances(target)
    assert (d < delta).any()
    assert (d > delta).any()
    slope = 2 / n * torch.where(d < delta, d - delta * (1 - w), w * d)

    leaf = d.detach().requires_grad_()
    written_on_d = (w * leaf**2 + (1 - w) * (delta - leaf).clamp_min(0) ** 2).sum() / n
    (by_autograd,) = torch.autograd.grad(written_on_d, leaf)
    torch.testing.assert_close(by_autograd, slope.detach())

    value = losses.relaxed_contrastive(target, source, sigma, delta)
    torch.testing.assert_close(value, written_on_d)
    (expected,) = torch.autograd.grad(d, target, grad_outputs=slope.detach())
    torch.testing.assert_close(torch.autograd.grad(value, target)[0], expected)


# --- invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), half=st.integers(1, 6))
def test_order_of_the_batch_does_not_matter(name, seed, half):
    """With two views, both keep their place behind one another."""
    target, source = batch(seed, n=2 * half)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(half, generator=generator)
    order = torch.cat([order + half, order])
    if "two views" not in name:
        order = torch.randperm(2 * half, generator=generator)
    loss = make(name)
    torch.testing.assert_close(
        loss(target, source), loss(target[order], source[order]), rtol=1e-9, atol=1e-10
    )


def test_rows_that_show_one_image_are_known_by_their_place():
    target, source = batch(0)
    order = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])  # views beside instead of behind one another
    loss = make("relaxed multi-similarity, two views")
    assert (loss(target, source) - loss(target[order], source[order])).abs() > 1e-3


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), t=st.floats(0.01, 100), s=st.floats(0.01, 100))
def test_scale_of_either_space_does_not_matter(name, seed, t, s):
    target, source = batch(seed)
    loss = make(name)
    expected = loss(target, source)
    torch.testing.assert_close(loss(7 * target, source), expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(loss(t * target, s * source), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_length_of_single_source_rows_matters_to_rkd_alone(name):
    """RKD takes the embeddings as they are, the others normalise the source."""
    target, source = batch(0)
    longer = source * torch.linspace(0.2, 5, 8)[:, None]
    difference = make(name)(target, source) - make(name)(target, longer)
    assert (difference.abs() > 1e-3) if name in RKD else (difference.abs() < 1e-10)


@pytest.mark.parametrize("name", [*RELAXED, *RKD])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), far=st.floats(-1e3, 1e3))
def test_moving_the_whole_target_does_not_matter_to_distances(name, seed, far):
    target, source = batch(seed)
    loss = make(name)
    torch.testing.assert_close(
        loss(target, source), loss(target + far, source), rtol=1e-7, atol=1e-8
    )


@pytest.mark.parametrize("name", CASES)
def test_rotating_either_space_does_not_matter(name):
    target, source = batch(0)
    turn_t, turn_s = (torch.linalg.qr(batch(1, n, n)[0]).Q for n in (4, 6))
    loss = make(name)
    torch.testing.assert_close(
        loss(target, source), loss(target @ turn_t, source @ turn_s), rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("name", ["rkd distance", "rkd angle", "pkt"])
def test_a_target_like_the_source_costs_nothing(name):
    _, source = batch(0)
    value = make(name)(3 * source, source)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert value < make(name)(batch(1)[0], source)


def test_no_gradient_reaches_the_source():
    target, source = batch(0)
    for name in CASES:
        s = source.clone().requires_grad_()
        make(name)(target.clone().requires_grad_(), s).backward()
        assert s.grad is None or not s.grad.any(), name
    target, source = maps(0)
    for loss in (losses.AttentionTransferLoss(STAGES), fitnet_loss()):
        leaves = {name: x.clone().requires_grad_() for name, x in source.items()}
        loss({name: x.clone().requires_grad_() for name, x in target.items()}, leaves).backward()
        assert all(x.grad is None or not x.grad.any() for x in leaves.values())
    assert not losses.relaxed_labels(batch(0)[1].requires_grad_()).requires_grad
