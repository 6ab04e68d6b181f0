"""Embedding transfer as pictures: relaxed labels, their forces, and what the target made of them.

Symbols as in `dmlviz/losses/relaxed.py`: w_ij the relaxed label of a pair, d_ij its relative
distance in the target, σ how fast labels fall, δ where the push ends.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes

from dmlviz.losses.relaxed import relative_distances, relaxed_labels
from dmlviz.plots.style import (
    LINE_STYLES,
    NEGATIVE,
    ORANGE,
    POSITIVE,
    class_color,
    ink,
    new_axes,
    plain,
)


def relaxed_label_map(
    source: Any,
    labels: Any = None,
    *,
    sigma: float = 1.0,
    images: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The relaxed labels of some images as a heat map: dark is alike.

    Args:
        source: `(N, D)` embeddings of the source, best fewer than 60.
        labels: `(N,)` classes; rows are sorted by them, and lines drawn between classes. None: the
            order given.
        sigma: σ.
        images: N pictures to show beside the rows: the first of each class, or all if there are no
            labels. None: no pictures.
        ax: Axes to draw on; None: a new figure.
    """
    x = torch.as_tensor(source).float()
    order = torch.arange(len(x))
    if labels is not None:
        y = torch.as_tensor(labels)
        if y.shape != (len(x),):
            raise ValueError(f"labels must have shape ({len(x)},), got {tuple(y.shape)}")
        order = y.argsort(stable=True)
    w = relaxed_labels(x[order], sigma).numpy()
    ax = new_axes(ax, (5.2, 4.4))
    heat = ax.imshow(w, cmap="Blues", vmin=0, vmax=1)
    ax.figure.colorbar(heat, ax=ax, label="relaxed label w", shrink=0.8)
    if labels is not None:
        edges = torch.nonzero(y[order].diff()).flatten() + 0.5
        ax.hlines(edges, -0.5, len(x) - 0.5, color=ORANGE, linewidth=0.9)
        ax.vlines(edges, -0.5, len(x) - 0.5, color=ORANGE, linewidth=0.9)
    ax.set(xticks=[], yticks=[], title=f"σ = {sigma:g}")
    if images is not None:
        starts = [0, *(edges + 0.5).int().tolist()] if labels is not None else list(range(len(x)))
        for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
            side, middle = 0.9 * (stop - start), (start + stop - 1) / 2
            extent = (-0.9 - side, -0.9, middle + side / 2, middle - side / 2)
            picture = np.asarray(images[int(order[start])])
            ax.imshow(picture, extent=extent, cmap="gray", vmin=0, vmax=255)
        widest = 0.9 * max(np.diff([*starts, len(x)]))
        ax.set(xlim=(-1 - widest, len(x) - 0.5), ylim=(len(x) - 0.5, -0.5), aspect="equal")
        for spine in ax.spines.values():
            spine.set_visible(False)
    return ax


def relaxed_label_curves(
    sigmas: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0), *, ax: Axes | None = None
) -> Axes:
    """Relaxed label against the source's cosine similarity, for several σ."""
    ax = plain(new_axes(ax))
    cosine = np.linspace(-1, 1, 201)
    for i, sigma in enumerate(sigmas):
        w = np.exp(-(2 - 2 * cosine) / sigma)  # ||a - b||² = 2 - 2 cos on the unit sphere
        style: dict[str, Any] = {
            "color": class_color(i),
            "linestyle": LINE_STYLES[(i + i // 4) % 4],
        }
        ax.plot(cosine, w, label=f"σ = {sigma:g}", **style)
    ax.set(xlabel="cosine similarity in the source", ylabel="relaxed label w", ylim=(0, 1.02))
    ax.legend(frameon=False, fontsize=9)
    return ax


def transfer_forces(
    weights: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    *,
    delta: float = 1.0,
    kind: str = "relaxed",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Slope of the loss of one pair against its distance: below 0 it is pushed, above 0 pulled.

    Curves are light for w = 0 to dark for w = 1, as in the heat maps, whatever else is drawn.

    Args:
        weights: labels w to draw a curve for.
        delta: δ, the margin.
        kind: "relaxed", 2 (d - δ(1 - w)) below δ and 2 w d above; "hard", the same with w rounded
            to 0 or 1, the contrastive loss; "rkd", the Huber slope towards the source's distance,
            for which δ(1 - w) stands.
        legend: False leaves it out, where several panels share one.
        ax: Axes to draw on; None: a new figure.
    """
    slopes = {"relaxed": _relaxed_slope, "hard": _hard_slope, "rkd": _rkd_slope}
    if kind not in slopes:
        raise ValueError(f"kind must be one of {', '.join(slopes)}, got {kind!r}")
    ax = plain(new_axes(ax))
    d = np.linspace(0, 2 * delta, 241)
    shown = sorted({float(round(w)) for w in weights}) if kind == "hard" else list(weights)
    ax.axhline(0, color=ink(), linewidth=0.8)
    for w in shown:
        colour, dash = colormaps["Blues"](0.35 + 0.65 * w), LINE_STYLES[round(4 * w) % 4]
        ax.plot(d, slopes[kind](d, w, delta), label=f"w = {w:g}", color=colour, linestyle=dash)
        if 0 < w < 1 or kind == "rkd":
            ax.plot(delta * (1 - w), 0, "o", color=colour)  # where the pair rests
    ax.set(xlabel="distance d of the pair", ylabel="∂l/∂d", xlim=(0, 2 * delta))
    ax.text(0.01, 0.99, "pulled together ↑", transform=ax.transAxes, va="top", color=POSITIVE)
    ax.text(0.01, 0.01, "pushed apart ↓", transform=ax.transAxes, va="bottom", color=NEGATIVE)
    if legend:
        ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def _relaxed_slope(d: np.ndarray, w: float, delta: float) -> np.ndarray:
    return np.where(d < delta, 2 * (d - delta * (1 - w)), 2 * w * d)


def _hard_slope(d: np.ndarray, w: float, delta: float) -> np.ndarray:
    return _relaxed_slope(d, round(w), delta)


def _rkd_slope(d: np.ndarray, w: float, delta: float) -> np.ndarray:
    return np.clip(d - delta * (1 - w), -1, 1)


def relative_distance_scatter(
    target: Any,
    source: Any,
    *,
    sigma: float = 1.0,
    delta: float = 1.0,
    pairs: int = 3000,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The target's relative distances against where the loss draws them, δ(1 - w), pair by pair.

    Perfect transfer lies on the line, or above it on its right end: pairs farther than δ that the
    source finds unlike are left alone.

    Args:
        target, source: `(N, D)`, `(N, E)` embeddings of the same images.
        sigma, delta: σ, δ.
        pairs: draw so many, chosen at random.
        seed: of the choice.
        ax: Axes to draw on; None: a new figure.
    """
    if len(target) != len(source):
        raise ValueError(
            f"target and source must embed the same images, got {len(target)} and {len(source)}"
        )
    d = relative_distances(torch.as_tensor(target).float())
    goal = delta * (1 - relaxed_labels(torch.as_tensor(source).float(), sigma))
    different = ~torch.eye(len(d), dtype=torch.bool)
    d, goal = d[different], goal[different]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(d), generator=generator)[:pairs]
    ax = plain(new_axes(ax, (4.6, 4.2)), grid=None)
    ax.plot(goal[chosen], d[chosen], ".", color=POSITIVE, markersize=3, alpha=0.35)
    ax.plot([0, delta], [0, delta], color=ink(), linewidth=1.2, label="d = δ(1 - w)")
    ax.set(xlabel="δ(1 - w), where the loss draws the pair", ylabel="relative distance d")
    ax.set(xlim=(0, delta * 1.02), ylim=(0, max(2 * delta, float(d[chosen].max()) * 1.05)))
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return ax
