"""Which images form a batch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from dmlviz.datasets.base import as_index_tensor


class ClassBalancedBatchSampler(Sampler[list[int]]):
    """Batches of `classes_per_batch` classes with `samples_per_class` images each.

    Losses that compare images with each other need several of a class in one batch. Every class
    is drawn equally often (give or take one batch), and each class walks through all its images
    before one repeats. Only where a class has fewer than `samples_per_class` images does a batch
    hold an image twice.

    An epoch has exactly `len(sampler)` = ⌊N / (classes_per_batch · samples_per_class)⌋ batches,
    at least one. Each pass draws anew; the order follows from `seed` and the number of the pass.

    Args:
        targets: `(N,)` integers, or a data set that has `.targets`.
        classes_per_batch: how many classes, at most as many as there are.
        samples_per_class: how many images of each, at least 1.
        seed: of all draws.

    >>> sampler = ClassBalancedBatchSampler([0, 0, 0, 1, 1, 1, 2, 2, 2], 2, 2, seed=0)
    >>> len(sampler), [len(batch) for batch in sampler]
    (2, [4, 4])
    """

    def __init__(
        self, targets: Any, classes_per_batch: int, samples_per_class: int, seed: int = 0
    ) -> None:
        labels = as_index_tensor(getattr(targets, "targets", targets))
        self.members = [torch.nonzero(labels == c).flatten() for c in labels.unique()]
        if samples_per_class < 1:
            raise ValueError(f"samples_per_class must be at least 1, got {samples_per_class}")
        if not 1 <= classes_per_batch <= len(self.members):
            raise ValueError(
                f"classes_per_batch must be between 1 and {len(self.members)}, the number of "
                f"classes, got {classes_per_batch}"
            )
        self.classes_per_batch, self.samples_per_class = classes_per_batch, samples_per_class
        self.seed, self.epoch = seed, 0
        self._length = max(1, len(labels) // (classes_per_batch * samples_per_class))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        self.epoch += 1
        walks = [_endless(members, generator) for members in self.members]
        classes: list[int] = []
        for _ in range(len(self)):
            if len(classes) < self.classes_per_batch:  # the rest of a round is too few: a new one
                classes = torch.randperm(len(self.members), generator=generator).tolist()
            chosen, classes = (
                classes[: self.classes_per_batch],
                classes[self.classes_per_batch :],
            )
            yield [next(walks[c]) for c in chosen for _ in range(self.samples_per_class)]


def _endless(members: torch.Tensor, generator: torch.Generator) -> Iterator[int]:
    """The members in random order, again and again."""
    while True:
        yield from members[torch.randperm(len(members), generator=generator)].tolist()
