"""Flickr8k: 8,000 photographs of people and dogs doing things, each described by five people
(Hodosh, Young, Hockenmaier: Framing Image Description as a Ranking Task: Data, Models and
Evaluation Metrics, JAIR 2013). For research, from its authors; not ours to hand on.

There are no classes: the distance between two labels is the relaxed word mover's distance between
the captions of two images (`captioned`). It stands in for the caption retrieval of Kim et al. (Deep
Metric Learning Beyond Binary Supervision, CVPR 2019), who used, as far as we know, MS-COCO.

The official lists divide the images into 6,000 for training, 1,000 for validation (dev) and 1,000
for testing. Of the test list, our choice, every fifth image from the first on is a query (200), and
the gallery is the rest (800).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.real.captioned import CaptionedImages, Vectors
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.roots import PathLike, data_root

FOLDER = "flickr8k"
CAPTIONS = "Flickr8k.token.txt"
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "query": "Flickr_8k.testImages.txt",
    "gallery": "Flickr_8k.testImages.txt",
}
IMAGES = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")  # the first is the official
QUERY_EVERY = 5
SOURCE = Source(
    folder=FOLDER,
    page="Micah Hodosh, Peter Young and Julia Hockenmaier, University of Illinois",
    licence="photographs of many authors: see its authors' terms",
    by_hand=(
        "get Flickr8k from its authors (there is no download from here) and unpack its texts and "
        f"its images to {FOLDER}/"
    ),
    official=(("train", 0, 6000), ("val", 0, 1000), ("query", 0, 200), ("gallery", 0, 800)),
)


class Flickr8k(CaptionedImages):
    """Flickr8k with its captions: see the top of this file.

    Args:
        split: "train", "val", "query" or "gallery".
        root: the folder that holds `flickr8k/`, or that folder itself. In it: the lists and
            `Flickr8k.token.txt`, and the images in `Flicker8k_Dataset/` (so they spell it) or in
            `images/`.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split. Flipped images keep
            captions in which left and right may matter; few do.
        vectors: `{word: vector}` to use instead of the ones learned from the training captions;
            pass the same ones to splits that are compared.

    Attributes:
        paths: the image files.
        captions: five texts (as a rule) for each image.

    Raises:
        FileNotFoundError: the data, or one of its lists, is missing.
        ValueError: a line of a list is damaged, or names an image without a file or a caption.
    """

    name = "flickr8k"
    splits = ("train", "val", "query", "gallery")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        vectors: Vectors | None = None,
    ) -> None:
        check_split(split, self.splits)
        self.folder = _find(data_root(root))
        texts = _read_captions(self.folder / CAPTIONS)
        members = _read_list(self.folder / LISTS[split], texts)
        if split in ("query", "gallery"):
            members = {
                image: line
                for number, (image, line) in enumerate(members.items())
                if (number % QUERY_EVERY == 0) == (split == "query")
            }
        training = _read_list(self.folder / LISTS["train"], texts)
        super().__init__(
            split,
            _image_files(self.folder, LISTS[split], members),
            [texts[image] for image in members],
            training=[texts[image] for image in training],
            vectors=vectors,
            transform=transform,
        )
        SOURCE.compare("Flickr8k", split, 0, len(self), stacklevel=3)


def _find(root: Path) -> Path:
    """The folder with the official lists."""
    for folder in (root / FOLDER, root):
        if (folder / CAPTIONS).is_file():
            return folder
    raise FileNotFoundError(
        f"no {FOLDER}/{CAPTIONS} in {root}: {SOURCE.by_hand} there, or pass root= (or set "
        f"DMLVIZ_DATA to) the folder that holds {FOLDER}/"
    )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: unpack the text archive of Flickr8k again")
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _read_captions(path: Path) -> dict[str, list[str]]:
    """The captions of each image, from lines `image.jpg#number<TAB>caption`.

    The official file also has captions of images that are in no list, and of one that does not
    exist.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(path), start=1):
        key, tab, text = line.partition("\t")
        image, mark, _ = key.partition("#")
        if not (image and tab and mark):
            raise ValueError(
                f"{path}, line {number}: expected 'image.jpg#0<TAB>caption', got {line!r}: "
                "the file is damaged, unpack it again"
            )
        captions.setdefault(image, []).append(text)
    return captions


def _read_list(path: Path, captions: Mapping[str, Any]) -> dict[str, int]:
    """The images that a list names, and the line of each."""
    members: dict[str, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        image = line.strip()
        if image not in captions:
            raise ValueError(
                f"{path}, line {number}: {image!r} has no caption in {CAPTIONS}: one of the two "
                "is damaged, unpack them again"
            )
        if image in members:
            raise ValueError(
                f"{path}, line {number}: {image!r} is named a second time: unpack again"
            )
        members[image] = number
    if not members:
        raise ValueError(f"{path} names no image: the file is damaged, unpack it again")
    return members


def _image_files(folder: Path, name: str, members: Mapping[str, int]) -> list[Path]:
    """The file of each image."""
    place = next((folder / d for d in IMAGES if (folder / d).is_dir()), None)
    if place is None:
        raise FileNotFoundError(
            f"{folder} has no folder of images: unpack the images of Flickr8k to "
            f"{folder / IMAGES[0]}/"
        )
    for image, number in members.items():
        if not (place / image).is_file() or (place / image).stat().st_size == 0:
            raise ValueError(
                f"{folder / name}, line {number}: the image {place / image} is missing or empty: "
                "unpack the images again"
            )
    return [place / image for image in members]
