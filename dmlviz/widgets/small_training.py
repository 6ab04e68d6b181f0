"""SmallTraining: a few classes, a small convnet, two dimensions, one step at a time."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dmlviz.datasets import ClassBalancedBatchSampler, OfClasses
from dmlviz.evaluation import recall_at_k
from dmlviz.models import EmbeddingNet
from dmlviz.plots.forces import in_the_plane

CLASSES, UNSEEN, PER_BATCH = 3, 6, 10
MEASURE_EVERY = 10  # steps


class SmallTraining:
    """Trains on three classes of a data set, and measures Recall@1 on these and on others.

    Attributes:
        images, labels: the training images, all at once.
        losses: one per step.
        recalls: `(step, on these images, on unseen classes)` every ten steps.
    """

    def __init__(self, dataset: Any, loss: nn.Module, unseen: Any, seed: int) -> None:
        needed = CLASSES + (UNSEEN if unseen is None else 0)
        if len(dataset.classes) < needed:
            raise ValueError(
                f"dataset has {len(dataset.classes)} classes, {needed} are needed "
                f"({CLASSES} to train on, {UNSEEN} others unless unseen= is given)"
            )
        train = OfClasses(dataset, range(CLASSES))
        others = OfClasses(dataset, range(CLASSES, needed)) if unseen is None else unseen
        self.original, self.seed = loss, seed
        self.images, self.labels = _stack(train, seed)
        self.unseen, self.unseen_labels = _stack(others, seed)
        self.reset()

    def reset(self) -> None:
        """Begin anew with the same seed."""
        self.model = EmbeddingNet("convnet", 2, in_channels=self.images.shape[1], seed=self.seed)
        self.loss = _for_two_dimensions(self.original)
        parameters = [*self.model.parameters(), *self.loss.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, weight_decay=1e-4)
        sampler = ClassBalancedBatchSampler(self.labels, CLASSES, PER_BATCH, self.seed)
        self._batches = _forever(sampler)
        self.losses: list[float] = []
        self.recalls: list[tuple[int, float, float]] = []
        self._measure()

    def step(self, params: dict[str, float]) -> None:
        """One step with this learning rate `lr`, and these hyper-parameters of the loss."""
        for name, value in params.items():
            if name == "lr":
                self.optimizer.param_groups[0]["lr"] = value
            else:
                setattr(self.loss, name, value)
        rows = next(self._batches)
        self.model.train()
        loss = self.loss(self.model(self.images[rows]), self.labels[rows])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        if len(self.losses) % MEASURE_EVERY == 0:
            self._measure()

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Where the network puts these images now, `(N, 2)`."""
        self.model.eval()
        return self.model(images)

    def proxies(self) -> Tensor | None:
        """Directions of the loss's proxies, `(3, 2)`, or None."""
        proxies = getattr(self.loss, "proxies", None)
        return None if proxies is None else nn.functional.normalize(proxies.detach())

    def _measure(self) -> None:
        seen = recall_at_k(self.embed(self.images), self.labels, [1])[1]
        unseen = recall_at_k(self.embed(self.unseen), self.unseen_labels, [1])[1]
        self.recalls.append((len(self.losses), seen, unseen))


def _stack(dataset: Any, seed: int) -> tuple[Tensor, Tensor]:
    """All images at once, the data set's random augmentation drawn one time by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        images = torch.stack([dataset[i][0] for i in range(len(dataset))])
    return images.contiguous(memory_format=torch.channels_last), dataset.targets


def _for_two_dimensions(loss: nn.Module) -> nn.Module:
    """The loss with the same hyper-parameters, and proxies for three classes around the circle.

    Three, because a circle has room for three directions that point away from each other.
    """
    angle = torch.arange(CLASSES) * (2 * torch.pi / CLASSES) + 0.3
    return in_the_plane(loss, torch.stack([angle.cos(), angle.sin()], dim=1)).float()


def _forever(sampler: Any) -> Iterator[list[int]]:
    while True:
        yield from sampler
