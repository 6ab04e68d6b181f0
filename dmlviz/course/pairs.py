"""Assignment 1, pairs and triplets: the exercises, and the mistakes that people make in them.

The references are the library's own losses. The mistakes are written the slow and plain way, as
tables of all pairs or triplets, so that each differs from the right one in what its words say.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.evaluation import recall_at_k
from dmlviz.geometry import normalize, pairwise_distances

CLOSED = ("dmlviz.losses.pairs",)
EVERY = 5  # the share of active triplets is measured on every fifth picture


def _contrastive(wrong: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> Any:
    """A loss from `wrong(l, d, same, m)`, where l holds the right terms of all pairs i < j."""

    def loss(x: Tensor, y: Tensor, m: float) -> Tensor:
        i, j = torch.triu_indices(len(y), len(y), offset=1)
        d, same = pairwise_distances(x)[i, j], y[i] == y[j]
        return wrong(0.5 * torch.where(same, d, (m - d).relu()).square(), d, same, m)

    return loss


CONTRASTIVE = Exercise(
    "contrastive_loss",
    losses.contrastive,
    {
        "this is the sum over the pairs; the loss is their mean": _contrastive(
            lambda l, d, same, m: l.sum()
        ),
        "this is the sum over all (i, j), each pair twice; the loss is the mean": _contrastive(
            lambda l, d, same, m: 2 * l.sum()
        ),
        "the mean runs over all N² entries of the table, and N of them are points paired with "
        "themselves (self-pairs): N (N - 1) are pairs": _contrastive(
            lambda l, d, same, m: 2 * l.sum() / _points(l) ** 2
        ),
        "the factor ½ is missing": _contrastive(lambda l, d, same, m: 2 * l.mean()),
        "here the distance is squared before the margin is compared with it: the formula wants "
        "the plain distance, [m - d]₊": _contrastive(
            lambda l, d, same, m: (
                0.5 * torch.where(same, d, (m - d.square()).relu()).square()
            ).mean()
        ),
        "the pairs of two classes are not squared: ½ [m - d]₊²": _contrastive(
            lambda l, d, same, m: (0.5 * torch.where(same, d.square(), (m - d).relu())).mean()
        ),
        "[ ]₊ is missing: beyond the margin a pair costs nothing": _contrastive(
            lambda l, d, same, m: (0.5 * torch.where(same, d, m - d).square()).mean()
        ),
        "the two cases are swapped: pairs of one class are pulled, of two classes pushed": (
            _contrastive(
                lambda l, d, same, m: (0.5 * torch.where(~same, d, (m - d).relu()).square()).mean()
            )
        ),
        "the mean runs over the pairs that cost something; here it runs over all pairs": (
            _contrastive(lambda l, d, same, m: l[l > 0].mean())
        ),
        "this is the mean over one kind of pairs plus the mean over the other; the loss is one "
        "mean over all pairs": _contrastive(lambda l, d, same, m: l[same].mean() + l[~same].mean()),
    },
    CLOSED,
)


def _points(l: Tensor) -> float:
    """N, where l holds N (N - 1) / 2 pairs."""
    return (1 + (1 + 8 * len(l)) ** 0.5) / 2


class Triplets(NamedTuple):
    """All (anchor, positive, negative) of a batch, one number for each."""

    d_ap: Tensor
    d_an: Tensor
    l: Tensor  # d_ap - d_an + m, below 0 as well


def triplets(
    x: Tensor, y: Tensor, m: float, *, squared: bool = False, own: bool = False
) -> Triplets:
    """Every triplet of the batch; with `own`, a point is a positive of itself, too."""
    d = pairwise_distances(x, squared=squared)
    same = y[:, None] == y[None, :]
    positive = same if own else same & ~torch.eye(len(y), dtype=torch.bool)
    a, p, n = (positive[:, :, None] & ~same[:, None, :]).nonzero(as_tuple=True)
    return Triplets(d[a, p], d[a, n], d[a, p] - d[a, n] + m)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)


def _of_triplets(wrong: Callable[[Triplets, float], Any], **which: bool) -> Any:
    return lambda x, y, m: wrong(triplets(x, y, m, **which), m)


def _active(t: Triplets, m: float) -> Tensor:
    return _mean(t.l[t.l > 0])


def _semihard(t: Triplets, m: float) -> Tensor:
    return _mean(t.l[(t.d_an > t.d_ap) & (t.l > 0)])


OWN = "a point is taken for its own positive (self-pairs): leave the diagonal out"
SQUARED = "here the distances are squared; the formula wants plain ones, d = ‖x_i - x_j‖"

TRIPLET = Exercise(
    "triplet_loss",
    partial(losses.triplet, mining="all"),
    {
        "the mean runs over all triplets; it should run over the active ones, those with ℓ > 0": (
            _of_triplets(lambda t, m: _mean(t.l.relu()))
        ),
        "this is the sum; the loss is the mean over the active triplets": _of_triplets(
            lambda t, m: t.l.relu().sum()
        ),
        OWN: _of_triplets(_active, own=True),
        OWN + "; and let the mean run over the active triplets only": _of_triplets(
            lambda t, m: _mean(t.l.relu()), own=True
        ),
        SQUARED: _of_triplets(_active, squared=True),
        "[ ]₊ is missing: a triplet beyond the margin costs nothing, and no less": _of_triplets(
            lambda t, m: _mean(t.l)
        ),
        "the two distances are swapped: ℓ grows with d_ap and falls with d_an": _of_triplets(
            lambda t, m: _mean((2 * m - t.l)[2 * m - t.l > 0])
        ),
        "this takes the hardest triplet of each anchor only; here all of them count": partial(
            losses.triplet, mining="hardest"
        ),
    },
    CLOSED,
)

SEMIHARD = Exercise(
    "semihard_loss",
    partial(losses.triplet, mining="semihard"),
    {
        "the easy triplets are in the mean as well: semi-hard ends at d_an < d_ap + m": (
            _of_triplets(lambda t, m: _mean(t.l[t.d_an > t.d_ap].relu()))
        ),
        "the easy triplets are in the mean as well, with negative numbers: semi-hard ends at "
        "d_an < d_ap + m": _of_triplets(lambda t, m: _mean(t.l[t.d_an > t.d_ap])),
        "the hard triplets are in the mean as well: semi-hard begins at d_an > d_ap": (
            _of_triplets(_active)
        ),
        "these are the hard triplets, d_an < d_ap; semi-hard are those between d_ap and d_ap + m": (
            _of_triplets(lambda t, m: _mean(t.l[t.d_an < t.d_ap]))
        ),
        "the mean runs over all triplets; it should run over the semi-hard ones": _of_triplets(
            lambda t, m: t.l[(t.d_an > t.d_ap) & (t.l > 0)].sum() / max(len(t.l), 1)
        ),
        "this is the sum; the loss is the mean over the semi-hard triplets": _of_triplets(
            lambda t, m: t.l[(t.d_an > t.d_ap) & (t.l > 0)].sum()
        ),
        OWN: _of_triplets(_semihard, own=True),
        SQUARED: _of_triplets(_semihard, squared=True),
    },
    CLOSED,
)


def share(x: Tensor, y: Tensor, m: float) -> float:
    """The share of all triplets that are active."""
    return float(_mean((triplets(x, y, m).l > 0).double()))


ACTIVE_SHARE = Exercise(
    "active_share",
    share,
    {
        OWN: _of_triplets(lambda t, m: float(_mean((t.l > 0).double())), own=True),
        SQUARED: _of_triplets(lambda t, m: float(_mean((t.l > 0).double())), squared=True),
        "this is their number; the share lies between 0 and 1": _of_triplets(
            lambda t, m: int((t.l > 0).sum())
        ),
        "these are percent; the share lies between 0 and 1": _of_triplets(
            lambda t, m: 100 * float(_mean((t.l > 0).double()))
        ),
        "this is their share of all N³ index triples; most of these are no triplets": (
            lambda x, y, m: int((triplets(x, y, m).l > 0).sum()) / len(y) ** 3
        ),
    },
)


def _sweep(every: int = EVERY, recall_of: int = 1, percent: float = 1.0) -> Any:
    def sweep(learn: Any, margins: Sequence[float]) -> list[dict[str, float]]:
        rows = []
        for margin in margins:
            x, y, loss = learn(margin)
            recall = recall_at_k(x[::recall_of], y[::recall_of], ks=[1])[1]
            active = share(x[::every], y[::every], margin)
            row = {"margin": margin, "loss": loss, "recall": percent * recall, "active": active}
            rows.append(row)
        return rows

    return sweep


SWEEP = Exercise(
    "sweep",
    _sweep(),
    {
        "the share of active triplets is that of all pictures: take every fifth": _sweep(every=1),
        "recall is that of every fifth picture: take all of them": _sweep(recall_of=EVERY),
        "recall comes in percent: leave it between 0 and 1": _sweep(percent=100.0),
    },
)


def make_believe(seed: int, margins: Sequence[float]) -> Case:
    """A `learn` that trains nothing and answers at once, to try a `sweep` on."""

    def learn(margin: float) -> tuple[Tensor, Tensor, float]:
        draw = torch.Generator().manual_seed(1000 * seed + round(100 * margin))
        y = torch.randint(8, (100,), generator=draw)
        centers = torch.randn(8, 4, generator=draw, dtype=torch.float64)
        noise = torch.randn(100, 4, generator=draw, dtype=torch.float64)
        x = normalize(centers[y] + noise)
        return x, y, float(x[0, 0].abs())

    name = f"a make-believe training at margins {tuple(margins)} (seed {seed})"
    return Case(name, (learn, margins))
