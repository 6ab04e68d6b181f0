"""Assignment 5, continuous labels: the losses, and the mistakes that people make in them.

The references are the library's own. The mistakes begin with a table e = log d - log r, a row for
each anchor, and go on the plain way, so that each differs from the right one in what its words say.
The figures of the same assignment are in `graded`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.geometry import pairwise_distances

CLOSED = ("dmlviz.losses.ratios", "dmlviz.evaluation.graded")
BASE_2, BASE_10 = 0.6931471805599453, 2.302585092994046  # log 2, log 10
Rows = Callable[[Tensor], Tensor]


def rows(x: Tensor, r: Tensor, d: float = 1, l: float = 1, *, own: bool = False) -> Tensor:
    """d log d_i - l log r_i for each anchor and its neighbours, `(N, N - 1)`; with `own`, a point
    is a neighbour of itself, with a 0."""
    me = torch.eye(len(x), dtype=torch.bool)
    e = d * pairwise_distances(x).masked_fill(me, 1).log() - l * r.masked_fill(me, 1).log()
    return e if own else e[~me].view(len(x), -1)


def twice_variance(e: Tensor) -> Tensor:
    """The log-ratio loss: the mean over anchors of the mean of (e_i - e_j)² over pairs i < j."""
    return 2 * e.var(dim=1).mean()


def _dense(wrong: Rows = twice_variance, *powers: float, own: bool = False) -> Any:
    return lambda x, r: wrong(rows(x, r, *powers, own=own))


def _pairs(e: Tensor) -> Tensor:
    """All e_i - e_j of each anchor, `(N, m, m)`."""
    return e[:, :, None] - e[:, None, :]


def _quotients(x: Tensor, r: Tensor) -> Tensor:
    """The loss without a logarithm."""
    m = len(x) - 1
    ratios = rows(x, r, 1, 0).exp(), rows(x, r, 0, -1).exp()
    d, l = (v[:, :, None] / v[:, None, :] for v in ratios)
    return (d - l).square().sum() / (len(x) * m * (m - 1))


LOG_RATIO = Exercise(
    "log_ratio_loss",
    losses.log_ratio,
    {
        "the distances of the points are squared, those of the labels are not: that asks for d² in "
        "proportion to r. Take both plain": _dense(twice_variance, 2, 1),
        "the distances of the labels are squared, those of the points are not: that asks for d in "
        "proportion to r². Take both plain": _dense(twice_variance, 1, 2),
        "both distances are squared, which makes the loss four times as large: take both plain": (
            _dense(twice_variance, 2, 2)
        ),
        "the labels play no part: log r is missing": _dense(twice_variance, 1, 0),
        "log r is added: it is subtracted": _dense(twice_variance, 1, -1),
        "this is the variance; the mean of (e_i - e_j)² over the pairs is twice as much": _dense(
            lambda e: e.var(dim=1).mean()
        ),
        "the pairs with i = j are counted: they are 0, but the mean runs over m² pairs instead of "
        "m (m - 1) (a variance that divides by m, and not by m - 1, does that)": _dense(
            lambda e: 2 * e.var(dim=1, correction=0).mean()
        ),
        "the anchor is counted as a neighbour of its own: leave the diagonal out": _dense(own=True),
        "the anchor is counted as a neighbour of its own, and pairs with i = j are counted: leave "
        "the diagonal out first": _dense(lambda e: 2 * e.var(dim=1, correction=0).mean(), own=True),
        "this is the sum over the pairs of an anchor; the loss is their mean": _dense(
            lambda e: _pairs(e).square().sum(dim=(1, 2)).mean() / 2
        ),
        "this is the sum over all (i, j) of an anchor, each pair twice; the loss is the mean": (
            _dense(lambda e: _pairs(e).square().sum(dim=(1, 2)).mean())
        ),
        "this is the sum over the anchors; the loss is their mean": _dense(
            lambda e: 2 * e.var(dim=1).sum()
        ),
        "this is one variance over all (a, i) of the batch: i and j belong to the same anchor, so "
        "take the variance of each row, then the mean": _dense(lambda e: 2 * e.var()),
        "this is a standard deviation: the differences are squared, and no root is taken": _dense(
            lambda e: 2 * e.std(dim=1).mean()
        ),
        "the differences are not squared": _dense(
            lambda e: (_pairs(e).abs().sum(dim=(1, 2)) / (e.shape[1] * (e.shape[1] - 1))).mean()
        ),
        "the logarithm is to base 2: take the natural one": _dense(
            lambda e: twice_variance(e / BASE_2)
        ),
        "the logarithm is to base 10: take the natural one": _dense(
            lambda e: twice_variance(e / BASE_10)
        ),
        "there is no logarithm: the difference is that of log ratios": _quotients,
    },
    CLOSED,
)


def across(near: Tensor, far: Tensor) -> Tensor:
    """The near-far loss: the mean of (e_i - e_j)² over i near and j far."""
    return (near[:, :, None] - far[:, None, :]).square().mean()


def _near_far(
    wrong: Callable[[Tensor, Tensor], Tensor] = across, key: str = "r", more: int = 0, d: int = 1
) -> Any:
    """A loss from `wrong(near, far)`, the first k + `more` by `key` and the rest of each row."""

    def loss(x: Tensor, r: Tensor, k: int) -> Tensor:
        by = {"r": rows(x, r, 0, -1), "-r": rows(x, r, 0, 1), "d": rows(x, r, 1, 0)}[key]
        e = rows(x, r, d, 1).gather(1, by.argsort(dim=1))
        return wrong(e[:, : k + more], e[:, k + more :])

    return loss


def within(near: Tensor, far: Tensor, correction: int = 0) -> Tensor:
    """The variances of the two groups."""
    of_near, of_far = (e.var(dim=1, correction=correction).mean() for e in (near, far))
    return of_near + of_far


def between(near: Tensor, far: Tensor) -> Tensor:
    """How far their means are apart, squared; `across` is the sum of both."""
    return (near.mean(dim=1) - far.mean(dim=1)).square().mean()


NEAR_FAR = Exercise(
    "near_far_loss",
    lambda x, r, k: losses.log_ratio(x, r, positives=k),
    {
        "these are all pairs of neighbours; only those of a near and a far one count": _near_far(
            lambda near, far: twice_variance(torch.cat([near, far], dim=1))
        ),
        "this is the difference of the two means alone: how either group scatters counts, too": (
            _near_far(between)
        ),
        "these are the two variances alone: how far the means are apart counts, too": _near_far(
            within
        ),
        "the variances divide by one less than there are neighbours; every pair of a near and a "
        "far one counts once, so divide by their number (correction=0)": _near_far(
            lambda near, far: within(near, far, correction=1) + between(near, far)
        ),
        "the product is missing when the square is expanded: e_i² - 2 e_i e_j + e_j²": _near_far(
            lambda near, far: near.square().mean() + far.square().mean()
        ),
        "j runs over all neighbours; it runs over the far ones": _near_far(
            lambda near, far: across(near, torch.cat([near, far], dim=1))
        ),
        "near means near by label; these are the nearest points": _near_far(key="d"),
        "these are the k farthest by label: sort the other way": _near_far(key="-r"),
        "only k - 1 are near: the anchor is one of its own k nearest": _near_far(more=-1),
        "k + 1 are near: one too many": _near_far(more=1),
        "this is the sum over the pairs of an anchor; the loss is their mean": _near_far(
            lambda near, far: across(near, far) * near.shape[1] * far.shape[1]
        ),
        "the distances of the points are squared, those of the labels are not: take both plain": (
            _near_far(d=2)
        ),
    },
    CLOSED,
)


# --- batches ----------------------------------------------------------------------------------


def batch(
    seed: int, *, n: int | None = None, dimension: int | None = None, k: int | None = None
) -> Case:
    """Random points of any length, and the label distances between them; a k where it is asked for.

    Sizes that are not given come from the seed, too: 7 to 12 points in 2 to 8 dimensions.

    >>> batch(0, n=5, dimension=3, k=2).name
    '5 points in 3 dimensions, k = 2 (seed 0)'
    """
    draw = torch.Generator().manual_seed(seed)
    drawn = [int(torch.randint(low, high, (), generator=draw)) for low, high in ((7, 13), (2, 9))]
    n, dimension = n or drawn[0], dimension or drawn[1]
    x = 3 * torch.randn(n, dimension, generator=draw, dtype=torch.float64)
    labels = torch.randn(n, 2, generator=draw, dtype=torch.float64)
    return _case(f"{n} points in {dimension} dimensions", x, labels, k, f" (seed {seed})")


def line(places: Sequence[float], labels: Sequence[float], *, k: int | None = None) -> Case:
    """Points on a line whose labels are numbers, few enough to compute by hand.

    >>> line([0, 1, 3], [0, 1, 2]).name
    'points at [0, 1, 3] on a line, labels [0, 1, 2]'
    """
    x, y = (torch.tensor(v, dtype=torch.float64)[:, None] for v in (places, labels))
    return _case(f"points at {list(places)} on a line, labels {list(labels)}", x, y, k)


def twice(seed: int, what: str, *, k: int | None = None) -> Case:
    """Points that are there twice, with two labels; or labels that are there twice.

    Args:
        seed: of the points.
        what: "points" or "labels".
        k: see `batch`.
    """
    draw = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(8, size, generator=draw, dtype=torch.float64) for size in (3, 2))
    if what == "points":
        x[4:] = x[:4]
    else:
        y[4:] = y[:4]
    return _case(
        f"8 points in 3 dimensions, {what} of which are there twice", x, y, k, f" (seed {seed})"
    )


def collapsed(seed: int, *, k: int | None = None) -> Case:
    """All points in one place."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randn(7, 2, generator=draw, dtype=torch.float64)
    return _case("7 points in one place", torch.ones_like(labels), labels, k, f" (seed {seed})")


def _case(name: str, x: Tensor, y: Tensor, k: int | None, end: str = "") -> Case:
    rest = (torch.cdist(y, y), *(() if k is None else (k,)))
    return Case(name + (f", k = {k}" if k is not None else "") + end, (x, *rest))
