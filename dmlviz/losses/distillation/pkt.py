"""PKT: keep, for each sample, how likely it would pick each other one as its neighbour.

Passalis, Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018,
as in the code of Kim et al. (CVPR 2021). With the cosine similarity s_ij, shifted to 0…1 and made a
distribution over each row (the diagonal stays in)::

    p_ij = (s_ij + 1)/2 / Σ_k (s_ik + 1)/2
    L    = 1/n² Σ_i Σ_j p^s_ij log (p^s_ij / p^t_ij)
"""

from torch import Tensor, nn

from dmlviz.geometry import cosine_similarity, in_float32
from dmlviz.losses._checks import check_pair_of_batches

EPSILON = 1e-7  # the authors' value, in the logarithm


@in_float32
def pkt(target: Tensor, source: Tensor) -> Tensor:
    """PKT loss of a batch; both sides are normalised here.

    Args:
        target: `(N, D)` floats.
        source: `(N, E)` floats of the same images; gets no gradient.

    Returns:
        A scalar.
    """
    check_pair_of_batches(target, source)
    p_source = _neighbour_probabilities(source.detach()).to(target.dtype)
    p_target = _neighbour_probabilities(target)
    return (p_source * ((p_source + EPSILON) / (p_target + EPSILON)).log()).mean()


def _neighbour_probabilities(x: Tensor) -> Tensor:
    s = (cosine_similarity(x, x).clamp_min(-1) + 1) / 2  # rounding may go below -1
    return s / s.sum(dim=1, keepdim=True)


class PKTLoss(nn.Module):
    """PKT as a module: `loss(target (N, D), source (N, E))`; no hyper-parameter."""

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return pkt(target, source)
