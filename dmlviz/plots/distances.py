"""Pair distances: are images of one class nearer to each other than to the rest?"""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from dmlviz.geometry import pairwise_distances
from dmlviz.plots.projection import as_points
from dmlviz.plots.style import NEGATIVE, POSITIVE, new_axes, plain

MOST_IMAGES = 3000


def pair_distances(
    embeddings: Any, labels: Any = None, *, bins: int = 60, seed: int = 0, ax: Axes | None = None
) -> Axes:
    """Histograms of the distances of same-class and of other-class pairs.

    Each histogram has area 1. Below the title stands the chance that a random same-class pair is
    nearer than a random other-class pair: 100 % is perfect, 50 % is no better than a coin.

    Args:
        embeddings: `(N, D)`, or a `Snapshot`; of more than 3,000 images a seeded sample is used.
        labels: `(N,)` integers.
        bins: of the histograms.
        seed: of the sample.
        ax: Axes to draw on; None: a new figure.
    """
    if hasattr(embeddings, "embeddings"):
        labels = embeddings.labels if labels is None else labels
        embeddings = embeddings.embeddings
    x, y = torch.from_numpy(as_points(embeddings)), torch.as_tensor(labels).cpu()
    if len(x) > MOST_IMAGES:
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:MOST_IMAGES]
        x, y = x[rows], y[rows]
    first, second = torch.triu_indices(len(x), len(x), offset=1)
    d = pairwise_distances(x)[first, second]
    same = y[first] == y[second]
    if not same.any() or same.all():
        raise ValueError("labels must hold pairs of one class and pairs of two: check the labels")
    positive, negative = d[same].numpy(), d[~same].numpy()

    ax = plain(new_axes(ax))
    edges = np.linspace(0, float(d.max()) or 1.0, bins + 1).tolist()
    ax.hist(negative, edges, density=True, color=NEGATIVE, alpha=0.35, label="different classes")
    ax.hist(
        positive, edges, density=True, color=POSITIVE, histtype="step", lw=2, label="same class"
    )
    order = np.sort(negative)
    farther = 1 - np.searchsorted(order, positive, side="right") / len(order)
    ax.set_title(f"same-class pair nearer in {100 * farther.mean():.1f} % of cases", fontsize=10)
    ax.set(xlabel="distance", ylabel="density", xlim=(0, edges[-1]))
    ax.legend(frameon=False, fontsize=9)
    return ax
