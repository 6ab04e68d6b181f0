"""CUB-200-2011: photographs of 200 kinds of birds (Wah, Branson, Welinder, Perona, Belongie:
The Caltech-UCSD Birds-200-2011 Dataset, 2011). For non-commercial research; not ours to hand on.

The zero-shot protocol of the metric-learning papers: official classes 1-100 train (5,864 images),
101-200 test (5,924), whole images without bounding boxes. The file `train_test_split.txt` of the
release divides the images of *every* class, for classification, and has no part in this.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.download import fetch_release
from dmlviz.datasets.real.photographs import Photographs, find_folder, hold_out, is_whole
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.roots import PathLike, data_root

FOLDER = "CUB_200_2011"
SOURCE = Source(
    folder=FOLDER,
    page="https://data.caltech.edu/records/65de6-vp158",
    licence="photographs of many authors, for non-commercial research and education only",
    downloads=(
        Download(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            "md5:97eceeb196236b17998738112f37df78",
            "1.1 GB",
        ),
    ),
    official=(("train", 100, 5864), ("test", 100, 5924)),
)


class CUB(Photographs):
    """CUB-200-2011 by classes: see the top of this file.

    Args:
        split: "train" (official classes 1-100), "test" (101-200), or "val" (see `val_classes`).
        root: the folder that holds `CUB_200_2011/`, or that folder itself.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        val_classes: hold so many of the last training classes out as "val". The papers hold out
            none, so by default "train" is theirs and there is no "val".
        download: fetch the data (1.1 GB) if it is missing.

    Raises:
        FileNotFoundError: the data, or an image that its lists name, is missing.
        ValueError: the lists are damaged, or the split does not exist.
    """

    name = "cub"
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        val_classes: int = 0,
        download: bool = False,
    ) -> None:
        check_split(split, self.splits)
        whole = is_whole("CUB", split, val_classes)
        place = data_root(root)
        if download and find_folder(place, [FOLDER], "images.txt") is None:
            fetch_release(SOURCE, place)
        self.folder = _find(place)
        paths = _read(self.folder / "images.txt")
        labels = _read(self.folder / "image_class_labels.txt", int)
        names = _read(self.folder / "classes.txt")
        if paths.keys() != labels.keys():
            odd = len(paths.keys() ^ labels.keys())
            raise ValueError(
                f"images.txt and image_class_labels.txt in {self.folder} disagree about {odd} "
                "images: one of them is damaged, unpack the archive again"
            )

        ids = sorted(set(labels.values()))
        wanted = _class_ids(split, ids, val_classes)
        if not wanted:
            raise ValueError(f"the lists in {self.folder} name no image of the {split!r} classes")
        unnamed = [c for c in wanted if c not in names]
        if unnamed:
            raise ValueError(
                f"{self.folder / 'classes.txt'} does not name class {unnamed[0]}: "
                "the file is cut short, unpack the archive again"
            )
        classes = {c: names[c].split(".", 1)[-1].replace("_", " ") for c in wanted}
        members = [
            (self.folder / "images" / paths[i], labels[i])
            for i in sorted(paths)
            if labels[i] in classes
        ]
        super().__init__(split, classes, members, transform, SOURCE if whole else None)


def _class_ids(split: str, ids: list[int], val_classes: int) -> list[int]:
    """Official ids of the split's classes, among those that the lists name."""
    if split == "test":
        return [c for c in ids if c > 100]
    return hold_out([c for c in ids if c <= 100], split, val_classes)


def _find(root: Path) -> Path:
    """The folder with the official lists."""
    folder = find_folder(root, [FOLDER], "images.txt")
    if folder is not None:
        return folder
    if (root / FOLDER).is_dir():
        raise FileNotFoundError(
            f"{root / FOLDER} has no images.txt: unpack the official {FOLDER}.tgz there again, or "
            "move it away and pass download=True"
        )
    if (root / "lists").is_dir() or (root / "CUB_200").is_dir():
        raise FileNotFoundError(
            f"{root} looks like CUB-200 of 2010, another data set: what the papers use is {FOLDER}"
        )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: pass download=True (1.1 GB), or root= (or set DMLVIZ_DATA to) the "
        f"folder that holds {FOLDER}/"
    )


def _read(path: Path, kind: Callable[[str], Any] = str) -> dict[int, Any]:
    """A list of the release: lines of an id, a space, a value."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: unpack the official {FOLDER}.tgz again")
    entries = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            key, value = line.split(maxsplit=1)
            entries[int(key)] = kind(value.strip())
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: expected 'id value', got {line!r}: "
                "the file is damaged, unpack the archive again"
            ) from None
    return entries
