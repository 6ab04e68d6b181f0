"""From D dimensions to the two of a page."""

from typing import Any

import numpy as np
import torch

METHODS = ("pca", "tsne", "umap")


def as_points(embeddings: Any) -> np.ndarray:
    """Embeddings in any container as a finite float array `(N, D)`."""
    x = as_rows("embeddings", embeddings).numpy()
    if len(x) == 0:
        raise ValueError(f"embeddings must have shape (N, D) with N ≥ 1, got {x.shape}")
    return x


def as_rows(name: str, vectors: Any, size: int | None = None) -> torch.Tensor:
    """Vectors `(N, size)` as finite floats on the CPU."""
    x = torch.as_tensor(vectors).detach().float().cpu()
    if x.ndim != 2 or (size is not None and x.shape[1] != size):
        raise ValueError(f"{name} must have shape (N, {size or 'D'}), got {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(f"{name} must be finite, but some hold NaN or infinity")
    return x


def pca_plane(embeddings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean `(D,)` and the two directions of largest variance `(2, D)`, signs fixed."""
    x = as_points(embeddings).astype(np.float64)
    mean = x.mean(axis=0)
    directions = np.linalg.eigh(np.cov((x - mean).T, ddof=0).reshape(x.shape[1], -1))[1]
    plane = directions[:, ::-1][:, :2].T
    if len(plane) < 2:
        plane = np.vstack([plane, np.zeros_like(plane)])
    largest = np.abs(plane).argmax(axis=1)
    signs = np.sign(plane[np.arange(2), largest])
    return mean, plane * np.where(signs == 0, 1, signs)[:, None]


def project(
    embeddings: Any, method: str = "pca", *, seed: int = 0, start: Any = None
) -> np.ndarray:
    """Lay embeddings `(N, D)` out in the plane, `(N, 2)`.

    PCA is a shadow: straight lines stay straight, distances can only shrink. t-SNE and UMAP keep
    neighbourhoods instead; sizes of clusters and distances between them then mean little.

    Args:
        embeddings: `(N, D)`; two-dimensional ones are returned as they are.
        method: "pca", "tsne" or "umap" (whose first call in a process compiles for 15 s).
        seed: of t-SNE and UMAP.
        start: a layout `(N, 2)` from which t-SNE and UMAP move on by small steps, so that most of
            it stays where it is; None: from scratch.
    """
    x = as_points(embeddings)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if start is not None:
        start = as_rows("start", start, 2).numpy()
        if len(start) != len(x):
            raise ValueError(f"start must have shape ({len(x)}, 2), got {start.shape}")
    if x.shape[1] == 2:
        return x
    if method == "pca":
        mean, plane = pca_plane(x)
        return (x - mean) @ plane.T
    if len(x) < 5:
        raise ValueError(f"method {method!r} needs at least 5 points, got {len(x)}: use 'pca'")
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(x) - 1) / 3)
        # Early exaggeration first pulls clusters together from anywhere: it would undo the start.
        begin: dict[str, Any] = {"init": "pca"}
        if start is not None:
            begin = {"init": start, "early_exaggeration": 1.0}
        return TSNE(perplexity=perplexity, random_state=seed, **begin).fit_transform(x)
    import warnings

    import umap

    threads = torch.get_num_threads()
    with warnings.catch_warnings():  # it says that a seed makes it single-threaded: we know
        warnings.simplefilter("ignore")
        gentle: dict[str, Any] = {"init": start, "learning_rate": 0.1, "n_epochs": 100}
        reducer = umap.UMAP(
            n_neighbors=min(15, len(x) - 1),
            random_state=seed,
            **({} if start is None else gentle),
        )
        flat = np.asarray(reducer.fit_transform(x))
    torch.set_num_threads(threads)  # numba starts its own threads, and changes torch's with them
    return flat
