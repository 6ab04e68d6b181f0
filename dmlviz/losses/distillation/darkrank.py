"""DarkRank: keep the order of each sample's nearest neighbours.

Chen, Wang, Zhang: DarkRank, AAAI 2018 ("hard" version), as in the code of Kim et al. (CVPR 2021).
With scores S_ij = -α ||x_i - x_j||^β of normalised embeddings, and π the source's order of the k
nearest of i, the loss is the negative log-likelihood of that order under the target's scores
(Plackett-Luce: draw the first in proportion to e^S, then the second among the rest, …)::

    l_i = -Σ_{r=1..k} ( S^t_iπ(r) - log Σ_{q≥r} e^{S^t_iπ(q)} )        mean over i

This is the ranking term alone; the authors add a triplet loss with margin 0.2, here
`EmbeddingTransfer(source, DarkRankLoss(), label_loss=TripletLoss(0.2))`.
"""

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize, pairwise_distances
from dmlviz.losses._checks import check_pair_of_batches, check_positive


@in_float32
def darkrank(
    target: Tensor, source: Tensor, alpha: float = 3.0, beta: float = 3.0, neighbors: int = 4
) -> Tensor:
    """DarkRank's ranking term, the mean over the batch; both sides are normalised here.

    Args:
        target: `(N, D)` floats.
        source: `(N, E)` floats of the same images; gets no gradient.
        alpha, beta: α, β > 0.
        neighbors: k, how many of the source's nearest neighbours count (all others where the
            batch has fewer).

    Returns:
        A scalar; 0 for a batch of one or two, where there is no order.
    """
    check_pair_of_batches(target, source)
    nearest = _distances(source.detach()).argsort(dim=1, stable=True)[:, 1 : neighbors + 1]
    score = -alpha * _distances(target).pow(beta)
    ordered = score.gather(1, nearest)  # S_iπ(1), S_iπ(2), …
    rest = ordered.flip(1).logcumsumexp(dim=1).flip(1)  # log Σ_{q≥r} e^S
    return (rest - ordered).sum(dim=1).mean()


def _distances(x: Tensor) -> Tensor:
    d = pairwise_distances(normalize(x))
    # A sample is its own nearest neighbour, also beside exact copies of itself.
    return d - torch.eye(len(d), dtype=d.dtype, device=d.device)


class DarkRankLoss(nn.Module):
    """DarkRank's ranking term as a module: `loss(target (N, D), source (N, E))`.

    Args:
        alpha, beta: α, β > 0; 3 and 3 in the authors' code.
        neighbors: k ≥ 2; 4 in the authors' code.
    """

    def __init__(self, alpha: float = 3.0, beta: float = 3.0, neighbors: int = 4) -> None:
        super().__init__()
        check_positive(alpha=alpha, beta=beta)
        if neighbors < 2:
            raise ValueError(f"neighbors must be at least 2 to have an order, got {neighbors}")
        self.alpha, self.beta, self.neighbors = alpha, beta, neighbors

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return darkrank(target, source, self.alpha, self.beta, self.neighbors)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, beta={self.beta}, neighbors={self.neighbors}"
