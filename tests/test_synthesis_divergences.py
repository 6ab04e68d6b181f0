"""Divergences: against closed forms on a line, optimal assignments, and each other."""

import itertools
import math

import pytest
import torch

from dmlviz.synthesis import energy_distance, sliced_wasserstein
from synthesis_cases import gen

BOTH = {"sliced": lambda x, y: sliced_wasserstein(x, y, generator=gen()), "energy": energy_distance}


def points(n, size=3, seed=0):
    return torch.randn(n, size, generator=gen(seed), dtype=torch.float64)


def best_assignment(x, y):
    """The mean squared distance of the best one-to-one matching, by trying all."""
    return min(
        sum((x[i] - y[j]).square().sum() for i, j in enumerate(order)) / len(x)
        for order in itertools.permutations(range(len(y)))
    )


@pytest.mark.parametrize("seed", range(3))
def test_on_a_line_sliced_wasserstein_is_the_best_assignment(seed):
    x, y = points(5, 1, seed), points(5, 1, seed + 10)
    torch.testing.assert_close(sliced_wasserstein(x, y), best_assignment(x, y))


@pytest.mark.parametrize(("n", "m"), [(2, 6), (3, 2), (4, 6), (1, 5)])
def test_sets_of_different_size_are_compared_exactly(n, m):
    """Repeat both sets to their least common multiple: the distributions stay the same."""
    x, y = points(n), points(m, seed=1)
    size = math.lcm(n, m)
    expected = BOTH["sliced"](
        x.repeat_interleave(size // n, dim=0), y.repeat_interleave(size // m, dim=0)
    )
    torch.testing.assert_close(BOTH["sliced"](x, y), expected)


def test_sliced_wasserstein_is_the_mean_over_the_directions():
    x, y = points(7), points(7, seed=1)
    theta = torch.nn.functional.normalize(torch.randn(5, 3, generator=gen(3)), dim=1).double()
    expected = sum(sliced_wasserstein(x @ t[:, None], y @ t[:, None]) for t in theta) / 5
    torch.testing.assert_close(sliced_wasserstein(x, y, 5, gen(3)), expected)


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_shift_costs_its_squared_length_over_the_dimension(size):
    x = points(6, size)
    t = points(1, size, seed=1)
    expected = t.square().sum() / size
    value = sliced_wasserstein(x, x + t, 20_000, gen())
    assert value.item() == pytest.approx(expected.item(), rel=0.05)


def naive_energy(x, y):
    def mean(a, b):
        return sum((p - q).norm() for p in a for q in b) / (len(a) * len(b))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 7), (1, 1)])
def test_energy_distance_equals_the_loops(n, m):
    x, y = points(n).requires_grad_(), points(m, seed=1)
    value, expected = energy_distance(x, y), naive_energy(x, y)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("shift", [0.5, 3.0])
def test_energy_distance_of_two_points_is_twice_their_distance(shift):
    x = torch.zeros(1, 2)
    assert energy_distance(x, x + torch.tensor([shift, 0.0])).item() == pytest.approx(2 * shift)


@pytest.mark.parametrize("name", BOTH)
def test_equal_sets_in_any_order_are_zero_apart_and_others_are_not(name):
    x = points(9)
    shuffled = x[torch.randperm(9, generator=gen())]
    assert BOTH[name](x, x).item() == pytest.approx(0, abs=1e-7)
    assert BOTH[name](x, shuffled).item() == pytest.approx(0, abs=1e-7)
    assert BOTH[name](x, x.repeat(3, 1)).item() == pytest.approx(0, abs=1e-7)
    assert BOTH[name](x, points(9, seed=1)) > 1e-2
    assert BOTH[name](x, 2 * x) > 1e-2  # the same mean, another spread


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("seed", range(5))
def test_divergences_are_symmetric_and_not_negative(name, seed):
    x, y = points(6, seed=seed), points(4, seed=seed + 50)
    torch.testing.assert_close(BOTH[name](x, y), BOTH[name](y, x))
    assert BOTH[name](x, y) >= 0
    assert BOTH[name](x.float(), x.float() + 1e-4) >= 0


@pytest.mark.parametrize("name", BOTH)
def test_gradients_are_right_and_finite_where_vectors_coincide(name):
    x, y = points(4).requires_grad_(), points(5, seed=1)
    assert torch.autograd.gradcheck(lambda x: BOTH[name](x, y), x)
    same = torch.ones(3, 2).requires_grad_()
    BOTH[name](same, torch.ones(4, 2)).backward()
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("name", BOTH)
def test_making_a_divergence_small_moves_one_set_onto_the_other(name):
    x, y = points(12, 2).requires_grad_(), 3 + 0.5 * points(12, 2, seed=1)
    optimizer = torch.optim.Adam([x], lr=0.1)
    before = best_sorted(x, y)
    for _ in range(150):
        optimizer.zero_grad()
        BOTH[name](x, y).backward()
        optimizer.step()
    assert best_sorted(x, y) < 0.01 * before


def best_sorted(x, y):
    """Mean and deviation apart: a measure that is neither of the two."""
    return ((x.mean(0) - y.mean(0)).square().sum() + (x.std(0) - y.std(0)).square().sum()).item()


def test_directions_follow_the_generator_and_else_the_global_seed():
    x, y = points(5), points(5, seed=1)
    assert sliced_wasserstein(x, y, 4, gen(0)) == sliced_wasserstein(x, y, 4, gen(0))
    assert sliced_wasserstein(x, y, 4, gen(0)) != sliced_wasserstein(x, y, 4, gen(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = sliced_wasserstein(x, y, 4)
        torch.manual_seed(0)
        assert sliced_wasserstein(x, y, 4) == first


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name, dtype):
    x, y = points(5).to(dtype), points(4, seed=1).to(dtype)
    value = BOTH[name](x, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, BOTH[name](x.float(), y.float()))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([[0.0]], points(2), TypeError, "x and y must be torch tensors"),
        (points(2), torch.zeros(0, 3), ValueError, "y is empty"),
        (torch.zeros(2), points(2), ValueError, r"x must be floats of shape \(N, D\)"),
        (points(2), torch.zeros(2, 3).long(), ValueError, "y must be floats"),
        (points(2), points(2, 4), ValueError, "vectors of one space, got dimensions 3 and 4"),
    ],
)
def test_bad_input_is_named(name, x, y, error, message):
    with pytest.raises(error, match=message):
        BOTH[name](x, y)


def test_there_is_at_least_one_direction():
    with pytest.raises(ValueError, match="projections must be a positive number, got 0"):
        sliced_wasserstein(points(2), points(2), 0)
