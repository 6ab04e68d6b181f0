"""Continuous labels: keep how far, not only which is farther.

Kim, Seo, Laptev, Cho, Kwak: Deep Metric Learning Beyond Binary Supervision, CVPR 2019 (arXiv
1904.09626). Symbols, for an anchor a and its m neighbours: d_i = ||f_a - f_i|| in the embedding,
r_i > 0 the distance of the labels of a and i, [z]₊ = max(0, z).

**Log-ratio** loss, the mean over the pairs i < j of neighbours, as in the authors' code::

    l_a = 2/(m(m-1)) Σ_{i<j} ( log(d_i / d_j) - log(r_i / r_j) )²

(The paper writes squared distances on both sides, which is 4 times this; squares on one side only
would change what is aimed at.) No margin, no normalisation: a ratio has no scale. With
e_i = log(d_i / r_i) the bracket is e_i - e_j, and the mean of (e_i - e_j)² over all pairs is twice
the variance::

    Σ_{i<j} (e_i - e_j)² = ½ Σ_i Σ_j (e_i² + e_j² - 2 e_i e_j) = m Σ_i e_i² - (Σ_i e_i)²
                         = m Σ_i (e_i - ē)²
    l_a = 2 · 1/(m-1) Σ_i (e_i - ē)²

O(m) per anchor and O(N²) for all anchors of a batch, instead of O(N³).

**Dense triplet** loss, the paper's baseline: only the order counts, and only up to a margin::

    l_a = mean over pairs with r_i < r_j of [d_i² - d_j² + margin]₊

**Binary triplet** loss: the same, with the `positives` nearest labels of each anchor as positives
and all others as negatives, as metric learning did before. Both want embeddings of length 1, or
the margin means nothing.
"""

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, pairwise_distances
from dmlviz.losses._checks import (
    check_anchors,
    check_label_distances,
    check_not_negative,
    check_positive,
)

_NEAREST = 1e-6  # of the mean: distances smaller than this count as this, so that logarithms stay


@in_float32
def log_ratio(
    embeddings: Tensor,
    label_distances: Tensor,
    anchors: Tensor | None = None,
    eps: float = 0.0,
    positives: int | None = None,
) -> Tensor:
    """Log-ratio loss, the mean over anchors: see the top of this file.

    Args:
        embeddings: `(N, D)` floats, of any scale.
        label_distances: `(N, N)`, not negative, in any unit; row a holds the distances to anchor
            a. Floor them where differences mean nothing: a pair of almost equal labels asks for
            almost equal embeddings, whatever that costs.
        anchors: rows that are anchors, `(A,)`; None: all.
        eps: added to the squared embedding distances; the authors' code uses 1e-4 / D.
        positives: compare only the so many nearest labels of an anchor with all others, as binary
            mining would; None: all pairs.

    Returns:
        A scalar; 0 where an anchor has fewer than two neighbours, or `positives` are all it has.

    >>> x = torch.tensor([[0.0], [1.0], [3.0]])
    >>> log_ratio(x, torch.tensor([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]))
    tensor(0.)
    """
    rows = _rows(embeddings, label_distances, anchors)
    if len(embeddings) < 3:
        return embeddings.sum() * 0
    d2 = pairwise_distances(embeddings, squared=True)[rows] + eps
    r = label_distances.to(d2.dtype)[rows]
    other = torch.arange(len(embeddings), device=d2.device)[None, :] != rows[:, None]
    m = len(embeddings) - 1
    e = 0.5 * _log(d2, other, power=2) - _log(r, other, power=1)  # log(d / r)
    if positives is not None:
        near = _nearest(r, other, positives)
        far = other & ~near
        # Mean of (e_i - e_j)² over i near, j far: the spread of either, and between their means.
        (mean_i, var_i), (mean_j, var_j) = (_moments(e, mask) for mask in (near, far))
        l = var_i + var_j + (mean_i - mean_j).square()
        return torch.where(far.any(dim=1), l, 0).mean()
    variance = _moments(e, other)[1] * m / (m - 1)
    return 2 * variance.mean()


def _moments(e: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each row's masked entries; 0 and 0 where there are none."""
    count = mask.sum(dim=1, keepdim=True).clamp_min(1)
    mean = torch.where(mask, e, 0).sum(dim=1, keepdim=True) / count
    variance = torch.where(mask, e - mean, 0).square().sum(dim=1, keepdim=True) / count
    return mean.squeeze(1), variance.squeeze(1)


def _nearest(r: Tensor, other: Tensor, positives: int) -> Tensor:
    """Which entries are among the `positives` smallest of their row."""
    rank = r.masked_fill(~other, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    return (rank < positives) & other


def _log(x: Tensor, other: Tensor, power: int) -> Tensor:
    """log x, floored at a millionth of the row's mean; 0 at the anchor's own entry."""
    mean = torch.where(other, x, 0).detach().mean(dim=1, keepdim=True)
    floor = torch.where(mean > 0, mean * _NEAREST**power, 1)
    return torch.where(other, x.maximum(floor), 1).log()


@in_float32
def dense_triplet(
    embeddings: Tensor,
    label_distances: Tensor,
    anchors: Tensor | None = None,
    margin: float = 0.03,
) -> Tensor:
    """Dense triplet loss, the mean over anchors of the mean over pairs with r_i < r_j.

    Pairs of equal label distance are left out: the label does not order them. Takes O(A N²) memory.

    Args:
        embeddings: `(N, D)` floats, best of length 1.
        label_distances: `(N, N)`, not negative.
        anchors: rows that are anchors, `(A,)`; None: all.
        margin: in squared distance; the authors use 0.03.

    Returns:
        A scalar; anchors without such a pair do not count.
    """
    rows = _rows(embeddings, label_distances, anchors)
    r = label_distances[rows]
    other = torch.arange(len(embeddings), device=r.device)[None, :] != rows[:, None]
    ordered = (r[:, :, None] < r[:, None, :]) & other[:, :, None] & other[:, None, :]
    return _hinge(pairwise_distances(embeddings, squared=True)[rows], ordered, margin)


@in_float32
def binary_triplet(
    embeddings: Tensor,
    label_distances: Tensor,
    anchors: Tensor | None = None,
    margin: float = 0.2,
    positives: int = 5,
) -> Tensor:
    """Triplet loss with the nearest labels as the positives: what continuous labels are cut to.

    Args:
        embeddings: `(N, D)` floats, best of length 1.
        label_distances: `(N, N)`, not negative.
        anchors: rows that are anchors, `(A,)`; None: all.
        margin: in squared distance; the authors' baseline uses 0.2.
        positives: how many nearest labels of each anchor are its positives.

    Returns:
        A scalar; 0 where the batch has no negative.
    """
    rows = _rows(embeddings, label_distances, anchors)
    n = len(embeddings)
    other = torch.arange(n, device=label_distances.device)[None, :] != rows[:, None]
    positive = _nearest(label_distances[rows], other, positives)
    triplets = positive[:, :, None] & (other & ~positive)[:, None, :]
    return _hinge(pairwise_distances(embeddings, squared=True)[rows], triplets, margin)


def _hinge(d2: Tensor, ordered: Tensor, margin: float) -> Tensor:
    """Mean over anchors of the mean of [d_i² - d_j² + margin]₊ over their ordered pairs (i, j)."""
    hinge = (d2[:, :, None] - d2[:, None, :] + margin).relu()
    count = ordered.sum(dim=(1, 2))
    l = torch.where(ordered, hinge, 0).sum(dim=(1, 2)) / count.clamp_min(1)
    return l.sum() / (count > 0).sum().clamp_min(1)


def _rows(embeddings: Tensor, label_distances: Tensor, anchors: Tensor | None) -> Tensor:
    check_label_distances(embeddings, label_distances)
    if anchors is None:
        return torch.arange(len(embeddings), device=embeddings.device)
    check_anchors(anchors, len(embeddings))
    return anchors.to(embeddings.device).long()


class LogRatioLoss(nn.Module):
    """Log-ratio as a module: `loss(embeddings (N, D), label_distances (N, N), anchors=None)`.

    It has no hyper-parameter.

    Args:
        eps, positives: see `log_ratio`.
    """

    def __init__(self, eps: float = 0.0, positives: int | None = None) -> None:
        super().__init__()
        check_not_negative(eps=eps)
        if positives is not None:
            check_positive(positives=positives)
        self.eps, self.positives = eps, positives

    def forward(
        self, embeddings: Tensor, label_distances: Tensor, anchors: Tensor | None = None
    ) -> Tensor:
        return log_ratio(embeddings, label_distances, anchors, self.eps, self.positives)


class DenseTripletLoss(nn.Module):
    """Dense triplet as a module: `loss(embeddings (N, D), label_distances (N, N), anchors=None)`.

    Args:
        margin: > 0, in squared distance; the authors use 0.03.
    """

    def __init__(self, margin: float = 0.03) -> None:
        super().__init__()
        check_positive(margin=margin)
        self.margin = margin

    def forward(
        self, embeddings: Tensor, label_distances: Tensor, anchors: Tensor | None = None
    ) -> Tensor:
        return dense_triplet(embeddings, label_distances, anchors, self.margin)

    def extra_repr(self) -> str:
        return f"margin={self.margin}"


class BinaryTripletLoss(nn.Module):
    """Binary triplet as a module: `loss(embeddings (N, D), label_distances (N, N), anchors=None)`.

    Args:
        margin: > 0, in squared distance; the authors' baseline uses 0.2.
        positives: how many nearest labels are positives.
    """

    def __init__(self, margin: float = 0.2, positives: int = 5) -> None:
        super().__init__()
        check_positive(margin=margin, positives=positives)
        self.margin, self.positives = margin, positives

    def forward(
        self, embeddings: Tensor, label_distances: Tensor, anchors: Tensor | None = None
    ) -> Tensor:
        return binary_triplet(embeddings, label_distances, anchors, self.margin, self.positives)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, positives={self.positives}"
