"""Distances and similarities of a batch: the one home of numerics.

Every loss and every metric measures with these few functions, so each numerical trap is
handled once, here:

* **A zero row** has no direction. `normalize` leaves it zero and gives it a finite gradient.
* **A zero distance** has no derivative. `pairwise_distances` gives it the gradient 0.
* **Half precision** overflows in exponentials: e^11.1 is already infinite in float16.
  `in_float32` computes in float32 instead, also inside `torch.autocast`; float64 stays float64.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


def in_float32(function: Function) -> Function:
    """Decorate `function` to see half-precision tensors as float32, and to ignore autocast."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        device = tensors[0].device.type if tensors else "cpu"
        with torch.autocast(device, enabled=False):
            return function(
                *(_widen(a) for a in args), **{name: _widen(a) for name, a in kwargs.items()}
            )

    return wrapper  # type: ignore[return-value]


def _widen(argument: Any) -> Any:
    if isinstance(argument, Tensor) and argument.dtype in (torch.float16, torch.bfloat16):
        return argument.float()
    return argument


def normalize(x: Tensor) -> Tensor:
    """Scale each row to length 1: x / ||x||. A zero row stays zero, and its gradient finite.

    Args:
        x: vectors, `(N, D)`.

    Returns:
        `(N, D)`, of the dtype of `x`.

    >>> normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    # Dividing a zero row by one instead of by a tiny epsilon keeps its gradient small enough
    # for float16 as well.
    return x / torch.where(length > 0, length, torch.ones_like(length))


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Cosine of the angle between each row of `x` and each row of `y`.

    Args:
        x: vectors, `(N, D)`.
        y: vectors, `(M, D)`.

    Returns:
        `(N, M)` in [-1, 1] up to rounding; 0 for a zero row.

    >>> cosine_similarity(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    tensor([[1., 0.]])
    """
    dtype = torch.promote_types(x.dtype, y.dtype)
    return normalize(x.to(dtype)) @ normalize(y.to(dtype)).T


def pairwise_distances(x: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean distances between all rows of `x`, through one matrix product.

    ||a - b||² = ||a||² + ||b||² - 2 a·b. Distances do not change when all points move together,
    so the points are centred first; without that, a batch far from the origin loses its digits.
    What is smaller than the rounding error of the product counts as distance 0.

    Args:
        x: vectors, `(N, D)`.
        squared: return squared distances.

    Returns:
        `(N, N)`, symmetric, exact zeros on the diagonal; the gradient of a zero distance is 0.

    >>> pairwise_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """
    x = x - x.detach().mean(dim=0)
    length2 = (x * x).sum(dim=1)
    sum2 = length2[:, None] + length2[None, :]
    distance2 = sum2 - 2 * x @ x.T
    apart = distance2 > 4 * torch.finfo(x.dtype).eps * sum2
    apart = apart & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    if squared:
        return torch.where(apart, distance2, 0)
    # The root is taken of 1 where the distance is 0: its true derivative there is infinite,
    # and infinity times the zero of the mask would be NaN.
    return torch.where(apart, torch.where(apart, distance2, 1).sqrt(), 0)
