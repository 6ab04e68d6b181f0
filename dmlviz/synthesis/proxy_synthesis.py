"""Proxy Synthesis: mix two images' embeddings, and their proxies, into an image of a new class.

Gu, Ko, Kim: Proxy Synthesis: Learning with Synthetic Classes for Deep Metric Learning, AAAI 2021
(arXiv 2103.15454), as in its authors' code. One λ ~ Beta(α, α) for the whole batch; for row i with
a partner j of another class, and all vectors of length 1 before and after::

    x̃_i ∝ λ x̂_i + (1-λ) x̂_j          p̃_i ∝ λ p̂_{y_i} + (1-λ) p̂_{y_j}

Each x̃_i is the one sample of a class of its own, C+i, whose proxy is p̃_i. Nothing is detached:
the mixtures' gradient reaches the network and the proxies.

The authors reorder a batch until neighbours differ and take the row beside i as its partner; we
take the next row of another class, which always exists if there are two classes. "nearest" is ours:
the partner is the row of another class that the embedding finds most similar. Their Proxy-NCA keeps
the positive proxy in the denominator, ours does not (see `losses.proxies`).
"""

import torch
from torch import Tensor

from dmlviz.geometry import cosine_similarity, in_float32, normalize
from dmlviz.losses._checks import check_positive, check_proxies
from dmlviz.synthesis._draws import beta
from dmlviz.synthesis.novel import Novel, Synthesizer, no_novel

PARTNERS = ("next", "nearest")


class ProxySynthesis(Synthesizer):
    """Mixtures of the batch's own embeddings and proxies: see the top of this file.

    A batch of one class gives nothing.

    Args:
        alpha: α > 0; the authors' code uses 0.4.
        ratio: share of the batch's rows, the first ones, that make a new class; in 0…1. 1 is the
            authors' μ = 1.
        partner: "next" or "nearest".
        seed: of λ.
    """

    def __init__(
        self, alpha: float = 0.4, ratio: float = 1.0, partner: str = "next", *, seed: int = 0
    ) -> None:
        super().__init__(seed)
        check_positive(alpha=alpha)
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio must be in 0…1, a share of the batch, got {ratio}")
        if partner not in PARTNERS:
            raise ValueError(f"partner must be one of {', '.join(PARTNERS)}, got {partner!r}")
        self.alpha, self.ratio, self.partner = alpha, ratio, partner

    @in_float32
    def forward(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Novel:
        check_proxies(embeddings, labels, proxies)
        num = round(self.ratio * len(labels))
        if num == 0 or bool((labels == labels[0]).all()):
            return no_novel(embeddings, proxies)
        y = labels.long()
        j = next_partner(y) if self.partner == "next" else _nearest(embeddings.detach(), y)
        lam = beta(self.alpha, 1, self.random).item()  # λ
        return mixed(embeddings, y, proxies, j[:num], lam)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, ratio={self.ratio}, partner={self.partner!r}"


def mixed(embeddings: Tensor, labels: Tensor, proxies: Tensor, j: Tensor, lam: float) -> Novel:
    """The first rows, mixed with their partners j `(K,)`: the formula at the top of this file."""
    x, p = normalize(embeddings), normalize(proxies)  # x̂, p̂
    y, num = labels, len(j)
    x_mixed = normalize(lam * x[:num] + (1 - lam) * x[j])
    p_mixed = normalize(lam * p[y[:num]] + (1 - lam) * p[y[j]])
    return Novel(x_mixed, len(p) + torch.arange(num, device=y.device), p_mixed)


def next_partner(labels: Tensor) -> Tensor:
    """For each row the next one of another label; the first row follows the last."""
    n = len(labels)
    row = torch.arange(n, device=labels.device)
    following = (row[:, None] + row[None, :]) % n  # row i, i + 1, … of the circle
    differs = labels[following] != labels[:, None]
    return following[row, differs.int().argmax(dim=1)]  # argmax: the first that differs


def _nearest(embeddings: Tensor, labels: Tensor) -> Tensor:
    """For each row the one of another label whose embedding is most similar."""
    s = cosine_similarity(embeddings, embeddings)
    return s.masked_fill(labels[:, None] == labels[None, :], -torch.inf).argmax(dim=1)
