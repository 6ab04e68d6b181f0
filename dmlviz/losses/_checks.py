"""What every loss asks of its input, in words that name the argument and the remedy."""

import math

import torch
from torch import Tensor


def check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Raise unless `embeddings` is `(N, D)` floats with N ≥ 1 and `labels` is `(N,)` integers."""
    if not isinstance(embeddings, Tensor) or not isinstance(labels, Tensor):
        got = f"{type(embeddings).__name__} and {type(labels).__name__}"
        raise TypeError(f"embeddings and labels must be torch tensors, got {got}")
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise ValueError(
            "embeddings must be floats of shape (N, D), "
            f"got {embeddings.dtype} of shape {tuple(embeddings.shape)}"
        )
    if len(embeddings) == 0:
        raise ValueError("embeddings is empty (N = 0): a batch needs at least one sample")
    if labels.shape != (len(embeddings),):
        raise ValueError(
            f"labels must have shape ({len(embeddings)},), one per row of embeddings, "
            f"got {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integers, got {labels.dtype}: use labels.long()")


def check_proxies(embeddings: Tensor, labels: Tensor, proxies: Tensor) -> None:
    """Raise unless `labels` are rows of `proxies` and both spaces have the same dimension."""
    check_batch(embeddings, labels)
    if proxies.ndim != 2 or proxies.shape[1] != embeddings.shape[1]:
        raise ValueError(
            f"proxies must have shape (C, {embeddings.shape[1]}) to match embeddings of shape "
            f"{tuple(embeddings.shape)}, got {tuple(proxies.shape)}: "
            "set embedding_size to the model's"
        )
    if len(proxies) < 2:
        raise ValueError(f"a proxy loss needs at least 2 classes, got {len(proxies)}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(proxies):
        raise ValueError(
            f"labels must lie in 0...{len(proxies) - 1} (one proxy per class), got {low}...{high}: "
            "renumber them from 0 without gaps, for instance with "
            "torch.unique(labels, return_inverse=True)[1]"
        )


def check_positive(**values: float) -> None:
    """Raise unless every value is a finite number above 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value}")


def check_finite(**values: float) -> None:
    """Raise unless every value is a finite number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")
