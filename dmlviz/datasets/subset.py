"""Some classes of a data set, as a data set of its own."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset


class OfClasses(Dataset[Any]):
    """The items of some classes, renumbered 0, 1, … in the order given.

    Args:
        dataset: has `.targets` and `.classes`.
        classes: their numbers in `dataset`, all different.

    >>> from dmlviz import datasets
    >>> OfClasses(datasets.load("glyphs", "val"), range(10))
    <glyphs val: 200 images of 10 classes>
    """

    def __init__(self, dataset: Any, classes: Sequence[int]) -> None:
        wanted = torch.as_tensor(list(classes), dtype=torch.long)
        count = len(dataset.classes)
        if len(wanted) == 0 or wanted.min() < 0 or wanted.max() >= count:
            raise ValueError(f"classes must be numbers 0...{count - 1}, got {list(classes)}")
        if len(wanted.unique()) < len(wanted):
            raise ValueError("classes must be all different")
        number = torch.full((count,), -1)
        number[wanted] = torch.arange(len(wanted))
        self.dataset = dataset
        self.indices = (number[dataset.targets] >= 0).nonzero().flatten()
        self.targets = number[dataset.targets[self.indices]]
        self.classes = [dataset.classes[c] for c in wanted]
        self.name, self.split = dataset.name, dataset.split
        self.transform = getattr(dataset, "transform", None)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.dataset[int(self.indices[index])][0], int(self.targets[index])

    def image(self, index: int) -> Image.Image:
        """The picture of an item, before any transform."""
        return self.dataset.image(int(self.indices[index]))

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}: {len(self):,} images of {len(self.classes):,} classes>"
