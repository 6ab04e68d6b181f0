"""How far two sets of vectors are from being drawn from one distribution.

Both are computed from the two samples alone, without a critic that would have to be trained, and
are differentiable, so that a generator can learn by making them small.

**Sliced Wasserstein** (Rabin, Peyré, Delon, Bernot: Wasserstein Barycenter and its Application to
Texture Mixing, SSVM 2011): project on random directions θ of length 1. On a line the cheapest way
to carry one set onto the other matches them in sorted order, so that with the quantile functions
F⁻¹ of the two projected sets::

    SW(x, y) = E_θ ∫₀¹ ( F⁻¹_{θ·x}(u) - F⁻¹_{θ·y}(u) )² du

It is the *squared* distance W₂², the mean over directions; two sets that differ by a shift t are
on average ||t||²/D apart. For sets of equal size the integral is the mean squared difference of
the sorted projections.

**Energy distance** (Székely, Rizzo: Energy Statistics, J. Stat. Plan. Inference 2013)::

    E(x, y) = 2 mean ||x_i - y_j|| - mean ||x_i - x_j|| - mean ||y_i - y_j||

with all pairs in the means, i = j included (the V-statistic), which keeps it ≥ 0.
"""

import torch
from torch import Tensor

from dmlviz.geometry import in_float32, normalize, pairwise_distances
from dmlviz.losses._checks import check_embeddings, check_positive, check_tensors


@in_float32
def sliced_wasserstein(
    x: Tensor, y: Tensor, projections: int = 64, generator: torch.Generator | None = None
) -> Tensor:
    """Squared sliced Wasserstein-2 distance between two sets of vectors.

    Args:
        x: `(N, D)` floats.
        y: `(M, D)` floats; M may differ from N, the integral above is exact for any two sizes.
        projections: how many random directions.
        generator: a CPU generator of the directions; None: torch's global one.

    Returns:
        A scalar ≥ 0; 0 for equal sets in whatever order.

    Raises:
        ValueError: for empty sets, or vectors of different dimension.

    >>> sliced_wasserstein(torch.tensor([[0.0], [1.0]]), torch.tensor([[4.0], [3.0]]))
    tensor(9.)
    """
    _check(x, y)
    check_positive(projections=projections)
    return along(x, y, torch.randn(projections, x.shape[1], generator=generator))


def along(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    """The same on given directions `(P, D)`, whose length does not matter."""
    directions = normalize(directions).T.to(x)
    x_sorted, y_sorted = (x @ directions).sort(dim=0).values, (y @ directions).sort(dim=0).values
    # Both quantile functions are steps: constant between any two neighbouring levels i/N, j/M.
    levels = torch.cat([_levels(len(x)), _levels(len(y))]).sort().values
    width = levels.diff(prepend=levels.new_zeros(1))
    middle = levels - width / 2
    i = (middle * len(x)).long().clamp_max(len(x) - 1).to(x.device)
    j = (middle * len(y)).long().clamp_max(len(y) - 1).to(x.device)
    difference2 = (x_sorted[i] - y_sorted[j]).square().mean(dim=1)
    return (width.to(x) * difference2).sum()


@in_float32
def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """Energy distance between two sets of vectors: see the top of this file.

    Args:
        x: `(N, D)` floats.
        y: `(M, D)` floats.

    Returns:
        A scalar ≥ 0; its gradient is finite where vectors coincide.

    Raises:
        ValueError: for empty sets, or vectors of different dimension.

    >>> energy_distance(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
    tensor(6.)
    """
    _check(x, y)
    n = len(x)
    d = pairwise_distances(torch.cat([x, y]))
    value = 2 * d[:n, n:].mean() - d[:n, :n].mean() - d[n:, n:].mean()
    return value.clamp_min(0)  # what is below 0 is rounding


def _levels(n: int) -> Tensor:
    """1/n, 2/n … 1 in float64: equal fractions of two sizes are then equal numbers."""
    return torch.arange(1, n + 1, dtype=torch.float64) / n


def _check(x: Tensor, y: Tensor) -> None:
    check_tensors(x=x, y=y)
    check_embeddings(x=x, y=y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"x and y must be vectors of one space, got dimensions {x.shape[1]} and {y.shape[1]}"
        )
