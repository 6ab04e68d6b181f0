"""Spoil a training set on purpose: wrong labels, and images that belong to none of the classes."""

import copy
from typing import Any

import torch
from PIL import Image

from dmlviz.datasets.base import ImageDataset


def with_wrong_labels(dataset: Any, share: float, *, seed: int = 0) -> Any:
    """A copy of `dataset` in which a share of the labels is wrong.

    Each spoilt image gets one of the *other* classes, all equally likely.

    Args:
        dataset: has `.targets` and `.classes`; left as it is.
        share: of the images, in 0…1.
        seed: of the draw.
    """
    rows, generator = _draw(dataset, share, seed)
    spoilt = copy.copy(dataset)
    spoilt.targets = dataset.targets.clone()
    classes = len(dataset.classes)
    step = torch.randint(1, classes, (len(rows),), generator=generator)
    spoilt.targets[rows] = (spoilt.targets[rows] + step) % classes
    return spoilt


def with_outliers(dataset: Any, foreign: Any, share: float, *, seed: int = 0) -> ImageDataset:
    """A copy of `dataset` in which a share of the images shows foreign classes.

    The spoilt items keep their labels, so each class holds a few images that are nothing like it.

    Args:
        dataset: images of the library's data sets, or `OfClasses` of one; left as it is.
        foreign: likewise, of other classes, at least as many images as are to be spoilt.
        share: of the images, in 0…1.
        seed: of the draw.
    """
    rows, generator = _draw(dataset, share, seed)
    if len(rows) > len(foreign):
        raise ValueError(
            f"share={share} of {len(dataset)} images asks for {len(rows)} foreign ones, "
            f"but foreign holds {len(foreign)}"
        )
    chosen = torch.randperm(len(foreign), generator=generator)[: len(rows)]
    return _WithOutliers(dataset, foreign, dict(zip(rows.tolist(), chosen.tolist(), strict=True)))


class _WithOutliers(ImageDataset):
    def __init__(self, dataset: Any, foreign: Any, replaced: dict[int, int]) -> None:
        super().__init__(dataset.split, dataset.classes, dataset.targets, dataset.transform)
        self.name, self.dataset = dataset.name, dataset
        self.foreign, self.replaced = foreign, replaced

    def image(self, index: int) -> Image.Image:
        if index in self.replaced:
            return self.foreign.image(self.replaced[index])
        return self.dataset.image(index)


def _draw(dataset: Any, share: float, seed: int) -> tuple[torch.Tensor, torch.Generator]:
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    generator = torch.Generator().manual_seed(seed)
    count = round(share * len(dataset))
    return torch.randperm(len(dataset), generator=generator)[:count], generator
