"""Assignment 4, relaxed contrastive: the exercises, and the mistakes that people make in them.

The references are the library's own. A mistake changes one part of the plain form: the labels w,
the distances d, what a pair costs, or how the pairs are summed up. The experiment's exercises are
in `transfer_sweep`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.geometry import normalize, pairwise_distances

CLOSED = ("dmlviz.losses.relaxed",)
SIZES = ((6, 11), (2, 5), (2, 5))  # images, dimensions of target and source


def _labels(weigh: Callable[[Tensor, float], Tensor], *, unit: bool = True) -> Any:
    """Labels `weigh(‖·‖², σ)`; without `unit` the source is as long as it comes."""
    return lambda source, sigma: weigh(
        pairwise_distances(normalize(source) if unit else source, squared=True), sigma
    )


UNLIKE = "this is 1 - w: the label of two like images is near 1"

LABELS = Exercise(
    "relaxed_labels",
    losses.relaxed_labels,
    {
        "the distance is not squared: the exponent is -‖f_i - f_j‖² / σ": _labels(
            lambda s, sigma: torch.exp(-s.sqrt() / sigma)
        ),
        "σ is squared here; the exponent is -‖·‖² / σ": _labels(
            lambda s, sigma: torch.exp(-s / sigma**2)
        ),
        "this is the Gaussian with 2σ²; the exponent is -‖·‖² / σ": _labels(
            lambda s, sigma: torch.exp(-s / (2 * sigma**2))
        ),
        "the exponent is half of what it should be: ‖f_i - f_j‖² is 2 - 2 cos, not 1 - cos": (
            _labels(lambda s, sigma: torch.exp(-s / (2 * sigma)))
        ),
        "σ multiplies; it should divide: the larger σ, the larger the labels": _labels(
            lambda s, sigma: torch.exp(-s * sigma)
        ),
        "the minus sign is missing: labels fall with the distance": _labels(
            lambda s, sigma: torch.exp(s / sigma)
        ),
        "the source has to be scaled to length 1 first, row by row": _labels(
            lambda s, sigma: torch.exp(-s / sigma), unit=False
        ),
        UNLIKE: _labels(lambda s, sigma: 1 - torch.exp(-s / sigma)),
        "rows that sum to 1 are a softmax: each label stands by itself here": _labels(
            lambda s, sigma: torch.softmax(-s / sigma, dim=1)
        ),
        "the diagonal was set to 0: an image is the same as itself, its label is 1": _labels(
            lambda s, sigma: torch.exp(-s / sigma).fill_diagonal_(0)
        ),
    },
    CLOSED,
)


def _relative(mean: Callable[[Tensor], Tensor | float], measure: Any = pairwise_distances) -> Any:
    return lambda target: measure(target) / mean(measure(target))


COLUMN = (
    "entry (i, j) is divided by the mean of row j here; it wants that of row i: means of the shape "
    "(n, 1), by keepdim=True"
)

DISTANCES = Exercise(
    "relative_distances",
    losses.relative_distances,
    {
        COLUMN: _relative(lambda d: d.mean(dim=0)),
        "the mean leaves out the image itself; here it has all n terms, the 0 as well": (
            _relative(lambda d: d.sum(dim=1, keepdim=True) / (len(d) - 1))
        ),
        "this is divided by one mean, that of the whole table; each row has its own": _relative(
            lambda d: d.mean()
        ),
        "this is divided by one mean, that of all pairs i ≠ j, as RKD does; each row has its own": (
            _relative(lambda d: d.sum() / (len(d) * (len(d) - 1)))
        ),
        "this is divided by the sum of the row, not its mean": _relative(
            lambda d: d.sum(dim=1, keepdim=True)
        ),
        "this is divided by the largest of the row, not its mean": _relative(
            lambda d: d.amax(dim=1, keepdim=True)
        ),
        "the distances are squared; here they are plain": _relative(
            lambda d: d.mean(dim=1, keepdim=True), lambda x: pairwise_distances(x, squared=True)
        ),
        "the target was scaled to length 1; it may have any length": _relative(
            lambda d: d.mean(dim=1, keepdim=True), lambda x: pairwise_distances(normalize(x))
        ),
        "these are plain distances: divide each row by its mean": _relative(lambda d: 1.0),
    },
    CLOSED,
)


# Mistakes in w and d are mistakes in the loss, but for two: 1 - w is the loss with its two terms
# swapped, and the means of columns give the same loss, as w_ij = w_ji: there d_ij becomes d_ji.
PARTS = {"labels": (LABELS, UNLIKE), "distances": (DISTANCES, COLUMN)}


def _loss(
    cost: Any = lambda w, d, delta: w * d**2 + (1 - w) * (delta - d).relu() ** 2,
    *,
    total: Callable[[Tensor], Tensor] = lambda pairs: pairs.sum() / len(pairs),
    labels: Any = losses.relaxed_labels,
    distances: Any = losses.relative_distances,
) -> Any:
    return lambda target, source, sigma, delta: total(
        cost(labels(source, sigma), distances(target), delta)
    )


LOSS = Exercise(
    "relaxed_contrastive",
    losses.relaxed_contrastive,
    {
        "this is the mean over all n² entries; the sum is divided by n": _loss(total=torch.mean),
        "this is the mean over the pairs i ≠ j; the sum is divided by n": _loss(
            total=lambda pairs: pairs.sum() / (len(pairs) * (len(pairs) - 1))
        ),
        "this is the sum; it has to be divided by n": _loss(total=torch.sum),
        "only the pairs i < j are in the sum; d_ij and d_ji differ, and both count": _loss(
            total=lambda pairs: pairs.triu().sum() / len(pairs)
        ),
        "w and 1 - w are swapped: w pulls, 1 - w pushes": _loss(
            lambda w, d, delta: (1 - w) * d**2 + w * (delta - d).relu() ** 2
        ),
        "[ ]₊ is missing: beyond δ nothing pushes": _loss(
            lambda w, d, delta: w * d**2 + (1 - w) * (delta - d) ** 2
        ),
        "[δ - d]₊ became [d - δ]₊: what is nearer than δ is pushed": _loss(
            lambda w, d, delta: w * d**2 + (1 - w) * (d - delta).relu() ** 2
        ),
        "[δ - d]₊ is not squared": _loss(
            lambda w, d, delta: w * d**2 + (1 - w) * (delta - d).relu()
        ),
        "the distance of the first term is not squared: w d²": _loss(
            lambda w, d, delta: w * d + (1 - w) * (delta - d).relu() ** 2
        ),
        "δ is compared with d²; [δ - d]₊ wants the plain distance": _loss(
            lambda w, d, delta: w * d**2 + (1 - w) * (delta - d**2).relu() ** 2
        ),
    }
    | {
        words: _loss(**{part: wrong})
        for part, (exercise, but) in PARTS.items()
        for words, wrong in exercise.mistakes.items()
        if words != but
    },
    CLOSED,
)


def squares(table: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The sum of the squares of a table: one number, to take a gradient of."""
    return lambda target: table(target).square().sum()


def reaches_source(loss: Callable[..., Tensor]) -> Callable[..., float]:
    """Whether a loss hands a gradient to the source: 1 if so, 0 if not."""

    def reached(target: Tensor, source: Tensor, sigma: float, delta: float) -> float:
        target, source = (x.detach().clone().requires_grad_() for x in (target, source))
        value = loss(target, source, sigma, delta)
        (gradient,) = torch.autograd.grad(value, source, allow_unused=True)
        return float(gradient is not None and bool(gradient.any()))

    return reached


TO_SOURCE = Exercise(
    "relaxed_contrastive, whether a gradient reaches the source",
    reaches_source(losses.relaxed_contrastive),
    {
        "the source is frozen, and its labels are constants: use source.detach(), or make them "
        "under torch.no_grad()": reaches_source(_loss(labels=_labels(lambda s, sigma: (-s).exp()))),
    },
    CLOSED,
)


def batch(seed: int, n: int | None = None, *, sigma: float = 0.7, delta: float = 1.2) -> Case:
    """A target and a source of any lengths, in two dimensions of their own."""
    draw = torch.Generator().manual_seed(seed)
    drawn = [int(torch.randint(low, high, (), generator=draw)) for low, high in SIZES]
    n, d, e = drawn if n is None else (n, *drawn[1:])
    shift = 3 * torch.rand(2, generator=draw, dtype=torch.float64)
    target = shift[0] + torch.randn(n, d, generator=draw, dtype=torch.float64)
    source = shift[1] + torch.randn(n, e, generator=draw, dtype=torch.float64)
    name = f"{n} images, {d} and {e} dimensions, σ = {sigma}, δ = {delta} (seed {seed})"
    return Case(name, (target, source, sigma, delta))


def source_of(case: Case) -> Case:
    """For `relaxed_labels`."""
    return Case(f"source of {case.name}", case.arguments[1:3])


def target_of(case: Case) -> Case:
    """For `relative_distances`."""
    return Case(f"target of {case.name}", case.arguments[:1])


def two_images() -> Case:
    """By hand: d = 3 / 1.5 = 2 and w = e^-2 for both pairs, so the loss is 4 e^-2 = 0.541."""
    target = torch.tensor([[0.0], [3.0]], dtype=torch.float64)
    source = torch.tensor([[2.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    return Case("two images, targets 0 and 3, sources at a right angle", (target, source, 1.0, 1.0))


def odd(seed: int) -> list[Case]:
    """At the edge: one image, then places shared in the target by two, by all, in the source."""
    target, source, *numbers = batch(seed, n=8).arguments
    halves = torch.cat([target[:4], target[:4]])
    tried = {
        "a batch of one image": (target[:1], source[:1]),
        "8 images, which the target maps to 4 places": (halves, source),
        "8 images, which the target maps to one place": (torch.ones_like(target), source),
        "8 images, which the source maps to one place": (target, torch.ones_like(source)),
    }
    return [Case(f"{name} (seed {seed})", (*two, *numbers)) for name, two in tried.items()]
