"""The linear probe: how much of the classes a *linear* classifier finds in frozen embeddings."""

from typing import Any

import numpy as np
import torch

from dmlviz.datasets.base import as_index_tensor


def linear_probe(embeddings: Any, labels: Any, *, folds: int = 5, seed: int = 0) -> float:
    """Accuracy of a logistic regression on the embeddings, by cross-validation over images.

    Each coordinate is standardised by the training folds. Unlike Recall@K the probe needs labelled
    images of the very classes it is judged on; it asks what the embedding *knows*, not how it is
    arranged.

    Args:
        embeddings: `(N, D)` tensor or array.
        labels: `(N,)` integers, at least two classes with at least `folds` images each.
        folds: every class is cut into so many parts; each in turn is predicted from the others.
        seed: of the cut.

    Returns:
        The share of images whose class is predicted right.

    >>> rows = torch.tensor([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])
    >>> linear_probe(rows, [0, 0, 1, 1], folds=2)
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.asarray(torch.as_tensor(embeddings).detach().cpu(), dtype=np.float64)
    y = as_index_tensor(labels).numpy()
    if x.ndim != 2 or len(x) != len(y):
        raise ValueError(
            f"embeddings must have shape ({len(y)}, D), one row per label, got {x.shape}"
        )
    counts = np.unique(y, return_counts=True)[1]
    if folds < 2 or len(counts) < 2 or counts.min() < folds:
        raise ValueError(
            f"folds={folds} needs at least 2 folds, 2 classes and {folds} images of each class, "
            f"got {len(counts)} classes, the smallest with {counts.min(initial=len(y))} images"
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, x, y, cv=cut).mean())
