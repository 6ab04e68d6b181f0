"""The annotation file of MPII Human Pose, as plain arrays.

`RELEASE` is a struct of MATLAB, and so are the parts that this uses, for image i:

    annolist(i).image.name                          the file name
    annolist(i).annorect(k)                         person k: .scale, .objpos.x, .objpos.y and
                   .annopoints.point(j)             a joint: .id 0…15, .x, .y
    img_train(i)                                    1: joints are published; 0: a test image
    single_person{i}                                numbers k of people who stand apart from others

Fields may be missing or empty at every level, and a list of one is not a list: people without a
point are left out here, `scale` and `objpos` may be NaN. The field `is_visible` is not used: it
tells whether a joint is hidden, but the place of a hidden one is given nevertheless.

The order of ids is that of the release's own README as many readers repeat it. This reader was
tested on files made in this format, not on the release itself.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dmlviz.datasets.real._matlab import field, load_variable, number, structs

JOINTS = (  # by id
    *("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle"),
    *("pelvis", "thorax", "upper neck", "head top", "right wrist", "right elbow"),
    *("right shoulder", "left shoulder", "left elbow", "left wrist"),
)


@dataclass(frozen=True, eq=False)
class People:
    """The people of the training images who have joints, in the order of the release.

    Attributes:
        training: the names of all training images.
        images: of each person, the image.
        numbers: of each person, k of the formula at the top of this file, from 1.
        joints: `(P, 16, 2)` float32, in pixels; 0 where unknown.
        known: `(P, 16)` whether a joint has a place.
        centres: `(P, 2)`, `objpos`.
        scales: `(P,)`.
        apart: `(P,)` whether the person stands apart from others.
    """

    training: list[str]
    images: list[str]
    numbers: list[int]
    joints: np.ndarray
    known: np.ndarray
    centres: np.ndarray
    scales: np.ndarray
    apart: np.ndarray


def read_people(path: Path) -> People:
    """Read the annotation file; the last two that were read are kept, as it takes a minute.

    Raises:
        ValueError: the file is damaged, or is not this one.
    """
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> People:
    release = load_variable(path, "RELEASE")
    images = structs(field(release, "annolist"))
    train = np.ravel(field(release, "img_train"))
    apart = field(release, "single_person")
    apart = [apart] if len(images) == 1 else list(np.ravel(apart))
    if not images or not len(images) == len(train) == len(apart):
        raise ValueError(
            f"{path}: RELEASE has {len(images):,} entries of 'annolist', {len(train):,} of "
            f"'img_train' and {len(apart):,} of 'single_person', which should be as many: "
            "get the file again"
        )
    people: list[tuple[Any, ...]] = []
    training = []
    for i in np.flatnonzero(train == 1):
        name = field(field(images[i], "image"), "name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{path}: image {i + 1} has no name: get the file again")
        training.append(name)
        alone = {int(k) for k in np.ravel(apart[i])}
        for k, person in enumerate(structs(field(images[i], "annorect")), start=1):
            points = structs(field(field(person, "annopoints"), "point"))
            if points:
                joints, known = _joints(points, f"{path}: image {name}, person {k}")
                position = field(person, "objpos")
                centre = number(field(position, "x")), number(field(position, "y"))
                scale = number(field(person, "scale"))
                people.append((name, k, joints, known, centre, scale, k in alone))
    if not people:
        raise ValueError(
            f"{path} has no person with joints: those of test images are not published, and of "
            "training images (img_train = 1) it has none; get the file again"
        )
    columns: list[Any] = [list(column) for column in zip(*people, strict=True)]
    return People(training, *columns[:2], *(np.array(column) for column in columns[2:]))


def _joints(points: list[Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Joints `(16, 2)` and which are known `(16,)`."""
    joints, known = np.zeros((len(JOINTS), 2), np.float32), np.zeros(len(JOINTS), bool)
    for point in points:
        values = [number(field(point, name)) for name in ("id", "x", "y")]
        if not np.isfinite(values).all() or values[0] not in range(len(JOINTS)):
            raise ValueError(
                f"{where}: a joint has id, x, y = {values}, expected an id 0…{len(JOINTS) - 1} and "
                "finite numbers: get the file again"
            )
        joints[int(values[0])], known[int(values[0])] = values[1:], True
    return joints, known
