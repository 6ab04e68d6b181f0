"""What `training.fit` asks of a method."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Sampler


class Method(nn.Module):
    """Turns a batch into a loss. Its parameters that require a gradient are trained as proxies."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of one batch `(images, labels)`, a scalar."""

    @abstractmethod
    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        """Which images of `train` form the batches of an epoch."""

    def check(self, train: Any) -> None:
        """Raise if this method cannot train on `train`."""
