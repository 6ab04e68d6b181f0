"""Assignment 5, continuous labels: the figures, and the mistakes that people make in them.

The references are the library's own. The mistakes go through the queries one by one. The losses and
the batches of the same assignment are in `log_ratio`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dmlviz import evaluation, losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.course.log_ratio import CLOSED, rows
from dmlviz.geometry import normalize

K = 10  # of the sweep
Of = Callable[[Tensor], Tensor]


class Query(NamedTuple):
    """Label distances of all others to a query."""

    found: Tensor  # in the order found
    best: Tensor  # in the order of the labels
    k: int


def queries(
    x: Tensor, r: Tensor, k: int, *, own: bool = False, ties: int = -1, cosine: bool = False
) -> list[Query]:
    """Every point as a query; of equally near ones the farthest label stands first.

    Args:
        x, r, k: points, label distances, how many are looked at.
        own: a query finds itself.
        ties: 1: the nearest label first; 0: the lower number first.
        cosine: near by direction.
    """
    x = normalize(x) if cosine else x
    asked = []
    for q, d in enumerate(torch.cdist(x, x).tolist()):
        others = [i for i in range(len(x)) if own or i != q]
        others.sort(key=lambda i: (d[i], ties * r[q, i].item()))
        found = r[q, others]
        asked.append(Query(found, found.sort().values, k))
    return asked


def relevance(r: Tensor) -> Tensor:
    return 1 / (1 + r)


def discount(rank: Tensor) -> Tensor:
    return 1 / (rank + 1).log2()


def dcg(r: Tensor, k: int, gain: Of = relevance, fade: Of = discount) -> Tensor:
    """The sum over the first k of relevance by discount."""
    return (gain(r[:k]) * fade(torch.arange(1.0, len(r[:k]) + 1, dtype=r.dtype))).sum()


def _share(**formula: Of) -> Callable[[Query], Tensor]:
    return lambda q: dcg(q.found, q.k, **formula) / dcg(q.best, q.k, **formula)


RIGHT = _share()


def _ndcg(of: Callable[[Query], Tensor] = RIGHT, *, total: bool = False, **which: Any) -> Any:
    """The mean over the queries of `of(query)`, or their sum."""

    def figure(x: Tensor, r: Tensor, k: int) -> float:
        each = torch.stack([of(q) for q in queries(x, r, k, **which)])
        return float(each.sum() if total else each.mean())

    return figure


def _of_sums(x: Tensor, r: Tensor, k: int) -> float:
    """The sum of all DCGs by the sum of all ideal ones."""
    asked = queries(x, r, k)
    return float(sum(dcg(q.found, k) for q in asked) / sum(dcg(q.best, k) for q in asked))


OWN = "the query is found by itself, first of all: leave it out of its list"


def _library(x: Tensor, r: Tensor, k: int) -> float:
    return evaluation.ndcg(x, r, [k])[k]


NDCG = Exercise(
    "ndcg",
    _library,
    {
        "the farthest points stand first: sort by distance, the smallest in front": _ndcg(
            lambda q: dcg(q.found.flip(0), q.k) / dcg(q.best, q.k)
        ),
        "the ideal list holds only the k that were found, in a better order; it holds the k "
        "nearest labels of all others": _ndcg(
            lambda q: dcg(q.found, q.k) / dcg(q.found[: q.k].sort().values, q.k)
        ),
        "the ideal list begins with the farthest labels: sort it the other way": _ndcg(
            lambda q: dcg(q.found, q.k) / dcg(q.best.flip(0), q.k)
        ),
        "this is DCG: divide by that of the ideal list": _ndcg(lambda q: dcg(q.found, q.k)),
        OWN: _ndcg(lambda q: dcg(q.found, q.k) / dcg(q.best[1:], q.k), own=True),
        OWN + ", and out of the ideal one": _ndcg(own=True),
        "the relevance is 1 / (1 + r); here it is 2 to that power, minus 1, as for labels that are "
        "grades": _ndcg(_share(gain=lambda r: 2 ** relevance(r) - 1)),
        "the relevance is 1 / (1 + r); here it is exp(-r)": _ndcg(
            _share(gain=lambda r: (-r).exp())
        ),
        "the relevance is 1 / (1 + r); here it is 1 / r": _ndcg(_share(gain=lambda r: 1 / r)),
        "the relevance is 1 / (1 + r); here it is 1 - r": _ndcg(_share(gain=lambda r: 1 - r)),
        "the discount is missing: what stands at rank k is divided by log2(k + 1)": _ndcg(
            _share(fade=torch.ones_like)
        ),
        "the discount of the first rank is 1 / log2(3): ranks begin at 1, so the first is divided "
        "by log2(2) = 1": _ndcg(_share(fade=lambda rank: 1 / (rank + 2).log2())),
        "the discount is 1 / rank: it is 1 / log2(rank + 1)": _ndcg(_share(fade=torch.reciprocal)),
        "nothing is cut off: only the first k of either list count": _ndcg(
            lambda q: RIGHT(q._replace(k=len(q.found)))
        ),
        "this is the sum over the queries: nDCG is their mean": _ndcg(total=True),
        "this is the mean DCG by the mean ideal one: divide for each query, then take the mean": (
            _of_sums
        ),
        "near means near by direction (cosine); here it is the plain distance": _ndcg(cosine=True),
    },
    CLOSED,
)

TIES = Exercise(
    "ndcg",
    _library,
    {
        "of equally near points the one with the nearest label stands first: so a network that "
        "tells nothing apart would get full marks": _ndcg(ties=1),
        "equally near points stand in the order of their numbers: let the label decide, the "
        "farthest first": _ndcg(ties=0),
    },
    CLOSED,
)


def share(x: Tensor, r: Tensor) -> float:
    """The explained share: 1 for ratios that are all right, 0 for points equally far apart."""
    nothing = torch.eye(len(x), dtype=x.dtype)
    return 1 - float(losses.log_ratio(x, r) / losses.log_ratio(nothing, r))


def _spread(x: Tensor, r: Tensor, d: float = 0, l: float = 1) -> float:
    return float(2 * rows(x, r, d, l).var(dim=1).mean())


EXPLAINED = Exercise(
    "explained",
    share,
    {
        "this is the loss: compare it with that of points which are all equally far apart": (
            lambda x, r: float(losses.log_ratio(x, r))
        ),
        "this is the share that is left over: take it from 1": lambda x, r: 1 - share(x, r),
        "these are percent: 1 stands for all": lambda x, r: 100 * share(x, r),
        "the loss of points equally far apart is twice the variance of log r; here it is once": (
            lambda x, r: 1 - 2 * (1 - share(x, r))
        ),
        "where all distances are equal it is log r that varies; here it is log d": (
            lambda x, r: 1 - _spread(x, r, 1, 1) / _spread(x, r, 1, 0)
        ),
        "log r varies within the row of an anchor; this is the variance over all rows at once": (
            lambda x, r: 1 - _spread(x, r, 1, 1) / float(2 * rows(x, r, 0, 1).var())
        ),
    },
)


def _sweep(k: int = K, percent: float = 1) -> Any:
    def sweep(learn: Any, noises: Sequence[float]) -> list[dict[str, float]]:
        table = []
        for noise in noises:
            x, r, loss = learn(noise)
            row = {"noise": noise, "loss": loss, "explained": share(x, r)}
            table.append(row | {"ndcg": percent * _library(x, r, k)})
        return table

    return sweep


SWEEP = Exercise(
    "sweep",
    _sweep(),
    {
        "ndcg is nDCG@1: take the first 10": _sweep(k=1),
        "ndcg is nDCG@100: take the first 10": _sweep(k=100),
        "ndcg comes in percent: leave it between 0 and 1": _sweep(percent=100),
    },
)


def make_believe(seed: int, noises: Sequence[float]) -> Case:
    """A `learn` that trains nothing and answers at once, to try a `sweep` on."""

    def learn(noise: float) -> tuple[Tensor, Tensor, float]:
        draw = torch.Generator().manual_seed(1000 * seed + round(100 * noise))
        y, more = torch.randn(2, 120, 3, generator=draw, dtype=torch.float64)
        x = y + noise * more
        return x, torch.cdist(y, y), float(x[0, 0].abs())

    name = f"a make-believe training with noise {tuple(noises)} (seed {seed})"
    return Case(name, (learn, noises))
