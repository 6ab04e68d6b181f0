"""What every image data set with continuous labels is: images, and a distance between labels.

A label may be a pose, the layout of a room, a caption: something that has no class, but of which
one can say how far it is from another. So an item carries no class number but its own number, and
the data set is asked for the distances between the labels of items.
"""

from abc import abstractmethod
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dmlviz.datasets.base import Transform, check_index


class ContinuousDataset(Dataset[tuple[Tensor, int]]):
    """Images whose labels have distances; item i is `(transform(image(i)), i)`.

    A subclass implements `image`, `__len__` and `_distances`.

    Attributes:
        name: the name it is loaded by.
        split: the split it holds.
        transform: from a PIL image to a float tensor `(channels, height, width)`.
        unit: of label distances, in words.
        smallest_distance: two labels that are nearer than this count as this near in a ratio
            (`methods.ContinuousLabels`), in `unit`: below it, differences mean nothing.
        flips: whether an image may be mirrored without changing label distances, if *all* images
            of a batch are.
    """

    name: str
    unit: str
    smallest_distance: float
    flips: bool = False

    def __init__(self, split: str, transform: Transform) -> None:
        self.split, self.transform = split, transform

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def image(self, index: int) -> Image.Image:
        """The picture as stored, before any transform."""

    @abstractmethod
    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        """Label distances `(R, C)` between own items and items of `other`, of the same class."""

    @property
    def targets(self) -> Tensor:
        """The number of each item: what the data set is asked for label distances by."""
        return torch.arange(len(self))

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        check_index(index, len(self))
        index %= len(self)
        return self.transform(self.image(index)), index

    def label_distance(self, i: int, j: int) -> float:
        """The distance between the labels of two items."""
        return self.label_distances(torch.tensor([i]), columns=torch.tensor([j])).item()

    def label_distances(
        self,
        rows: Tensor | None = None,
        *,
        other: "ContinuousDataset | None" = None,
        columns: Tensor | None = None,
    ) -> Tensor:
        """Distances between labels, in `unit`.

        Args:
            rows: numbers of items of this set `(R,)`; None: all.
            other: the set that the columns belong to, for instance the gallery of these queries;
                None: this one.
            columns: numbers of items of `other` `(C,)`; None: the rows, or all of `other`.

        Returns:
            `(R, C)` float32, not negative.
        """
        if other is not None and type(other) is not type(self):
            raise TypeError(
                f"other must be a {type(self).__name__}, too, got {type(other).__name__}: label "
                "distances exist within one data set only"
            )
        rows = torch.arange(len(self)) if rows is None else torch.as_tensor(rows)
        if columns is None:
            columns = rows if other is None else torch.arange(len(other))
        other = self if other is None else other
        columns = torch.as_tensor(columns)
        for name, numbers, size in (("rows", rows, len(self)), ("columns", columns, len(other))):
            if numbers.ndim != 1 or numbers.is_floating_point():
                raise ValueError(f"{name} must be integers of shape (N,), got {numbers.shape}")
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < size:
                raise ValueError(f"{name} must be numbers of items, 0...{size - 1}")
        return self._distances(rows, other, columns)

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}: {len(self):,} images, labels with a distance>"
