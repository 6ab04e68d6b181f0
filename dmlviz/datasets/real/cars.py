"""Cars-196: photographs of 196 models of cars (Krause, Stark, Deng, Fei-Fei: 3D Object
Representations for Fine-Grained Categorization, 3dRR workshop at ICCV 2013).

The zero-shot protocol of the metric-learning papers: official classes 1-98 train (8,054 images),
99-196 test (8,131), whole images without bounding boxes. It needs the first release: all images in
`car_ims/`, and `cars_annos.mat`. The later one, `cars_train/` and `cars_test/` with a `devkit/`,
divides the images of *every* class, for classification, under other file names; and the field
`test` of `cars_annos.mat` is that division too, and has no part in this.
"""

from pathlib import Path

import numpy as np

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.real.photographs import Photographs, find_folder, hold_out, is_whole
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.roots import PathLike, data_root

LIST = "cars_annos.mat"
FOLDER = "cars196"
SOURCE = Source(
    folder=FOLDER,
    page="http://ftp.cs.stanford.edu/cs/cvgl/ (the authors' own page is gone)",
    licence="photographs of many authors: see its authors' terms",
    downloads=(Download("http://ftp.cs.stanford.edu/cs/cvgl/CARS196.zip", None),),
    official=(("train", 98, 8054), ("test", 98, 8131)),
    aliases=("CARS196", "cars"),
)
_OTHER_RELEASE = ("devkit/cars_train_annos.mat", "cars_train_annos.mat", "cars_train", "cars_test")


class Cars(Photographs):
    """Cars-196 by classes: see the top of this file.

    Args:
        split: "train" (official classes 1-98), "test" (99-196), or "val" (see `val_classes`).
        root: the folder that holds `cars196/` (or `CARS196/`, or `cars/`), or that folder itself.
        transform: from a PIL image to a float tensor; None: 224 x 224 with ImageNet's
            normalisation, random crops and flips on the training split.
        val_classes: hold so many of the last training classes out as "val". The papers hold out
            none, so by default "train" is theirs and there is no "val".

    Raises:
        FileNotFoundError: the data, or an image that the annotations name, is missing.
        ValueError: the annotations are damaged, or the split does not exist.
    """

    name = "cars"
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
        whole = is_whole("Cars-196", split, val_classes)
        self.folder = _find(data_root(root))
        images, labels, names = _read(self.folder / LIST)
        ids = sorted(set(labels))
        if split == "test":
            wanted = [c for c in ids if c > 98]
        else:
            wanted = hold_out([c for c in ids if c <= 98], split, val_classes)
        if not wanted:
            raise ValueError(f"{self.folder / LIST} names no image of the {split!r} classes")
        classes = {c: names[c - 1] for c in wanted}
        members = [
            (self.folder / image, c)
            for image, c in zip(images, labels, strict=True)
            if c in classes
        ]
        super().__init__(split, classes, members, transform, SOURCE if whole else None)


def _find(root: Path) -> Path:
    """The folder with the annotations."""
    folder = find_folder(root, SOURCE.folders, LIST)
    if folder is not None:
        return folder
    near = [
        f for f in (*(root / n for n in (*SOURCE.folders, "stanford_cars")), root) if f.is_dir()
    ]
    for folder in near:
        if any((folder / other).exists() for other in _OTHER_RELEASE):
            raise FileNotFoundError(
                f"{folder} holds the release of Cars-196 for classification, which divides the "
                f"images of every class: the papers' protocol needs {LIST} and car_ims/ of the "
                f"first release, {SOURCE.downloads[0].file}"
            )
    if near and near[0] != root:
        raise FileNotFoundError(
            f"{near[0]} has no {LIST}: unpack {SOURCE.downloads[0].file} there again"
        )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: download {SOURCE.downloads[0].url}, unpack it as "
        f"{FOLDER}/, with {LIST} and car_ims/ in it, and pass root= (or set DMLVIZ_DATA to) "
        f"the folder that holds {FOLDER}/"
    )


def _read(path: Path) -> tuple[list[str], list[int], list[str]]:
    """Path and official class (from 1) of each image, and the names of the classes."""
    from scipy.io import loadmat

    try:
        stored = loadmat(path, squeeze_me=True, variable_names=["annotations", "class_names"])
        annotations = np.atleast_1d(stored["annotations"])
    except Exception as error:  # what a damaged file makes of the parser has no common type
        raise ValueError(
            f"{path} cannot be read as a MATLAB file with 'annotations' ({error!r}): unpack the "
            "archive again"
        ) from error
    fields = annotations.dtype.names or ()
    if "fname" in fields:
        raise ValueError(
            f"{path} is cars_train_annos.mat or cars_test_annos.mat under another name, which "
            f"divide the images of every class: the papers' protocol needs {LIST} of the first "
            "release"
        )
    if not {"relative_im_path", "class"} <= set(fields) or "class_names" not in stored:
        raise ValueError(
            f"{path}: expected 'annotations' with 'relative_im_path' and 'class', and "
            f"'class_names', got the fields {list(fields)}: this is another file, or damaged"
        )
    names = [str(name) for name in np.atleast_1d(stored["class_names"])]
    images = [str(image) for image in annotations["relative_im_path"]]
    labels = [int(label) for label in annotations["class"]]
    for number, label in enumerate(labels, start=1):
        if not 1 <= label <= len(names):
            raise ValueError(
                f"{path}, annotation {number}: class {label} is not one of 1...{len(names)}, those "
                "of 'class_names': the file is damaged, unpack the archive again"
            )
    return images, labels, names
