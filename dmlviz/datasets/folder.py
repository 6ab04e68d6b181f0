"""Your own images: a folder with one folder of images per class.

::

    root/
      sparrow/  1.jpg  2.jpg  …
      wren/     a.png  …

Metric learning is judged on classes it never saw, so the *classes* are divided, not the images:
by a seeded draw, or by your own lists.
"""

import random
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image

from dmlviz.datasets.base import ImageDataset, Transform, check_split, open_image
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import HALF, photo

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


class Folder(ImageDataset):
    """A folder of images: see the top of this file.

    Args:
        split: "train", "val", "test", or "all" classes.
        root: the folder.
        transform: from a PIL image to a float tensor; None: RGB at 64 x 64, which the convnet
            takes; for other backbones `model.transforms(train=...)`.
        splits: lists of class names by split, such as `{"train": [...], "test": [...]}`;
            None: a seeded draw.
        test_fraction: of all classes, in a draw.
        val_fraction: of the remaining classes, in a draw.
        seed: of the draw.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: fewer than two classes, no images, or lists that do not fit the folder.
    """

    name = "folder"
    splits = ("train", "val", "test", "all")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        splits: Mapping[str, Sequence[str]] | None = None,
        test_fraction: float = 0.5,
        val_fraction: float = 0.2,
        seed: int = 0,
    ) -> None:
        check_split(split, self.splits)
        self.root = data_root(root)
        found = _images_by_class(self.root)
        if split == "all":
            classes = sorted(found)
        else:
            if splits is None:
                splits = draw_splits(found, test_fraction, val_fraction, seed)
            else:
                _check_lists(splits, found, self.root)
            classes = list(splits.get(split, ()))
        if not classes:
            raise ValueError(
                f"{self.root} has no {split!r} classes: its {len(found)} classes are too few for "
                "the draw. Give lists, splits={'train': [...], 'test': [...]}, or change "
                "test_fraction and val_fraction"
            )
        self.paths = [path for name in classes for path in found[name]]
        targets = [i for i, name in enumerate(classes) for _ in found[name]]
        super().__init__(
            split,
            classes=classes,
            targets=torch.tensor(targets),
            transform=transform or photo(64, train=split == "train", mean=HALF, std=HALF),
        )

    def image(self, index: int) -> Image.Image:
        return open_image(self.paths[index])


def draw_splits(
    classes: Sequence[str] | Mapping[str, object],
    test_fraction: float,
    val_fraction: float,
    seed: int,
) -> dict[str, list[str]]:
    """Divide class names at random: a share for "test", a share of the rest for "val"."""
    for name, share in (("test_fraction", test_fraction), ("val_fraction", val_fraction)):
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {share}")
    names = sorted(classes)
    random.Random(seed).shuffle(names)
    n_test = round(test_fraction * len(names))
    n_val = round(val_fraction * (len(names) - n_test))
    return {
        "test": sorted(names[:n_test]),
        "val": sorted(names[n_test : n_test + n_val]),
        "train": sorted(names[n_test + n_val :]),
    }


def _images_by_class(root: Path) -> dict[str, list[Path]]:
    if not root.is_dir():
        raise FileNotFoundError(
            f"no folder {root}: give root=, the folder that holds one folder of images per class"
        )
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = {}
    for folder in folders:
        images = [p for p in folder.rglob("*") if _is_image(p, folder)]
        if images:
            found[folder.name] = sorted(images)
    empty = len(folders) - len(found)
    if empty:
        warnings.warn(
            f"{empty} of the {len(folders)} folders in {root} hold no image and are left out",
            stacklevel=4,
        )
    if len(found) < 2:
        raise ValueError(
            f"{root} holds {len(found)} folders with images, but at least 2 classes are needed: "
            "the layout is root/class/image"
        )
    return found


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in EXTENSIONS and path.is_file()


def _check_lists(
    splits: Mapping[str, Sequence[str]], found: Mapping[str, object], root: Path
) -> None:
    seen: dict[str, str] = {}
    for split, names in splits.items():
        check_split(split, Folder.splits[:3])
        for name in names:
            if name not in found:
                raise ValueError(f"splits names the class {name!r}, but {root} has no such images")
            if name in seen:
                raise ValueError(
                    f"splits names the class {name!r} in {seen[name]!r} and in {split!r}: "
                    "a class belongs to one split only"
                )
            seen[name] = split
