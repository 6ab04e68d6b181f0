"""Poses: people in all kinds of postures, rendered here, in no need of a download.

There are no classes. The label of an image is where its 14 joints are, and the distance between
two labels is how far the joints of two people are from each other, on average, once their mean
joints lie on one point (the human poses of Kim et al., Deep Metric Learning Beyond Binary
Supervision, CVPR 2019, in small):

    c_k = x_k - mean_k x_k,        D(x, y) = 1/14 · Σ_k |c_k(x) - c_k(y)|   in pixels.

So standing elsewhere in the image is no difference; standing nearer to the camera is one, and so
is a turn of the body. What a picture shows most of (clothes, skin, wall, floor, things, light)
says nothing about the label: the nearest images by raw pixels are hardly nearer than random ones
(9.0 and 9.4 pixels, where the nearest ten of the gallery are at 4.0).

Images are 48 x 48 RGB: see `_skeleton` for how people are posed, `_figures` for how they are
painted. Rendering is seeded and takes seconds; the result is cached under the data root.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.joints import JOINTS
from dmlviz.datasets.rendered._backdrop import SIZE
from dmlviz.datasets.rendered._cache import cached
from dmlviz.datasets.rendered._figures import render
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

IMAGES = {"train": 4000, "val": 600, "query": 300, "gallery": 1500}
VERSION = 1  # part of the cache's file name: raise it when the pictures change


class Poses(ContinuousDataset):
    """The Poses data set: see the top of this file.

    `smallest_distance` is half a pixel, less than anybody could see. Images may be mirrored, all
    of a batch together (`flips`): every x becomes 48 - x and right joints become left ones, in all
    poses alike, so that joints that are compared stay together and as far apart as they were.

    Args:
        split: "train" (4,000 images), "val" (600), "query" (300) or "gallery" (1,500).
        root: data root for the cache; None: see `datasets.roots.data_root`.
        transform: from a 48 x 48 RGB PIL image to a float tensor; None: `rgb`, values in -1…1, on
            the training split with a random shift of up to three pixels.

    Attributes:
        joints: `(N, 14, 2)` float32, x to the right and y down, in pixels from the image's upper
            left corner; in the order of `joint_names`, that of the data sets LSP and MPII.
    """

    name = "poses"
    splits = ("train", "val", "query", "gallery")
    joint_names = JOINTS
    unit = "pixels"
    smallest_distance = 0.5
    flips = True

    def __init__(
        self, split: str, root: PathLike | None = None, transform: Transform | None = None
    ) -> None:
        check_split(split, self.splits)
        n = IMAGES[split]
        shapes = {"images": (n, SIZE, SIZE, 3), "joints": (n, len(JOINTS), 2)}
        place = data_root(root) / "poses" / f"v{VERSION}-{split}.npz"
        arrays = cached(place, shapes, lambda: _render(n, [VERSION, self.splits.index(split)]))
        self._pixels = arrays["images"]
        self.joints = torch.from_numpy(arrays["joints"])
        super().__init__(split, transform or rgb(shift=3 if split == "train" else 0))

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, index: int) -> Image.Image:
        return Image.fromarray(self._pixels[index])

    def _distances(self, rows: Tensor, other: "Poses", columns: Tensor) -> Tensor:
        return mean_joint_distances(self.joints[rows], other.joints[columns])


def mean_joint_distances(x: Tensor, y: Tensor) -> Tensor:
    """The distance D of the formula above between poses `(R, 14, 2)` and `(C, 14, 2)`: `(R, C)`."""
    x, y = (pose - pose.mean(dim=1, keepdim=True) for pose in (x, y))
    total = x.new_zeros(len(x), len(y))
    for k in range(x.shape[1]):  # joint by joint: never (R, C, 14, 2)
        # Not by matrix products, which would lose small distances, and the zero on the diagonal.
        total += torch.cdist(x[:, k], y[:, k], compute_mode="donot_use_mm_for_euclid_dist")
    return total / x.shape[1]


def _render(n: int, seed: list[int]) -> dict[str, np.ndarray]:
    images, joints = render(n, seed)
    return {"images": images, "joints": joints}
