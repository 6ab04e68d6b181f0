"""Which images form a batch."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from dmlviz.datasets.base import as_index_tensor


class ClassBalancedBatchSampler(Sampler[list[int]]):
    """Batches of `classes_per_batch` classes with `samples_per_class` images each.

    Losses that compare images with each other need several of a class in one batch. In a pass every
    class is drawn equally often (give or take one batch), and so is every image of a class. Only
    where a class has fewer than `samples_per_class` images does a batch hold an image twice.

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
        classes = _Deck(range(len(self.members)), generator)
        images = [_Deck(members.tolist(), generator) for members in self.members]
        for _ in range(len(self)):
            yield [
                i
                for c in classes.draw(self.classes_per_batch)
                for i in images[c].draw(self.samples_per_class)
            ]


class _Deck:
    """Cards that are dealt in random order; when all are out, they are shuffled again."""

    def __init__(self, cards: Iterable[int], generator: torch.Generator) -> None:
        self.cards, self.generator = list(cards), generator
        self.left: list[int] = []

    def draw(self, n: int) -> list[int]:
        """The next n cards, all different where there are so many: a card just dealt waits."""
        hand: list[int] = []
        while len(hand) < n:
            if not self.left:
                order = torch.randperm(len(self.cards), generator=self.generator)
                self.left = [self.cards[i] for i in order]
            card = next((c for c in self.left if c not in hand), self.left[0])
            self.left.remove(card)
            hand.append(card)
        return hand
