"""Continuous labels as pictures: ratios of distances, and what is found how far away in label.

Symbols as in `dmlviz/losses/ratios.py`: d_i the distance to an anchor in the embedding, r_i that of
the labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import PercentFormatter

from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.geometry import pairwise_distances
from dmlviz.plots.gallery import tile
from dmlviz.plots.style import (
    ANCHOR,
    CLASS_MARKERS,
    LINE_STYLES,
    NEGATIVE,
    POSITIVE,
    class_color,
    ink,
    new_axes,
    plain,
)

NEAR_TO_FAR = LinearSegmentedColormap.from_list("near to far", [POSITIVE, "#D9D9D9", NEGATIVE])


def log_ratio_scatter(
    embeddings: Any,
    label_distances: Any,
    *,
    pairs: int = 3000,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """log(d_i / d_j) against log(r_i / r_j) for random anchors and pairs of neighbours.

    An embedding that keeps ratios lies on the line of slope 1. The slope that fits best and the
    correlation stand in the title; where squares are on one side only, the slope is 2 or ½.

    Args:
        embeddings: `(N, D)`.
        label_distances: `(N, N)`.
        pairs: how many to draw.
        seed: of the draw.
        ax: Axes to draw on; None: a new figure.
    """
    x, r = torch.as_tensor(embeddings).double(), torch.as_tensor(label_distances).double()
    n = len(x)
    if r.shape != (n, n) or n < 3:
        raise ValueError(
            f"label_distances must have shape ({n}, {n}) with N ≥ 3, got {tuple(r.shape)}"
        )
    d = pairwise_distances(x)
    a, i, j = torch.randint(n, (3, 4 * pairs), generator=torch.Generator().manual_seed(seed))
    usable = (a != i) & (a != j) & (i != j)
    for m in (d, r):
        usable &= (m[a, i] > 0) & (m[a, j] > 0)
    a, i, j = (rows[usable][:pairs] for rows in (a, i, j))
    goal, ratio = ((m[a, i] / m[a, j]).log().numpy() for m in (r, d))
    ax = plain(new_axes(ax, (4.6, 4.2)), grid=None)
    ax.plot(goal, ratio, ".", color=POSITIVE, markersize=3, alpha=0.3)
    reach = np.quantile(np.abs(goal), 0.995) if len(goal) else 1.0
    ax.plot([-reach, reach], [-reach, reach], color=ink(), linewidth=1.2)
    slope = (goal @ ratio) / (goal @ goal)
    correlation = np.corrcoef(goal, ratio)[0, 1]
    ax.set_title(f"slope {slope:.2f}, correlation {correlation:.2f}", fontsize=10)
    ax.set(xlabel="log ratio of label distances", ylabel="log ratio of distances")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return ax


def label_gallery(
    dataset: Any,
    embeddings: Any,
    *,
    queries: Sequence[int] | int = 4,
    k: int = 6,
    metric: str = "euclidean",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """One row per query: the query, then its k nearest, each with its label distance below.

    Frames go from blue (the query's own label) over grey to vermilion (as far as half of all).

    Args:
        dataset: a `ContinuousDataset`, which is searched by itself.
        embeddings: `(N, D)`; or `{name: embeddings}`, whose results stand side by side. None in
            the place of embeddings shows what is nearest by label.
        queries: items to search with, or how many to draw at random.
        k: neighbours per query.
        metric: "cosine" or "euclidean".
        seed: of the draw.
        ax: Axes to draw on; None: a new figure.
    """
    spaces = embeddings if isinstance(embeddings, Mapping) else {"nearest →": embeddings}
    if isinstance(queries, int):
        rows = np.sort(np.random.default_rng(seed).choice(len(dataset), queries, replace=False))
    else:
        rows = np.asarray(queries)
    r = dataset.label_distances(torch.as_tensor(rows), columns=torch.arange(len(dataset)))
    width = 1.4 + len(spaces) * (k + 0.4) - 0.4
    ax = new_axes(ax, (0.9 * width, 1.15 * len(rows) + 0.3))
    for row, query in enumerate(rows):
        tile(ax, dataset.image(int(query)), 0, 1.25 * row, ANCHOR, "")
    for i, (name, x) in enumerate(spaces.items()):
        left = 1.4 + i * (k + 0.4)
        ax.text(left, -0.08, name, ha="left", va="bottom", fontsize=9)
        if x is None:
            found = r.scatter(1, torch.as_tensor(rows)[:, None], torch.inf).argsort(dim=1)[:, :k]
        else:
            found = torch.from_numpy(nearest_neighbors(x, k, queries=rows, metric=metric)[0])
        for row, items in enumerate(found.tolist()):
            for column, item in enumerate(items):
                share = (r[row, item] / r[row].median().clamp_min(1e-9)).item()
                place = (left + column, 1.25 * row)
                tile(ax, dataset.image(item), *place, NEAR_TO_FAR(share), "")
                text: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 7}
                ax.text(place[0] + 0.45, place[1] + 0.93, f"{r[row, item]:.3g}", **text)
    ax.text(0.45, -0.08, "query", ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-0.1, width + 0.1), ylim=(1.25 * len(rows), -0.35), aspect="equal")
    ax.axis("off")
    return ax


def ndcg_curves(reports: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """nDCG@K against K, one curve per report.

    Args:
        reports: `{name: report}` with reports of `evaluation.evaluate` on continuous labels, or
            dictionaries `{k: nDCG}`.
        ax: Axes to draw on; None: a new figure.
    """
    ax = plain(new_axes(ax))
    for i, (name, report) in enumerate(reports.items()):
        values = dict(sorted(getattr(report, "ndcg", report).items()))
        style: dict[str, Any] = {"marker": CLASS_MARKERS[i % 8], "linestyle": LINE_STYLES[i % 4]}
        ax.plot(list(values), list(values.values()), color=class_color(i), label=name, **style)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set(xlabel="K", ylabel="nDCG@K")
    ax.legend(frameon=False, fontsize=9)
    return ax
