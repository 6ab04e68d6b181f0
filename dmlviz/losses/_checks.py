"""What every loss asks of its input, in words that name the argument and the remedy."""

import math

import torch
from torch import Tensor


def check_tensors(**arguments: object) -> None:
    """Raise unless all arguments are tensors."""
    if not all(isinstance(a, Tensor) for a in arguments.values()):
        got = " and ".join(type(a).__name__ for a in arguments.values())
        raise TypeError(f"{' and '.join(arguments)} must be torch tensors, got {got}")


def check_embeddings(**batches: Tensor) -> None:
    """Raise unless every argument is `(N, D)` floats with N ≥ 1."""
    for name, x in batches.items():
        if x.ndim != 2 or not x.is_floating_point():
            raise ValueError(
                f"{name} must be floats of shape (N, D), got {x.dtype} of shape {tuple(x.shape)}"
            )
        if len(x) == 0:
            raise ValueError(f"{name} is empty (N = 0): a batch needs at least one sample")


def check_pair_of_batches(target: Tensor, source: Tensor) -> None:
    """Raise unless target and source are embeddings of equally many images."""
    check_tensors(target=target, source=source)
    check_embeddings(target=target, source=source)
    if len(target) != len(source):
        raise ValueError(
            f"target and source must embed the same images, got {len(target)} and {len(source)} "
            "rows"
        )


def check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Raise unless `embeddings` is `(N, D)` floats with N ≥ 1 and `labels` is `(N,)` integers."""
    check_tensors(embeddings=embeddings, labels=labels)
    check_embeddings(embeddings=embeddings)
    if labels.shape != (len(embeddings),):
        raise ValueError(
            f"labels must have shape ({len(embeddings)},), one per row of embeddings, "
            f"got {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integers, got {labels.dtype}: use labels.long()")


def check_label_distances(embeddings: Tensor, label_distances: Tensor) -> None:
    """Raise unless there is a label distance, finite and not negative, for each pair of rows."""
    check_tensors(embeddings=embeddings, label_distances=label_distances)
    check_embeddings(embeddings=embeddings)
    n = len(embeddings)
    if label_distances.shape != (n, n):
        raise ValueError(
            f"label_distances must have shape ({n}, {n}), one for each pair of rows of embeddings, "
            f"got {tuple(label_distances.shape)}"
        )
    if not torch.isfinite(label_distances).all() or (label_distances < 0).any():
        raise ValueError("label_distances must be finite and not negative")


def check_anchors(anchors: Tensor, n: int) -> None:
    """Raise unless `anchors` are numbers of rows."""
    check_tensors(anchors=anchors)
    if anchors.ndim != 1 or anchors.is_floating_point() or anchors.dtype == torch.bool:
        raise ValueError(
            f"anchors must be integers of shape (A,), got {anchors.dtype} of shape "
            f"{tuple(anchors.shape)}"
        )
    if len(anchors) == 0 or anchors.min() < 0 or anchors.max() >= n:
        raise ValueError(f"anchors must be one or more rows 0...{n - 1} of embeddings")


def as_labels(labels: Tensor) -> Tensor:
    """Integer labels `(M,)`, or an error."""
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"labels must be integers of shape (M,), got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )
    return labels.long()


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


def check_not_negative(**values: float) -> None:
    """Raise unless every value is a finite number of at least 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must not be negative, got {value}")


def check_finite(**values: float) -> None:
    """Raise unless every value is a finite number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")
