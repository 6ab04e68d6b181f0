"""Labels of embedded images: classes by name, and continuous labels as shades of colour."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import Colormap

from dmlviz.plots.continuous import NEAR_TO_FAR
from dmlviz.widgets.embedding_inputs import Epochs


class Labels(NamedTuple):
    """Classes `numbers (N,)` that index `names` and `values`, the labels as given."""

    numbers: np.ndarray
    names: list[str]
    values: list[int]


class Shades(NamedTuple):
    """A continuous label `values (N,)`, drawn from `low` to `high`; what it is, in words."""

    values: np.ndarray
    low: float
    high: float
    what: str

    def parts(self) -> np.ndarray:
        """How far from low to high each is, in 0…1; NaN where unknown."""
        return ((self.values - self.low) / ((self.high - self.low) or 1.0)).clip(0, 1)


class Values:
    """A number for each image, from purple (the lowest) to yellow (the highest)."""

    ramp: Colormap = colormaps["viridis"]

    def __init__(self, name: str, values: Any, n: int) -> None:
        v = torch.as_tensor(values).detach().cpu().float().numpy()
        if v.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},), one per embedding, got {v.shape}")
        if np.isinf(v).any() or np.isnan(v).all():
            raise ValueError(f"{name} must be finite, NaN where unknown")
        self._shades = Shades(v, float(np.nanmin(v)), float(np.nanmax(v)), "label")

    def seen_from(self, row: int | None) -> Shades | None:
        """The same from everywhere."""
        return self._shades


class LabelDistances:
    """How far each image's label is from the clicked image's: blue near, vermilion far.

    The scale is that of `plots.label_gallery`: vermilion is as far as half of all.
    """

    ramp: Colormap = NEAR_TO_FAR

    def __init__(self, dataset: Any, items: np.ndarray) -> None:
        self.dataset, self.items = dataset, torch.as_tensor(items)

    def seen_from(self, row: int | None) -> Shades | None:
        """None before an image is clicked."""
        if row is None:
            return None
        r = self.dataset.label_distances(self.items[[row]], columns=self.items)[0].numpy()
        return Shades(r, 0.0, float(np.median(r)), f"label distance, {self.dataset.unit}")


Continuous = Values | LabelDistances


def read_labels(
    labels: Any, values: Any, images: Any, items: np.ndarray, epochs: Epochs,
    classes: Sequence[str] | None,
) -> tuple[Labels | None, Continuous | None]:  # fmt: skip
    """The classes, and the continuous label; at least one of them."""
    n, given = epochs.vectors.shape[1], labels
    continuous: Continuous | None = None
    if hasattr(images, "label_distances"):
        continuous = LabelDistances(images, items)  # its targets are no classes
    elif labels is None:
        own = getattr(images, "targets", None)
        own = None if own is None else np.asarray(own)[items]
        labels = epochs.labels if epochs.labels is not None else own
        classes = classes or epochs.classes or getattr(images, "classes", None)
    if labels is None and values is None and continuous is None:
        raise ValueError(
            f"labels must be given: ({n},) integers for classes, floats for a continuous label"
        )
    if values is not None:
        continuous = Values("values", values, n)
    if labels is None:
        return None, continuous
    y = _numbers(labels, n)
    if y.dtype.kind == "f":
        if values is not None:
            raise ValueError("labels must be integers where values are given, too")
        return None, Values("labels", labels, n)
    if given is not None and classes is None:
        classes = _own_names(images, items, y)
    return _named(y, classes), continuous


def _numbers(labels: Any, n: int) -> np.ndarray:
    try:
        y = torch.as_tensor(labels).detach().cpu().numpy()
    except (TypeError, ValueError) as error:
        raise TypeError(
            "labels must be numbers; from names they come by "
            "classes, labels = numpy.unique(names, return_inverse=True)"
        ) from error
    if y.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one per embedding, got {y.shape}")
    return y


def _own_names(images: Any, items: np.ndarray, y: np.ndarray) -> Sequence[str] | None:
    """The data set's names, if these are its labels: others would be named wrongly."""
    targets = getattr(images, "targets", None)
    if targets is None or not np.array_equal(np.asarray(targets)[items], y):
        return None
    return getattr(images, "classes", None)


def _named(y: np.ndarray, classes: Sequence[str] | None) -> Labels:
    present, numbers = np.unique(y, return_inverse=True)
    if classes is not None and not 0 <= present[0] <= present[-1] < len(classes):
        raise ValueError(
            f"classes must name every label: there are {len(classes)} names, "
            f"but labels from {present[0]} to {present[-1]}"
        )
    names = [f"class {c}" if classes is None else str(classes[c]) for c in present]
    return Labels(numbers.astype(np.int32), names, present.tolist())
