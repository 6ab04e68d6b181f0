"""Nearest neighbours in the embedding space, exact, by FAISS."""

from typing import Any

import numpy as np
import torch

from dmlviz.geometry import normalize


def nearest_neighbors(
    embeddings: Any, k: int, *, queries: Any = None, metric: str = "cosine"
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest gallery rows of each query.

    Args:
        embeddings: the gallery, `(N, D)` tensor or array.
        k: how many, between 1 and N (N - 1 where the gallery is searched by itself).
        queries: row numbers `(Q,)` of the gallery, which are then left out of their own result, or
            vectors `(Q, D)`; None: all rows.
        metric: "cosine" or "euclidean".

    Returns:
        Rows `(Q, k)`, nearest first, and their cosine similarities or Euclidean distances `(Q, k)`.
    """
    import faiss

    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric must be cosine or euclidean, got {metric!r}")
    x = _rows(embeddings, metric)
    rows = np.arange(len(x)) if queries is None else np.asarray(torch.as_tensor(queries).cpu())
    own = rows.ndim == 1
    if not 1 <= k <= len(x) - own:
        raise ValueError(f"k must be between 1 and {len(x) - own}, got {k}")
    if own and len(rows) and (rows.min() < 0 or rows.max() >= len(x)):
        raise ValueError(f"queries must be rows 0...{len(x) - 1} of the gallery")
    q = x[rows] if own else _rows(rows, metric)
    inner = metric == "cosine"
    kind = faiss.METRIC_INNER_PRODUCT if inner else faiss.METRIC_L2
    values, found = faiss.knn(q, x, k + own, metric=kind)
    values = values if inner else np.sqrt(values.clip(0))
    if not own:
        return found, values
    # Leave the query out by its number, not by being first: a copy of it may stand before it.
    other = found != rows[:, None]
    other[other.all(axis=1), -1] = False
    return found[other].reshape(-1, k), values[other].reshape(-1, k)


def _rows(vectors: Any, metric: str) -> np.ndarray:
    x = torch.as_tensor(vectors).detach().float().cpu()
    if x.ndim != 2:
        raise ValueError(f"embeddings must have shape (N, D), got {tuple(x.shape)}")
    return np.ascontiguousarray((normalize(x) if metric == "cosine" else x).numpy())
