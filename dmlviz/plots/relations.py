"""How alike classes are, as a matrix: the cosines between class vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from dmlviz.geometry import normalize
from dmlviz.plots.projection import as_rows
from dmlviz.plots.style import BLACK, NEGATIVE, POSITIVE, new_axes

OPPOSITE_TO_ALIKE = LinearSegmentedColormap.from_list(
    "opposite to alike", [NEGATIVE, "#FFFFFF", POSITIVE]
)
MOST_NAMES, MOST_FIGURES = 40, 12  # rows that still leave room for names, and for figures


def class_order(vectors: Any, *, num_real: int | None = None) -> np.ndarray:
    """An order of class vectors in which similar ones stand together.

    The leaves of a hierarchical clustering (average linkage on 1 - cosine), turned so that
    neighbours are as similar as the tree allows.

    Args:
        vectors: `(C, D)`.
        num_real: order the first so many and the rest each on its own; None: all together.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    cosine = _cosines(vectors)
    groups = np.split(np.arange(len(cosine)), [_real(num_real, len(cosine))])
    order = []
    for rows in groups:
        if len(rows) > 2:
            far = (1 - cosine[np.ix_(rows, rows)]).clip(0)
            np.fill_diagonal(far, 0)
            tree = linkage(squareform(far, checks=False), "average", optimal_ordering=True)
            rows = rows[leaves_list(tree)]
        order.append(rows)
    return np.concatenate(order)


def class_relations(
    vectors: Any,
    *,
    classes: Sequence[str] | None = None,
    num_real: int | None = None,
    order: bool | Sequence[int] = True,
    limit: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """The cosines between class vectors as a matrix.

    Blue is alike, white unrelated, vermilion opposed; a few classes get the figures, too. To
    compare two moments, give both the order of one: `order=class_order(after)`.

    Args:
        vectors: `(C, D)` proxies, or proxies and then the class vectors of novel classes.
        classes: names of all rows, or of the real ones.
        num_real: how many of the rows are real classes, the first ones; a line parts them from the
            novel ones. None: all are, and there is no line.
        order: True: that of `class_order`, real and novel each on its own; False: as given; or the
            rows in the order wanted.
        limit: the cosine with the deepest colour.
        ax: Axes to draw on; None: a new figure.
    """
    cosine = _cosines(vectors)
    n = len(cosine)
    real = _real(num_real, n)
    if isinstance(order, bool):
        rows = class_order(vectors, num_real=num_real) if order else np.arange(n)
    else:
        rows = np.asarray(order)
    if not np.array_equal(np.sort(rows), np.arange(n)):
        raise ValueError(f"order must hold each of the rows 0...{n - 1} once")
    if (rows[:real] >= real).any():
        raise ValueError(f"order must begin with the {real} real classes, to draw the line")
    if classes is not None and len(classes) not in (real, n):
        raise ValueError(f"classes must name the {real} real classes or all {n} rows")
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}")
    named = classes is not None and n <= MOST_NAMES
    ax = new_axes(ax, (6.6, 4.6) if named else (5.2, 4.4))
    shown = cosine[np.ix_(rows, rows)]
    heat = ax.imshow(shown, cmap=OPPOSITE_TO_ALIKE, vmin=-limit, vmax=limit)
    ax.figure.colorbar(heat, ax=ax, label="cosine", shrink=0.8, aspect=25)
    if n <= MOST_FIGURES:
        for i, j in np.ndindex(n, n):
            ink = "white" if abs(shown[i, j]) > 0.6 * limit else BLACK
            figure = f"{shown[i, j].round(1) + 0.0:.1f}"  # no -0.0
            ax.text(j, i, figure, ha="center", va="center", fontsize=7, color=ink)
    if real < n:
        ax.axhline(real - 0.5, color=BLACK, linewidth=1.6)
        ax.axvline(real - 0.5, color=BLACK, linewidth=1.6)
        for group, middle in (("real", (real - 1) / 2), ("novel", (real + n - 1) / 2)):
            ax.text(middle, -0.8, group, ha="center", va="bottom", fontsize=9)
    ax.set(xticks=[], yticks=[])
    if classes is not None and named:
        names = [*classes, *(f"novel {i + 1}" for i in range(n - len(classes)))]
        ax.set_yticks(range(n), [names[i] for i in rows], fontsize=min(8, 240 / n))
    return ax


def _cosines(vectors: Any) -> np.ndarray:
    p = normalize(as_rows("vectors", vectors).double())
    if len(p) < 2:
        raise ValueError(f"vectors must hold at least 2 classes, got {len(p)}")
    return (p @ p.T).numpy()


def _real(num_real: int | None, n: int) -> int:
    real = n if num_real is None else num_real
    if not 1 <= real <= n:
        raise ValueError(f"num_real must lie in 1...{n}, got {num_real}")
    return real
