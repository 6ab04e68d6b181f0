"""Drawing scenes: coloured shapes with a rim and a shadow, on grounds of all kinds.

A shape is a function of its own coordinates u to the right and v down, with half its width as the
unit: the signed distance to its border, negative inside. So 1/2 - radius · d, cut to 0…1, is the
share of a pixel that it covers, and shadows and rims are the same picture shifted or shrunk.
"""

from collections.abc import Callable

import numpy as np

from dmlviz.datasets.rendered._scene_graphs import SHAPES, SIDE, Place, SceneGraph

_PAINT = {  # red, green, blue
    "red": (214, 39, 40),
    "orange": (250, 138, 22),
    "yellow": (248, 214, 36),
    "green": (46, 150, 54),
    "turquoise": (52, 205, 196),
    "blue": (38, 92, 205),
    "purple": (128, 56, 176),
    "pink": (246, 134, 188),
}
_COLUMN, _ROW = np.meshgrid(*[np.arange(SIDE, dtype=np.float32) + 0.5] * 2)
_SHINE, _RIM, _SHADE = 0.16, 0.45, 0.35


def _circle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.96


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(abs(u), abs(v)) - 0.86


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(v - 0.68, 0.866 * abs(u) - 0.5 * v - 0.52)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # Turn and mirror each of five points onto one; its edge runs from the tip to the notch.
    turn = 2 * np.pi / 5
    angle = abs((np.arctan2(u, -v) + turn / 2) % turn - turn / 2)
    along, across = np.hypot(u, v) * np.cos(angle), np.hypot(u, v) * np.sin(angle)
    tip, notch = np.array([1.08, 0]), 0.5 * np.array([np.cos(turn / 2), np.sin(turn / 2)])
    edge = (tip - notch) / np.hypot(*(tip - notch))
    return (along - tip[0]) * -edge[1] + (across - tip[1]) * edge[0]


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    lobes = np.hypot(abs(u) - 0.46, v + 0.3) - 0.52
    point = np.maximum(0.7071 * (abs(u) + v) - 0.62, -0.7071 * v - 0.42 + 0.2 * abs(u))
    return np.minimum(lobes, point)


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    long, short = np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v))
    return np.maximum(long - 0.95, short - 0.3)


def _moon(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.hypot(u, v) - 0.98, 0.8 - np.hypot(u - 0.5, v + 0.15))


_BORDER: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "moon": _moon,
}


def draw(
    graphs: list[SceneGraph], places: list[list[Place]], rng: np.random.Generator
) -> np.ndarray:
    """Pictures of scenes, `(N, 48, 48, 3)` bytes."""
    canvas = _grounds(rng, len(graphs))
    for k in range(max(len(p) for p in places)):  # the k-th object of all scenes, shape by shape
        kth = {n: graph.objects[k] for n, graph in enumerate(graphs) if k < len(graph.objects)}
        for shape in SHAPES:
            chosen = [n for n, o in kth.items() if o.shape == shape]
            if chosen:
                where = np.array([places[n][k] for n in chosen], np.float32)
                colours = np.array([_PAINT[kth[n].colour] for n in chosen], np.float32) / 255
                canvas[chosen] = _add(canvas[chosen], shape, where, colours, rng)
    canvas += rng.uniform(0.01, 0.05, (len(canvas), 1, 1, 1)) * rng.normal(size=canvas.shape)
    return (canvas.clip(0, 1) * 255).round().astype(np.uint8)


def _add(
    canvas: np.ndarray, shape: str, where: np.ndarray, colours: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Lay a shape on each picture."""
    n = len(canvas)
    x, y, radius = where.T[:, :, None, None]
    angle = rng.uniform(-0.26, 0.26, (n, 1, 1))
    c, s = np.cos(angle, dtype=np.float32), np.sin(angle, dtype=np.float32)
    across, down = (_COLUMN - x) / radius, (_ROW - y) / radius

    def inside(u: np.ndarray, v: np.ndarray, soft: float = 1, shrink: float = 0) -> np.ndarray:
        d = radius * _BORDER[shape](c * u + s * v, c * v - s * u) + shrink
        return (0.5 - d / soft).clip(0, 1)[..., None]

    shadow = inside(across - 1.2 / radius, down - 1.6 / radius, soft=3)
    canvas = canvas * (1 - _SHADE * shadow)
    paint = colours[:, None, None] * np.exp(rng.normal(0, 0.06, (n, 1, 1, 3)))
    lit = paint + _SHINE * (-0.6 * across - 0.8 * down)[..., None]  # from the upper left
    canvas = canvas + inside(across, down) * ((1 - _RIM) * paint - canvas)
    return canvas + inside(across, down, shrink=0.9) * (lit - canvas)


def _grounds(rng: np.random.Generator, n: int) -> np.ndarray:
    """Muted grounds `(n, 48, 48, 3)` in 0…1: two tints, a slope between them, and a pattern."""
    grey = rng.uniform(0.12, 0.92, (n, 1, 1, 1))
    tints = [(grey + rng.normal(0, 0.07, (n, 1, 1, 3))).clip(0.05, 0.97) for _ in range(2)]
    angle = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    x, y = _COLUMN / SIDE - 0.5, _ROW / SIDE - 0.5
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    pace, phase = rng.uniform(20, 60, (n, 1, 1)), rng.uniform(0, 6.3, (2, n, 1, 1))
    stripes = np.sin(pace * u + phase[0])
    checks = np.sign(stripes * np.sin(pace * v + phase[1]))
    at = np.linspace(0, 5, SIDE)
    between = (1 - abs(at[:, None] - np.arange(6))).clip(0)
    clouds = between @ rng.normal(0, 0.8, (n, 6, 6)) @ between.T
    pattern = np.choose(rng.integers(4, size=(n, 1, 1)), [stripes, checks, clouds, 0 * u])
    mix = (0.5 + u + 0.35 * pattern).clip(0, 1)[..., None]
    return (tints[0] + mix * (tints[1] - tints[0])).astype(np.float32)
