"""The loss landscape on the circle: the loss as *one* sample goes round and all else stays.

The sample stands at the angle θ; the landscape is l(θ), drawn as hills outside of the unit circle.
Gradient descent lets the sample roll downhill, to the nearest valley, which need not be the lowest.
"""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from dmlviz.plots.forces import circle, configuration, forces, in_the_plane, owns_proxies
from dmlviz.plots.style import ANCHOR, NEGATIVE, POSITIVE, QUIET, ink, new_axes

HIGHEST = 0.55  # of a hill, beside the circle's radius 1


def landscape(
    loss: nn.Module, embeddings: Tensor, labels: Tensor, sample: int, points: int = 360
) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the sample in 0…2π, from where it stands, and the loss there; each `(points,)`."""
    x, y = embeddings[sample].tolist()
    angles = np.arctan2(y, x) + np.linspace(0, 2 * np.pi, points, endpoint=False)
    moved, values = embeddings.clone(), []
    with torch.no_grad():
        for angle in angles:
            moved[sample] = torch.tensor([np.cos(angle), np.sin(angle)])
            values.append(float(loss(moved, labels)))
    return angles, np.array(values)


def loss_landscape(
    loss: nn.Module,
    embeddings: Any = None,
    labels: Any = None,
    *,
    proxies: Any = None,
    sample: int = 3,
    points: int = 360,
    ax: Axes | None = None,
) -> Axes:
    """The loss along the circle on which one sample moves, as hills and valleys outside of it.

    The sample is a black star at the height of its loss, with an arrow to where the gradient moves
    it; blue circles are of its class, vermilion crosses of others, diamonds their proxies.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning.
        embeddings, labels, proxies: `(N, 2)`, `(N,)`, `(C, 2)`; None: twelve points of three
            classes, two of each astray.
        sample: the row that moves.
        points: angles to compute the loss at.
        ax: Axes to draw on; None: a new figure.
    """
    if embeddings is None:
        embeddings, labels, proxies = configuration()
    x, y = torch.as_tensor(embeddings).double(), torch.as_tensor(labels)
    if x.ndim != 2 or x.shape[1] != 2 or y.shape != (len(x),):
        got = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"embeddings and labels must have shapes (N, 2) and (N,), got {got}")
    if not 0 <= sample < len(x):
        raise ValueError(f"sample must be a row, 0...{len(x) - 1}, got {sample}")
    if owns_proxies(loss) and proxies is None:
        raise ValueError("proxies (C, 2) are needed: the loss compares samples with its own")
    x = nn.functional.normalize(x)
    p = torch.eye(2).double() if proxies is None else torch.as_tensor(proxies).double()
    small = in_the_plane(loss, p)
    angles, values = landscape(small, x, y, sample, points)
    low, high = values.min(), values.max()
    height = HIGHEST * (values - low) / ((high - low) or 1.0)

    ax = circle(new_axes(ax, (4.6, 4.9)))
    ground, hills = _ring(angles, 0 * height), _ring(angles, height)
    ax.fill(*np.hstack([hills, ground[:, ::-1]]), color=QUIET, alpha=0.35, linewidth=0, zorder=1)
    ax.plot(*hills, color=ink(), linewidth=1.3, zorder=2, gid="landscape")
    same = y == y[sample]
    others = torch.arange(len(x)) != sample
    look: dict[str, Any] = {"linestyle": "", "mec": "white", "mew": 0.6, "zorder": 3}
    for of, marker, colour in ((same & others, "o", POSITIVE), (~same, "X", NEGATIVE)):
        ax.plot(*x[of].T.numpy(), marker, color=colour, markersize=9, **look)
    if owns_proxies(loss):
        own = torch.arange(len(p)) == y[sample]
        for of, colour in ((own, POSITIVE), (~own, NEGATIVE)):
            directions = nn.functional.normalize(p[of])
            ax.plot(*directions.T.numpy(), "D", mfc="none", mec=colour, mew=2, markersize=12)
    start = 1 + height[0]
    ax.plot(*np.outer(x[sample], [1, start]), color=ANCHOR, linewidth=1, zorder=4)
    ax.plot(*(start * x[sample]).tolist(), "*", color=ANCHOR, markersize=19, mec="white", zorder=5)
    _, force = forces(small, x, y)
    _arrow_downhill(ax, x[sample], force[sample], start + 0.06)
    lowest = angles[values.argmin()]
    inward = np.array([np.cos(lowest), np.sin(lowest)])
    triangle = (3, 0, np.rad2deg(lowest) - 90)
    ax.plot(*0.86 * inward, marker=triangle, color=ink(), markersize=10, linestyle="")
    left, up = 0.62 * inward
    ax.text(left, up, "lowest", ha="center", va="center", fontsize=9)
    ax.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65))
    ax.set_title(f"loss here {values[0]:.3g}, lowest {low:.3g}, highest {high:.3g}", fontsize=10)
    return ax


def _arrow_downhill(ax: Axes, x: Tensor, force: Tensor, radius: float) -> None:
    """An arrow beside the sample, along the circle, to where the gradient moves it."""
    turn = float(x[0] * force[1] - x[1] * force[0])
    if abs(turn) < 1e-9:
        return
    way = np.arctan2(*x.tolist()[::-1]) + np.sign(turn) * np.deg2rad([9, 27])
    tail, tip = radius * np.stack([np.cos(way), np.sin(way)], axis=1)
    arrow = {"arrowstyle": "-|>", "color": ink(), "linewidth": 1.6}
    bend = f"arc3,rad={0.15 * np.sign(turn)}"
    ax.annotate("", tip, tail, arrowprops=arrow | {"connectionstyle": bend})


def _ring(angles: np.ndarray, height: np.ndarray) -> np.ndarray:
    """A closed line `(2, P + 1)` round the circle at these heights above it."""
    angles, radius = np.append(angles, angles[0]), 1 + np.append(height, height[0])
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)])
