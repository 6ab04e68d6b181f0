"""CRD against its naive form; what it remembers, and what it draws from memory."""

import copy

import pytest
import torch

import oracles_transfer as oracles
from dmlviz import losses

# Classes of unequal size, neither sorted nor numbered without gaps.
LABELS = torch.tensor([7, 2, 2, 9, 7, 2, 2, 5, 2, 7])


def make(labels=LABELS, **options):
    options = {"size": 6, "negatives": 4, "temperature": 0.3} | options
    return losses.CRDLoss(5, 3, labels, **options).double()


def batch(seed, indices, views=2):
    generator = torch.Generator().manual_seed(seed)
    n = len(indices) * views
    target = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    source = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return target, source, torch.tensor(indices).repeat(views)


def own_slots(indices, views=2):
    """In which slots the rows of a batch are remembered: one block of all images per view."""
    images = indices[: len(indices) // views].tolist()
    return [view * len(LABELS) + i for view in range(views) for i in images]


def watched(loss):
    """What every `_draw` of this loss returns, call by call."""
    drawn, draw = [], loss._draw

    def recording(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    loss._draw = recording
    return drawn


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("views", [1, 2, 3])
def test_value_and_gradient_of_two_steps_equal_the_naive_loops(seed, views):
    """The first step decides Z, the second uses it, and the memory that the first has written."""
    loss = make(views=views, seed=seed)
    drawn = watched(loss)
    for step in range(2):
        target, source, indices = batch(10 * step + seed, [8, 0, 3], views)
        state = {name: x.detach().clone() for name, x in loss.state_dict().items()}
        for name in state:
            if "layer" in name:
                state[name].requires_grad_()
        fast, slow = target.clone().requires_grad_(), target.clone().requires_grad_()
        value = loss(fast, source, indices)
        slots = own_slots(indices, views)
        candidates = [[own, *row] for own, row in zip(slots, drawn[-1].tolist(), strict=True)]
        expected = oracles.crd(slow, source, state, candidates, temperature=0.3)
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)

        names = [name for name, _ in loss.named_parameters()]
        gradients = torch.autograd.grad(value, [fast, *loss.parameters()])
        naive = torch.autograd.grad(expected, [slow, *(state[name] for name in names)])
        for ours, theirs in zip(gradients, naive, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)
            assert ours.abs().sum() > 0


def test_no_gradient_reaches_the_source():
    target, source, indices = batch(0, [8, 0, 3])
    loss = make()
    loss(target, source, indices)
    source.requires_grad_()
    loss(target.requires_grad_(), source, indices).backward()
    assert source.grad is None
    assert target.grad.abs().sum() > 0


def test_the_first_batch_decides_Z_for_good():
    loss = make()
    assert not loss.Z.any()
    loss(*batch(0, [8, 0, 3]))
    first = loss.Z.clone()
    assert (first > 0).all()
    loss(*batch(1, [1, 2, 5]))
    assert torch.equal(loss.Z, first)


# --- the memory -------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_step_writes_the_running_mean_into_the_own_slots_alone(momentum):
    loss = make(momentum=momentum)
    for step in range(2):
        target, source, indices = batch(step, [8, 0, 3])
        before = {side: getattr(loss, f"{side}_memory").clone() for side in ("target", "source")}
        loss(target, source, indices)
        slots = own_slots(indices)
        assert len(set(slots)) == 6
        others = [i for i in range(20) if i not in slots]
        for side, x in (("target", target), ("source", source)):
            memory = getattr(loss, f"{side}_memory")
            assert torch.equal(memory[others], before[side][others])
            v = torch.nn.functional.normalize(getattr(loss, f"{side}_layer")(x))
            mean = momentum * before[side][slots] + (1 - momentum) * v
            expected = mean / mean.norm(dim=1, keepdim=True)
            torch.testing.assert_close(memory[slots], expected)
            torch.testing.assert_close(memory[slots].norm(dim=1), torch.ones(6).double())
            assert not memory.requires_grad


def test_the_memory_starts_with_about_unit_length_and_is_saved_with_the_module():
    loss = losses.CRDLoss(5, 3, LABELS)
    assert loss.target_memory.shape == loss.source_memory.shape == (20, 128)
    assert not torch.equal(loss.target_memory, loss.source_memory)
    torch.testing.assert_close(loss.target_memory.norm(dim=1), torch.ones(20), rtol=0, atol=0.2)
    assert {"target_memory", "source_memory", "Z"} <= loss.state_dict().keys()


# --- the negatives ----------------------------------------------------------------------------


@pytest.mark.parametrize("views", [1, 2])
def test_negatives_are_of_other_classes_evenly_and_in_the_rows_view(views):
    """All images as anchors, many draws: 10 x 2000 of them per view."""
    n = len(LABELS)
    loss = make(views=views, negatives=2000)
    indices = torch.arange(n).repeat(views)
    view = torch.arange(n * views) // n
    drawn = loss._draw(indices, view)
    assert drawn.shape == (n * views, 2000)
    assert (drawn // n == view[:, None]).all()
    images = drawn % n
    assert (LABELS[images] != LABELS[indices][:, None]).all()
    for row, i in zip(images, indices, strict=True):
        others = [j for j in range(n) if LABELS[j] != LABELS[i]]
        counts = row.bincount(minlength=n)
        assert counts.nonzero().flatten().tolist() == others
        share = 2000 / len(others)
        # √share is just above a count's standard deviation; a skipped image would be 15 off.
        assert (counts[others] - share).abs().max() < 4.5 * share**0.5


def test_two_classes_of_which_one_has_a_single_image():
    loss = make(torch.tensor([3, 1, 1, 1]), views=1, negatives=50)
    drawn = loss._draw(torch.arange(4), torch.zeros(4, dtype=torch.long))
    assert (drawn[1:] == 0).all()
    assert set(drawn[0].tolist()) == {1, 2, 3}


# --- the module -------------------------------------------------------------------------------


def two_steps(loss):
    return [loss(*batch(step, [8, 0, 3])).item() for step in range(2)]


def test_the_same_seed_gives_the_same_losses_and_leaves_the_global_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, other = two_steps(make(seed=3)), two_steps(make(seed=4))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert two_steps(make(seed=3)) == first
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_linear_target_learns_to_tell_images_apart():
    """The classes' features differ in the source; the target sees a mixture of the same."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(10, 3, generator=generator)
    mixed = torch.cat([source @ torch.randn(3, 3, generator=generator), torch.zeros(10, 2)], 1)
    layer = torch.nn.Linear(5, 5)
    torch.nn.init.eye_(layer.weight)
    loss = losses.CRDLoss(5, 3, LABELS, views=1, size=8, negatives=8)
    optimizer = torch.optim.AdamW([*layer.parameters(), *loss.parameters()], lr=0.01)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(layer(mixed), source, torch.arange(10))
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert sum(values[-10:]) < 0.7 * sum(values[:10])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    target, source, indices = batch(0, [8, 0, 3])
    target, source = target.to(dtype), source.to(dtype)
    value = make().float()(target, source, indices)
    assert value.dtype == torch.float32
    expected = make().float()(target.float(), source.float(), indices)
    torch.testing.assert_close(value, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = make().float()(target.float(), source.float(), indices)
    torch.testing.assert_close(inside, expected)


def test_degenerate_features_are_finite():
    for target in (torch.zeros(6, 5), torch.ones(6, 5)):
        loss = losses.CRDLoss(5, 3, LABELS)
        with torch.no_grad():
            loss.target_layer.bias.zero_()  # so that zero features stay without a direction
        indices = torch.tensor([8, 0, 3]).repeat(2)
        loss(target, torch.zeros(6, 3), indices)
        x = target.clone().requires_grad_()
        value = loss(x, torch.zeros(6, 3), indices)
        value.backward()
        assert value.isfinite()
        assert x.grad.isfinite().all()


def test_one_image_in_a_batch_is_enough():
    assert make(views=1)(*batch(0, [4], views=1)).isfinite()


def test_hyperparameters_are_shown():
    shown = "images=10, views=2, negatives=4, temperature=0.3, momentum=0.5"
    assert shown in repr(make())


def test_a_copy_goes_its_own_way():
    loss = make()
    other = copy.deepcopy(loss)
    assert two_steps(loss) == two_steps(other)


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": torch.zeros(8, dtype=torch.long)}, "labels must hold at least 2 classes"),
        ({"labels": torch.zeros(0, dtype=torch.long)}, "labels must hold at least 2 classes"),
        ({"labels": torch.arange(4).view(2, 2)}, "labels"),
        ({"momentum": 1.0}, "momentum must be in 0…1 .1 excluded., got 1.0"),
        ({"momentum": -0.1}, "momentum must be in 0…1 .1 excluded., got -0.1"),
        ({"momentum": float("nan")}, "momentum"),
        ({"temperature": 0}, "temperature must be a positive number, got 0"),
        ({"negatives": 0}, "negatives must be a positive number, got 0"),
        ({"views": -1}, "views must be a positive number, got -1"),
        ({"size": 0}, "size must be a positive number, got 0"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        losses.CRDLoss(5, 3, **{"labels": LABELS} | options)


@pytest.mark.parametrize(
    ("indices", "shown"),
    [
        (torch.arange(3), r"shape \(4,\).*got \(3,\)"),
        (torch.arange(4).view(2, 2), r"shape \(4,\).*got \(2, 2\)"),
        (torch.tensor(1), r"shape \(4,\).*got \(\)"),
        (torch.tensor([0, 10, 0, 10]), "10"),
        (torch.tensor([0, -1, 0, -1]), "-1"),
        (torch.zeros(4), "float32"),
    ],
)
def test_bad_indices_are_named(indices, shown):
    with pytest.raises(ValueError, match=f"indices must .*{shown}"):
        make().float()(torch.ones(4, 5), torch.ones(4, 3), indices)


def test_bad_features_are_named():
    loss, indices = make(), torch.zeros(4, dtype=torch.long)
    x, y = torch.ones(4, 5).double(), torch.ones(4, 3).double()
    for target, source, message in (
        (x, y[:2], "target and source .* 4 and 2 rows"),
        (x[:0], y[:0], "target is empty"),
        (x[0], y, "target must be floats"),
        (x, y.long(), "source must be floats"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(target, source, indices)
    with pytest.raises(TypeError, match="target and source must be torch tensors"):
        loss(x.tolist(), y, indices)
    with pytest.raises(ValueError, match="in 2 views one after the other"):
        loss(x[:3], y[:3], indices[:3])  # three rows are not two views
