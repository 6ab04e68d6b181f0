"""Which labels may be wrong? Those that the neighbourhood does not share.

An image with a wrong label stands among images of its true class, which carry another label. So
search with every image, itself left out, and count::

    disagreement(i) = |{ j ∈ kNN(i) : y_j ≠ y_i }| / k

0: all neighbours have its label; 1: none has. The images with the highest figures are the ones to
look at first. The idea is that of editing the training set of a nearest-neighbour rule (Wilson:
Asymptotic Properties of Nearest Neighbor Rules Using Edited Data, IEEE Trans. SMC, 1972).

**k is to be large**, several times as large as a class where there are many classes. A rare look
of a right label has no neighbour of its own among the first ten either, but some among the first
hundreds: with a small k both get a 1, and there is no order among them. A twentieth of all images
was a good choice on Glyphs with many classes, small ones, and few (`benchmarks/own_images.py`).

It is a list to look at, not a verdict. Rare looks stand in it, too; and it misses mistakes between
classes that the embedding itself hardly tells apart, because there the neighbours agree.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmlviz.datasets.base import as_index_tensor
from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.evaluation.retrieval import METRICS

_BLOCK = 2**24  # neighbours held at a time


def label_disagreement(
    embeddings: Any, labels: Any, k: int | None = None, *, metric: str = "cosine"
) -> Tensor:
    """The share of each image's k nearest whose label is another: see the top of this file.

    Args:
        embeddings: `(N, D)` tensor or array, finite.
        labels: `(N,)` integers.
        k: how many neighbours, between 1 and N - 1; None: a twentieth of the images, at least 5.
        metric: "cosine" or "euclidean".

    Returns:
        `(N,)` shares in 0…1; `.argsort(descending=True)` is the order in which to look.

    Raises:
        ValueError: for shapes, a k or a metric that do not fit, and rows that are not finite.

    >>> places = [[0.0], [0.1], [0.2], [5.0], [5.1]]  # the third stands with the first two
    >>> label_disagreement(places, [0, 0, 1, 1, 1], k=2, metric="euclidean")
    tensor([0.5000, 0.5000, 1.0000, 0.0000, 0.0000])
    """
    x, y = torch.as_tensor(embeddings).detach().cpu(), as_index_tensor(labels).cpu().numpy()
    if x.ndim != 2 or len(x) != len(y):
        raise ValueError(
            f"embeddings must have shape ({len(y)}, D), one row per label, got {tuple(x.shape)}"
        )
    if len(y) < 2:
        raise ValueError(f"labels must be of at least 2 images, got {len(y)}: nobody is near")
    if not x.isfinite().all():
        bad = int((~x.isfinite()).any(dim=1).sum())
        raise ValueError(
            f"embeddings must be finite, but {bad} of {len(x)} rows hold NaN or infinity"
        )
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if k is None:
        k = min(max(5, len(y) // 20), len(y) - 1)
    if not 1 <= k <= len(y) - 1:
        raise ValueError(
            f"k must be between 1 and {len(y) - 1}, the number of other images, got {k}"
        )
    shares = []
    for rows in np.array_split(np.arange(len(y)), -(-len(y) * k // _BLOCK)):
        found, _ = nearest_neighbors(x, k, queries=rows, metric=metric)
        shares.append((y[found] != y[rows, None]).mean(axis=1))
    return torch.from_numpy(np.concatenate(shares)).float()
