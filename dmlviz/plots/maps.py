"""The embedding map: every image a point, near where the model finds it alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from dmlviz.plots.layout import draw_ground, faint, lay_out
from dmlviz.plots.projection import as_points, as_rows
from dmlviz.plots.style import BLACK, QUIET, bare, class_style, new_axes

MOST_COLOURED = 8


def embedding_map(
    embeddings: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    method: str = "pca",
    highlight: Sequence[int] | None = None,
    proxies: Any = None,
    synthetic: Any = None,
    synthetic_labels: Any = None,
    dataset: Any = None,
    thumbnails: int = 60,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw embeddings as a map, a few classes in colour and the others in grey.

    Two-dimensional embeddings are drawn as they are, with the unit circle if they lie on it;
    three-dimensional ones on the unit sphere are seen from the front, the far side faint.
    Everything else is projected, and the title says how. Proxies are diamonds, what is synthetic
    is hollow (`novel_map` draws whole novel classes).

    Args:
        embeddings: `(N, D)`, or a `Snapshot` of a training history, which brings its labels.
        labels: `(N,)` integers, or None for one grey cloud.
        classes: class names for the legend.
        method: "pca", "tsne" or "umap", see `project`.
        highlight: labels to colour, at most eight; None: all if there are at most eight, else
            eight spread over the labels.
        proxies: `(C, D)`, row c for label c; scaled to length 1 where the embeddings are.
        synthetic: `(M, D)` embeddings that no image has; scaled likewise.
        synthetic_labels: `(M,)`; None: of no class.
        dataset: draw thumbnails of its images where they do not overlap; item i belongs to row i
            (to `snapshot.indices[i]` for a snapshot).
        thumbnails: how many at most.
        seed: of t-SNE and UMAP.
        ax: Axes to draw on; None: a new figure.
    """
    x, y, classes, rows = unpacked(embeddings, labels, classes)
    p = _others("proxies", proxies, x.shape[1])
    s = _others("synthetic", synthetic, x.shape[1])
    y_s = torch.full((len(s),), -1) if synthetic_labels is None else synthetic_labels
    y_s = torch.as_tensor(y_s).cpu().numpy()
    if y_s.shape != (len(s),):
        raise ValueError(f"synthetic_labels must have shape ({len(s)},), got {y_s.shape}")
    chosen = [] if y is None else chosen_classes(y, highlight)
    y = np.full(len(x), -1) if y is None else y

    layout = lay_out(x, [p, s], method=method, seed=seed)
    ax = draw_ground(bare(new_axes(ax, (5.6, 6.9))), layout)
    (xy, p_xy, s_xy), (depth, p_depth, s_depth) = layout.positions, layout.depth
    entries: list[dict[str, Any]] = []  # of the legend
    for i, label in enumerate([None, *chosen], start=-1):  # None: all others
        of, of_p, of_s = (
            ~np.isin(t, chosen) if label is None else t == label
            for t in (y, np.arange(len(p)), y_s)
        )
        style: dict[str, Any] = {"color": QUIET, "s": 9, "alpha": 0.6, "linewidths": 0}
        if label is not None:
            style = class_style(i) | {"s": 26, "alpha": 0.95, "linewidths": 0.4}
            if len(p):  # diamonds are proxies
                style["marker"] = style["marker"].replace("D", "<")
            name = str(classes[label] if classes else label)
            rim = {"mec": "white", "mew": 0.4, "ms": 6}
            entries.append(rim | class_style(i) | {"marker": style["marker"], "label": name})
            style |= {"edgecolors": "white", "label": name}
        colour, over, alpha = style["color"], 2 * (label is not None), style.pop("alpha")
        if of.any():
            ax.scatter(*xy[of].T, **style, alpha=faint(alpha, depth[of]), zorder=1 + over)
        if of_p.any():
            look: dict[str, Any] = {"marker": "D", "edgecolors": BLACK, "linewidths": 0.8}
            look |= {"color": colour, "s": 80 if over else 20, "gid": "proxies"}
            ax.scatter(*p_xy[of_p].T, **look, alpha=faint(1, p_depth[of_p]), zorder=3 + over)
        if of_s.any():
            edge = to_rgba_array([colour] * of_s.sum(), faint(1, s_depth[of_s]))
            look = {"facecolors": "none", "edgecolors": edge, "linewidths": 1.2, "s": 34}
            look |= {"marker": style.get("marker", "o"), "gid": "synthetic"}
            ax.scatter(*s_xy[of_s].T, **look, zorder=2 + over)
    if dataset is not None:
        _thumbnails(ax, xy, y, rows, chosen, dataset, thumbnails)
    if len(p):
        proxy = {"marker": "D", "ms": 7, "color": QUIET, "mec": BLACK, "mew": 0.8}
        entries.append(proxy | {"label": "proxy"})
    if len(s):
        hollow = {"marker": "o", "ms": 6, "mfc": "none", "mec": "#707070"}
        entries.append(hollow | {"label": "synthetic"})
    if entries:
        # Not the points themselves: those of a class may lie at the faint back of a sphere.
        handles = [Line2D([], [], linestyle="", **entry) for entry in entries]
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0)}
        ax.legend(handles=handles, **place, ncols=2, frameon=False, fontsize=8)
    return ax


def unpacked(
    embeddings: Any, labels: Any, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray | None, Sequence[str] | None, np.ndarray]:
    """Embeddings `(N, D)`, labels `(N,)` or None, class names, and items of the data set `(N,)`.

    What is not given comes from the `Snapshot`, if the embeddings are one.
    """
    indices = None
    if hasattr(embeddings, "embeddings"):
        indices = embeddings.indices
        labels = embeddings.labels if labels is None else labels
        classes = embeddings.classes if classes is None else classes
        embeddings = embeddings.embeddings
    x = as_points(embeddings)
    y = None if labels is None else torch.as_tensor(labels).cpu().numpy()
    if y is not None and y.shape != (len(x),):
        raise ValueError(f"labels must have shape ({len(x)},), got {y.shape}")
    rows = np.arange(len(x)) if indices is None else torch.as_tensor(indices).cpu().numpy()
    return x, y, classes, rows


def _others(name: str, points: Any, size: int) -> np.ndarray:
    return np.empty((0, size)) if points is None else as_rows(name, points, size).numpy()


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
    present = [label for label in chosen if (y == label).any()]
    taken = [_most_central(xy, np.flatnonzero(y == label)) for label in present][:most]
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
        tile = AnnotationBbox(picture, xy[i], bboxprops=frame, pad=0.05, zorder=6)
        tile.set_in_layout(False)  # lies within the map: the layout need not make room
        ax.add_artist(tile)


def _most_central(xy: np.ndarray, rows: np.ndarray) -> int:
    """Of these points the one nearest to their median."""
    away = np.abs(xy[rows] - np.median(xy[rows], axis=0)).sum(axis=1)
    return int(rows[away.argmin()])
