"""Pairs and triplets: compare the samples of a batch with each other.

Symbols: x_i the embedding of sample i, d_ij = ||x_i - x_j|| the plain Euclidean distance,
m the margin, [z]₊ = max(0, z). None of these losses normalises: they measure the space that the
model made, so a model whose output has length 1 is what keeps a margin meaningful.

**Contrastive** (Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant
Mapping, CVPR 2006, eq. 4), for every pair of the batch::

    l_ij = ½ d_ij²          same class
    l_ij = ½ [m - d_ij]₊²   different classes

**Triplet** for an anchor a, a positive p of its class and a negative n of another::

    l_apn = [d_ap - d_an + m]₊

Which triplets of a batch count decides whether it learns at all:

* ``"all"``: every triplet. The mean runs over the *active* ones, l > 0 (Hermans, Beyer, Leibe:
  In Defense of the Triplet Loss, arXiv 1703.07737, "batch all", L_BA≠0).
* ``"semihard"``: d_ap < d_an < d_ap + m. The negative is farther than the positive, but within
  the margin (Schroff, Kalenichenko, Philbin: FaceNet, CVPR 2015, eq. 4 with plain distances).
* ``"hardest"``: one triplet per anchor, its farthest positive and its nearest negative; the mean
  runs over all anchors that have both (Hermans et al., eq. 5, "batch hard").
"""

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, pairwise_distances
from dmlviz.losses._checks import check_batch, check_positive

MININGS = ("all", "semihard", "hardest")


@in_float32
def contrastive(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Contrastive loss, the mean over all pairs i < j of the batch.

    Args:
        embeddings: `(N, D)` floats.
        labels: `(N,)` integers.
        margin: m, the distance that different classes should keep.

    Returns:
        A scalar; 0 for a batch of one sample.

    >>> contrastive(torch.tensor([[0.0], [0.6]]), torch.tensor([0, 1]), margin=1.0)
    tensor(0.0800)
    """
    check_batch(embeddings, labels)
    d = pairwise_distances(embeddings)  # d_ij
    same = labels[:, None] == labels[None, :]
    l = 0.5 * torch.where(same, d, (margin - d).relu()).square()  # the diagonal is 0
    pairs = len(labels) * (len(labels) - 1)
    return l.sum() / max(pairs, 1)


@in_float32
def triplet(embeddings: Tensor, labels: Tensor, margin: float, mining: str = "all") -> Tensor:
    """Triplet loss over the triplets that `mining` selects: see the top of this file.

    Costs O(N² log N) time and O(N²) memory: the N³ triplets are never written down.

    Args:
        embeddings: `(N, D)` floats.
        labels: `(N,)` integers.
        margin: m, by how much a negative should be farther than a positive.
        mining: "all", "semihard" or "hardest".

    Returns:
        A scalar; 0 where the batch holds no such triplet.

    >>> triplet(torch.tensor([[0.0], [0.5], [0.6]]), torch.tensor([0, 0, 1]), margin=0.2)
    tensor(0.3500)
    """
    check_batch(embeddings, labels)
    if mining not in MININGS:
        raise ValueError(f"mining must be one of {', '.join(MININGS)}, got {mining!r}")
    d = pairwise_distances(embeddings)
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if mining == "hardest":
        return _hardest(d, positive, ~same, margin)
    return _windowed(d, positive, ~same, margin, above_positive=mining == "semihard")


def _hardest(d: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    farthest_positive = d.masked_fill(~positive, -torch.inf).amax(dim=1)
    nearest_negative = d.masked_fill(~negative, torch.inf).amin(dim=1)
    usable = positive.any(dim=1) & negative.any(dim=1)
    l = (farthest_positive - nearest_negative + margin)[usable].relu()
    return l.sum() / max(len(l), 1)


def _windowed(
    d: Tensor, positive: Tensor, negative: Tensor, margin: float, *, above_positive: bool
) -> Tensor:
    """Mean of d_ap + m - d_an over the negatives with d_an < d_ap + m (and d_an > d_ap).

    The negatives of an anchor that count for a positive are a *window* of its sorted negative
    distances. With running sums S of those, the window from i to j of all negatives sums to
    S_j - S_i, so each pair (a, p) costs two binary searches instead of a loop over n.
    """
    sorted_d = d.masked_fill(~negative, torch.inf).sort(dim=1).values
    finite = torch.where(sorted_d.isinf(), 0, sorted_d)
    S = torch.nn.functional.pad(finite.cumsum(dim=1), (1, 0))  # S_k: sum of the k nearest

    threshold = d + margin  # d_ap + m
    stop = torch.searchsorted(sorted_d.detach(), threshold.detach())  # count of d_an < d_ap + m
    start = torch.zeros_like(stop)
    if above_positive:
        start = torch.searchsorted(sorted_d.detach(), d.detach(), right=True)  # d_an ≤ d_ap
    count = torch.where(positive, stop - start, 0)

    l = count * threshold - (S.gather(1, stop) - S.gather(1, start))
    return torch.where(positive, l, 0).sum() / count.sum().clamp_min(1)


class ContrastiveLoss(nn.Module):
    """Contrastive loss as a module: `loss(embeddings (N, D), labels (N,))`, see `contrastive`.

    Args:
        margin: m > 0. At most 2 makes sense for embeddings of length 1.
    """

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        check_positive(margin=margin)
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return contrastive(embeddings, labels, self.margin)

    def extra_repr(self) -> str:
        return f"margin={self.margin}"


class TripletLoss(nn.Module):
    """Triplet loss as a module: `loss(embeddings (N, D), labels (N,))`, see `triplet`.

    Args:
        margin: m > 0.
        mining: "all", "semihard" or "hardest".
    """

    def __init__(self, margin: float = 0.2, mining: str = "all") -> None:
        super().__init__()
        check_positive(margin=margin)
        if mining not in MININGS:
            raise ValueError(f"mining must be one of {', '.join(MININGS)}, got {mining!r}")
        self.margin, self.mining = margin, mining

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return triplet(embeddings, labels, self.margin, self.mining)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, mining={self.mining!r}"
