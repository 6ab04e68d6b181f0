"""Proxies: one learned vector per class stands for all its samples.

Symbols: x an embedding, y its label, p_c the proxy of class c, s(x, p) their cosine similarity,
C the number of classes, X the batch. Samples are compared with C proxies instead of with each
other, so a batch costs O(N·C) and every class takes part in every step.

**Normalised softmax** (Zhai, Wu: Classification is a Strong Baseline for Deep Metric Learning,
BMVC 2019), temperature T, mean over the batch::

    l(x) = -log  e^{s(x,p_y)/T} / Σ_c e^{s(x,p_c)/T}

**Proxy-NCA** (Movshovitz-Attias et al., ICCV 2017; the form of Kim et al., CVPR 2020, eq. 1):
the sum in the denominator leaves the positive proxy *out*. We divide s by T, and take the mean
over the batch where the paper writes a sum::

    l(x) = -log  e^{s(x,p_y)/T} / Σ_{c≠y} e^{s(x,p_c)/T}

**Proxy-Anchor** (Kim, Kim, Cho, Kwak: Proxy Anchor Loss for Deep Metric Learning, CVPR 2020,
eq. 4): every proxy is an anchor that pulls and pushes the whole batch, harder samples more.
P⁺ are the proxies whose class occurs in the batch, X_p⁺ the samples of p's class, X_p⁻ the rest::

    l(X) = 1/|P⁺| Σ_{p∈P⁺} log(1 + Σ_{x∈X_p⁺} e^{-α(s(x,p)-δ)})
         + 1/|P|  Σ_{p∈P}  log(1 + Σ_{x∈X_p⁻} e^{ α(s(x,p)+δ)})

Each loss is a pure function of embeddings, labels *and proxies*, and a thin module that owns the
proxies as a parameter. The proxies must be handed to the optimiser, with a learning rate of their
own (the Proxy-Anchor authors' code: 100 times the network's); `dmlviz.methods.Supervised` does.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.geometry import cosine_similarity, in_float32
from dmlviz.losses._checks import check_finite, check_positive, check_proxies


@in_float32
def normalized_softmax(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, temperature: float
) -> Tensor:
    """Normalised softmax loss, the mean over the batch.

    Args:
        embeddings: `(N, D)` floats, of any length: only directions count.
        labels: `(N,)` integers in 0…C-1.
        proxies: `(C, D)`.
        temperature: T > 0; the smaller, the harder the softmax.

    Returns:
        A scalar.

    >>> x, p = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> normalized_softmax(x, torch.tensor([0]), p, temperature=0.5)
    tensor(0.1269)
    """
    check_proxies(embeddings, labels, proxies)
    s = cosine_similarity(embeddings, proxies)  # s(x, p), (N, C)
    return F.cross_entropy(s / temperature, labels.long())


@in_float32
def proxy_nca(embeddings: Tensor, labels: Tensor, proxies: Tensor, temperature: float) -> Tensor:
    """Proxy-NCA loss with only negatives in the denominator, the mean over the batch.

    Args:
        embeddings: `(N, D)` floats, of any length: only directions count.
        labels: `(N,)` integers in 0…C-1.
        proxies: `(C, D)`.
        temperature: T > 0.

    Returns:
        A scalar; it may be negative.

    >>> x, p = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> proxy_nca(x, torch.tensor([0]), p, temperature=0.5)
    tensor(-2.)
    """
    check_proxies(embeddings, labels, proxies)
    s = cosine_similarity(embeddings, proxies) / temperature
    y = labels.long()[:, None]
    s_positive = s.gather(1, y).squeeze(1)  # s(x, p_y)
    s_negative = s.scatter(1, y, -torch.inf)  # s(x, p_c), c ≠ y
    return (s_negative.logsumexp(dim=1) - s_positive).mean()


@in_float32
def proxy_anchor(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, margin: float = 0.1, alpha: float = 32.0
) -> Tensor:
    """Proxy-Anchor loss of a batch.

    Args:
        embeddings: `(N, D)` floats, of any length: only directions count.
        labels: `(N,)` integers in 0…C-1.
        proxies: `(C, D)`.
        margin: δ, how far beyond similarity 0 positives and negatives are asked to go.
        alpha: α > 0, how strongly hard samples outweigh easy ones.

    Returns:
        A scalar.

    >>> x, p = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> proxy_anchor(x, torch.tensor([0]), p)
    tensor(1.6200)
    """
    check_proxies(embeddings, labels, proxies)
    s = cosine_similarity(embeddings, proxies)  # s(x, p), (N, C)
    positive = F.one_hot(labels.long(), len(proxies)).bool()  # x ∈ X_p⁺
    present = positive.any(dim=0).sum()  # |P⁺|
    pull = _log_one_plus_sum_exp(-alpha * (s - margin), positive)
    push = _log_one_plus_sum_exp(alpha * (s + margin), ~positive)
    return pull.sum() / present + push.sum() / len(proxies)


def _log_one_plus_sum_exp(z: Tensor, mask: Tensor) -> Tensor:
    """log(1 + Σ_x e^z) down each column, over the masked rows: the 1 is one more row, e^0."""
    z = torch.cat([z.new_zeros(1, z.shape[1]), z.masked_fill(~mask, -torch.inf)])
    return z.logsumexp(dim=0)


class _ProxyLoss(nn.Module):
    """A loss that owns one proxy per class: the parameter `proxies`, `(num_classes, D)`.

    The start is that of the Proxy-Anchor authors' code, N(0, 2/C): only its direction matters to
    the loss, its length sets how far one optimiser step turns it.
    """

    def __init__(self, num_classes: int, embedding_size: int, seed: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, got {embedding_size}")
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(num_classes, embedding_size, generator=generator)
        self.proxies = nn.Parameter(start * (2 / num_classes) ** 0.5)
        self.num_classes, self.embedding_size = num_classes, embedding_size

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.with_proxies(embeddings, labels, self.proxies)

    @abstractmethod
    def with_proxies(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
        """The same loss with other proxies `(C, D)` in the place of its own, of any number."""

    def extra_repr(self) -> str:
        return f"num_classes={self.num_classes}, embedding_size={self.embedding_size}"


class NormalizedSoftmaxLoss(_ProxyLoss):
    """Normalised softmax as a module: `loss(embeddings (N, D), labels (N,))`.

    Args:
        num_classes: C ≥ 2, the number of training classes; labels are 0…C-1.
        embedding_size: D.
        temperature: T > 0; the paper's value is 0.05.
        seed: of the random start of the proxies.
    """

    def __init__(
        self, num_classes: int, embedding_size: int, temperature: float = 0.05, *, seed: int = 0
    ) -> None:
        super().__init__(num_classes, embedding_size, seed)
        check_positive(temperature=temperature)
        self.temperature = temperature

    def with_proxies(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
        return normalized_softmax(embeddings, labels, proxies, self.temperature)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, temperature={self.temperature}"


class ProxyNCALoss(_ProxyLoss):
    """Proxy-NCA as a module: `loss(embeddings (N, D), labels (N,))`.

    Args:
        num_classes: C ≥ 2, the number of training classes; labels are 0…C-1.
        embedding_size: D.
        temperature: T > 0; 1/32 is what the Proxy-Anchor authors' code uses for it.
        seed: of the random start of the proxies.
    """

    def __init__(
        self, num_classes: int, embedding_size: int, temperature: float = 1 / 32, *, seed: int = 0
    ) -> None:
        super().__init__(num_classes, embedding_size, seed)
        check_positive(temperature=temperature)
        self.temperature = temperature

    def with_proxies(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
        return proxy_nca(embeddings, labels, proxies, self.temperature)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, temperature={self.temperature}"


class ProxyAnchorLoss(_ProxyLoss):
    """Proxy-Anchor as a module: `loss(embeddings (N, D), labels (N,))`.

    Args:
        num_classes: C ≥ 2, the number of training classes; labels are 0…C-1.
        embedding_size: D.
        margin: δ; the paper uses 0.1 everywhere.
        alpha: α > 0; the paper uses 32 everywhere.
        seed: of the random start of the proxies.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: float = 0.1,
        alpha: float = 32.0,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(num_classes, embedding_size, seed)
        check_positive(alpha=alpha)
        check_finite(margin=margin)
        self.margin, self.alpha = margin, alpha

    def with_proxies(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
        return proxy_anchor(embeddings, labels, proxies, self.margin, self.alpha)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}, alpha={self.alpha}"
