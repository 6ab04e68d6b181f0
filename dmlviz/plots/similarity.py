"""The sorted similarity matrix: classes are blue blocks on the diagonal, and so is what leaks.

Every cosine between two images, rows and columns sorted by class and similar classes side by side.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from dmlviz.geometry import normalize
from dmlviz.plots.maps import unpacked
from dmlviz.plots.relations import OPPOSITE_TO_ALIKE, class_order
from dmlviz.plots.style import new_axes

MOST_CLASSES, MOST_IMAGES, LONGEST = 20, 1000, 24  # LONGEST: letters of a name


def similarity_matrix(
    embeddings: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    highlight: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """All cosines between images, sorted by class: blue is alike, vermilion opposed.

    Classes stand in the order of `class_order`, and within a class what is nearest to its mean
    comes first, so that the odd ones out end its block. A deep blue diagonal of blocks on white is
    good; blue off the diagonal is two classes that are mixed up; blue all over is a collapse.

    Args:
        embeddings: `(N, D)`, or a `Snapshot`, which brings its labels.
        labels: `(N,)` integers.
        classes: class names, written beside the blocks.
        highlight: labels to show; None: all, or twenty spread over the labels. If they have more
            than 1,000 images together, evenly spaced ones of each class are shown.
        ax: Axes to draw on; None: a new figure.
    """
    x, y, classes, _ = unpacked(embeddings, labels, classes)
    if y is None:
        raise ValueError("labels are needed to sort by: give labels (N,)")
    present = np.unique(y)
    if highlight is None:
        count = min(MOST_CLASSES, len(present))
        shown = present[np.linspace(0, len(present) - 1, count).round().astype(int)]
    else:
        shown = np.asarray(highlight)
        if not len(shown) or not np.isin(shown, present).all():
            raise ValueError(f"highlight must hold labels that occur, got {list(highlight)}")
    unit = normalize(torch.from_numpy(x)).numpy()
    means = np.stack([unit[y == label].mean(axis=0) for label in shown])
    if len(shown) > 1:
        order = class_order(means)
        shown, means = shown[order], means[order]
    rows = np.concatenate([_nearest_first(unit, y == c, m) for c, m in zip(shown, means)])  # noqa: B905
    if len(rows) > MOST_IMAGES:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_IMAGES).round().astype(int)]
    cosine, y = unit[rows] @ unit[rows].T, y[rows]

    ax = new_axes(ax, (7.0, 4.6) if classes else (5.6, 4.6), "compressed")
    heat = ax.imshow(cosine, cmap=OPPOSITE_TO_ALIKE, vmin=-1, vmax=1, interpolation="nearest")
    ax.figure.colorbar(heat, ax=ax, label="cosine", shrink=0.8, aspect=25)
    starts = np.flatnonzero(np.diff(y, prepend=y[0] - 1))
    for edge in starts[1:] - 0.5:
        ax.axhline(edge, color="#707070", linewidth=0.5)
        ax.axvline(edge, color="#707070", linewidth=0.5)
    middles = (starts + np.append(starts[1:], len(y)) - 1) / 2
    names = [str(classes[label]) if classes else str(label) for label in y[starts]]
    names = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names]
    ax.set_yticks(middles, names, fontsize=min(8, 170 / len(names)))
    ax.tick_params(length=0)
    ax.set_xticks([])
    ax.set_title(_summary(cosine, y), fontsize=10)
    return ax


def _nearest_first(unit: np.ndarray, of_class: np.ndarray, mean: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(of_class)
    return rows[np.argsort(-(unit[rows] @ mean), kind="stable")]


def _summary(cosine: np.ndarray, y: np.ndarray) -> str:
    """The mean cosine of pairs of each kind that there is."""
    same = y[:, None] == y
    kinds = {"same class": same & ~np.eye(len(y), dtype=bool), "different classes": ~same}
    means = [f"{name} {cosine[of].mean():.2f}" for name, of in kinds.items() if of.any()]
    return "mean cosine: " + ", ".join(means)
