"""What the benchmarks of photographs have in common: a folder found by its lists, image files that
exist, classes of the release that become targets 0…C-1, training classes held out as "val".
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from dmlviz.datasets.base import ImageDataset, Transform, open_image
from dmlviz.datasets.real.files import check_files
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.transforms import photo

T = TypeVar("T")


class Photographs(ImageDataset):
    """Images in files, by classes.

    Args:
        split: the split; images of "train" are augmented by the default transform.
        classes: `{key of the class in the release: its name}`, in the order of the targets.
        members: `(file, key of its class)` of each image, in order.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        source: warn where the split is not of the size stated there; None: the user has changed it.

    Attributes:
        paths: of the images.

    Raises:
        FileNotFoundError: an image is missing or empty.
    """

    def __init__(
        self,
        split: str,
        classes: Mapping[Any, str],
        members: Iterable[tuple[Path, Hashable]],
        transform: Transform | None,
        source: Source | None,
    ) -> None:
        position = {key: i for i, key in enumerate(classes)}
        members = list(members)
        self.paths = [path for path, _ in members]
        check_files(self.paths, "unpack the archive again")
        super().__init__(
            split,
            classes=list(classes.values()),
            targets=torch.tensor([position[key] for _, key in members]),
            transform=transform or photo(train=split == "train"),
        )
        if source is not None:  # the warning shall point at the line that called load
            source.compare(type(self).__name__, split, len(self.classes), len(self), stacklevel=4)

    def image(self, index: int) -> Image.Image:
        return open_image(self.paths[index])


def is_whole(
    title: str, split: str, held_out: int, argument: str = "val_classes", example: int = 20
) -> bool:
    """Whether the split is the papers': classes held out make "train" smaller than theirs.

    Raises:
        TypeError: `held_out` is not a whole number.
        ValueError: it is negative, or it is 0 and the split is "val", which the papers do not have.
    """
    if isinstance(held_out, bool) or not isinstance(held_out, Integral):
        raise TypeError(f"{argument} must be a whole number, got {held_out!r}")
    if held_out < 0:
        raise ValueError(f"{argument} must be 0 or more, got {held_out}")
    if split == "val" and held_out == 0:
        raise ValueError(
            f'{title} has no official "val" split: hold training classes out, with the same '
            f'{argument}={example} for "train" and for "val"'
        )
    return held_out == 0 or split not in ("train", "val")


def hold_out(
    classes: Sequence[T], split: str, held_out: int, argument: str = "val_classes"
) -> list[T]:
    """Training classes of the split "train" or "val": the last `held_out` are those of "val"."""
    if held_out >= max(len(classes), 1):
        raise ValueError(
            f"{argument} must leave training classes: at most {max(len(classes) - 1, 0)}, "
            f"got {held_out}"
        )
    border = len(classes) - held_out
    return list(classes[border:] if split == "val" else classes[:border])


def find_folder(root: Path, names: Sequence[str], *lists: str) -> Path | None:
    """The folder, one of `names` in `root` or `root` itself, that holds one of the lists."""
    folders = [*(root / name for name in names), root]
    return next((f for f in folders if any((f / file).is_file() for file in lists)), None)
