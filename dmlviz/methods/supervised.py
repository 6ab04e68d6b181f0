"""Learning from class labels: a batch's embeddings and labels go to a loss, and that is all."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, RandomSampler, Sampler

from dmlviz.datasets.samplers import ClassBalancedBatchSampler
from dmlviz.methods.method import Method


class Supervised(Method):
    """Train with `loss(embeddings, labels)`: the library's losses or pytorch-metric-learning's.

    A loss with parameters (proxies) sees random batches, as the Proxy-Anchor paper trains. A loss
    without compares images with each other, so it gets several images of each class per batch.

    Args:
        loss: a module called with embeddings `(N, D)` and labels `(N,)`.
        samples_per_class: images of a class per batch; None: random batches for a loss with
            parameters, 4 for one without.
    """

    def __init__(self, loss: nn.Module, *, samples_per_class: int | None = None) -> None:
        super().__init__()
        if samples_per_class is None and not any(True for _ in loss.parameters()):
            samples_per_class = 4
        self.loss, self.samples_per_class = loss, samples_per_class

    def forward(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        return self.loss(model(images), labels)

    def check(self, train: Any) -> None:
        """Raise if the loss was made for another number of classes than `train` has."""
        expected, classes = getattr(self.loss, "num_classes", None), getattr(train, "classes", None)
        if expected is not None and classes is not None and expected != len(classes):
            raise ValueError(
                f"the loss was made for num_classes={expected}, but the training set has "
                f"{len(classes)} classes: build it with num_classes=len(train.classes)"
            )

    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        if self.samples_per_class is None:
            generator = torch.Generator().manual_seed(seed)
            order = RandomSampler(train, generator=generator)
            return BatchSampler(order, min(batch_size, len(train)), drop_last=True)
        classes = len(torch.as_tensor(train.targets).unique())
        classes_per_batch = min(classes, max(2, batch_size // self.samples_per_class))
        samples = max(self.samples_per_class, min(batch_size, len(train)) // classes_per_batch)
        return ClassBalancedBatchSampler(train.targets, classes_per_batch, samples, seed)
