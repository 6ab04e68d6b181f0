"""The embedding map: every image a point, near where the model finds it alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from dmlviz.plots.projection import as_points, project
from dmlviz.plots.style import QUIET, bare, class_style, new_axes

MOST_COLOURED = 8


def embedding_map(
    embeddings: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    method: str = "pca",
    highlight: Sequence[int] | None = None,
    dataset: Any = None,
    thumbnails: int = 60,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw embeddings as a map, a few classes in colour and the others in grey.

    Two-dimensional embeddings are drawn as they are, with the unit circle if they lie on it;
    three-dimensional ones on the unit sphere are seen from the front, the far side faint.
    Everything else is projected, and the title says how.

    Args:
        embeddings: `(N, D)`, or a `Snapshot` of a training history, which brings its labels.
        labels: `(N,)` integers, or None for one grey cloud.
        classes: class names for the legend.
        method: "pca", "tsne" or "umap", see `project`.
        highlight: labels to colour, at most eight; None: all if there are at most eight, else
            eight spread over the labels.
        dataset: draw thumbnails of its images where they do not overlap; item i belongs to row i
            (to `snapshot.indices[i]` for a snapshot).
        thumbnails: how many at most.
        seed: of t-SNE and UMAP.
        ax: Axes to draw on; None: a new figure.
    """
    indices = getattr(embeddings, "indices", None)
    if hasattr(embeddings, "embeddings"):
        labels = embeddings.labels if labels is None else labels
        classes = embeddings.classes if classes is None else classes
        embeddings = embeddings.embeddings
    x = as_points(embeddings)
    y = np.zeros(len(x), int) if labels is None else torch.as_tensor(labels).cpu().numpy()
    if y.shape != (len(x),):
        raise ValueError(f"labels must have shape ({len(x)},), got {y.shape}")

    ax = bare(new_axes(ax, (5.6, 6.9)))
    xy, depth = _lay_out(x, method, seed, ax)
    chosen = chosen_classes(y, highlight) if labels is not None else []
    rest = ~np.isin(y, chosen)
    if rest.any():
        quiet: dict[str, Any] = {"s": 9, "color": QUIET, "linewidths": 0, "zorder": 1}
        ax.scatter(xy[rest, 0], xy[rest, 1], alpha=_faint(0.6, depth, rest), **quiet)
    for i, label in enumerate(chosen):
        of = y == label
        name = str(label) if classes is None else classes[label]
        style: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4}
        alpha = _faint(0.95, depth, of)
        style |= class_style(i) | {"alpha": alpha, "label": name, "zorder": 3}
        ax.scatter(xy[of, 0], xy[of, 1], s=26, **style)
    if dataset is not None:
        rows = np.arange(len(x)) if indices is None else torch.as_tensor(indices).cpu().numpy()
        _thumbnails(ax, xy, y, rows, chosen, dataset, thumbnails)
    if chosen:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False, fontsize=8)
    return ax


def _lay_out(x: np.ndarray, method: str, seed: int, ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Positions `(N, 2)`, and how far behind the front each point lies, in 0…1."""
    unit = np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-3)
    flat = np.zeros(len(x))
    angle = np.linspace(0, 2 * np.pi, 200)
    if x.shape[1] in (2, 3) and unit:
        ax.plot(np.cos(angle), np.sin(angle), color=QUIET, linewidth=1, zorder=0)
        ax.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
        if x.shape[1] == 2:
            ax.set_title("the embedding itself: a circle", fontsize=10)
            return x, flat
        ax.set_title("the embedding itself: a sphere, its far side faint", fontsize=10)
        return x[:, :2], (1 - x[:, 2]) / 2
    positions = project(x, method, seed=seed)
    names = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
    how = (
        f"{names[method]} of {x.shape[1]} dimensions" if x.shape[1] != 2 else "the embedding itself"
    )
    ax.set_title(how, fontsize=10)
    low, high = positions.min(axis=0), positions.max(axis=0)
    centre, reach = (low + high) / 2, (np.ptp(positions, axis=0).max() or 1.0) * 0.54
    ax.set(xlim=(centre[0] - reach, centre[0] + reach), aspect="equal")
    ax.set(ylim=(centre[1] - reach, centre[1] + reach))
    return positions, flat


def _faint(alpha: float, depth: np.ndarray, which: np.ndarray) -> Any:
    return alpha * (1 - 0.8 * depth[which])


def chosen_classes(y: np.ndarray, highlight: Sequence[int] | None) -> list[int]:
    if highlight is not None:
        if len(highlight) > MOST_COLOURED:
            raise ValueError(f"highlight at most {MOST_COLOURED} classes, got {len(highlight)}")
        return [int(label) for label in highlight]
    present = np.unique(y)
    if len(present) <= MOST_COLOURED:
        return present.tolist()
    spread = np.linspace(0, len(present) - 1, MOST_COLOURED).round().astype(int)
    return present[spread].tolist()


def _thumbnails(
    ax: Axes,
    xy: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    chosen: list[int],
    dataset: Any,
    most: int,
) -> None:
    """Pictures at some points: one of each highlighted class, then what does not overlap."""
    gap = np.ptp(ax.get_xlim()) / 17  # about one thumbnail
    taken = [_most_central(xy, np.flatnonzero(y == label)) for label in chosen][:most]
    for i in np.argsort(~np.isin(y, chosen), kind="stable"):  # highlighted classes first
        if len(taken) == most:
            break
        if all(np.abs(xy[i] - xy[j]).max() > gap for j in taken):
            taken.append(int(i))
    for i in taken:
        image = dataset.image(int(rows[i]))
        picture = OffsetImage(np.asarray(image), zoom=15 / max(image.size), cmap="gray")
        colour = class_style(chosen.index(y[i]))["color"] if y[i] in chosen else QUIET
        frame = {"edgecolor": colour, "linewidth": 1.8, "boxstyle": "square,pad=0"}
        tile = AnnotationBbox(picture, xy[i], bboxprops=frame, pad=0.05, zorder=4)
        tile.set_in_layout(False)  # lies within the map: the layout need not make room
        ax.add_artist(tile)


def _most_central(xy: np.ndarray, rows: np.ndarray) -> int:
    """Of these points the one nearest to their median."""
    away = np.abs(xy[rows] - np.median(xy[rows], axis=0)).sum(axis=1)
    return int(rows[away.argmin()])
