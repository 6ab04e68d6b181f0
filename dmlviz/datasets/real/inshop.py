"""In-shop Clothes: photographs of 7,982 pieces of clothing in a shop (Liu, Luo, Qiu, Wang, Tang:
DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations, CVPR 2016).

A class is one piece of clothing, worn and seen from several sides. Its list divides the images in
three: "train" (3,997 classes, 25,882 images), and for 3,985 *other* classes "query" (14,218) and
"gallery" (12,612). Each query searches the gallery, and never the other queries::

    evaluate(model, load("inshop", "query"), gallery=load("inshop", "gallery"), protocol="inshop")

Both have one list of classes, so that equal targets mean equal clothes. For the hit rule of the
published numbers, `protocol="inshop"`, see `dmlviz.evaluation.retrieval`. Other benchmarks of
DeepFashion have lists of the same name, but with other columns.
"""

from pathlib import Path

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.real.photographs import Photographs, find_folder, hold_out, is_whole
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.real.tables import read_table
from dmlviz.datasets.roots import PathLike, data_root

LIST = "list_eval_partition.txt"
HEADER = "image_name item_id evaluation_status"
FOLDER = "inshop"
SOURCE = Source(
    folder=FOLDER,
    page="the DeepFashion page of mmlab.ie.cuhk.edu.hk",
    licence="photographs of many authors: see its authors' terms",
    by_hand=(
        f"ask its authors for the password, download Img/img.zip and Eval/{LIST}, and unpack them "
        f"as {FOLDER}/Img/img/ and {FOLDER}/Eval/{LIST}"
    ),
    official=(("train", 3997, 25882), ("query", 3985, 14218), ("gallery", 3985, 12612)),
    aliases=("In-shop Clothes Retrieval Benchmark",),
)


class InShop(Photographs):
    """In-shop Clothes by piece: see the top of this file.

    Args:
        split: "train", "query", "gallery", or "val" (see `val_classes`).
        root: the folder that holds `inshop/` (or `In-shop Clothes Retrieval Benchmark/`), or that
            folder itself: with `Eval/list_eval_partition.txt`, or that list alone, and the images
            in `Img/img/` or `img/`.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        val_classes: hold so many of the last training classes out as "val". The papers hold out
            none, so by default "train" is theirs and there is no "val".

    Raises:
        FileNotFoundError: the data, or an image that the list names, is missing.
        ValueError: the list is damaged, or the split does not exist.
    """

    name = "inshop"
    splits = ("train", "val", "query", "gallery")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        val_classes: int = 0,
    ) -> None:
        check_split(split, self.splits)
        whole = is_whole("In-shop", split, val_classes, example=400)
        self.folder, path = _find(data_root(root))
        images = _read(path)
        training = {item for item, status in images.values() if status == "train"}
        tested = {item for item, status in images.values() if status != "train"}
        for item in sorted(training & tested):
            raise ValueError(
                f"{path}: {item} is both in train and in query or gallery, which the official list "
                "keeps apart: unpack it again"
            )
        status = "train" if split == "val" else split
        wanted = (
            sorted(tested) if status != "train" else hold_out(sorted(training), split, val_classes)
        )
        chosen = set(wanted)
        members = [
            (self.folder / image, item)
            for image, (item, s) in images.items()
            if s == status and item in chosen
        ]
        if not members:
            raise ValueError(f"{path} names no image of the {split!r} split")
        names = {item: item for item in wanted}
        super().__init__(split, names, members, transform, SOURCE if whole else None)


def _find(root: Path) -> tuple[Path, Path]:
    """The folder that the list's paths start from, and the list."""
    folder = find_folder(root, SOURCE.folders, f"Eval/{LIST}", LIST)
    if folder is not None:
        path = folder / "Eval" / LIST
        images = folder / "Img" if (folder / "Img" / "img").is_dir() else folder
        return images, path if path.is_file() else folder / LIST
    for name in SOURCE.folders:
        if (root / name).is_dir():
            raise FileNotFoundError(
                f"{root / name} has no Eval/{LIST}: get it from {SOURCE.page} and put it there"
            )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: from {SOURCE.page}, {SOURCE.by_hand}; then pass root= (or set "
        f"DMLVIZ_DATA to) the folder that holds {FOLDER}/"
    )


def _read(path: Path) -> dict[str, tuple[str, str]]:
    """Item and status of each image: "train", "query" or "gallery"."""
    rows = read_table(path, HEADER, above=1)
    with path.open(encoding="utf-8", errors="replace") as lines:
        count = lines.readline().strip()
    if count != str(len(rows)):
        raise ValueError(
            f"{path}, line 1: {len(rows)} images follow, but the list says {count!r}: "
            "the list is cut short or damaged, unpack it again"
        )
    images: dict[str, tuple[str, str]] = {}
    for number, (image, item, status) in rows:
        if status not in ("train", "query", "gallery"):
            raise ValueError(
                f"{path}, line {number}: evaluation_status must be train, query or gallery, got "
                f"{status!r}: the file is damaged, unpack it again"
            )
        if image in images:
            raise ValueError(
                f"{path}, line {number}: {image} is named a second time: unpack the list again"
            )
        images[image] = item, status
    return images
