"""NMI: do clusters found without labels agree with the classes?"""

from typing import Any

import numpy as np
import torch

from dmlviz.datasets.base import as_index_tensor


def normalized_mutual_information(embeddings: Any, labels: Any, seed: int = 0) -> float:
    """Normalised mutual information of a k-means clustering with the classes.

    NMI = 2 I(clusters; classes) / (H(clusters) + H(classes)), with as many clusters as classes.

    Args:
        embeddings: `(N, D)` tensor or array, clustered as given (no normalisation here).
        labels: `(N,)` integers.
        seed: of the k-means start.

    Returns:
        A number in 0…1.
    """
    import faiss
    from sklearn.metrics import normalized_mutual_info_score

    x = np.ascontiguousarray(torch.as_tensor(embeddings).cpu().numpy(), dtype=np.float32)
    classes = as_index_tensor(labels).cpu().numpy()
    kmeans = faiss.Kmeans(
        x.shape[1],
        len(np.unique(classes)),
        niter=20,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x),
    )
    kmeans.train(x)
    clusters = kmeans.index.search(x, 1)[1][:, 0]
    return float(normalized_mutual_info_score(classes, clusters))
