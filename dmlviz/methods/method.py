"""What `training.fit` asks of a method."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, RandomSampler, Sampler

from dmlviz.datasets.samplers import ClassBalancedBatchSampler


class Method(nn.Module):
    """Turns a batch into a loss. Its own parameters that require a gradient are trained, too."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """The loss of one batch of `self.dataset(train)`, a scalar."""

    def dataset(self, train: Any) -> Any:
        """What the loader reads of the training set; by default the set itself."""
        return train

    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        """Which images of `train` form the batches of an epoch; by default random ones."""
        order = RandomSampler(train, generator=torch.Generator().manual_seed(seed))
        return BatchSampler(order, min(batch_size, len(train)), drop_last=True)

    def proxies(self) -> list[nn.Parameter]:
        """The parameters that learn at the proxies' own rate; by default all of the method's."""
        return [p for p in self.parameters() if p.requires_grad]

    def check(self, train: Any, model: nn.Module) -> None:
        """Raise or warn if this method cannot train `model` on `train`."""


def balanced_batches(
    train: Any, batch_size: int, samples_per_class: int, seed: int
) -> Sampler[list[int]]:
    """Batches of about `batch_size` images, at least `samples_per_class` of each class in them."""
    classes = len(torch.as_tensor(train.targets).unique())
    classes_per_batch = min(classes, max(2, batch_size // samples_per_class))
    samples = max(samples_per_class, min(batch_size, len(train)) // classes_per_batch)
    return ClassBalancedBatchSampler(train.targets, classes_per_batch, samples, seed)


def check_num_classes(loss: nn.Module | None, train: Any) -> None:
    """Raise if the loss was made for another number of classes than `train` has."""
    expected, classes = getattr(loss, "num_classes", None), getattr(train, "classes", None)
    if expected is not None and classes is not None and expected != len(classes):
        raise ValueError(
            f"the loss was made for num_classes={expected}, but the training set has "
            f"{len(classes)} classes: build it with num_classes=len(train.classes)"
        )
