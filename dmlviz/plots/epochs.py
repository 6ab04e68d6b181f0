"""The embedding space over the epochs, without jumps: a point moves because its embedding does.

Projected one by one, two epochs differ by turns, mirrors and, with t-SNE and UMAP, by chance.
Three things keep still what did not change:

* PCA shows all epochs in *one* plane, that of the last.
* t-SNE and UMAP begin with the last epoch and go back in time; each layout starts from that of the
  epoch after it (`project(start=…)`). Going back, no early disorder is carried to the end, and the
  last map is the one that `embedding_map` draws.
* Each layout is then turned, mirrored and shifted onto the one after it (Procrustes, no scaling).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dmlviz.plots.layout import NAMES, square
from dmlviz.plots.maps import chosen_classes
from dmlviz.plots.projection import as_points, pca_plane, project
from dmlviz.plots.style import QUIET, class_style, new_axes


def project_epochs(
    snapshots: Any, method: str = "pca", *, rows: Any = None, seed: int = 0
) -> list[np.ndarray]:
    """Lay the same images out at several epochs, `(N, 2)` each, aligned with each other.

    Args:
        snapshots: of a `History`, or embeddings `(N, D)` of the same images; the last decides.
        method: "pca", "tsne" or "umap". Two-dimensional embeddings are returned as they are.
        rows: which images PCA's plane shows best, for instance those in colour; None: all.
        seed: of t-SNE and UMAP.

    >>> first = np.random.default_rng(0).normal(size=(20, 3))
    >>> maps = project_epochs([first, 2 * first])
    >>> np.allclose(2 * maps[0], maps[1])
    True
    """
    points = [as_points(getattr(s, "embeddings", s)) for s in snapshots]
    if not points or len({x.shape for x in points}) > 1:
        shapes = sorted({x.shape for x in points})
        raise ValueError(f"snapshots must be of the same images, one shape (N, D), got {shapes}")
    if points[0].shape[1] == 2:
        return points
    if method == "pca":
        _, plane = pca_plane(points[-1] if rows is None else points[-1][rows])
        return [(x - x.mean(axis=0)) @ plane.T for x in points]
    maps = [project(points[-1], method, seed=seed)]
    maps[0] = maps[0] - maps[0].mean(axis=0)
    for x in points[-2::-1]:
        maps.append(_turned(project(x, method, seed=seed, start=maps[-1]), maps[-1]))
    return maps[::-1]


def epoch_maps(
    history: Any,
    *,
    epochs: int | Sequence[int] = 4,
    method: str = "pca",
    highlight: Sequence[int] | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The embedding map at several epochs, side by side, with the same images in the same colours.

    Args:
        history: of `training.fit`, or a list of `Snapshot`s.
        epochs: how many of its snapshots, evenly spread from the first to the last; or which.
        method: "pca" (the plane that shows best what is in colour at the end), "tsne" or "umap".
        highlight: labels to colour, at most eight; None: up to eight, spread over the labels.
        seed: of t-SNE and UMAP.
        ax: Axes to draw on; None: a new figure.
    """
    snapshots = _chosen_epochs(list(getattr(history, "snapshots", history)), epochs)
    y = np.asarray(snapshots[0].labels)
    chosen = chosen_classes(y, highlight)
    coloured = np.isin(y, chosen)
    rows = coloured if coloured.sum() > 2 else None
    maps = project_epochs(snapshots, method, rows=rows, seed=seed)
    # One scale for all panels of side 1: what shrinks here has shrunk there.
    limits = square(np.concatenate(maps))
    corner = np.array([limits["xlim"][0], limits["ylim"][0]])
    maps = [(xy - corner) / np.ptp(limits["xlim"]) for xy in maps]

    ax = new_axes(ax, (2.8 * len(maps), 3.7))
    figures = {r["epoch"]: _recall(r) for r in getattr(history, "records", [])}
    for i, (snapshot, xy) in enumerate(zip(snapshots, maps, strict=True)):
        xy = xy + np.array([1.06 * i, 0])
        quiet: dict[str, Any] = {"s": 4, "color": QUIET, "alpha": 0.6, "linewidths": 0}
        ax.scatter(*xy[~coloured].T, **quiet, zorder=1)
        for j, label in enumerate(chosen):
            style: dict[str, Any] = class_style(j) | {"edgecolors": "white", "linewidths": 0.3}
            style["label"] = str(snapshot.classes[label]) if i == 0 else None
            ax.scatter(xy[y == label, 0], xy[y == label, 1], s=18, **style, zorder=3)
        left, right = 1.06 * i, 1.06 * i + 1
        frame = ([left, right, right, left, left], [0, 0, 1, 1, 0])
        ax.plot(*frame, color=QUIET, linewidth=0.8, zorder=0)
        caption = f"epoch {snapshot.epoch}" + figures.get(snapshot.epoch, "")
        ax.text(left + 0.5, 1.03, caption, ha="center", va="bottom", fontsize=9)
    size = snapshots[0].embeddings.shape[1]
    ax.set_title(_how(method, size), fontsize=10, pad=16)
    ax.set(xlim=(-0.02, 1.06 * len(maps) - 0.04), ylim=(-0.02, 1.02), aspect="equal")
    ax.axis("off")
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0)}
    ax.legend(**place, ncols=max(2, min(4, len(maps))), frameon=False, fontsize=8)
    return ax


def _how(method: str, size: int) -> str:
    if size == 2:
        return "the embedding itself"
    how = "one plane for all" if method == "pca" else "each from the next"
    return f"{NAMES[method]} of {size} dimensions, {how}"


def _chosen_epochs(snapshots: list[Any], epochs: int | Sequence[int]) -> list[Any]:
    if len(snapshots) < 2:
        raise ValueError(
            f"history has {len(snapshots)} snapshots, at least 2 are needed: "
            "call fit with test= or val= and snapshot_size > 0"
        )
    if isinstance(epochs, int):
        if epochs < 2:
            raise ValueError(f"epochs must be at least 2, or a list of epochs, got {epochs}")
        stops = np.linspace(0, len(snapshots) - 1, min(epochs, len(snapshots))).round()
        return [snapshots[int(i)] for i in stops]
    by_epoch = {s.epoch: s for s in snapshots}
    missing = [e for e in epochs if e not in by_epoch]
    if missing or not epochs:
        raise ValueError(f"epochs must be some of {list(by_epoch)}, got {list(epochs)}")
    return [by_epoch[e] for e in epochs]


def _recall(record: dict[str, Any]) -> str:
    name = next((n for n in reversed(record) if n.endswith("recall@1")), None)
    return "" if name is None else f": R@1 {100 * record[name]:.0f} %"


def _turned(xy: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """A layout turned or mirrored to lie as near as it can to another one, which is centred."""
    xy = xy - xy.mean(axis=0)
    left, _, right = np.linalg.svd(xy.T @ onto)
    return xy @ (left @ right)
