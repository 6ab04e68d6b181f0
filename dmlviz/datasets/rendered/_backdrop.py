"""What stands behind a figure: wall and floor, uneven and striped, with things, and its shadow.

Everything is a picture of signed distances d to a border, in pixels: clip(1/2 - d, 0, 1) is the
share of a pixel that lies inside.
"""

from typing import NamedTuple

import numpy as np

from dmlviz.datasets.rendered._skeleton import GROUND, View

SIZE = 48
COLUMN, ROW = np.meshgrid(*[np.arange(SIZE, dtype=np.float32) + 0.5] * 2)  # of pixel centres
_THINGS = 4  # at most


class Room(NamedTuple):
    """The colours of walls and floors, each `(n, 3)`."""

    wall: np.ndarray
    floor: np.ndarray


def rooms(rng: np.random.Generator, n: int) -> Room:
    """Walls and floors in random colours."""
    return Room(*(colours(rng, (n,), saturation=(1.0, 2.6)) for _ in range(2)))


def colours(
    rng: np.random.Generator, shape: tuple[int, ...], saturation: tuple[float, float]
) -> np.ndarray:
    """Random colours `shape + (3,)` in 0…1; saturations follow a beta distribution."""
    hue, value = rng.random(shape), rng.uniform(0.15, 0.95, shape)
    return from_hue(hue, rng.beta(*saturation, shape), value)


def from_hue(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Colours `(…, 3)` from hue, saturation and value, all in 0…1."""
    pure = (abs((6 * hue[..., None] + [0, 4, 2]) % 6 - 3) - 1).clip(0, 1)
    return value[..., None] * (1 - saturation[..., None] * (1 - pure))


def backdrop(
    rng: np.random.Generator, room: Room, view: View, points: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Paint what is behind the figures, `(n, 48, 48, 3)` float32 in 0…1.

    Args:
        room: the colours.
        view: for the elevation of the camera.
        points: `(n, 22, 2)` of the figure, in pixels.
        scale: `(n, 1)` pixels per height.
    """
    n = len(points)
    x, y = points[:, GROUND].T[:, :, None, None]
    edge = y - rng.uniform(0, 14, (n, 1, 1)) + rng.normal(0, 0.08, (n, 1, 1)) * (COLUMN - SIZE / 2)
    is_floor = (0.5 + ROW - edge).clip(0, 1)[..., None]
    canvas = room.wall[:, None, None] + is_floor * (room.floor - room.wall)[:, None, None]
    for cells, strongest in ((4, 0.2), (12, 0.12)):
        canvas = canvas * (1 + rng.uniform(0, strongest, (n, 1, 1, 1)) * _clouds(rng, n, cells))
    canvas = (canvas * (1 + _stripes(rng, n))).clip(0, 1)

    for _ in range(_THINGS):
        inside = _thing(rng, n) * (rng.random((n, 1, 1, 1)) < 0.6)
        paint = colours(rng, (n, 1, 1), saturation=(1.0, 2.0))
        canvas += inside * (paint - canvas)

    wide = 0.22 * scale[:, :, None]
    flat = wide * np.sin(view.elevation).clip(0.1)[:, None, None]  # a disk, seen from there
    shadow = np.exp(-(((COLUMN - x) / wide) ** 2) - ((ROW - y) / flat) ** 2)
    return (canvas * (1 - 0.45 * shadow[..., None])).astype(np.float32)


def _clouds(rng: np.random.Generator, n: int, cells: int) -> np.ndarray:
    """Smooth noise `(n, 48, 48, 1)`: values on a coarse grid, and straight lines between."""
    at = np.linspace(0, cells - 1, SIZE)
    between = (1 - abs(at[:, None] - np.arange(cells))).clip(0)
    return (between @ rng.normal(size=(n, cells, cells)) @ between.T)[..., None]


def _stripes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Waves `(n, 48, 48, 1)` in a random direction; most images have none."""
    angle, pace, phase = rng.uniform(0, [[np.pi], [1.6], [2 * np.pi]], (3, n))[:, :, None, None]
    strength = rng.uniform(0.03, 0.12, (n, 1, 1)) * (rng.random((n, 1, 1)) < 0.4)
    along = np.cos(angle) * COLUMN + np.sin(angle) * ROW
    return (strength * np.sin(pace * along + phase))[..., None]


def _thing(rng: np.random.Generator, n: int) -> np.ndarray:
    """Where a rounded box is, `(n, 48, 48, 1)` in 0…1: a panel, a pole, a ball."""
    x, y = rng.uniform(0, SIZE, (2, n, 1, 1))
    half = np.exp(rng.normal(1.6, 0.7, (2, n, 1, 1)))
    corner = rng.random((n, 1, 1)) * half.min(axis=0)
    angle = rng.normal(0, 0.5, (n, 1, 1))
    c, s = np.cos(angle), np.sin(angle)
    u = abs(c * (COLUMN - x) + s * (ROW - y)) - (half[0] - corner)
    v = abs(c * (ROW - y) - s * (COLUMN - x)) - (half[1] - corner)
    d = np.hypot(u.clip(0), v.clip(0)) + np.maximum(u, v).clip(max=0) - corner
    return (0.5 - d).clip(0, 1)[..., None]
