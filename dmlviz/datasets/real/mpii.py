"""MPII Human Pose: people in frames of videos (Andriluka, Pishchulin, Gehler, Schiele: 2D Human
Pose Estimation: New Benchmark and State of the Art Analysis, CVPR 2014).

An item is one person: the square around `objpos` with a side of 1.25 · 200 · `scale` pixels, where
200 · `scale` is the height of the person by the release. The factor 1.25 is ours, so that arms and
feet stay inside. The joints of the official test images are not published, so all splits are made
of the training images.

**Label distance.** That of `datasets.joints`, on the joints that both people have; ours. Kim et al.
(Deep Metric Learning Beyond Binary Supervision, CVPR 2019) use a mean distance of joints in pixels
of their own crops; its exact definition is not in their released code.

**Split.** Theirs has 12,366 people for training, 1,919 queries and a gallery of 8,000 (counts of
their code; it calls the crops full-body ones). Their lists are not part of the release of MPII:
whoever has them passes `lists=`. Without lists, an image belongs with all its people to "train"
(60 %), "val" (10 %), "query" (5 %) or "gallery" (25 %) by its place in one fixed shuffled order, a
rule of ours; so are other counts than theirs. Frames of one video may be in different splits.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_split, open_image
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.joints import shared_joint_distances
from dmlviz.datasets.real._mpii_release import JOINTS, People, read_people
from dmlviz.datasets.real.files import check_files
from dmlviz.datasets.real.shares import SHARES, members
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

FOLDER = "mpii"
_ADDRESS = "https://datasets.d2.mpi-inf.mpg.de/andriluka14cvpr/"
SOURCE = Source(
    folder=FOLDER,
    page="Max Planck Institute for Informatics, Saarbrücken",
    licence="frames of videos of many authors: see its authors' terms",
    downloads=(
        Download(f"{_ADDRESS}mpii_human_pose_v1_u12_2.zip", None, "12.5 MB"),
        Download(f"{_ADDRESS}mpii_human_pose_v1.tar.gz", None, "12.9 GB"),
    ),
    official=(("train", 0, 12366), ("query", 0, 1919), ("gallery", 0, 8000)),
)
ANNOTATIONS = "mpii_human_pose_v1_u12_*.mat"
MARGIN = 1.25
MOST = len(JOINTS)
FEWEST = MOST // 2 + 1  # known joints, of which any two people share two: one has no size


class MPII(ContinuousDataset):
    """MPII Human Pose, person by person: see the top of this file.

    `smallest_distance` and `flips` are as for LSP, whose labels are of the same kind.

    Args:
        split: "train", "val", "query" or "gallery".
        root: the folder that holds `mpii/`, or that folder itself. In it: `images/` and
            `mpii_human_pose_v1_u12_2.mat` (or `…_1.mat`), also in a folder of that name.
        transform: from a PIL image to a float tensor; None: 112 x 112, values in -1…1. For
            pretrained backbones: `model.transforms(train=…)`.
        crop: show the square around the person, black where the image ends; False: all of it.
        min_joints: leave out people with fewer joints than this, 9 to 16; by default only full
            bodies stay.
        single_person: leave out people who do not stand apart from others by the release.
        lists: a folder with `train.txt`, `query.txt`, …, to use instead of our split: a line is
            an image and, from 1, the number of a person in it: `015601864.jpg 2`.

    Attributes:
        joints: `(N, 16, 2)` float32, x to the right and y down, in pixels of the whole image; in
            the order of `joint_names`.
        visible: `(N, 16)` whether the place of a joint is known.
        centres, scales: `(N, 2)` and `(N,)`, `objpos` and `scale` of the release.
        numbers: of the people in their images, from 1.
        paths: of the images; those with several people occur several times.

    Raises:
        FileNotFoundError: the annotations, the lists or images are missing.
        ValueError: they are damaged, or the split does not exist or is empty.
    """

    name = "mpii"
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
        min_joints: int = MOST,
        single_person: bool = False,
        lists: PathLike | None = None,
    ) -> None:
        check_split(split, self.splits)
        if not FEWEST <= min_joints <= MOST:
            raise ValueError(f"min_joints must be {FEWEST} to {MOST}, got {min_joints}")
        annotations = _find(data_root(root))
        self.folder = annotations.parent
        if not (self.folder / "images").is_dir():
            self.folder = self.folder.parent  # the archive has a folder of the file's own name
        people = read_people(annotations)
        usable = (people.known.sum(axis=1) >= min_joints) & (people.scales > 0)
        usable &= np.isfinite(people.centres).all(axis=1)
        if single_person:
            usable &= people.apart
        if lists is None:
            chosen = _share(split, people, usable)
        else:
            chosen = _listed(Path(lists).expanduser() / f"{split}.txt", people, usable)
        self.joints = torch.from_numpy(people.joints[chosen])
        self.visible = torch.from_numpy(people.known[chosen])
        self.centres = torch.from_numpy(people.centres[chosen])
        self.scales = torch.from_numpy(people.scales[chosen])
        self.numbers = [people.numbers[i] for i in chosen]
        self.paths = [self.folder / "images" / people.images[i] for i in chosen]
        check_files(
            list(dict.fromkeys(self.paths)),
            f"unpack the images of MPII ({SOURCE.downloads[1].url}) to {self.folder / 'images'}",
        )
        self.crop = crop
        super().__init__(split, transform or rgb(112))
        if lists is not None:
            SOURCE.compare("MPII", split, 0, len(self), stacklevel=3)

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        whole = open_image(self.paths[index])
        if not self.crop:
            return whole
        x, y = self.centres[index].tolist()
        half = max(MARGIN * 200 * self.scales[index].item() / 2, 8.0)
        return whole.crop((round(x - half), round(y - half), round(x + half), round(y + half)))

    def _distances(self, rows: Tensor, other: "MPII", columns: Tensor) -> Tensor:
        theirs = other.joints[columns], other.visible[columns]
        return shared_joint_distances((self.joints[rows], self.visible[rows]), theirs)


def _find(root: Path) -> Path:
    """The annotation file; of two, the later one."""
    for folder in (root / FOLDER, root):
        found = [p for way in ("", "*/") for p in folder.glob(way + ANNOTATIONS) if p.is_file()]
        if found:
            return max(found, key=lambda path: path.name)
    small, large = SOURCE.downloads
    raise FileNotFoundError(
        f"no {FOLDER}/{ANNOTATIONS} in {root}: unpack {small.url} ({small.size}) and {large.url} "
        f"({large.size}) to {root / FOLDER}/, or pass root= (or set DMLVIZ_DATA to) the folder "
        f"that holds {FOLDER}/"
    )


def _share(split: str, people: People, usable: np.ndarray) -> list[int]:
    """The people of a split by our rule. It looks at images only, so that no option moves any."""
    images = list(dict.fromkeys(people.training))
    mine = {images[i] for i in members(split, images)}
    chosen = [int(i) for i in np.flatnonzero(usable) if people.images[i] in mine]
    if not chosen:
        raise ValueError(
            f"of {len(usable):,} people in {len(images):,} training images, none with enough "
            f"joints falls into the split {split!r}: lower min_joints, or get the whole data set"
        )
    return chosen


def _listed(path: Path, people: People, usable: np.ndarray) -> list[int]:
    """The people that a list names, in its order."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: lists= must be a folder with that file")
    keys = zip(people.images, people.numbers, strict=True)
    rows = {f"{image} {number}": row for row, (image, number) in enumerate(keys)}
    chosen: dict[int, None] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row = rows.get(" ".join(line.split()))
        if row is None:
            why = "is not 'image number' of a person with joints in the training images"
        elif not usable[row]:
            why = "has too few joints, no scale or no position: lower min_joints, or drop the line"
        elif row in chosen:
            why = "is named a second time: drop the line"
        else:
            chosen[row] = None
            continue
        raise ValueError(f"{path}, line {number}: {line!r} {why}")
    if not chosen:
        raise ValueError(f"{path} names nobody: fill the list, or leave lists= away")
    return list(chosen)
