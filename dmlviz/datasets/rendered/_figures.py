"""People painted as limbs: coloured capsules in front of a cluttered ground.

A limb from a to b with radii r_a, r_b covers the pixel p by its signed distance

    t = clip((p - a)·(b - a) / |b - a|², 0, 1),   o = p - a - t (b - a),   d = |o| - r(t),

with r(t) = r_a + t (r_b - r_a), to clip(1/2 - d, 0, 1): edges are anti-aliased without drawing
anything larger first. The vector o / r is also what the light needs: with z = sqrt(1 - |o / r|²)
it is the normal of a round limb. Limbs are painted from the farthest to the nearest.
"""

from typing import NamedTuple

import numpy as np

from dmlviz.datasets.joints import JOINTS
from dmlviz.datasets.rendered._backdrop import (
    COLUMN,
    ROW,
    SIZE,
    Room,
    backdrop,
    colours,
    from_hue,
    rooms,
)
from dmlviz.datasets.rendered._skeleton import HAIR, HEAD, PELVIS, View, people

_MARGIN = 1.5  # pixels that joints keep from the rim

_POINT = {name: i for i, name in enumerate(JOINTS)} | {"head": HEAD, "hair": HAIR}
_POINT |= {"right toe": 14, "left toe": 15, "right hand": 16, "left hand": 17, "pelvis": PELVIS}


class _Part(NamedTuple):
    start: str
    end: str
    radii: tuple[float, float]  # at the two ends, in heights
    cover: str  # what one sees of it
    roundness: float = 1.0  # 0: the light makes no difference


_PARTS = [
    part
    for s in ("right", "left")
    for part in (
        _Part(f"{s} hip", f"{s} knee", (0.058, 0.044), "trousers"),
        _Part(f"{s} knee", f"{s} ankle", (0.042, 0.030), "shins"),
        _Part(f"{s} ankle", f"{s} toe", (0.030, 0.024), "shoes"),
        _Part(f"{s} shoulder", f"{s} elbow", (0.040, 0.033), "sleeves"),
        _Part(f"{s} elbow", f"{s} wrist", (0.031, 0.025), "forearms"),
        _Part(f"{s} wrist", f"{s} hand", (0.025, 0.029), "skin"),
        _Part(f"{s} shoulder", f"{s} hip", (0.042, 0.052), "shirt", 0.3),
    )
] + [
    _Part("right hip", "left hip", (0.064, 0.064), "trousers", 0.5),
    _Part("right shoulder", "left shoulder", (0.042, 0.042), "shirt", 0.3),
    _Part("neck", "pelvis", (0.062, 0.065), "shirt", 0.3),
    _Part("neck", "head", (0.034, 0.034), "skin"),
    _Part("head", "head", (0.070, 0.070), "skin"),
    _Part("hair", "hair", (0.068, 0.068), "hair"),
]
_START, _END = ([_POINT[name] for name in ends] for ends in list(zip(*_PARTS, strict=True))[:2])
_TRUNK = [i for i, part in enumerate(_PARTS) if part.cover == "shirt"]


class _Limbs(NamedTuple):
    """What is painted of n figures, in `len(_PARTS)` = k parts, the farthest first."""

    start: np.ndarray  # (n, k, 2) pixels
    end: np.ndarray
    radii: np.ndarray  # (n, k, 2) pixels, at start and end
    colour: np.ndarray  # (n, k, 3)
    roundness: np.ndarray  # (n, k)


def render(n: int, seed: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Paint n people.

    Returns:
        Images `(n, 48, 48, 3)` bytes, and joints `(n, 14, 2)` float32: x to the right and y down,
        in pixels from the upper left corner of the image.
    """
    rng = np.random.default_rng(seed)
    images, joints = np.empty((n, SIZE, SIZE, 3), np.uint8), np.empty((n, 14, 2), np.float32)
    for block in np.array_split(np.arange(n), -(-n // 100)):  # stays in the processor's cache
        view, room = people(rng, len(block)), rooms(rng, len(block))
        points, scale = _place(rng, view)
        canvas = backdrop(rng, room, view, points, scale)
        _paint(canvas, _limbs(rng, view, room, points, scale), _light(rng, len(block)))
        noise = rng.normal(0, rng.uniform(0.004, 0.03, (len(block), 1, 1, 1)), canvas.shape)
        images[block] = ((canvas + noise).clip(0, 1) * 255).round()
        joints[block] = points[:, :14]
    return images, joints


def _place(rng: np.random.Generator, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Points in pixels, with all joints inside the image, and pixels per height `(n, 1)`."""
    low, high = view.points[:, :14].min(axis=1), view.points[:, :14].max(axis=1)
    extent, room = (high - low).max(axis=1), SIZE - 2 * _MARGIN
    # The smaller a crouched or lying figure would be, the closer one looks.
    wanted = rng.uniform(34, 46, len(low)) / np.sqrt(extent)
    scale = np.minimum(wanted, room / extent)[:, None]
    corner = _MARGIN + (room - scale * (high - low)) * rng.beta(2, 2, low.shape) - scale * low
    return view.points * scale[:, :, None] + corner[:, None], scale


def _limbs(
    rng: np.random.Generator, view: View, room: Room, points: np.ndarray, scale: np.ndarray
) -> _Limbs:
    start, end = points[:, _START], points[:, _END]
    # The trunk ends inside of the shoulders.
    middle = points[:, [8, 9, 2, 3]].mean(axis=1, keepdims=True)
    start[:, _TRUNK] += 0.12 * (middle - start[:, _TRUNK])

    stout = np.exp(rng.normal(0, 0.14, (len(points), 1)))
    zoom = np.stack([view.zoom[:, _START], view.zoom[:, _END]], axis=2)
    radii = np.array([part.radii for part in _PARTS]) * zoom * (stout * scale)[:, :, None]

    depth = (view.depth[:, _START] + view.depth[:, _END]) / 2
    depth[:, _TRUNK] = depth[:, _TRUNK].mean(axis=1, keepdims=True)  # one piece of cloth
    order = depth.argsort(axis=1, kind="stable")[:, ::-1]
    roundness = np.array([part.roundness for part in _PARTS])
    rows = np.arange(len(points))[:, None]
    start, end, radii, colour = (
        value[rows, order].astype(np.float32) for value in (start, end, radii, _covers(rng, room))
    )
    return _Limbs(start, end, radii, colour, roundness[order].astype(np.float32))


def _covers(rng: np.random.Generator, room: Room) -> np.ndarray:
    """The colour of each part, `(n, k, 3)`."""
    n = len(room.wall)
    tone = rng.random((n, 1))
    skin = (1 - tone) * [0.96, 0.80, 0.69] + tone * [0.36, 0.22, 0.15]
    hair = from_hue(rng.uniform(0.02, 0.14, n), rng.uniform(0.1, 0.8, n), 0.9 * rng.beta(0.8, 2, n))
    shirt, trousers, shoes = (_outstanding(rng, room) for _ in range(3))
    sleeve, leg = rng.random((2, n, 1))  # how long they are
    worn = {"skin": skin, "hair": hair, "shirt": shirt, "trousers": trousers, "shoes": shoes}
    worn["sleeves"] = np.where(sleeve > 0.2, shirt, skin)
    worn["forearms"] = np.where(sleeve > 0.6, shirt, skin)
    worn["shins"] = np.where(leg > 0.4, trousers, skin)
    return np.stack([worn[part.cover] for part in _PARTS], axis=1)


def _outstanding(rng: np.random.Generator, room: Room) -> np.ndarray:
    """Of three random colours, the one that is farthest from wall and floor."""
    choice = colours(rng, (3, len(room.wall)), saturation=(1.2, 1.4))
    contrast = np.minimum(*(np.linalg.norm(choice - ground, axis=2) for ground in room))
    return choice[contrast.argmax(axis=0), np.arange(len(room.wall))]


def _light(rng: np.random.Generator, n: int) -> np.ndarray:
    """Where the light comes from: unit vectors `(n, 3)`, from above and in front."""
    angle, aside = rng.uniform(0, np.pi, n), rng.uniform(0.3, 0.8, n)
    return np.stack(
        [aside * np.cos(angle), -aside * np.sin(angle), np.sqrt(1 - aside**2)], axis=1
    ).astype(np.float32)


def _paint(canvas: np.ndarray, limbs: _Limbs, light: np.ndarray) -> None:
    """Lay the limbs over the canvas `(n, 48, 48, 3)`, in place: the formula at the top."""
    lx, ly, lz = light.T[:, :, None, None]
    for k in range(limbs.start.shape[1]):
        ax, ay = limbs.start[:, k].T[:, :, None, None]
        bx, by = limbs.end[:, k].T[:, :, None, None] - [ax, ay]
        ra, rb = limbs.radii[:, k].T[:, :, None, None]
        px, py = COLUMN - ax, ROW - ay
        t = ((px * bx + py * by) / (bx * bx + by * by + 1e-6)).clip(0, 1)
        r = ra + t * (rb - ra)
        ox, oy = (px - t * bx) / r, (py - t * by) / r
        squared = ox * ox + oy * oy
        inside = (0.5 + r * (1 - np.sqrt(squared))).clip(0, 1)[..., None]
        lit = ox * lx + oy * ly + np.sqrt((1 - squared).clip(0)) * lz
        shade = 1 + limbs.roundness[:, k, None, None] * (0.55 * lit - 0.42)
        canvas += inside * (limbs.colour[:, k, None, None] * shade[..., None] - canvas)
