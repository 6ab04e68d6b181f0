"""LSUN room layout: photographs of indoor scenes whose label is the layout of the room (Zhang, Yu,
Song, Xu, Seff, Xiao: Large-scale Scene Understanding Challenge: Room Layout Estimation, 2015).

**Label distance.** 1 - mIoU of two layout masks (`datasets.layouts`). Kim et al. (Deep Metric
Learning Beyond Binary Supervision, CVPR 2019) seem to use it, too: *not verified*, their code for
this task was not released. That masks are stretched to 48 x 48, each entry the pixel at its centre,
is ours.

**Split.** "val" is the list `validation.mat`. The list `training.mat` is divided, image by image,
into "train" (45 %), "query" (5 %) and "gallery" (50 %) by its place in one fixed shuffled order: a
rule of ours; whether theirs has such proportions is not verified. The challenge's own test images
have no published layouts.

**Files.** What is read, and no more: in a list, the field `image` of the struct array of the list's
own name, a name without ending; the photograph `images/NAME.jpg`; its mask, in `layout_seg/` or
`surface_relabel/`, as `NAME.mat` with an array `layout`, or as `NAME.png` of one channel. Entries
of a mask are 1…5, one number for each kind of surface in all masks alike. Which number is which
wall has no part in the distance.

The challenge's site is gone, and none of its files was at hand: we know the format at second hand,
and this loader was tested on files made in it. The lists also hold corner points and a type of
room; drawing masks from those needs the challenge's own table of types, so masks have to be there.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_split, open_image
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.layouts import layout_distances
from dmlviz.datasets.real._matlab import field, load_variable, structs
from dmlviz.datasets.real.files import check_files
from dmlviz.datasets.real.shares import members
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

FOLDER = "lsun_room"
LISTS = {"train": "training", "query": "training", "gallery": "training", "val": "validation"}
SHARES = {"train": 0.45, "query": 0.05, "gallery": 0.50}
MASKS = ("layout_seg", "surface_relabel")
SURFACES, MASK_SIZE = 5, 48
SOURCE = Source(
    folder=FOLDER,
    page="the LSUN challenge of 2015, whose site is gone",
    licence="photographs of many authors: see its authors' terms",
    by_hand=(
        "get the lists training.mat and validation.mat of the LSUN room layout challenge (the "
        "first survives at web.archive.org/web/20180923231343/http://lsun.cs.princeton.edu/"
        "challenge/2015/roomlayout/data/training.mat), its images and its layout masks from "
        f"somebody who has them, and put them into {FOLDER}/, with images/ and layout_seg/ in it"
    ),
)


class LSUN(ContinuousDataset):
    """LSUN room layout: see the top of this file.

    `smallest_distance` and `flips` are those of Rooms, whose labels are of the same kind.

    Args:
        split: "train", "val", "query" or "gallery".
        root: the folder that holds `lsun_room/`, or that folder itself.
        transform: from a PIL image to a float tensor; None: 112 x 112, values in -1…1. The whole
            image is stretched to a square, since a crop would change the layout.

    Attributes:
        masks: `(N, 48, 48)` bytes, 0…4: the entries of the stored masks less one.
        names: of the images.
        paths: their files.

    Raises:
        FileNotFoundError: a list, images or masks are missing.
        ValueError: they are damaged, or the split does not exist or is empty.
    """

    name = "lsun"
    splits = ("train", "val", "query", "gallery")
    unit = "1 - mIoU"
    smallest_distance = 0.02
    flips = True

    def __init__(
        self, split: str, root: PathLike | None = None, transform: Transform | None = None
    ) -> None:
        check_split(split, self.splits)
        self.folder = _find(data_root(root), LISTS[split])
        self.names = _read_list(self.folder / f"{LISTS[split]}.mat", LISTS[split])
        if split in SHARES:
            self.names = [self.names[i] for i in members(split, self.names, SHARES)]
        if not self.names:
            raise ValueError(
                f"no image of {self.folder / LISTS[split]}.mat falls into the split {split!r}: the "
                "list is too short"
            )
        self.paths = [self.folder / "images" / f"{name}.jpg" for name in self.names]
        remedy = f"put the images of the challenge into {self.folder / 'images'}"
        check_files(self.paths, remedy)
        self.masks = torch.from_numpy(np.stack([read_mask(p) for p in self._mask_files()]))
        super().__init__(split, transform or rgb(112))

    def _mask_files(self) -> list[Path]:
        """The mask of each image; of several, the first in the order of the top of this file."""
        ways = [self.folder / place / f"NAME{end}" for place in MASKS for end in (".mat", ".png")]
        files = []
        for name in self.names:
            found = (way.with_name(name + way.suffix) for way in ways)
            files.append(next((path for path in found if path.is_file()), ways[0].with_stem(name)))
        check_files(files, f"put the layout masks into {self.folder / MASKS[0]}")
        return files

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> Image.Image:
        return open_image(self.paths[index])

    def _distances(self, rows: Tensor, other: "LSUN", columns: Tensor) -> Tensor:
        return layout_distances(self.masks[rows], other.masks[columns], SURFACES)


def _find(root: Path, wanted: str) -> Path:
    """The folder with the list."""
    for folder in (root / FOLDER, root):
        if (folder / f"{wanted}.mat").is_file():
            return folder
    raise FileNotFoundError(
        f"no {FOLDER}/{wanted}.mat in {root}: {SOURCE.by_hand}, and pass root= (or set DMLVIZ_DATA "
        f"to) the folder that holds {FOLDER}/"
    )


def _read_list(path: Path, variable: str) -> list[str]:
    """The names of the images of a list, in its order."""
    names = [field(entry, "image") for entry in structs(load_variable(path, variable))]
    bad = [i for i, name in enumerate(names, start=1) if not isinstance(name, str) or not name]
    if bad or not names or len(set(names)) < len(names):
        problem = f"entry {bad[0]} names no image" if bad else "it names an image twice, or none"
        raise ValueError(f"{path}: {problem}: get the list again")
    return names


def read_mask(path: Path) -> np.ndarray:
    """A mask file as `(48, 48)` bytes 0…4.

    Raises:
        ValueError: it is damaged, or its entries are not 1…5.
    """
    if path.suffix == ".mat":
        mask = np.asarray(load_variable(path, "layout"))
    else:
        try:
            with Image.open(path) as image:
                mask = np.asarray(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"the mask {path} cannot be decoded ({error}): replace it") from error
    if mask.ndim != 2 or not np.isin(mask, range(1, SURFACES + 1)).all():
        raise ValueError(
            f"the mask {path} must have two dimensions and entries 1…{SURFACES}, got shape "
            f"{mask.shape} with entries such as {np.unique(mask)[[0, -1]]}: replace it"
        )
    rows, columns = (((np.arange(MASK_SIZE) + 0.5) * n / MASK_SIZE).astype(int) for n in mask.shape)
    return (mask[np.ix_(rows, columns)] - 1).astype(np.uint8)
