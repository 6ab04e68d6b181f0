"""What rooms look like: furniture, patterns, light. None of it is part of a room's layout.

All furniture is boxes: a picture is a thin box on a wall, a rug a flat one on the floor. All
surfaces, the room's five and those of the boxes, share one way to be covered: cells in rows, with
lines between them. Planks, tiles, bricks, drawers and window panes differ only in numbers.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Each row: how often; metres from ... to for width along the wall, depth, lower edge (where
# negative: below the ceiling), height; whether it stands free, away from the walls; columns and
# rows of cells; width of lines; how much cells differ; share of a second colour in every other
# cell; its rise to a cell's top; light of its own.
_THINGS = {
    "wardrobe": (0.35, 0.6, 1.8, 0.40, 0.65, 0, 0, 1.5, 2.1, 0, 2, 1, 0.02, 0, 0, 0, 0),
    "chest": (0.55, 0.5, 1.6, 0.35, 0.60, 0, 0, 0.4, 1.0, 0, 2, 3, 0.02, 0, 0, 0, 0),
    "book shelf": (0.35, 0.7, 1.4, 0.25, 0.35, 0, 0, 1.2, 2.1, 0, 5, 5, 0.03, 0.6, 0.5, 0, 0),
    "sofa": (0.50, 1.2, 2.2, 0.70, 1.40, 0, 0, 0.3, 0.6, 0, 3, 1, 0.01, 0.1, 0, 0.4, 0),
    "table": (0.40, 0.6, 1.5, 0.50, 1.10, 0, 0, 0.4, 0.7, 1, 1, 1, 0.04, 0, 0, 0, 0),
    "rug": (0.50, 1.2, 2.8, 1.00, 2.00, 0, 0, 0.01, 0.02, 1, 1, 1, 0.12, 0, 0, 0.3, 0),
    "door": (0.60, 0.8, 1.0, 0.04, 0.06, 0, 0, 1.9, 2.1, 0, 1, 1, 0.06, 0, 0, 0, 0),
    "window": (0.70, 0.8, 2.2, 0.03, 0.05, 0.7, 1.1, 0.9, 1.4, 0, 2, 2, 0.05, 0, 0, 0.8, 0.9),
    "picture": (0.60, 0.4, 1.3, 0.02, 0.04, 1.1, 1.5, 0.4, 1.0, 0, 1, 1, 0.05, 0, 0, 1, 0),
    "poster": (0.50, 0.4, 0.8, 0.02, 0.04, 1.2, 1.5, 0.4, 0.8, 0, 2, 3, 0.03, 0.5, 0.8, 0, 0),
    "lamp": (0.60, 0.3, 0.8, 0.30, 0.80, -0.15, -0.05, 0.3, 0.4, 1, 1, 1, 0.02, 0, 0, 0, 1),
}
_NUMBERS = np.array(list(_THINGS.values()), float)
_SHADOWS = 5  # the first so many throw shadows
_WINDOW, _LAMP = (5 + list(_THINGS).index(name) for name in ("window", "lamp"))

# Each row: width and height of a cell in metres; shift of every other row; width of lines; how
# much cells differ; share of the second colour in every other cell, and in a dot in each cell.
_COVERS: tuple[dict[str, tuple[float, ...]], ...] = (
    {
        "planks across": (1.2, 0.16, 0.5, 0.01, 0.25, 0, 0),
        "planks along": (0.16, 9, 0, 0.01, 0.25, 0, 0),
        "tiles": (0.5, 0.5, 0, 0.015, 0.1, 0, 0),
        "chess board": (0.5, 0.5, 0, 0, 0, 0.9, 0),
        "carpet": (9, 9, 0, 0, 0, 0, 0),
    },
    {
        "plaster": (9, 9, 0, 0, 0, 0, 0),
        "panels": (0.6, 0.6, 0, 0.02, 0, 0, 0),
        "beams": (9, 0.9, 0, 0.08, 0, 0, 0),
    },
    {
        "paint": (9, 9, 0, 0, 0, 0, 0),
        "stripes": (0.3, 9, 0, 0, 0, 0.5, 0),
        "wallpaper": (0.4, 0.4, 0.5, 0, 0, 0, 0.7),
        "bricks": (0.3, 0.14, 0.5, 0.015, 0.25, 0, 0),
        "panels": (0.8, 9, 0, 0.02, 0, 0, 0),
    },
)


def paint(walls: Tensor, rays: Tensor, t: Tensor, seen: Tensor, rng: np.random.Generator) -> Tensor:
    """Rooms in random looks: `(n, 3, size, size)`, values in 0…1, from four rays per pixel.

    Args:
        walls: distances `(n, 5)` of floor, ceiling, left, front, right wall from the camera at 0.
        rays: their directions `(3, n, 4 size²)`; x to the right, y ahead, z up.
        t, seen: `(n, 4 size²)`, how far along each ray a surface is, and which one.
        rng: draws the looks.
    """
    edges = walls.T[:, :, None]
    boxes = _furnish(edges, rng)
    looks = _looks(edges, boxes, rng)
    axis = torch.tensor([2, 2, 0, 1, 0])[seen]  # of the normal
    steps = 1 / rays
    for k, box in enumerate(boxes, start=5):
        entries, leave = _pass(box, steps)
        enter = entries.amax(0)
        hit = (enter < leave) & (enter > 0) & (enter < t)
        t, seen = torch.where(hit, enter, t), seen.masked_fill(hit, k)
        side = torch.where(enter == entries[0], 0, torch.where(enter == entries[1], 1, 2))
        axis = torch.where(hit, side, axis)
    points = rays * t
    number = seen + looks.shape[2] * torch.arange(len(seen))[:, None]
    look = looks.flatten(1).index_select(1, number.flatten()).unflatten(1, seen.shape)
    light = torch.lerp(_light(edges, boxes, points, rays, axis, rng), torch.ones(()), look[-1])
    colours = (_colour(points, axis, look) * light).transpose(0, 1)
    size = round(seen.shape[1] ** 0.5)
    return _expose(F.avg_pool2d(colours.unflatten(2, (size, size)), 2), rng)


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, shape)).float()


def _furnish(edges: Tensor, rng: np.random.Generator) -> Tensor:
    """Furniture as boxes `(things, 2, 3, n, 1)`: their low and their high corners."""
    often, free = _NUMBERS[:, :1], _NUMBERS[:, 9:10] > 0
    floor, ceiling, left, front, right = edges[:, :, 0].numpy()
    shape = len(_NUMBERS), len(floor)
    low, high = (_NUMBERS[:, 1:9].reshape(-1, 4, 2)[:, :, k].T[:, :, None] for k in (0, 1))
    width, depth, bottom, height = rng.uniform(low, high, (4, *shape))
    # Against the left (0), front (1) or right (2) wall, its width along the wall; or anywhere (3).
    side = np.where(free, 3, rng.integers(3, size=shape))
    across, ahead = rng.random((2, *shape))
    dx, dy = np.where(side % 2, (width, depth), (depth, width)) / 2
    x = across * (left + right) - left
    x = np.choose(side, [dx - left, x, right - dx, x])
    y = np.where(side == 1, front - dy, 0.6 + ahead * (front - 0.6))
    z = np.where(bottom < 0, ceiling, -floor) + bottom
    boxes = np.stack([[x - dx, y - dy, z], [x + dx, y + dy, z + height]])
    boxes = boxes.clip(
        np.stack([-left, -9 + 0 * left, -floor])[:, None],
        np.stack([right, front, ceiling])[:, None],
    )
    gap = np.linalg.norm(np.maximum(boxes[0], -boxes[1]).clip(0), axis=0)
    # Some are missing, and what would stand before the lens: put behind the camera, without size.
    boxes[:, :, (rng.random(shape) > often) | (gap < 0.8)] = -1e3
    return torch.from_numpy(boxes).float().permute(2, 0, 1, 3)[..., None]


def _pass(box: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays from 0 of direction 1 / `steps` enter the box's three slabs, and leave one first.

    They hit the box if they enter the last before they leave the first.
    """
    low, high = box[0] * steps, box[1] * steps
    return torch.minimum(low, high), torch.maximum(low, high).amin(0)


def _palette(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random colours `(*shape, 3)` in 0…1, more often pale than not."""
    hue, value, pale = rng.random((3, *shape, 1))
    wheel = (np.abs((6 * hue + np.array([0, 4, 2])) % 6 - 3) - 1).clip(0, 1)
    return (0.3 + 0.7 * value) * (1 - 0.6 * pale * (1 - wheel))


def _looks(edges: Tensor, boxes: Tensor, rng: np.random.Generator) -> Tensor:
    """How each surface of a room looks, `(22, n, 5 + things)`: see the unpacking in `_colour`."""
    n, s = edges.shape[1], 5 + len(boxes)
    colour, second, line = _palette(rng, n, s), _palette(rng, n, s), _palette(rng, n, s)
    wood = rng.random((n, s, 1)) < np.array([0.45] + 4 * [0.0] + (s - 5) * [0.45])[:, None]
    colour = np.where(wood, np.array([0.75, 0.5, 0.3]) * rng.uniform(0.5, 1.3, (n, s, 1)), colour)
    white = rng.random(n) < 0.6
    colour[white, 1] = rng.uniform(0.75, 1, (white.sum(), 1))  # a ceiling
    alike = rng.random(n) < 0.6
    colour[alike, 2:5], second[:, 2:5] = colour[alike, 2:3], second[:, 2:3]  # walls
    line = np.where(rng.random((n, s, 1)) < 0.7, 0.55 * colour, line)
    day = rng.uniform(0.5, 1.2, (n, 1))
    colour[:, _WINDOW], second[:, _WINDOW] = day * [0.85, 0.9, 1], day * [0.6, 0.8, 1.1]
    colour[:, _LAMP] = 1.3

    cover, extra = np.zeros((n, s, 7)), np.zeros((n, s, 3))
    for kinds, surfaces in zip(_COVERS, (slice(0, 1), slice(1, 2), slice(2, 5)), strict=True):
        table = np.array(list(kinds.values()))
        cover[:, surfaces] = table[rng.integers(len(table), size=n)][:, None]
    cover[:, :5, :2] *= np.exp(rng.normal(0, 0.2, (n, 1, 2)))
    cover[:, :5, 4:] *= rng.uniform(0.2, 1, (n, 1, 3))
    size = (boxes[:, 1] - boxes[:, 0])[..., 0].permute(2, 0, 1).numpy()
    width, height = size[..., :2].max(2), size[..., 2]
    # 1e-3: what is missing has no size
    cover[:, 5:, :2] = np.stack([width, height], 2) / _NUMBERS[:, 10:12] + 1e-3
    cover[:, 5:, 3:6] = _NUMBERS[:, 12:15]
    extra[:, 5:, 0], extra[:, 5:, 2] = _NUMBERS[:, 15], _NUMBERS[:, 16]
    extra[:, :, 1] = -1e3  # a skirting board, or panelling up to the waist, on walls only
    board = rng.random(n) < 0.75
    extra[:, 2:5, 1] = np.where(board, 0.1, rng.uniform(0.7, 1.2, n))[:, None]

    floor, _, left, front, _ = edges[:, :, 0].numpy()
    start = np.zeros((n, s, 3))  # the corner that cells are counted from
    start[:, :5] = np.stack([-left, front, -floor], 1)[:, None]
    start[:, 5:] = boxes[:, 0, :, :, 0].permute(2, 0, 1)
    looks = np.concatenate([colour, second, line, start, cover, extra], 2)
    return torch.from_numpy(looks).float().permute(2, 0, 1).contiguous()


def _colour(points: Tensor, axis: Tensor, look: Tensor) -> Tensor:
    """The colour of each point before light falls on it, `(3, n, rays)`."""
    colour, second, line, start = look[:12].unflatten(0, (4, 3))
    width, height, shift, groove, vary, check, dot, rise, board, _ = look[12:]
    x, y, z = points - start
    u, v = torch.where(axis == 0, y, x) / width, torch.where(axis == 2, y, z) / height
    row = v.floor()
    u = u + shift * (row % 2)
    column = u.floor()
    left, below = u - column, v - row  # of the point, in its cell: 0…1
    to_line = torch.minimum(
        torch.minimum(left, 1 - left) * width, torch.minimum(below, 1 - below) * height
    )
    share = check * ((row + column) % 2) + rise * below
    share += dot * ((left - 0.5) ** 2 + (below - 0.5) ** 2 < 0.06)
    share = share.masked_fill(v * height < board, 1).clamp(max=1)
    value = 1 + vary * ((0.7549 * column + 0.5698 * row) % 1 * 2 - 1)  # differs from cell to cell
    return torch.where(to_line < groove, line, torch.lerp(colour, second, share) * value)


def _light(
    edges: Tensor,
    boxes: Tensor,
    points: Tensor,
    rays: Tensor,
    axis: Tensor,
    rng: np.random.Generator,
) -> Tensor:
    """The light on each point `(n, rays)`: of a lamp, with shadows, and from all around."""
    n = len(axis)
    floor, ceiling, left, front, right = edges
    x = _uniform(rng, 0.15, 0.85, n, 1) * (left + right) - left
    y, z = _uniform(rng, -0.3, 0.8, n, 1) * front, _uniform(rng, 0.5, 0.9, n, 1) * ceiling
    to_lamp = torch.stack([x, y, z]) - points
    square = (to_lamp**2).sum(0)
    # The normal is the axis that looks towards the camera.
    facing = -(to_lamp * rays.sign()).gather(0, axis[None])[0].clamp(max=0)
    reach = _uniform(rng, 1, 4, n, 1)
    lamp = _uniform(rng, 0.2, 1.4, n, 1) * facing / square.sqrt() / (1 + square / reach**2)
    steps = 1 / to_lamp
    for box in boxes[:_SHADOWS]:
        entries, leave = _pass(box - points, steps)
        enter = entries.amax(0)
        lamp *= ~((enter < leave) & (enter > 1e-3) & (enter < 1))
    slope = torch.from_numpy(rng.normal(0, 0.08, (3, n, 1))).float()
    around = _uniform(rng, 0.3, 0.7, n, 1) * (1 + (slope * points).sum(0)).clamp(min=0.2)
    x, y, z = points
    to_side, to_level = torch.minimum(x + left, right - x), torch.minimum(z + floor, ceiling - z)
    gaps = torch.stack([to_side, front - y, to_level]).scatter(0, axis[None], torch.inf)
    shade = _uniform(rng, 0.1, 0.6, n, 1) * torch.exp(-gaps.amin(0) / 0.25)
    return (lamp + around) * (1 - shade)  # darker where two surfaces meet


def _expose(colours: Tensor, rng: np.random.Generator) -> Tensor:
    """White balance, exposure, gamma and noise of a camera."""
    n = len(colours)
    x = colours * _uniform(rng, 0.8, 1.1, n, 3, 1, 1)
    x = x * _uniform(rng, 0.3, 0.6, n, 1, 1, 1) / x.mean((1, 2, 3), keepdim=True)
    x = x.clamp(0, 1) ** _uniform(rng, 0.7, 1.1, n, 1, 1, 1)
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return (x + _uniform(rng, 0.005, 0.03, n, 1, 1, 1) * noise).clamp(0, 1)
