"""The retrieval gallery: queries, and what the embedding finds nearest to each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.plots.style import ANCHOR, NEGATIVE, POSITIVE, new_axes


def retrieval_gallery(
    dataset: Any,
    embeddings: Any,
    *,
    queries: Sequence[int] | int = 5,
    k: int = 8,
    metric: str = "cosine",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """One row per query: the query itself, then its k nearest images, nearest first.

    A blue frame and a tick mark the query's class, a vermilion frame and a cross another class.

    Args:
        dataset: has `.image(i)` and `.targets`.
        embeddings: `(N, D)`, row i for item i of the data set; or `{name: embeddings}`, whose
            results stand side by side under their names.
        queries: items to search with, or how many to draw at random.
        k: neighbours per query.
        metric: "cosine" or "euclidean".
        seed: of the draw.
        ax: Axes to draw on; None: a new figure.
    """
    spaces = embeddings if isinstance(embeddings, Mapping) else {"nearest →": embeddings}
    for x in spaces.values():
        if len(x) != len(dataset):
            raise ValueError(
                f"embeddings must have one row per image of the data set ({len(dataset)}), "
                f"got {len(x)}"
            )
    if isinstance(queries, int):
        rows = np.random.default_rng(seed).choice(len(dataset), queries, replace=False)
    else:
        rows = np.asarray(queries)
    width = 1.4 + len(spaces) * (k + 0.4) - 0.4
    ax = new_axes(ax, (0.85 * width, 0.92 * len(rows) + 0.3))
    for row, query in enumerate(rows):
        tile(ax, dataset.image(int(query)), 0, row, ANCHOR, "")
    ax.text(0.45, -0.08, "query", ha="center", va="bottom", fontsize=9)
    for i, (name, x) in enumerate(spaces.items()):
        left = 1.4 + i * (k + 0.4)
        ax.text(left, -0.08, name, ha="left", va="bottom", fontsize=9)
        found, _ = nearest_neighbors(x, k, queries=rows, metric=metric)
        for row, (query, neighbours) in enumerate(zip(rows, found, strict=True)):
            for column, item in enumerate(neighbours):
                right = bool(dataset.targets[int(item)] == dataset.targets[int(query)])
                colour, sign = (POSITIVE, "✓") if right else (NEGATIVE, "✗")
                tile(ax, dataset.image(int(item)), left + column, row, colour, sign)
    ax.set(xlim=(-0.1, width + 0.1), ylim=(len(rows), -0.35), aspect="equal")
    ax.axis("off")
    return ax


def tile(ax: Axes, image: Any, x: float, y: float, colour: Any, sign: str) -> None:
    """A framed picture at (x, y), with a sign in its corner."""
    side = 0.9
    extent = (x, x + side, y + side, y)
    ax.imshow(np.asarray(image), extent=extent, cmap="gray", vmin=0, vmax=255, aspect="equal")
    ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colour, linewidth=3))
    if sign:
        box: dict[str, Any] = {
            "boxstyle": "square,pad=0.12",
            "facecolor": colour,
            "edgecolor": colour,
        }
        place: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 7, "color": "white"}
        ax.text(x + side, y + side, sign, bbox=box, **place)
