"""Neighbours in the embedding space, drawn on a map: what a search finds, and where the map put it.

A map has two dimensions and the space has many: images that are neighbours in the space may lie far
apart on the map, and the other way round. Lines lead from a query to its *true* neighbours.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.plots.layout import draw_ground, faint, lay_out
from dmlviz.plots.maps import unpacked
from dmlviz.plots.style import ANCHOR, NEGATIVE, POSITIVE, QUIET, bare, new_axes


def neighbor_map(
    embeddings: Any,
    labels: Any = None,
    *,
    query: int = 0,
    k: int = 10,
    metric: str = "cosine",
    method: str = "pca",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """A query on the map, and lines to its k nearest neighbours in the embedding space.

    The query is a black star, neighbours of its class are blue circles, of other classes vermilion
    crosses; small blue dots are the images of its class that were not found. The title says how
    many neighbours are right, and how many of them are nearest on the map, too.

    Args:
        embeddings: `(N, D)`, or a `Snapshot`, which brings its labels.
        labels: `(N,)` integers.
        query: the row to search with.
        k: neighbours to find.
        metric: "cosine" or "euclidean", of the search; on the map the distance is Euclidean.
        method: of the map, "pca", "tsne" or "umap", see `project`.
        seed: of t-SNE and UMAP.
        ax: Axes to draw on; None: a new figure.
    """
    x, y, _, _ = unpacked(embeddings, labels)
    if y is None:
        raise ValueError("labels are needed to tell right from wrong: give labels (N,)")
    if not 0 <= query < len(x):
        raise ValueError(f"query must be a row, 0...{len(x) - 1}, got {query}")
    layout = lay_out(x, method=method, seed=seed)
    xy = layout.positions[0]
    found = nearest_neighbors(x, k, queries=[query], metric=metric)[0][0]
    on_map = nearest_neighbors(xy, k, queries=[query], metric="euclidean")[0][0]
    right = y[found] == y[query]
    missed = np.setdiff1d(np.flatnonzero(y == y[query]), [query, *found])

    ax = draw_ground(bare(new_axes(ax, (5.6, 6.3))), layout)
    alpha = faint(0.6, layout.depth[0])
    ax.scatter(xy[:, 0], xy[:, 1], s=9, color=QUIET, alpha=alpha, linewidths=0, zorder=1)
    gap = np.full(k, np.nan)
    spokes = [np.stack([np.full(k, xy[query, i]), xy[found, i], gap], axis=1) for i in (0, 1)]
    ax.plot(*(s.ravel() for s in spokes), color="#707070", linewidth=0.9, zorder=2)
    ax.plot(*xy[missed].T, "o", color=POSITIVE, markersize=4, mew=0, label="same class, not found")
    look: dict[str, Any] = {"markersize": 8, "mec": "white", "mew": 0.6, "zorder": 4}
    ax.plot(*xy[found[right]].T, "o", color=POSITIVE, label="neighbour, same class", **look)
    ax.plot(*xy[found[~right]].T, "X", color=NEGATIVE, label="neighbour, other class", **look)
    look |= {"markersize": 17, "mew": 1.0, "zorder": 5}
    ax.plot(*xy[query], "*", color=ANCHOR, label="query", **look)
    shared = len(np.intersect1d(found, on_map))
    ax.set_title(
        f"{right.sum()} of {k} neighbours are of its class, {shared} are nearest on the map, too\n"
        f"map: {layout.title}",
        fontsize=10,
    )
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0)}
    ax.legend(**place, ncols=2, frameon=False, fontsize=8)
    return ax
