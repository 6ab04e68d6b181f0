"""Leeds Sports Pose: photographs of people in extreme postures (Johnson, Everingham: Learning
Effective Human Pose Estimation from Inaccurate Annotation, CVPR 2011, the extended set; Clustered
Pose and Nonlinear Appearance Models for Human Pose Estimation, BMVC 2010, the original one).

Two releases, told apart by the shape of `joints` in their `joints.mat`:

    extended, 10,000 images: (14, 3, N), images/im00001.jpg …; third value 1: the joint is visible
    original,  2,000 images: (3, 14, N), images/im0001.jpg …;  third value 1: it is hidden, but its
                                         place is given nevertheless, so here all joints count

The distance of two poses is that of `datasets.joints`: on the joints that both have.

There is no official split for retrieval. Here an image belongs to "train" (60 %), "val" (10 %),
"query" (5 %) or "gallery" (25 %) by its place in one fixed shuffled order. Images with fewer than
ten joints are left out, so that every two poses share at least six.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_split, open_image
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.joints import JOINTS, shared_joint_distances
from dmlviz.datasets.real.shares import SHARES, members
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

FOLDER = "lsp_extended"
SOURCE = Source(
    folder=FOLDER,
    page="Sam Johnson and Mark Everingham, University of Leeds",
    licence="photographs of many authors: see its authors' terms",
    by_hand=(
        "get the Leeds Sports Pose extended data set from its authors, unpack it as "
        f"{FOLDER}/, with joints.mat and images/ in it"
    ),
)
MIN_JOINTS = 10


class LSP(ContinuousDataset):
    """Leeds Sports Pose: see the top of this file.

    `smallest_distance` is 0.05 body sizes: two people who mark the joints of one photograph differ
    by as much. Images may be mirrored, all of a batch together (`flips`): right joints become left
    ones in all poses alike, and joints that are compared stay as far apart as they were.

    Args:
        split: "train", "val", "query" or "gallery".
        root: the folder that holds `lsp_extended/`, or the folder with `joints.mat` itself.
        transform: from a PIL image to a float tensor; None: 112 x 112, values in -1…1. For
            pretrained backbones: `model.transforms(train=…)`.
        crop: show the square around the person, a quarter larger than their joints reach and black
            where the photograph ends; False: the whole photograph.

    Attributes:
        joints: `(N, 14, 2)` float32, x to the right and y down, in pixels of the photograph; in
            the order of `joint_names`.
        visible: `(N, 14)` whether the place of a joint is known.
        paths: of the photographs.

    Raises:
        FileNotFoundError: the data is missing.
        ValueError: it is damaged, or the split does not exist.
    """

    name = "lsp"
    splits = tuple(SHARES)
    joint_names = JOINTS
    unit = "body sizes"
    smallest_distance = 0.05
    flips = True

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        crop: bool = True,
    ) -> None:
        check_split(split, self.splits)
        self.folder, self.crop = _find(data_root(root)), crop
        joints, visible, digits = _read_joints(self.folder / "joints.mat")
        paths = _image_paths(self.folder / "images", len(joints), digits)
        chosen = _members(split, visible)
        self.joints = torch.from_numpy(joints[chosen])
        self.visible = torch.from_numpy(visible[chosen])
        self.paths = [paths[i] for i in chosen]
        super().__init__(split, transform or rgb(112))

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        photograph = open_image(self.paths[index])
        if not self.crop:
            return photograph
        seen = self.joints[index][self.visible[index]]
        low, high = seen.amin(dim=0), seen.amax(dim=0)
        half = max(0.625 * (high - low).max().item(), 8.0)
        x, y = ((low + high) / 2).tolist()
        return photograph.crop((round(x - half), round(y - half), round(x + half), round(y + half)))

    def _distances(self, rows: Tensor, other: "LSP", columns: Tensor) -> Tensor:
        theirs = other.joints[columns], other.visible[columns]
        return shared_joint_distances((self.joints[rows], self.visible[rows]), theirs)


def _find(root: Path) -> Path:
    """The folder with `joints.mat`."""
    for folder in (root / FOLDER, root):
        if (folder / "joints.mat").is_file():
            return folder
    if (root / FOLDER).is_dir():
        raise FileNotFoundError(
            f"{root / FOLDER} has no joints.mat: unpack the archive of the Leeds Sports Pose "
            "extended data set there again"
        )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: {SOURCE.by_hand}, and pass root= (or set DMLVIZ_DATA to) the "
        f"folder that holds {FOLDER}/"
    )


def _read_joints(path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Joints `(N, 14, 2)`, which are known `(N, 14)`, digits of the image numbers."""
    from scipy.io import loadmat

    try:
        stored = np.asarray(loadmat(path)["joints"], dtype=np.float32)
    except Exception as error:  # what a damaged file makes of the parser has no common type
        raise ValueError(
            f"{path} cannot be read as a MATLAB file with the matrix 'joints' ({error!r}): "
            "unpack the archive again"
        ) from error
    if stored.ndim == 3 and stored.shape[:2] == (14, 3):
        stored, digits = stored.transpose(2, 0, 1), 5
        known = stored[:, :, 2] > 0.5
    elif stored.ndim == 3 and stored.shape[:2] == (3, 14):
        stored, digits = stored.transpose(2, 1, 0), 4
        known = np.ones(stored.shape[:2], bool)
    else:
        raise ValueError(
            f"{path}: 'joints' has shape {stored.shape}, expected (14, 3, N) of the extended data "
            "set or (3, 14, N) of the original one"
        )
    joints = np.where(known[:, :, None], stored[:, :, :2], 0)
    if not np.isfinite(joints).all():
        bad = int(np.argmin(np.isfinite(joints).all(axis=(1, 2)))) + 1
        raise ValueError(f"{path}: joints of image {bad} are not finite: unpack the archive again")
    return joints, known, digits


def _image_paths(folder: Path, n: int, digits: int) -> list[Path]:
    """The photographs, which are numbered from 1."""
    paths = [folder / f"im{i:0{digits}d}.jpg" for i in range(1, n + 1)]
    found = set(folder.glob("im*.jpg"))
    if len(found) != n or not found.issuperset(paths):
        missing = [path.name for path in paths if path not in found]
        which = f", {missing[0]} is missing" if missing else ""
        raise ValueError(
            f"joints.mat tells the joints of {n:,} images, but {folder} has {len(found):,}{which}: "
            "unpack the archive again"
        )
    return paths


def _members(split: str, known: np.ndarray) -> list[int]:
    """The images of a split, by rows of `known`."""
    part = members(split, [str(i) for i in range(len(known))])
    chosen = [i for i in part if known[i].sum() >= MIN_JOINTS]
    if not chosen:
        raise ValueError(
            f"of the {len(known):,} images, none with {MIN_JOINTS} known joints falls into the "
            f"split {split!r}: the data set is too small"
        )
    return chosen
