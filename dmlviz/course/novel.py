"""Assignment 3, made-up classes: mixing them, and the mistakes that people make.

The references are the library's own functions. How samples of a class are examined is in
`clouds`, the experiment in `drawn`.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz.course import cases
from dmlviz.course.exercise import Case, Exercise
from dmlviz.geometry import normalize
from dmlviz.losses.proxies import normalized_softmax
from dmlviz.synthesis.proxy_synthesis import mixed, next_partner

CLOSED = ("dmlviz.losses.proxies", "dmlviz.synthesis.proxy_synthesis")


def _same(x: Any) -> Any:
    return x


# --- mixtures ---------------------------------------------------------------------------------


def mixtures(x: Tensor, y: Tensor, p: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """Proxy Synthesis with a given λ; a batch of one class gives nothing."""
    if bool((y == y[0]).all()):
        return x[:0], p[:0]
    novel = mixed(x, y, p, next_partner(y), lam)
    return novel.embeddings, novel.proxies


def _mixtures(
    partner: Callable[[Tensor], Tensor] = next_partner,
    before: Any = normalize,
    after: Any = normalize,
    of_x: Any = _same,
    of_p: Any = _same,
) -> Any:
    def wrong(x: Tensor, y: Tensor, p: Tensor, lam: float) -> tuple[Tensor, Tensor]:
        j, x, p, a, b = partner(y), before(x), before(p), of_x(lam), of_p(lam)
        return after(a * x + (1 - a) * x[j]), after(b * p[y] + (1 - b) * p[y[j]])

    return wrong


def _next_row(y: Tensor) -> Tensor:
    return torch.arange(len(y)).roll(-1)


def _first(y: Tensor) -> Tensor:
    return (y[:, None] != y[None, :]).int().argmax(dim=1)


MIXTURES = Exercise(
    "mixtures",
    mixtures,
    {
        "the mixtures are not of length 1: scale them again": _mixtures(after=_same),
        "the vectors are mixed as they come: scale them to length 1 first, or the longer one gets "
        "more than its share": _mixtures(before=_same),
        "an embedding and its proxy have one λ; here the proxy has 1 - λ": _mixtures(
            of_p=lambda lam: 1 - lam
        ),
        "λ and 1 - λ are swapped: λ belongs to the row itself": _mixtures(
            of_x=lambda lam: 1 - lam, of_p=lambda lam: 1 - lam
        ),
        "the partner is the next row, of whatever class: a class is mixed with itself": _mixtures(
            _next_row
        ),
        "the partner is the first row of another class; it should be the next one after row i": (
            _mixtures(_first)
        ),
        "the partner is sought upwards; it is the next row below, and after the last comes the "
        "first": _mixtures(lambda y: len(y) - 1 - next_partner(y.flip(0)).flip(0)),
    },
    CLOSED,
)


def as_loss(function: Any, *, proxies_first: bool = False) -> Any:
    """One number from what a student's `mixtures` gives, so that its gradient can be checked."""

    def loss(first: Tensor, y: Tensor, last: Tensor, lam: float) -> Tensor:
        x, p = (last, first) if proxies_first else (first, last)
        x_mixed, p_mixed = function(x, y, p, lam)
        weights = torch.arange(x_mixed.numel()).view_as(x_mixed).sin()  # any that are not equal
        return (weights * (x_mixed + 2 * p_mixed)).sum()

    return loss


def batch(seed: int, *, lam: float = 0.7, **sizes: Any) -> Case:
    """A batch with proxies, all of different lengths, and a λ."""
    case = cases.batch(seed, **sizes)
    x, y, _ = case.arguments
    draw = torch.Generator().manual_seed(seed + 1)
    x = x * (0.5 + 2 * torch.rand(len(x), 1, generator=draw, dtype=torch.float64))
    p = torch.randn(int(y.max()) + 1, x.shape[1], generator=draw, dtype=torch.float64)
    return Case(case.name.replace("m = 0.5", f"λ = {lam}"), (x, y, p, lam))


def of_one_class(seed: int) -> Case:
    """A batch whose images are all of class 1: there is nothing to mix."""
    x, y, p, lam = batch(seed, each=2).arguments
    return Case(f"{len(y)} points, all of one class (seed {seed})", (x, y * 0 + 1, p, lam))


def swapped(case: Case) -> Case:
    """The same case with the proxies in the first place, for their gradient."""
    x, y, p, lam = case.arguments
    return Case(f"{case.name}, in the proxies", (p, y, x, lam))


# --- the loss of the union --------------------------------------------------------------------


def _union(
    labels: Any = None, fold: Any = torch.mean, unit: Any = normalize, power: int = -1
) -> Any:
    """The cross-entropy of each row, folded into one number; what is given goes wrong."""

    def loss(x: Tensor, y: Tensor, p: Tensor, v: Tensor, c: Tensor, t: float) -> Tensor:
        target = torch.cat([y, y if labels else len(p) + torch.arange(len(v))])
        s = unit(torch.cat([x, v])) @ unit(torch.cat([p, c])).T
        return fold(F.cross_entropy(s * t**power, target, reduction="none"))

    return loss


def union_loss(x: Tensor, y: Tensor, p: Tensor, v: Tensor, c: Tensor, t: float) -> Tensor:
    """The normalised softmax of a batch and of novel classes with one embedding each."""
    labels = torch.cat([y, len(p) + torch.arange(len(v))])
    return normalized_softmax(torch.cat([x, v]), labels, torch.cat([p, c]), t)


UNION = Exercise(
    "union_loss",
    union_loss,
    {
        "the mixtures have the labels of the batch; each is a class of its own, C + i": _union(
            labels=True
        ),
        "this is the sum; the loss is the mean over all rows": _union(fold=torch.sum),
        "this is the mean over the images plus the mean over the mixtures; the loss is one mean": (
            _union(fold=lambda l: 2 * l.mean())
        ),
        "the mixtures are not in the mean: they are embeddings like the others": _union(
            fold=lambda l: l[: len(l) // 2].mean()
        ),
        "the softmax is one of cosines: scale embeddings and proxies to length 1": _union(
            unit=_same
        ),
        "the cosines are multiplied by T: divide": _union(power=1),
        "the real images do not see the new proxies; every row is compared with all C + N": (
            lambda x, y, p, v, c, t: (
                (
                    normalized_softmax(x, y, p, t)
                    + _union(fold=lambda l: l[len(y) :].mean())(x, y, p, v, c, t)
                )
                / 2
            )
        ),
    },
    CLOSED,
)


def union_batch(seed: int, *, temperature: float = 0.5, **sizes: Any) -> Case:
    """A batch, its proxies, mixtures of both, and a temperature."""
    case = batch(seed, **sizes)
    x, y, p, _ = case.arguments
    name = case.name.replace("λ = 0.7", f"T = {temperature}")
    return Case(name, (x, y, p, *mixtures(*case.arguments), temperature))
