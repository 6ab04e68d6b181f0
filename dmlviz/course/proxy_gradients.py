"""Assignment 2, the gradient of Proxy-Anchor by hand, and the mistakes that people make in it.

The references are eq. 6 of the paper and autograd on the library's loss; the tests check that they
agree. The mistakes are the plain formulas, each with one thing in it changed. What comes later in
the assignment is asked with a right `similarity_gradient`, `lent`: no mistake counts twice.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from inspect import unwrap
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise, Function
from dmlviz.course.proxy_anchor import CLOSED, parts
from dmlviz.geometry import cosine_similarity, normalize


def similarities(case: Case) -> Case:
    """The same batch for a function of the similarities s `(N, C)` instead of the vectors."""
    x, y, p, delta, alpha = case.arguments
    return Case(case.name, (cosine_similarity(x, p), y, delta, alpha))


def no_autograd(function: Function) -> Function:
    """The same function where autograd records nothing: it has to know the derivative itself."""

    @wraps(function)
    def by_hand(*arguments: Any) -> Any:
        try:
            with torch.inference_mode():
                return function(*arguments)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            raise RuntimeError("autograd is off here: write the derivative by hand") from error

    return by_hand


def lent(function: Function, **others: Function) -> Function:
    """The same function where `similarity_gradient`, and `others`, of its notebook are right ones.

    A slip in a function that an earlier check has asked for costs nothing in a later one.
    """
    right = {"similarity_gradient": similarity_gradient, **others}

    @wraps(function)
    def with_right_ones(*arguments: Any) -> Any:
        names = getattr(unwrap(function), "__globals__", {})
        own = {name: names[name] for name in right if name in names}
        names.update(right)
        try:
            return function(*arguments)
        finally:
            for name in right:
                names.pop(name, None)
            names.update(own)

    return with_right_ones


def similarity_gradient(s: Tensor, y: Tensor, delta: float, alpha: float) -> Tensor:
    """∂ℓ/∂s(x, p), eq. 6: each h / (1 + Σh) is a softmax with one more term, e⁰."""
    positive = F.one_hot(y, s.shape[1]).bool()
    present, everything = parts(positive)
    pull = _shares((-alpha * (s - delta)).masked_fill(~positive, -torch.inf))
    push = _shares((alpha * (s + delta)).masked_fill(positive, -torch.inf))
    return alpha * (push / everything - pull / present)


def _shares(z: Tensor) -> Tensor:
    return torch.cat([z.new_zeros(1, z.shape[1]), z]).softmax(dim=0)[1:]


def _slope(
    wrong: Callable[..., Any] = lambda pull, push, a, present, c: a * (push / c - pull / present),
    *,
    below: Callable[[Tensor], Tensor] = lambda h: 1 + h.sum(dim=0),
    sign: int = 1,
    empty: float = 0,
) -> Any:
    """The plain gradient, `wrong(h⁺ / below(h⁺), h⁻ / below(h⁻), α, |P⁺|, |P|)`.

    `empty` stands for 0/0: what an empty sum divides.
    """

    def gradient(s: Tensor, y: Tensor, delta: float, alpha: float) -> Tensor:
        positive = F.one_hot(y, s.shape[1]).bool()
        h_pull = torch.where(positive, (-alpha * (s - sign * delta)).exp(), 0)
        h_push = torch.where(positive, 0, (alpha * (s + sign * delta)).exp())
        shares = ((h, below(h)) for h in (h_pull, h_push))
        pull, push = (torch.where((h > 0) | (b > 0), h / b, empty) for h, b in shares)
        result: Tensor = wrong(pull, push, alpha, *parts(positive))
        return result

    return gradient


WITH_AUTOGRAD = "compare in a cell of your own with torch.autograd.grad of your loss"

GRADIENT = Exercise(
    "similarity_gradient",
    similarity_gradient,
    {
        "this is the force, minus the gradient: the loss falls where a positive comes nearer, so "
        "its entry is negative": _slope(lambda l, g, a, present, c: a * (l / present - g / c)),
        "every entry is negative; a negative image costs more as it comes nearer, so its entry is "
        "positive": _slope(lambda l, g, a, present, c: -a * (l / present + g / c)),
        "every entry is positive; a positive image costs less as it comes nearer, so its entry is "
        "negative": _slope(lambda l, g, a, present, c: a * (l / present + g / c)),
        "the inner derivative is missing: α stands before s in the exponent": _slope(
            lambda l, g, a, present, c: g / c - l / present
        ),
        "1/|P⁺| and 1/|P| are missing": _slope(lambda l, g, a, present, c: a * (g - l)),
        "the positives are divided by |P|; they want |P⁺|": _slope(
            lambda l, g, a, present, c: a * (g - l) / c
        ),
        "the negatives are divided by |P⁺|; they want |P|": _slope(
            lambda l, g, a, present, c: a * (g - l) / present
        ),
        "the entries of the negatives are 0: the second part of the loss has a gradient, too": (
            _slope(lambda l, g, a, present, c: -a * l / present)
        ),
        "this divides by N, the images of the batch; the positives want |P⁺|, the negatives |P|": (
            _slope(lambda l, g, a, present, c: a * (g - l) / len(l))
        ),
        "this is divided by N as well, the images of the batch; the loss is no mean over them": (
            _slope(lambda l, g, a, present, c: a * (g / c - l / present) / len(l))
        ),
        "the “1 +” is missing below the fraction": _slope(below=lambda h: h.sum(dim=0)),
        "the “1 +” is missing below the fraction, and a proxy without positives has 0 by 0 there, "
        "which is nan": _slope(below=lambda h: h.sum(dim=0), empty=torch.nan),
        "below the fraction stands 1 + h of this image alone; it is 1 + the sum over the images "
        "of the batch": _slope(below=lambda h: 1 + h),
        "there is no fraction: the derivative of log(1 + Σh) has 1 + Σh below": _slope(
            below=torch.ones_like
        ),
        "below the fraction stands a sum over the proxies (the wrong axis): it runs over the "
        "images of the batch": _slope(below=lambda h: 1 + h.sum(dim=1, keepdim=True)),
        "this is a softmax over the proxies (the wrong axis, and no “1 +”): below the fraction "
        "stands 1 + the sum over the images of the batch": _slope(
            below=lambda h: h.sum(dim=1, keepdim=True)
        ),
        "δ has the wrong sign: -α (s - δ) and α (s + δ)": _slope(sign=-1),
    },
    CLOSED,
    WITH_AUTOGRAD,
)
OVERFLOW = (
    "e^z overflows to infinity where z is large, and infinity by infinity is nan: torch.softmax "
    "divides without it, and so does exp(z - torch.logsumexp(z)); the 1 is one more term, e⁰"
)
LARGE_ALPHA = replace(GRADIENT, mistakes={}, nan=OVERFLOW)


def embedding_gradient(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
    """∂ℓ/∂x, by autograd on the library's loss."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(losses.proxy_anchor(x, y, p, delta, alpha), x)[0]


def _chain(
    wrong: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    points: Callable[[Tensor], Tensor] = normalize,
    proxies: Callable[[Tensor], Tensor] = normalize,
) -> Any:
    """`wrong(along, radial, |x|)`: Σ_p G p, its part along x, and the lengths of the rows."""

    def gradient(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
        g = similarity_gradient(cosine_similarity(x, p), y, delta, alpha)
        along = g @ proxies(p)
        return wrong(along, (along * points(x)).sum(1, True) * points(x), x.norm(dim=1)[:, None])

    return gradient


def _each_pair(wrong: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Any:
    """Σ_p G `wrong(x/|x|, p/|p|, s)` / |x|; right is p/|p| - s x/|x|, for all pairs (N, C, D)."""

    def gradient(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
        s = cosine_similarity(x, p)
        g = similarity_gradient(s, y, delta, alpha)
        towards = wrong(normalize(x)[:, None], normalize(p)[None], s[..., None])
        return (g[..., None] * towards).sum(dim=1) / x.norm(dim=1, keepdim=True)

    return gradient


def _of_products(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
    return similarity_gradient(x @ p.T, y, delta, alpha) @ p


def _table_of_products(x: Tensor, y: Tensor, p: Tensor, delta: float, alpha: float) -> Tensor:
    along, unit = similarity_gradient(x @ p.T, y, delta, alpha) @ normalize(p), normalize(x)
    return (along - (along * unit).sum(1, True) * unit) / x.norm(dim=1, keepdim=True)


EMBEDDING_GRADIENT = Exercise(
    "embedding_gradient",
    embedding_gradient,
    {
        "this is the gradient with respect to x/|x|, with its part along x: a step along x changes "
        "no cosine, so take that part away, and divide by |x|": _chain(lambda a, r, l: a),
        "the part along x is still in it: a step along x changes no cosine, so the gradient is "
        "perpendicular to x": _chain(lambda a, r, l: a / l),
        "the division by |x| is missing: a long x turns less when it moves": _chain(
            lambda a, r, l: a - r
        ),
        "this multiplies by |x|; a long x turns less when it moves: divide": _chain(
            lambda a, r, l: (a - r) * l
        ),
        "this divides by |x|²; once is enough": _chain(lambda a, r, l: (a - r) / l**2),
        "the part along x is added; take it away": _chain(lambda a, r, l: (a + r) / l),
        "what is taken away is s p/|p|, along p; take away the part along x, s x/|x|": _each_pair(
            lambda x, p, s: p - s * p
        ),
        "this is x/|x| without its part along p; it should be p/|p| without its part along x": (
            _each_pair(lambda x, p, s: x - s * p)
        ),
        "s is the plain product x · p here, and so its derivative is p; it is the cosine": (
            _of_products
        ),
        "the table is that of the plain products x · p; s is the cosine": _table_of_products,
        "the proxies are multiplied as they are; s depends on their directions p/|p|": _chain(
            lambda a, r, l: (a - r) / l, proxies=lambda p: p
        ),
        "in the part along x, x is not scaled to length 1": _chain(
            lambda a, r, l: (a - r) / l, points=lambda x: x
        ),
        "the sign is wrong: this is the force, minus the gradient": _chain(
            lambda a, r, l: (r - a) / l
        ),
    },
    CLOSED,
    WITH_AUTOGRAD,
)
