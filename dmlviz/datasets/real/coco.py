"""MS-COCO captions: photographs of everyday scenes, each described by five people or more (Lin et
al.: Microsoft COCO: Common Objects in Context, ECCV 2014; Chen et al.: Microsoft COCO Captions:
Data Collection and Evaluation Server, 2015).

There are no classes: the distance between two labels is the relaxed word mover's distance between
the captions of two images (`captioned`, where it says what is ours).

Two ways to split:

- **Karpathy's**, where his `dataset_coco.json` lies in the folder: its field `split` says "train",
  "restval", "val" or "test". By default "train" holds "restval", too. Of the test images every
  tenth from the first on is a query and the gallery is the rest: 500 and 4,500 of 5,000. A rule of
  ours: how Kim et al. (Deep Metric Learning Beyond Binary Supervision, CVPR 2019) chose their
  queries is not verified.
- **Ours**, of one file of official captions, by default those of `val2017`: an image belongs to
  "train" (60 %), "val" (10 %), "query" (5 %) or "gallery" (25 %) by its place in one fixed shuffled
  order. Nobody published results on it.

The official file was tried with all its 5,000 images' captions; Karpathy's format is as many
readers repeat it, and was tried on files made here.
"""

from pathlib import Path

from PIL import Image

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.real._coco_lists import Entry, read_karpathy, read_official
from dmlviz.datasets.real.captioned import CaptionedImages, Vectors
from dmlviz.datasets.real.files import check_files
from dmlviz.datasets.real.shares import SHARES, members
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.roots import PathLike, data_root

FOLDER = "coco"
KARPATHY = "dataset_coco.json"
DEFAULT = "val2017"
QUERY_EVERY = 10
SOURCE = Source(
    folder=FOLDER,
    page="https://cocodataset.org",
    licence="photographs of many authors, each under a licence that the captions' file names",
    by_hand=(
        "get, from https://cocodataset.org, annotations_trainval2017.zip and the images of "
        f"val2017, and unpack both to {FOLDER}/"
    ),
)


class COCO(CaptionedImages):
    """MS-COCO with its captions: see the top of this file.

    Args:
        split: "train", "val", "query" or "gallery".
        root: the folder that holds `coco/`, or that folder itself. In it: the captions,
            `annotations/captions_val2017.json` or `dataset_coco.json`, and the images in
            `val2017/`, or for Karpathy's splits in the folders that his file names.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        release: the part of the data set that our splits share: "val2017" for
            `captions_val2017.json` and `val2017/`, and so on. None: Karpathy's splits where his
            file is, else "val2017".
        restval: Karpathy's "train" holds his "restval".
        captions_only: look for no images; their captions and label distances are there all the
            same, and an item is an error where its image is missing.
        vectors: `{word: vector}` to use instead of the ones learned from the training captions;
            pass the same ones to splits that are compared. Learning takes seconds for "val2017".

    Attributes:
        paths: the image files.
        captions: five texts or more for each image.
        ids: the number of each image in MS-COCO.

    Raises:
        FileNotFoundError: the captions or images are missing.
        ValueError: the captions are damaged, or the split does not exist or is empty.
    """

    name = "coco"
    splits = tuple(SHARES)

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        release: str | None = None,
        restval: bool = True,
        captions_only: bool = False,
        vectors: Vectors | None = None,
    ) -> None:
        check_split(split, self.splits)
        file = _find(data_root(root), release)
        if file.name == KARPATHY:
            self.folder, parts = file.parent, _karpathy(file, restval)
        else:
            release = release or DEFAULT
            self.folder = file.parents[file.parent.name == "annotations"]
            parts = _shares(file, release)
        if not parts[split]:
            raise ValueError(f"{file} has no image for the split {split!r}: get the whole file")
        paths = [self.folder / entry.file for entry in parts[split]]
        if not captions_only:
            check_files(
                paths,
                f"unpack the images to {paths[0].parent}, or pass captions_only=True for label "
                "distances alone",
            )
        self.ids = [entry.id for entry in parts[split]]
        super().__init__(
            split,
            paths,
            [entry.captions for entry in parts[split]],
            training=[entry.captions for entry in parts["train"]],
            vectors=vectors,
            transform=transform,
        )

    def image(self, index: int) -> Image.Image:
        if not self.paths[index].is_file():
            raise FileNotFoundError(
                f"the image {self.paths[index]} is missing: unpack the images of MS-COCO"
            )
        return super().image(index)


def _find(root: Path, release: str | None) -> Path:
    """The file with the captions: Karpathy's, unless a release is asked for, or the official."""
    official = f"captions_{release or DEFAULT}.json"
    names = [f"annotations/{official}", official]
    if release is None:
        names.insert(0, KARPATHY)
    for folder in (root / FOLDER, root):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(
        f"no {FOLDER}/{names[-2]} in {root}: {SOURCE.by_hand} there, or pass root= (or set "
        f"DMLVIZ_DATA to) the folder that holds {FOLDER}/"
    )


def _karpathy(file: Path, restval: bool) -> dict[str, list[Entry]]:
    """The images of each of our splits, by Karpathy's."""
    theirs = read_karpathy(file)
    query = theirs["test"][::QUERY_EVERY]
    gallery = [entry for i, entry in enumerate(theirs["test"]) if i % QUERY_EVERY]
    train = [*theirs["train"], *(theirs["restval"] if restval else [])]
    return {"train": train, "val": theirs["val"], "query": query, "gallery": gallery}


def _shares(file: Path, release: str) -> dict[str, list[Entry]]:
    """The images of each split, by our rule, in the order of their numbers."""
    entries = sorted(read_official(file, release), key=lambda entry: entry.id)
    names = [str(entry.id) for entry in entries]
    return {split: [entries[i] for i in members(split, names)] for split in SHARES}
