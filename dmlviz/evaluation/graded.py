"""Graded retrieval: how near are the labels of what is found, where labels are continuous?

For a query, rank the gallery by distance in the embedding; r_k is the label distance of the k-th.

* **Mean label distance** of the K nearest: 1/K Σ_{k≤K} r_k, lower is better.
* **nDCG@K**, in the form of Kim et al. (CVPR 2019) and their code: the relevance of an item is
  2^(-log2(r + 1)) = 1/(1 + r), and::

      DCG@K = Σ_{k≤K} 1/(1 + r_k) / log2(k + 1),    nDCG@K = DCG@K / DCG@K of the ideal ranking

  higher is better, 1 is the ranking by label distance itself. Relevance falls to one half at r = 1,
  so the unit of the label distance matters: figures in pixels and in metres do not compare.

**Ties count against the query**: of items equally near in the embedding the one with the farthest
label stands first, so a collapsed embedding gains nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from dmlviz.evaluation.retrieval import METRICS
from dmlviz.geometry import normalize

_BLOCK = 2**24  # entries of the query x gallery matrices held at a time


def ndcg(
    embeddings: Any,
    label_distances: Any,
    ks: Iterable[int] = (10, 20, 50, 100),
    *,
    gallery: Any = None,
    metric: str = "euclidean",
) -> dict[int, float]:
    """nDCG@K for each K, the mean over queries: see the top of this file.

    Args:
        embeddings: queries `(Q, D)`, tensor or array.
        label_distances: `(Q, M)`, of each query to each item of the gallery.
        ks: the K's, each between 1 and M (M - 1 where the queries search each other).
        gallery: `(M, D)`; None: the queries search each other, itself left out.
        metric: "euclidean" or "cosine".

    Returns:
        `{k: nDCG}` with values in 0…1.

    >>> r = torch.tensor([[0.0, 1.0, 3.0, 7.0, 15.0]])
    >>> places = torch.tensor([[2.0], [1.0], [4.0], [3.0], [5.0]])  # found in the order 1 0 3 2 4
    >>> value = ndcg(torch.tensor([[0.0]]), r, ks=[3], gallery=places)[3]
    >>> round(value, 4)
    0.8285
    """
    ks = _checked(ks, embeddings, label_distances, gallery, metric)
    sums = dict.fromkeys(ks, 0.0)
    for r in _ranked(embeddings, label_distances, gallery, metric):
        discount = 1 / torch.log2(torch.arange(r.shape[1], dtype=torch.float64) + 2)
        gain = (1 / (1 + r) * discount).cumsum(dim=1)
        ideal = (1 / (1 + r.sort(dim=1).values) * discount).cumsum(dim=1)
        for k in ks:
            sums[k] += (gain[:, k - 1] / ideal[:, k - 1]).sum().item()
    return {k: total / len(label_distances) for k, total in sums.items()}


def mean_label_distance(
    embeddings: Any,
    label_distances: Any,
    ks: Iterable[int] = (1, 2, 5, 10),
    *,
    gallery: Any = None,
    metric: str = "euclidean",
) -> dict[int, float]:
    """Mean label distance of the K nearest, for each K, the mean over queries, in the data's unit.

    Arguments as for `ndcg`.

    >>> r = torch.tensor([[0.0, 1.0, 3.0]])
    >>> places = torch.tensor([[2.0], [1.0], [3.0]])
    >>> mean_label_distance(torch.tensor([[0.0]]), r, ks=[1, 2], gallery=places)
    {1: 1.0, 2: 0.5}
    """
    ks = _checked(ks, embeddings, label_distances, gallery, metric)
    sums = dict.fromkeys(ks, 0.0)
    for r in _ranked(embeddings, label_distances, gallery, metric):
        for k in ks:
            sums[k] += r[:, :k].mean(dim=1).sum().item()
    return {k: total / len(label_distances) for k, total in sums.items()}


def _ranked(embeddings: Any, label_distances: Any, gallery: Any, metric: str) -> Iterator[Tensor]:
    """Blocks of queries: label distances in the order found, `(B, M)`."""
    x, r = _rows(embeddings, metric), torch.as_tensor(label_distances).double().cpu()
    y = x if gallery is None else _rows(gallery, metric)
    for rows in torch.arange(len(x)).split(max(1, _BLOCK // max(1, len(y)))):
        d = torch.cdist(x[rows], y)
        labels = r[rows]
        if gallery is None:  # the query itself goes last, and is cut off
            d[torch.arange(len(rows)), rows] = torch.inf
        # Sorted by label first, farthest in front; a stable sort by distance keeps ties that way.
        farthest = labels.argsort(dim=1, descending=True, stable=True)
        order = farthest.gather(1, d.gather(1, farthest).argsort(dim=1, stable=True))
        order = order[:, : len(y) - (gallery is None)]
        yield labels.gather(1, order)


def _rows(vectors: Any, metric: str) -> Tensor:
    x = torch.as_tensor(vectors).detach().double().cpu()
    if x.ndim != 2 or not torch.isfinite(x).all():
        raise ValueError(f"embeddings must be finite, of shape (N, D), got {tuple(x.shape)}")
    return normalize(x) if metric == "cosine" else x


def _checked(
    ks: Iterable[int], embeddings: Any, label_distances: Any, gallery: Any, metric: str
) -> list[int]:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    r = torch.as_tensor(label_distances)
    wanted = (len(embeddings), len(embeddings if gallery is None else gallery))
    if tuple(r.shape) != wanted:
        raise ValueError(
            f"label_distances must have shape {wanted}, queries by gallery, got {tuple(r.shape)}"
        )
    if not torch.isfinite(r).all() or (r < 0).any():
        raise ValueError("label_distances must be finite and not negative")
    ks = sorted(set(ks))
    most = wanted[1] - (gallery is None)
    if not ks or ks[0] < 1 or ks[-1] > most:
        raise ValueError(f"ks must lie between 1 and {most}, got {ks}")
    return ks
