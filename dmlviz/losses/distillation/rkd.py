"""RKD: keep the distances and the angles between the embeddings of a batch.

Park, Kim, Lu, Cho: Relational Knowledge Distillation, CVPR 2019, as in the code of Kim et al.
(CVPR 2021). Both terms compare target and source by the Huber (smooth L1) loss, the mean over all
pairs and over all triples of the batch::

    distance   ψ_ij  = ||x_i - x_j|| / mean of the positive ||x_k - x_l||
    angle      ψ_ijk = cos of the angle at x_i between x_j and x_k

Unlike the relaxed losses RKD asks every pair, however far, to be as far apart as in the source.
The embeddings are taken as they are: normalise the source before, if that is what it is compared
by (`methods.EmbeddingTransfer` hands over what the source model puts out).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize, pairwise_distances
from dmlviz.losses._checks import check_not_negative, check_pair_of_batches


@in_float32
def rkd_distance(target: Tensor, source: Tensor) -> Tensor:
    """The distance term; target `(N, D)`, source `(N, E)` (gets no gradient); a scalar.

    >>> rkd_distance(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [5.0], [10.0]]))
    tensor(0.)
    """
    check_pair_of_batches(target, source)
    reference = _relative_to_mean(source.detach()).to(target.dtype)
    return F.smooth_l1_loss(_relative_to_mean(target), reference)


@in_float32
def rkd_angle(target: Tensor, source: Tensor) -> Tensor:
    """The angle term; shapes as for `rkd_distance`; O(N³) memory.

    >>> rkd_angle(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]]))
    tensor(0.)
    """
    check_pair_of_batches(target, source)
    return F.smooth_l1_loss(_cosines(target), _cosines(source.detach()).to(target.dtype))


def _relative_to_mean(x: Tensor) -> Tensor:
    d = pairwise_distances(x)
    mean = d.sum() / (d > 0).sum().clamp_min(1)
    return d / torch.where(mean > 0, mean, torch.ones_like(mean))


def _cosines(x: Tensor) -> Tensor:
    """cos of the angle at i between j and k, `(N, N, N)`; 0 where a side has no length."""
    n = len(x)
    sides = normalize((x[None, :] - x[:, None]).reshape(n * n, -1)).reshape(n, n, -1)
    return torch.bmm(sides, sides.transpose(1, 2))


class RKDLoss(nn.Module):
    """RKD as a module: `loss(target (N, D), source (N, E))`.

    Args:
        distance_weight, angle_weight: of the two terms; 1 and 2 in both papers' metric learning.
    """

    def __init__(self, distance_weight: float = 1.0, angle_weight: float = 2.0) -> None:
        super().__init__()
        check_not_negative(distance_weight=distance_weight, angle_weight=angle_weight)
        self.distance_weight, self.angle_weight = distance_weight, angle_weight

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        distance = self.distance_weight * rkd_distance(target, source)
        return distance + self.angle_weight * rkd_angle(target, source)

    def extra_repr(self) -> str:
        return f"distance_weight={self.distance_weight}, angle_weight={self.angle_weight}"
