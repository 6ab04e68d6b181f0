"""Stanford Online Products: photographs of 22,634 things for sale (Oh Song, Xiang, Jegelka,
Savarese: Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016).

A class is one product, with five images or so; each is of one of twelve kinds, such as bicycles.
The official zero-shot split has a list for each side: `Ebay_train.txt`, products 1-11,318 (59,551
images), and `Ebay_test.txt`, products 11,319-22,634 (60,502). The official labels count from 1,
across both lists; the targets here count from 0 in each split, as losses with proxies need it.
"""

from pathlib import Path

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.real.photographs import Photographs, find_folder, hold_out, is_whole
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.real.tables import read_table
from dmlviz.datasets.roots import PathLike, data_root

FOLDER = "Stanford_Online_Products"
LISTS = {"train": "Ebay_train.txt", "val": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = "image_id class_id super_class_id path"
BORDER = 11318  # the last official class of the training list
SOURCE = Source(
    folder=FOLDER,
    page="http://ftp.cs.stanford.edu/cs/cvgl/",
    licence="photographs of many authors: see its authors' terms",
    downloads=(
        Download(
            "http://ftp.cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip",
            "md5:7f73d41a2f44250d4779881525aea32e",
        ),
    ),
    official=(("train", 11318, 59551), ("test", 11316, 60502)),
)


class SOP(Photographs):
    """Stanford Online Products by product: see the top of this file.

    Args:
        split: "train", "test", or "val" (see `val_classes`).
        root: the folder that holds `Stanford_Online_Products/`, or that folder itself.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        val_classes: hold so many of the last training products out as "val". The papers hold out
            none, so by default "train" is theirs and there is no "val".

    Attributes:
        classes: kind and official number of each product, such as "coffee maker 2701".
        super_classes: the kind alone; `super_classes[target]` is that of a product.

    Raises:
        FileNotFoundError: the data, or an image that the list names, is missing.
        ValueError: the list is damaged, or the split does not exist.
    """

    name = "sop"
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        val_classes: int = 0,
    ) -> None:
        check_split(split, self.splits)
        whole = is_whole("Stanford Online Products", split, val_classes, example=1000)
        self.folder = _find(data_root(root))
        images = _read(self.folder / LISTS[split])
        kinds = {product: _kind(path) for path, product in images}
        wanted = sorted(kinds)
        if split != "test":
            wanted = hold_out(wanted, split, val_classes)
        classes = {product: f"{kinds[product]} {product}" for product in wanted}
        members = [(self.folder / path, product) for path, product in images if product in classes]
        super().__init__(split, classes, members, transform, SOURCE if whole else None)
        self.super_classes = [kinds[product] for product in wanted]


def _find(root: Path) -> Path:
    """The folder with the official lists."""
    folder = find_folder(root, [FOLDER], *LISTS.values())
    if folder is not None:
        return folder
    if (root / FOLDER).is_dir():
        raise FileNotFoundError(
            f"{root / FOLDER} has no Ebay_train.txt: unpack the official {FOLDER}.zip there again"
        )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: download {SOURCE.downloads[0].url}, "
        f"unpack it, and pass root= (or set DMLVIZ_DATA to) the "
        f"folder that holds {FOLDER}/"
    )


def _read(path: Path) -> list[tuple[str, int]]:
    """Path and official class (from 1) of each image of a list."""
    images = []
    training = path.name == LISTS["train"]
    first, last = (1, BORDER) if training else (BORDER + 1, 2 * BORDER - 2)
    for number, (_, product, _, image) in read_table(path, HEADER):
        if not product.isdecimal() or not first <= int(product) <= last:
            raise ValueError(
                f"{path}, line {number}: class_id must be {first}...{last}, got {product!r}: the "
                "lists are exchanged, renumbered or damaged, unpack the archive again"
            )
        images.append((image, int(product)))
    if not images:
        raise ValueError(f"{path} names no image: the file is cut short, unpack the archive again")
    return images


def _kind(path: str) -> str:
    """The kind of a product from the path of an image: "coffee_maker_final/1.JPG"."""
    return path.split("/")[0].removesuffix("_final").replace("_", " ")
