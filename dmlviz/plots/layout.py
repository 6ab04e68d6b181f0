"""Where every point goes on a map: its true place on a circle or sphere, else a projection.

A map may hold several sets of points: the embeddings, which decide on the view, and what is shown
among them (proxies, synthetic embeddings), which does not.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from dmlviz.plots.projection import pca_plane, project
from dmlviz.plots.style import QUIET

NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


class Layout(NamedTuple):
    """Positions on a map.

    Attributes:
        positions: `(N, 2)` for each set of points.
        depth: `(N,)` for each set, how far behind the front a point lies, in 0…1.
        kind: "circle", "sphere" or "plane".
        title: what the map is.
    """

    positions: list[np.ndarray]
    depth: list[np.ndarray]
    kind: str
    title: str


def lay_out(
    x: np.ndarray, others: Sequence[np.ndarray] = (), *, method: str = "pca", seed: int = 0
) -> Layout:
    """Lay out embeddings `(N, D)`, and other points `(M, D)` among them.

    Where the embeddings have length 1, only directions count, and the others get length 1, too.
    PCA takes its plane from the embeddings alone, so that they do not move when others are added;
    t-SNE and UMAP, which have no rule for new points, lay out all together.
    """
    size = x.shape[1]
    unit = np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-3)
    parts = [x, *(_unit(p) if unit else p for p in others)]
    flat = [np.zeros(len(p)) for p in parts]
    if size == 2 or (size == 3 and unit):
        depth = [(1 - p[:, 2]) / 2 for p in parts] if size == 3 else flat
        kind = ("circle" if size == 2 else "sphere") if unit else "plane"
        far = ", its far side faint" if kind == "sphere" else ""
        title = "the embedding itself" + (f": a {kind}{far}" if unit else "")
        return Layout([p[:, :2] for p in parts], depth, kind, title)
    if method == "pca":
        mean, plane = pca_plane(x)
        positions = [(p - mean) @ plane.T for p in parts]
    else:
        together = project(np.concatenate(parts), method, seed=seed)
        positions = np.split(together, np.cumsum([len(p) for p in parts])[:-1])
    return Layout(positions, flat, "plane", f"{NAMES[method]} of {size} dimensions")


def draw_ground(ax: Axes, layout: Layout) -> Axes:
    """What the points lie on, limits that hold them all, and the title."""
    ax.set_title(layout.title, fontsize=10)
    if layout.kind == "plane":
        ax.set(**square(np.concatenate(layout.positions)), aspect="equal")
        return ax
    angle = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(angle), np.sin(angle), color=QUIET, linewidth=1, zorder=0)
    if layout.kind == "sphere":
        ax.plot(*_graticule(), color=QUIET, linewidth=0.5, alpha=0.6, zorder=0)
    ax.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
    return ax


def square(xy: np.ndarray) -> dict[str, Any]:
    """Limits of a square, a little larger than the points `(N, 2)`."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    middle, reach = (low + high) / 2, ((high - low).max() or 1.0) * 0.54
    (left, bottom), (right, top) = middle - reach, middle + reach
    return {"xlim": (left, right), "ylim": (bottom, top)}


def faint(alpha: float, depth: np.ndarray) -> Any:
    """The opacity of points: what lies behind is fainter."""
    return alpha * (1 - 0.8 * depth)


def _unit(points: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.where(length > 0, length, 1)


def _graticule() -> tuple[np.ndarray, np.ndarray]:
    """Circles of latitude and longitude on the front of a sphere that is tilted a little."""
    along, steps = np.linspace(0, 2 * np.pi, 121), np.deg2rad(np.arange(-60, 90, 30))
    circles = [(np.cos(s) * np.sin(along), np.sin(s) + 0 * along, np.cos(s) * np.cos(along))
               for s in steps]  # fmt: skip
    circles += [(np.cos(along) * np.sin(s), np.sin(along), np.cos(along) * np.cos(s))
                for s in np.deg2rad(np.arange(0, 180, 30))]  # fmt: skip
    x, y, z = np.stack([np.stack(c) for c in circles], axis=1)
    tilt = np.deg2rad(20)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    gap = np.full((len(x), 1), np.nan)  # no line from one circle to the next
    x, y = np.where(z < 0, np.nan, x), np.where(z < 0, np.nan, y)
    return np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel()
