"""Assignment 3, made-up classes: comparing clouds of vectors, and the mistakes that people make.

Distance and spread are the library's own functions; `nearest_ratio`, a test for copies, is ours.
v are generated vectors, x real ones.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dmlviz.course.exercise import Case, Exercise
from dmlviz.geometry import normalize
from dmlviz.synthesis import spread_ratio
from dmlviz.synthesis.divergences import along

CLOSED = ("dmlviz.synthesis.divergences", "dmlviz.synthesis.diagnostics")


def _same(x: Any) -> Any:
    return x


def normal(seed: int, *shape: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


# --- the distance of two clouds ---------------------------------------------------------------


def _sliced(
    unit: Any = normalize,
    order: Any = lambda z: z.sort(dim=0).values,
    pair: Any = lambda a, b: (a.repeat_interleave(len(b), 0), b.repeat_interleave(len(a), 0)),
    cost: Any = torch.square,
    fold: Any = torch.mean,
) -> Any:
    def wrong(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
        lines = unit(directions).T
        a, b = pair(order(x @ lines), order(y @ lines))
        return fold(cost(a - b))

    return wrong


def _cut(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    n = min(len(a), len(b))
    return a[:n], b[:n]


def _interpolated(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    n = max(len(a), len(b))
    u = (torch.arange(n, dtype=a.dtype) + 0.5) / n
    return a.quantile(u, dim=0), b.quantile(u, dim=0)


SLICED = Exercise(
    "sliced_distance",
    along,
    {
        "the directions are not of length 1: scale them": _sliced(unit=_same),
        "the projections are not sorted: on a line the first goes with the first": _sliced(
            order=_same
        ),
        "sorted along the wrong axis: each column is one direction, sort with dim=0": (
            _sliced(order=lambda z: z.sort(dim=1).values)
        ),
        "here is a root too many: the mean of the squares is asked for": _sliced(
            fold=lambda z: z.mean().sqrt()
        ),
        "these are absolute differences; the formula squares them": _sliced(cost=torch.abs),
        "this is the sum over the directions, not their mean": _sliced(
            fold=lambda z: z.mean(dim=0).sum()
        ),
        "where the sets differ in size the rest of the larger one is left out": _sliced(pair=_cut),
        "each value is to be repeated in its place (repeat_interleave), not the whole column": (
            _sliced(pair=lambda a, b: (a.repeat(len(b), 1), b.repeat(len(a), 1)))
        ),
        "the quantile function is a step; torch.quantile interpolates between the values": (
            _sliced(pair=_interpolated)
        ),
    },
    CLOSED,
)


def two_clouds(
    seed: int, n: int, m: int, *, dimension: int = 4, directions: int = 8, shift: float = 0.5
) -> Case:
    """Clouds of n and m points that lie apart, and directions of any length."""
    x, y = normal(seed, n, dimension), 0.7 * normal(seed + 1000, m, dimension) + shift
    name = f"clouds of {n} and {m} points in {dimension} dimensions, {directions} directions"
    return Case(f"{name} (seed {seed})", (x, y, 2 * normal(seed + 2000, directions, dimension)))


def reordered(seed: int, n: int) -> Case:
    """A cloud, and the same in another order."""
    x, _, directions = two_clouds(seed, n, 1).arguments
    return Case(
        f"{n} points and the same ones in reverse (seed {seed})", (x, x.flip(0), directions)
    )


def on_a_line(x: Sequence[float], y: Sequence[float]) -> Case:
    """Two sets of numbers, few enough to compute by hand, and one direction of length 2."""
    a, b = (torch.tensor(z, dtype=torch.float64)[:, None] for z in (x, y))
    return Case(f"{list(x)} and {list(y)} on a line", (a, b, torch.full_like(a[:1], 2.0)))


# --- spread and copies ------------------------------------------------------------------------


def _spread(
    v: Tensor, y: Tensor, unit: Any = normalize, center: Any = None, fold: Any = None, less: int = 1
) -> Any:
    """The library's spread, class by class; what is given goes wrong."""
    v, squares, sizes = unit(v), [], []
    for c in y.unique():
        own = v[y == c]
        if len(own) > 1 or fold:
            squares.append((own - (center or _mean)(own, v)).square().sum())
            sizes.append(len(own) - less)
    s, n = torch.stack(squares), torch.tensor(sizes)
    return fold(s, n) if fold else (s / n).mean()


def _mean(own: Tensor, v: Tensor) -> Tensor:
    return own.mean(dim=0)


def _ratio(finish: Any = _same, **wrong: Any) -> Any:
    return lambda v, y, x, z: finish(_spread(v, y, **wrong) / _spread(x, z, **wrong))


SPREAD = Exercise(
    "spread_ratio",
    spread_ratio,
    {
        "the vectors are not of length 1: scale them first": _ratio(unit=_same),
        "the squares are divided by n_c; an unbiased variance divides by n_c - 1": _ratio(less=0),
        "the squares are taken around the mean of all vectors; each class has a mean of its own": (
            _ratio(center=lambda own, v: v.mean(dim=0))
        ),
        "the ratio is upside down: generated over real": _ratio(lambda r: 1 / r),
        "this is the ratio of standard deviations, here is a root too many": _ratio(torch.sqrt),
        "all vectors count alike; first comes the variance of each class, then their mean": _ratio(
            fold=lambda s, n: s.sum() / n.sum()
        ),
        "a class of one vector has no variance: leave it out instead of counting 0": _ratio(
            fold=lambda s, n: (s / n.clamp_min(1)).mean()
        ),
    },
    CLOSED,
)


def two_sets(seed: int, *, classes: int = 4, dimension: int = 5) -> Case:
    """Generated and real vectors of classes of different sizes, one of which has one vector."""
    sizes = torch.arange(classes) + 1
    y = torch.arange(classes).repeat_interleave(sizes)
    z = torch.arange(classes).repeat_interleave(sizes.flip(0) + 1)
    center = 2 * normal(seed, classes, dimension)
    v = center[y] + normal(seed + 1000, len(y), dimension)
    x = center[z] + 0.6 * normal(seed + 2000, len(z), dimension)
    name = f"{len(y)} generated and {len(z)} real vectors of {classes} classes (seed {seed})"
    return Case(name, (v, y, x, z))


def _apart(v: Tensor, x: Tensor) -> Tensor:
    return torch.cdist(v, x, compute_mode="donot_use_mm_for_euclid_dist")


def _others(x: Tensor) -> Tensor:
    """Distances among x, with infinity where a vector meets itself."""
    return _apart(x, x).masked_fill(torch.eye(len(x), dtype=torch.bool), torch.inf)


def _near(d: Tensor) -> Tensor:
    return d.amin(dim=1).mean()


def nearest_ratio(v: Tensor, x: Tensor) -> Tensor:
    """Mean distance of v to the nearest x, over that of x to the nearest other x."""
    return _near(_apart(v, x)) / _near(_others(x))


def _no_zeros(x: Tensor) -> Tensor:
    d = _apart(x, x)
    return d.masked_fill(d == 0, torch.inf)


NEAREST = Exercise(
    "nearest_ratio",
    nearest_ratio,
    {
        "each real vector is its own nearest one, at distance 0: leave the diagonal out": (
            lambda v, x: _near(_apart(v, x)) / _near(_apart(x, x))
        ),
        "two real vectors in one place are at distance 0: leave out the diagonal, not every 0": (
            lambda v, x: _near(_apart(v, x)) / _near(_no_zeros(x))
        ),
        "here the distances are squared; the plain ones are asked for": (
            lambda v, x: _near(_apart(v, x).square()) / _near(_others(x).square())
        ),
        "each real vector looks for the nearest generated one; it is the other way round": (
            lambda v, x: _near(_apart(x, v)) / _near(_others(x))
        ),
        "the ratio is upside down: generated over real": lambda v, x: 1 / nearest_ratio(v, x),
        "above the line are the distances among generated vectors; it is those to real ones": (
            lambda v, x: _near(_others(v)) / _near(_others(x))
        ),
        "this is the mean distance to all; it is that to the nearest one": (
            lambda v, x: _apart(v, x).mean() / _apart(x, x).sum() * (len(x) * (len(x) - 1))
        ),
    },
)


def with_twins(seed: int, n: int, m: int, *, dimension: int = 5) -> Case:
    """n generated and m real vectors, of which two are in one place."""
    v, x = normal(seed, n, dimension), normal(seed + 1000, m, dimension)
    x[1] = x[0]
    return Case(f"{n} generated and {m} real vectors, two of them equal (seed {seed})", (v, x))
