"""What a synthesizer is: it makes novel classes, which join a batch and its proxies.

Symbols in all of this room: x embeddings of the batch, y their labels in 0…C-1, p_c the proxies
`(C, D)`; x̂ and p̂ are the same, scaled to length 1. The novel classes are numbered C…C+K-1; the
class vector c̃_k of class C+k is also its proxy, and v are embeddings of novel classes. A proxy
loss J is then computed on the union, with every normaliser over all C+K classes::

    J( {x} ∪ {v},  {y} ∪ {C+k};  [p_0 … p_{C-1}, c̃_0 … c̃_{K-1}] )

Retrieval uses the network alone: novel classes exist in training only.
"""

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32


class ProxyLoss(Protocol):
    """A loss that may be computed with other proxies than its own, as those of `dmlviz.losses`."""

    def with_proxies(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor: ...


class Novel(NamedTuple):
    """Novel classes that join a batch.

    Attributes:
        embeddings: `(M, D)`.
        labels: `(M,)`, in C…C+K-1.
        proxies: `(K, D)`, one for each novel class.
    """

    embeddings: Tensor
    labels: Tensor
    proxies: Tensor

    @in_float32
    def joined_to(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The union of a batch and these classes, as `loss.with_proxies` takes it.

        Returns:
            Embeddings `(N + M, D)`, labels `(N + M,)` and proxies `(C + K, D)`, the novel last.
        """
        return (
            torch.cat([embeddings, self.embeddings]),
            torch.cat([labels, self.labels]),
            torch.cat([proxies, self.proxies]),
        )


def no_novel(embeddings: Tensor, proxies: Tensor) -> Novel:
    """No novel class at all, for a batch `embeddings (N, D)` and `proxies (C, D)`."""
    labels = torch.zeros(0, dtype=torch.long, device=embeddings.device)
    return Novel(embeddings[:0].detach(), labels, proxies[:0].detach())


class Synthesizer(nn.Module):
    """Makes novel classes from a batch and the proxies; called `(embeddings, labels, proxies)`.

    Attributes:
        random: the source of everything it draws. It lives on the CPU, so that a seed means the
            same on every device.

    Args:
        seed: of `random`.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(seed)

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Novel:
        """Novel classes for one batch.

        Args:
            embeddings: `(N, D)` floats, of any length: only directions count.
            labels: `(N,)` integers in 0…C-1.
            proxies: `(C, D)`, C ≥ 2.

        Returns:
            The novel classes; of size 0 where the batch gives none.
        """

    def own_loss(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor, loss: ProxyLoss
    ) -> Tensor | None:
        """What trains the synthesizer itself, a scalar that reaches neither network nor proxies.

        Args:
            embeddings, labels, proxies: as above.
            loss: the proxy loss that the novel classes join.

        Returns:
            The scalar; None (the default) where nothing is to be trained by it.
        """
        return None

    def get_extra_state(self) -> Any:
        """What a checkpoint keeps beside the parameters: where the random source stands."""
        return self.random.get_state()

    def set_extra_state(self, state: Any) -> None:
        self.random.set_state(state.cpu())

    def proxies(self) -> list[nn.Parameter]:
        """Parameters that stand for classes, and so learn at the rate of the proxies."""
        return []
