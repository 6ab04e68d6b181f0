"""Assignment 2, Proxy-Anchor: the loss, batches to try it on, and the mistakes that people make.

The reference is the library's own loss. The mistakes are its formula written plainly, each with one
thing in it changed. Gradients are in `proxy_gradients`, the experiment in `wrong_labels`.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.geometry import cosine_similarity, normalize

CLOSED = ("dmlviz.losses.proxies",)
SIZES = ((5, 9), (3, 5), (2, 6))  # images, classes in the batch, dimensions


def batch(
    seed: int,
    *,
    images: int | None = None,
    classes: int | None = None,
    absent: int = 2,
    dimension: int | None = None,
    delta: float = 0.1,
    alpha: float = 4.0,
) -> Case:
    """Random embeddings and proxies of random lengths, labels, δ and α.

    Sizes that are not given come from the seed: 5 to 9 images of 3 to 5 classes, in 2 to 6
    dimensions.

    Args:
        seed: of the draw.
        images: N.
        classes: that occur in the batch, |P⁺|.
        absent: further classes, which have a proxy and no image in the batch.
        dimension: D.
        delta: δ.
        alpha: α.
    """
    draw = torch.Generator().manual_seed(seed)
    drawn = [int(torch.randint(low, high + 1, (), generator=draw)) for low, high in SIZES]
    sizes = zip((images, classes, dimension), drawn, strict=True)
    n, classes, dimension = (d if given is None else given for given, d in sizes)
    c = classes + absent
    rows = torch.randn(n + c, dimension, generator=draw, dtype=torch.float64)
    lengths = 0.5 + 2 * torch.rand(n + c, 1, generator=draw, dtype=torch.float64)
    x, p = (normalize(rows) * lengths).split([n, c])
    y = torch.randperm(c, generator=draw)[torch.arange(n) % classes]
    name = f"{n} images of {classes} classes, {c} proxies, δ = {delta}, α = {alpha:g} (seed {seed})"
    return Case(name, (x, y, p, delta, alpha))


def proxies_first(case: Case) -> Case:
    """The same batch for a function of the proxies: a gradient is that of the first argument."""
    x, y, p, delta, alpha = case.arguments
    return Case(case.name, (p, x, y, delta, alpha))


def by_hand() -> Case:
    """Two images of class 0, at s = 1 and s = 0 to its proxy, at 0 and 1 to another."""
    x = torch.tensor([[3.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    p = torch.tensor([[1.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    name = "two images of class 0, two proxies, δ = 0, α = log 2"
    return Case(name, (x, torch.tensor([0, 0]), p, 0.0, math.log(2)))


def parts(positive: Tensor) -> tuple[Any, Any]:
    """|P⁺| and |P|."""
    return positive.any(dim=0).sum(), positive.shape[1]


def _anchor(
    change: Callable[[Tensor], Tensor] = lambda h: 1 + h,
    *,
    points: Callable[[Tensor], Tensor] = normalize,
    proxies: Callable[[Tensor], Tensor] = normalize,
    pull: Callable[[Tensor, float, float], Tensor] = lambda s, d, a: -a * (s - d),
    push: Callable[[Tensor, float, float], Tensor] = lambda s, d, a: a * (s + d),
    negatives: Callable[[Tensor], Tensor] = torch.logical_not,
    divide: Callable[[Tensor], tuple[Any, Any]] = parts,
    join: Callable[[Tensor], Tensor] = lambda h: h.sum(dim=0),
    factor: Callable[[float], float] = lambda alpha: 1.0,
    masked: float = 0,
    empty: tuple[float, float] = (1, 1),
) -> Any:
    """The plain loss, `log(change(join(e^z)))` of each proxy, with one part of it replaced.

    `masked` stands for the e^z that should not count, `empty` for an empty sum without its "1 +"
    in the logarithms of the two parts: log 1 leaves it out.
    """

    def loss(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
        s = points(x) @ proxies(p).T
        positive = F.one_hot(y, len(p)).bool()
        present, everything = divide(positive)
        h_pull = torch.where(positive, pull(s, delta, alpha).exp(), masked)
        h_push = torch.where(negatives(positive), push(s, delta, alpha).exp(), masked)
        sums = zip(map(change, map(join, (h_pull, h_push))), empty, strict=True)
        pulled, pushed = (torch.where(v > 0, v, instead).log().sum() for v, instead in sums)
        return factor(alpha) * (pulled / present + pushed / everything)

    return loss


def _each_image(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
    s = cosine_similarity(x, p)
    positive = F.one_hot(y, len(p)).bool()
    pull = (1 + torch.where(positive, (-alpha * (s - delta)).exp(), 0).sum(dim=1)).log()
    push = (1 + torch.where(positive, 0, (alpha * (s + delta)).exp()).sum(dim=1)).log()
    return (pull + push).mean()


def _as_given(x: Tensor) -> Tensor:
    return x


PROXY_ANCHOR = Exercise(
    "proxy_anchor",
    losses.proxy_anchor,
    {
        "the embeddings are not scaled to length 1: s is a cosine": _anchor(points=_as_given),
        "the proxies are not scaled to length 1: s is a cosine": _anchor(proxies=_as_given),
        "neither embeddings nor proxies are scaled to length 1: s is a cosine": _anchor(
            points=_as_given, proxies=_as_given
        ),
        "the first part is divided by |P|, all proxies; it wants |P⁺|, those with an image in the "
        "batch": _anchor(divide=lambda positive: (parts(positive)[1],) * 2),
        "the second part is divided by |P⁺|; it wants |P|, all proxies": _anchor(
            divide=lambda positive: (parts(positive)[0],) * 2
        ),
        "both parts are sums; each is a mean, by 1/|P⁺| and by 1/|P|": _anchor(
            divide=lambda positive: (1, 1)
        ),
        "the “1 +” in the logarithms is missing": _anchor(lambda h: h),
        "the “1 +” in the logarithms is missing, and log 0 is minus infinity where a proxy has no "
        "positives": _anchor(lambda h: h, empty=(0, 0)),
        "the “1 +” in the logarithms is missing, and log 0 is minus infinity where a proxy has no "
        "negatives": _anchor(lambda h: h, empty=(1, 0)),
        "δ has the wrong sign in both exponents: -α (s - δ) and α (s + δ)": _anchor(
            pull=lambda s, d, a: -a * (s + d), push=lambda s, d, a: a * (s - d)
        ),
        "δ has the wrong sign in the first exponent: -α (s - δ)": _anchor(
            pull=lambda s, d, a: -a * (s + d)
        ),
        "δ has the wrong sign in the second exponent: α (s + δ)": _anchor(
            push=lambda s, d, a: a * (s - d)
        ),
        "α multiplies s only; it multiplies δ as well: -α (s - δ) and α (s + δ)": _anchor(
            pull=lambda s, d, a: -a * s + d, push=lambda s, d, a: a * s + d
        ),
        "α is missing, or a factor outside the logarithms was taken for it: it stands in the "
        "exponents": _anchor(pull=lambda s, d, a: d - s, push=lambda s, d, a: s + d),
        "α stands outside the logarithms; it belongs into the exponents": _anchor(
            pull=lambda s, d, a: d - s, push=lambda s, d, a: s + d, factor=lambda alpha: alpha
        ),
        "the two parts are swapped: images of another class are pulled, its own are pushed": (
            _anchor(pull=lambda s, d, a: a * (s - d), push=lambda s, d, a: -a * (s + d))
        ),
        "in the second part every image counts; X_p⁻ are those of the other classes only": (
            _anchor(negatives=torch.ones_like)
        ),
        "the sum over the images stands outside the logarithm; it belongs inside, so that they "
        "share one pull": _anchor(join=lambda h: h),
        "inside the logarithms stand means over the batch; they are sums": _anchor(
            join=lambda h: h.mean(dim=0)
        ),
        "the sums run over the proxies of an image, dim=1 (the wrong axis); they run over the "
        "images of a proxy, dim=0": _anchor(join=lambda h: h.sum(dim=1)),
        "the mask stands inside the exponential: e⁰ = 1 is counted for every image that should not "
        "count": _anchor(masked=1),
        "this sums over the proxies for each image (the wrong axis): each proxy sums over the "
        "images of the batch": _each_image,
    },
    CLOSED,
)
OVERFLOW = (
    "e^z overflows to infinity where z is large: torch.logsumexp computes the logarithm of a sum "
    "of exponentials without it, and the 1 is one more term, e⁰"
)
LARGE_ALPHA = replace(PROXY_ANCHOR, mistakes={OVERFLOW: _anchor()}, nan=OVERFLOW)
OF_PROXIES = Exercise(
    "proxy_anchor of the proxies",
    lambda p, x, y, delta, alpha: losses.proxy_anchor(x, y, p, delta, alpha),
    closed=CLOSED,
)
