"""Rooms: rendered rooms in perspective, whose label is their layout. Nothing to download.

A room is a box of random width, depth and height. In it stands a camera, at a random place, with a
random angle of view, turned by a yaw, a pitch and a small roll. With the camera at 0, the walls are
the planes x = -left, x = right, y = front, and floor and ceiling z = -floor, z = ceiling; the ray
of direction d through a pixel meets the nearest of those that it runs towards,

    t = min over the axes k of  distance of the plane on d's side of axis k / |d_k|,

and that surface is the pixel's entry in the layout mask. As in data sets of room layouts (LSUN) the
five surfaces are named relative to the view. The front wall is the one whose normal is within 45°
of the gaze; the yaw stays within ±40°, so that no wall ever changes its name and the mask is
continuous in the camera. Behind the camera the room is open and its side walls go on.

The label distance of two rooms is that of their masks, 1 - mIoU: see `datasets.layouts`.

What covers the surfaces has no part in the label: colours, tiles, wallpaper, furniture, windows,
pictures (masks look through them), light, exposure, noise. See `_room_looks`.

Room layouts are one of the three tasks of Kim et al., "Deep Metric Learning Beyond Binary
Supervision", CVPR 2019; theirs are photographs. Rendering is seeded and takes about ten seconds for
the largest split; the result is cached under the data root.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_index, check_split
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.layouts import layout_distances
from dmlviz.datasets.rendered._cache import Arrays, cached
from dmlviz.datasets.rendered._room_looks import paint
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

SURFACES = ("floor", "ceiling", "left wall", "front wall", "right wall")
SIZES = {"train": 4000, "val": 600, "query": 300, "gallery": 1500}
SIZE, MASK_SIZE = 48, 24
VERSION = 1  # part of the cache's file name: raise it when the pictures change


class Rooms(ContinuousDataset):
    """The Rooms data set: see the top of this file.

    Below 0.02 differences of label distances mean nothing: the coarse grid of the masks alone
    changes them by 0.015 (against masks four times as fine), half a degree of yaw by 0.02.
    Mirroring all images of a batch keeps label distances: left and right wall change places in
    every mask, so each intersection and each union stays as large as it was.

    Args:
        split: "train" (4,000 rooms), "val" (600), "query" (300) or "gallery" (1,500).
        root: data root for the cache; None: see `datasets.roots.data_root`.
        transform: from a 48 x 48 RGB PIL image to a float tensor; None: `RoomView`.

    Attributes:
        masks: `(N, 24, 24)` bytes, indices into `SURFACES`.
    """

    name = "rooms"
    splits = tuple(SIZES)
    unit = "1 - mIoU"
    smallest_distance = 0.02
    flips = True

    def __init__(
        self, split: str, root: PathLike | None = None, transform: Transform | None = None
    ) -> None:
        check_split(split, self.splits)
        super().__init__(split, transform or RoomView(train=split == "train"))
        n = SIZES[split]
        arrays = cached(
            data_root(root) / "rooms" / f"v{VERSION}-{split}.npz",
            {"images": (n, SIZE, SIZE, 3), "masks": (n, MASK_SIZE, MASK_SIZE)},
            lambda: render(n, [VERSION, self.splits.index(split)]),
        )
        self._pixels, self.masks = arrays["images"], torch.from_numpy(arrays["masks"])

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, index: int) -> Image.Image:
        check_index(index, len(self))
        return Image.fromarray(self._pixels[index])

    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        return layout_distances(self.masks[rows], other.masks[columns], len(SURFACES))


class RoomView:
    """RGB as `(3, H, W)` in -1…1; with `train`, brightness, contrast and tint vary a little.

    There is no shift and no crop: they would change the layout, which is the label.
    """

    def __init__(self, *, train: bool = False) -> None:
        self.jitter = 0.1 if train else 0.0

    def __call__(self, image: Image.Image) -> Tensor:
        x = rgb()(image)
        if not self.jitter:
            return x
        contrast, tint = torch.randn(1, 1, 1), torch.randn(3, 1, 1) + torch.randn(1, 1, 1)
        return ((1 + self.jitter * contrast) * x + self.jitter * tint).clamp(-1, 1)

    def __repr__(self) -> str:
        return f"RoomView(jitter={self.jitter})"


def render(n: int, seed: int | list[int]) -> Arrays:
    """Images `(n, 48, 48, 3)` and masks `(n, 24, 24)` of n random rooms, both bytes."""
    rng = np.random.default_rng(seed)
    walls, camera = draw_layouts(n, rng)
    images = []
    for block in torch.arange(n).split(20):  # more would need much memory, and is no faster
        rays = _rays(camera[block], 2 * SIZE)
        x = paint(walls[block], rays, *_meet(rays, walls[block]), rng)
        images.append((x.permute(0, 2, 3, 1) * 255).round().byte())
    return {"images": torch.cat(images).numpy(), "masks": layouts(walls, camera).numpy()}


def draw_layouts(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random rooms: the distances `(n, 5)` from the camera to each of `SURFACES`, in metres, and
    cameras `(n, 4)`: yaw to the right, pitch upwards, roll, tangent of half the angle of view."""
    width, height = rng.uniform(2.2, 6.5, n), rng.uniform(2.2, 3.6, n)
    x, z = width * rng.uniform(0.12, 0.88, n), height * rng.uniform(0.3, 0.75, n)
    ahead = np.exp(rng.uniform(np.log(1.8), np.log(8), n))
    walls = np.stack([z, height - z, x, ahead, width - x], 1)
    yaw, pitch = rng.uniform(-40, 40, n), rng.uniform(-20, 12, n)
    angles = np.deg2rad(np.stack([yaw, pitch, rng.normal(0, 2.5, n).clip(-6, 6)], 1))
    camera = np.concatenate([angles, rng.uniform(0.65, 1.15, (n, 1))], 1)
    return torch.from_numpy(walls).float(), torch.from_numpy(camera).float()


def layouts(walls: Tensor, camera: Tensor, size: int = MASK_SIZE) -> Tensor:
    """The masks of rooms, `(n, size, size)` bytes: for each pixel the index of its surface."""
    surface = _meet(_rays(camera, size), walls)[1]
    return surface.reshape(-1, size, size).to(torch.uint8)


def _rays(camera: Tensor, size: int) -> Tensor:
    """The direction `(3, n, size²)` of each pixel's ray."""
    yaw, pitch, roll, tangent = camera.T[:, :, None]
    steps = (torch.arange(size) * 2 + 1 - size) / size
    right = tangent * steps.repeat(size)
    up = -tangent * steps.repeat_interleave(size)
    right, up = roll.cos() * right - roll.sin() * up, roll.sin() * right + roll.cos() * up
    ahead, up = pitch.cos() - pitch.sin() * up, pitch.sin() + pitch.cos() * up
    return torch.stack(
        [yaw.cos() * right + yaw.sin() * ahead, yaw.cos() * ahead - yaw.sin() * right, up]
    )


def _meet(rays: Tensor, walls: Tensor) -> tuple[Tensor, Tensor]:
    """How far along each ray the room's surface is, and which one, both `(n, pixels)`."""
    floor, ceiling, left, front, right = walls.T[:, :, None]
    x, y, z = rays
    t_side = torch.where(x > 0, right, left) / x.abs()
    t_level = torch.where(z > 0, ceiling, floor) / z.abs()
    t_front = torch.where(y > 0, front / y, torch.inf)
    t = torch.minimum(torch.minimum(t_side, t_level), t_front)
    surface = torch.where(x > 0, 4, 2).masked_fill_(t_front == t, 3)
    return t, torch.where(t_level == t, torch.where(z > 0, 1, 0), surface)
