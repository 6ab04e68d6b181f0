"""Relaxed losses: a source embedding's similarities, as soft labels for a target embedding.

Kim, Kim, Cho, Kwak: Embedding Transfer with Label Relaxation for Improved Metric Learning,
CVPR 2021 (arXiv 2103.14908). No class label enters. Symbols: f^s(x_i) the source's embedding of
length 1 (frozen), f^t(x_i) the target's, of any length; n embeddings in the batch;
[z]₊ = max(0, z).

How alike the source finds two images is their **relaxed label**, 1 for "the same", towards 0 for
"different"; σ sets how fast it falls::

    w_ij = e^{-||f^s(x_i) - f^s(x_j)||² / σ}

The target's distances are taken **relative** to the mean over its row, so that the target may use
a space of any scale. The mean has n terms, the zero on the diagonal among them::

    d_ij = ||f^t(x_i) - f^t(x_j)|| / (1/n Σ_k ||f^t(x_i) - f^t(x_k)||)

**Relaxed contrastive** loss: the contrastive loss with w_ij in the place of the binary label::

    L = 1/n Σ_i Σ_j  w_ij d_ij²  +  1/n Σ_i Σ_j (1 - w_ij) [δ - d_ij]₊²

Its slope ∂L/∂d_ij is 2/n (d_ij - δ(1 - w_ij)) below δ, 2/n w_ij d_ij above: each pair is drawn to
the distance δ(1 - w_ij), and pairs farther than δ that the source finds unlike are left alone.

**Relaxed multi-similarity** loss, as in the authors' code (with its undefined name repaired; the
paper's own formula is not known to us), the mean over i of::

    l_i = 1/α log(1 + Σ_{j≠i} w_ij e^{α d_ij}) + 1/β log(1 + Σ_{j≠i} (1 - w_ij) e^{β(δ - d_ij)})

where two views of one image get w_ij = 1.
"""

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize, pairwise_distances
from dmlviz.losses._checks import check_pair_of_batches, check_positive


@torch.no_grad()
@in_float32
def relaxed_labels(source: Tensor, sigma: float = 1.0) -> Tensor:
    """Relaxed labels w_ij of a source embedding, which is scaled to length 1 here.

    Args:
        source: `(N, D)` floats.
        sigma: σ > 0, in squared distance: on the unit sphere two embeddings at a right angle are 2
            apart, opposite ones 4.

    Returns:
        `(N, N)` in (0, 1], ones on the diagonal, without gradient.

    >>> relaxed_labels(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor([[1.0000, 0.1353],
            [0.1353, 1.0000]])
    """
    check_positive(sigma=sigma)
    return torch.exp(-pairwise_distances(normalize(source), squared=True) / sigma)


@in_float32
def relative_distances(target: Tensor) -> Tensor:
    """Distances d_ij of a target embedding, relative to the mean over each row.

    Args:
        target: `(N, D)` floats.

    Returns:
        `(N, N)`, zeros on the diagonal, *not* symmetric; a row of zero distances stays zero.

    >>> relative_distances(torch.tensor([[0.0], [1.0], [2.0]]))
    tensor([[0.0000, 1.0000, 2.0000],
            [1.5000, 0.0000, 1.5000],
            [2.0000, 1.0000, 0.0000]])
    """
    d = pairwise_distances(target)
    mean = d.mean(dim=1, keepdim=True)
    return d / torch.where(mean > 0, mean, torch.ones_like(mean))


@in_float32
def relaxed_contrastive(
    target: Tensor, source: Tensor, sigma: float = 1.0, delta: float = 1.0
) -> Tensor:
    """Relaxed contrastive loss of a batch: see the top of this file.

    Args:
        target: `(N, D)` floats, the embeddings that learn, best not normalised.
        source: `(N, E)` floats of the same images, scaled to length 1 here; gets no gradient.
        sigma: σ > 0.
        delta: δ > 0, the relative distance from which unlike pairs are left alone.

    Returns:
        A scalar, which grows with N: the authors divide the N² pairs by N.

    >>> source = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> relaxed_contrastive(torch.tensor([[0.0], [3.0]]), source)
    tensor(0.5413)
    """
    check_pair_of_batches(target, source)
    w = relaxed_labels(source, sigma).to(target.dtype)
    d = relative_distances(target)
    pull = w * d.square()
    push = (1 - w) * (delta - d).relu().square()  # 0 on the diagonal, where w = 1
    return (pull + push).sum() / len(target)


@in_float32
def relaxed_multi_similarity(
    target: Tensor,
    source: Tensor,
    sigma: float = 1.0,
    delta: float = 1.0,
    alpha: float = 1.0,
    beta: float = 2.0,
    views: int = 2,
) -> Tensor:
    """Relaxed multi-similarity loss, the mean over the batch: see the top of this file.

    Args:
        target: `(N, D)` floats.
        source: `(N, E)` floats of the same images; gets no gradient.
        sigma, delta: σ, δ > 0.
        alpha, beta: α, β > 0, how strongly the hardest pairs outweigh the others.
        views: how many views of each image the batch holds, one after the other: rows i,
            i + N/views, … show the same image and get w = 1. 1: there are no such pairs.

    Returns:
        A scalar; 0 for a batch of one.
    """
    check_pair_of_batches(target, source)
    n = len(target)
    if views < 1 or n % views:
        raise ValueError(f"views must divide the batch of {n} embeddings, got {views}")
    image = torch.arange(n, device=target.device) % (n // views)
    w = relaxed_labels(source, sigma).to(target.dtype)
    w = torch.where(image[:, None] == image[None, :], 1, w)
    d = relative_distances(target)
    pull = _log_one_plus_sum_exp(w.log() + alpha * d) / alpha
    push = _log_one_plus_sum_exp((1 - w).log() + beta * (delta - d)) / beta
    return (pull + push).mean()


def _log_one_plus_sum_exp(z: Tensor) -> Tensor:
    """log(1 + Σ_{j≠i} e^{z_ij}) along each row: the 1 is one more term, e^0, on the diagonal."""
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    return z.masked_fill(itself, 0).logsumexp(dim=1)


class RelaxedContrastiveLoss(nn.Module):
    """Relaxed contrastive as a module: `loss(target (N, D), source (N, E))`.

    Args:
        sigma: σ > 0; the authors use 1 everywhere.
        delta: δ > 0; the authors use 1 everywhere.
    """

    def __init__(self, sigma: float = 1.0, delta: float = 1.0) -> None:
        super().__init__()
        check_positive(sigma=sigma, delta=delta)
        self.sigma, self.delta = sigma, delta

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return relaxed_contrastive(target, source, self.sigma, self.delta)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}, delta={self.delta}"


class RelaxedMultiSimilarityLoss(nn.Module):
    """Relaxed multi-similarity as a module: `loss(target (N, D), source (N, E))`.

    Args:
        sigma, delta: σ, δ > 0.
        alpha, beta: α, β > 0; the authors' code uses 1 and 2.
        views: of each image in a batch; must agree with the method's.
    """

    def __init__(
        self,
        sigma: float = 1.0,
        delta: float = 1.0,
        alpha: float = 1.0,
        beta: float = 2.0,
        views: int = 2,
    ) -> None:
        super().__init__()
        check_positive(sigma=sigma, delta=delta, alpha=alpha, beta=beta, views=views)
        self.sigma, self.delta, self.alpha, self.beta = sigma, delta, alpha, beta
        self.views = views

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return relaxed_multi_similarity(
            target, source, self.sigma, self.delta, self.alpha, self.beta, self.views
        )

    def extra_repr(self) -> str:
        numbers = f"sigma={self.sigma}, delta={self.delta}, alpha={self.alpha}, beta={self.beta}"
        return f"{numbers}, views={self.views}"
