"""Learning from class labels: a batch's embeddings and labels go to a loss, and that is all."""

from typing import Any

from torch import Tensor, nn
from torch.utils.data import Sampler

from dmlviz.methods.method import Method, balanced_batches, check_num_classes


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

    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, labels = batch
        return self.loss(model(images), labels)

    def check(self, train: Any, model: nn.Module) -> None:
        """Raise if the loss was made for another number of classes than `train` has."""
        check_num_classes(self.loss, train)

    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        if self.samples_per_class is None:
            return super().batch_sampler(train, batch_size, seed)
        return balanced_batches(train, batch_size, self.samples_per_class, seed)
