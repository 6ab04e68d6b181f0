"""What an EmbeddingExplorer is given, made one: embeddings by epoch, and images by row."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.plots.projection import as_rows

Picture = Callable[[int], Image.Image]


class Epochs(NamedTuple):
    """Embeddings `(T, N, D)` of the same N images at T moments, and what is known of them.

    `names` are those of the moments; `indices (N,)`, `labels (N,)` and `classes` come with the
    snapshots of a training run, and are None otherwise.
    """

    vectors: Tensor
    names: list[Any]
    indices: np.ndarray | None
    labels: Any
    classes: Sequence[str] | None


def read_epochs(name: str, embeddings: Any) -> Epochs:
    """One matrix, several, a snapshot, several, or a history, as `Epochs`."""
    steps = getattr(embeddings, "snapshots", embeddings)
    steps = [steps] if hasattr(steps, "embeddings") else steps
    if isinstance(steps, list | tuple) and len(steps) and hasattr(steps[0], "embeddings"):
        first = steps[0]
        indices = np.asarray(first.indices)
        if any(not np.array_equal(indices, s.indices) for s in steps):
            raise ValueError(f"the snapshots of {name} must all be of the same images")
        matrices, names = [s.embeddings for s in steps], [s.epoch for s in steps]
        return Epochs(_stack(name, matrices), names, indices, first.labels, first.classes)
    if not isinstance(steps, list | tuple) or np.ndim(steps[0] if len(steps) else 0) == 1:
        array = torch.as_tensor(steps)
        steps = list(array) if array.ndim == 3 else [array]
    return Epochs(_stack(name, steps), list(range(len(steps))), None, None, None)


def _stack(name: str, matrices: Sequence[Any]) -> Tensor:
    if len(matrices) == 0:
        raise ValueError(f"{name} holds no epoch: give (N, D), (T, N, D) or snapshots")
    rows = [as_rows(name, matrix) for matrix in matrices]
    shapes = {tuple(x.shape) for x in rows}
    if len(shapes) > 1:
        raise ValueError(f"all epochs of {name} must have one shape (N, D), got {sorted(shapes)}")
    if min(rows[0].shape) < 1 or len(rows[0]) < 2:
        raise ValueError(f"{name} must have shape (N, D) with N ≥ 2, got {tuple(rows[0].shape)}")
    return torch.stack(rows)


def items_of(images: Any, n: int, indices: np.ndarray | None) -> np.ndarray:
    """Which items of `images` the N rows are: their own, or those that the snapshots name."""
    if images is None:
        return np.arange(n)
    if not hasattr(images, "__len__"):
        raise TypeError(f"images must be a data set or a sequence, got {type(images).__name__}")
    items = np.arange(n) if indices is None or len(images) == n else indices
    if len(images) <= items.max() or (indices is None and len(images) != n):
        raise ValueError(f"images must be one per embedding ({n}), got {len(images)}")
    return items


def read_images(images: Any, items: np.ndarray) -> Picture | None:
    """From a row of the embeddings to its picture: a function, or None without images."""
    if images is None:
        return None
    if hasattr(images, "image"):
        return lambda row: images.image(int(items[row]))
    first = images[0]
    if isinstance(first, Image.Image):
        return lambda row: images[int(items[row])]
    if getattr(first, "dtype", None) == np.uint8 and np.ndim(first) in (2, 3):
        return lambda row: Image.fromarray(np.asarray(images[int(items[row])]))
    raise TypeError(
        "images must be a data set with .image(i), PIL images, or bytes (N, height, width[, 3]), "
        f"got items of {type(first).__name__}"
    )
