"""Learning from continuous labels: batches of neighbours, and a loss on all label distances.

Kim et al.: Deep Metric Learning Beyond Binary Supervision, CVPR 2019.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.dense import DenseTripletBatchSampler
from dmlviz.methods.method import Method


class ContinuousLabels(Method):
    """Train with `loss(embeddings, label_distances, anchors)` on a `ContinuousDataset`.

    A batch holds some anchors, the nearest labels of each, and random images up to the batch size
    of `training.fit` (see `DenseTripletBatchSampler`). The authors take one anchor, its 5 nearest
    and 144 random images; the log-ratio loss costs so little that here *every* image of a batch is
    an anchor, unless `all_anchors` is False.

    Args:
        loss: for instance `losses.LogRatioLoss()`.
        anchors: images per batch that bring their neighbours.
        nearest: neighbours that each brings.
        pool: draw these out of so many nearest; None: exactly the nearest.
        all_anchors: every image of the batch is an anchor of the loss, not only those.
        smallest_distance: label distances below it count as this much; None: the data set's own.
        flip: mirror half of the batches, each as a whole; None: where the data set allows it.
    """

    def __init__(
        self,
        loss: nn.Module,
        *,
        anchors: int = 4,
        nearest: int = 5,
        pool: int | None = None,
        all_anchors: bool = True,
        smallest_distance: float | None = None,
        flip: bool | None = None,
    ) -> None:
        super().__init__()
        self.loss, self.anchors, self.nearest, self.pool = loss, anchors, nearest, pool
        self.all_anchors, self.smallest_distance, self.flip = all_anchors, smallest_distance, flip
        self._train: Any = None

    def check(self, train: Any, model: nn.Module) -> None:
        """Raise if the labels of `train` have no distances, or forbid the flips asked for."""
        if not isinstance(train, ContinuousDataset):
            raise TypeError(
                "train must be a data set whose labels have distances, such as "
                f'datasets.load("poses", "train"), got {type(train).__name__}'
            )
        if self.flip and not train.flips:
            raise ValueError(
                f"flip=True, but mirroring an image of {train.name} changes its label: leave it out"
            )

    def dataset(self, train: Any) -> Any:
        self._train = train  # it is asked for the label distances of each batch
        return train

    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        random = batch_size - self.anchors * (1 + self.nearest)
        if random < 0:
            raise ValueError(
                f"batch_size={batch_size} is too small for {self.anchors} anchors with "
                f"{self.nearest} neighbours each: it must be at least {batch_size - random}"
            )
        return DenseTripletBatchSampler(
            train, self.anchors, self.nearest, random, pool=self.pool, seed=seed
        )

    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, items = batch
        flip = self._train.flips if self.flip is None else self.flip
        if flip and torch.rand(()) < 0.5:  # one coin for all: their label distances stay
            images = images.flip(-1)
        embeddings = model(images)
        distances = self._train.label_distances(items.cpu()).to(embeddings.device)
        smallest = self.smallest_distance
        distances = distances.clamp_min(
            self._train.smallest_distance if smallest is None else smallest
        )
        anchors = None if self.all_anchors else torch.arange(self.anchors, device=items.device)
        return self.loss(embeddings, distances, anchors)
