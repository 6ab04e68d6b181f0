"""What every labelled image data set of the library is: images, targets, classes, a transform."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, default_collate

Transform = Callable[[Image.Image], Tensor]


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Labelled images; item i is `(transform(image(i)), targets[i])`.

    A subclass implements `image`, which returns the picture as stored, before any transform:
    that is what galleries show.

    Attributes:
        name: the name it is loaded by.
        split: the split it holds.
        classes: class names; `classes[targets[i]]` is the class of item i.
        targets: `(N,)` integers in 0…len(classes)-1.
        transform: from a PIL image to a float tensor `(channels, height, width)`.
    """

    name: str

    def __init__(
        self, split: str, classes: list[str], targets: Tensor, transform: Transform
    ) -> None:
        self.split, self.classes, self.transform = split, classes, transform
        self.targets = targets.long()

    def image(self, index: int) -> Image.Image:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        check_index(index, len(self))
        return self.transform(self.image(index)), int(self.targets[index])

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}: {len(self):,} images of {len(self.classes):,} classes>"


def check_index(index: int, size: int) -> None:
    """Raise IndexError, which ends a loop over a data set, unless the item exists."""
    if not -size <= index < size:
        raise IndexError(f"index {index} is outside a data set of {size} images")


def check_split(split: str, splits: tuple[str, ...]) -> None:
    """Raise unless `split` is one of `splits`."""
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(splits)}, got {split!r}")


def collate(items: list[tuple[Any, ...]]) -> Any:
    """Stack items to a batch; where they do not stack, say which transform is missing."""
    inputs = [item[0] for item in items]
    for x in inputs:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = f"{x.dtype} tensor" if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(
                f"the data set's items must be float tensors, got {kind}: "
                "its transform should end with a conversion to float, "
                "for example dmlviz.datasets.transforms.photo(size)"
            )
    shapes = {tuple(x.shape) for x in inputs}
    if len(shapes) > 1:
        raise ValueError(
            f"images of one batch have different shapes {sorted(shapes)}: give the data set a "
            "transform with a fixed size, for example transform=model.transforms(train=True)"
        )
    return default_collate(items)


def class_names_shared(a: object, b: object) -> set[str]:
    """Names of the classes that two data sets of the same name have in common."""
    if getattr(a, "name", None) != getattr(b, "name", None):
        return set()
    return set(getattr(a, "classes", ())) & set(getattr(b, "classes", ()))


def as_index_tensor(values: Any) -> Tensor:
    """Targets or labels in any container, as a `(N,)` tensor of integers."""
    labels = torch.as_tensor(values)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape (N,), got {tuple(labels.shape)}")
    if labels.is_floating_point():
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    return labels.long()


def open_image(path: Path) -> Image.Image:
    """Read an image file as RGB; what cannot be read is an error that names the file."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):  # 16 bit grey, which convert() would clip to white
                grey = np.asarray(image).astype(np.float64) / 257
                return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the image {path} is gone: load the data set again after restoring it"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"the image {path} cannot be decoded ({error}): replace it, or delete it and load again"
        ) from error
