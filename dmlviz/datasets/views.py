"""Several random views of each image: what methods learn from that need no labels."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Views(Dataset[tuple[Tensor, int, int]]):
    """Item i is (`views` transformed copies of image i, its label, i).

    The copies, `(views, C, H, W)`, differ by the random transform of the data set.

    Args:
        dataset: items `(image, label)`, or images alone, which then have the label -1.
        views: how many copies, at least 1.
    """

    def __init__(self, dataset: Any, views: int = 2) -> None:
        if views < 1:
            raise ValueError(f"views must be at least 1, got {views}")
        self.dataset, self.views = dataset, views

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        items = [self.dataset[index] for _ in range(self.views)]
        if isinstance(items[0], Tensor):
            return torch.stack(items), -1, index
        return torch.stack([image for image, _ in items]), int(items[0][1]), index


def one_after_the_other(
    images: Tensor, labels: Tensor, indices: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of `Views` in one row: all first views, then all second ones, …

    >>> images, labels, indices = torch.zeros(8, 2, 1, 32, 32), torch.arange(8), torch.arange(8)
    >>> [tuple(x.shape) for x in one_after_the_other(images, labels, indices)]
    [(16, 1, 32, 32), (16,), (16,)]
    """
    views = images.shape[1]
    return images.transpose(0, 1).flatten(0, 1), labels.repeat(views), indices.repeat(views)
