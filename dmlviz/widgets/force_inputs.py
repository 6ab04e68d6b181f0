"""What a ForceField is given, made angles: points and proxies on the unit circle, in degrees."""

import inspect
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from traitlets import TraitType

from dmlviz.plots.forces import configuration, owns_proxies


class Degrees(TraitType[tuple[float, ...], Any]):
    """Angles from 0 to below 360, as many as the widget's attribute `count` says.

    A tuple: a single angle of a list could be set without anybody hearing of it.
    """

    def __init__(self, count: str) -> None:
        super().__init__()
        self.count = count

    def validate(self, obj: Any, value: Any) -> tuple[float, ...]:
        angles = numbers(str(self.name), value).numpy()
        count = getattr(obj, self.count)
        if angles.shape != (count,):
            raise ValueError(f"{self.name} must be {count} angles, got shape {angles.shape}")
        return tuple((angles % 360.0).tolist())


class Given(NamedTuple):
    """Angles of the points and of the proxies, and the points' classes `(N,)`."""

    angles: tuple[float, ...]
    proxy_angles: tuple[float, ...]
    labels: Tensor


# What else losses are called with, where others take labels.
_INSTEAD_OF_LABELS = {
    "source": "it compares embeddings of a target and a source model; widgets.TransferExplorer "
    "shows what such a loss does",
    "label_distances": "its labels are continuous; widgets.RatioExplorer shows what such a loss "
    "does",
    "ref_emb": "it compares two views of each image; give the loss inside it, if there is one",
}


def check_called_with_labels(loss: Any) -> None:
    """Raise unless the loss is a module that may be called as `loss(embeddings, labels)`."""
    if not isinstance(loss, nn.Module):
        raise TypeError(f"loss must be a module called as loss(embeddings, labels), got {loss!r}")
    asked = list(inspect.signature(loss.forward).parameters)
    for other in asked[1:2]:
        if other in _INSTEAD_OF_LABELS:
            raise TypeError(
                f"loss must be called as loss(embeddings, labels), but {type(loss).__name__} is "
                f"called as loss({', '.join(asked[:2])}): {_INSTEAD_OF_LABELS[other]}"
            )


def read_field(loss: Any, embeddings: Any, labels: Any, proxies: Any) -> Given:
    """The arguments of a `ForceField`, checked; without embeddings, `configuration("mixed")`."""
    check_called_with_labels(loss)
    x, y, p = configuration()
    if embeddings is not None:
        x, y, p = embeddings, read_labels(labels), proxies
    elif labels is not None:
        raise ValueError("labels are of embeddings: give both, or neither")
    elif proxies is not None:
        p = proxies
    angles = angles_of("embeddings", x)
    if y.shape != (len(angles),):
        raise ValueError(f"labels must have shape ({len(angles)},), got {tuple(y.shape)}")
    if not owns_proxies(loss):
        return Given(angles, (), y)
    name = type(loss).__name__
    if p is None:
        raise ValueError(f"proxies must be given: {name} compares points with one per class")
    proxy_angles = angles_of("proxies", p)
    if y.min() < 0 or y.max() >= len(proxy_angles):
        highest = len(proxy_angles) - 1
        raise ValueError(
            f"labels must be in 0…{highest}, one proxy each, got {y.unique().tolist()}"
        )
    return Given(angles, proxy_angles, y)


def read_labels(labels: Any) -> Tensor:
    """Classes as whole numbers."""
    if labels is None:
        raise ValueError("labels must be given with embeddings: a class for each")
    y = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, got {y.dtype}")
    return torch.from_numpy(y.astype(np.int64))


def angles_of(name: str, points: Any) -> tuple[float, ...]:
    """The direction of each point `(N, 2)`: how long it is makes no difference."""
    x = numbers(name, points)
    if x.ndim != 2 or x.shape[1] != 2 or len(x) == 0:
        raise ValueError(f"{name} must have shape (N, 2) with N ≥ 1, got {tuple(x.shape)}")
    if (x == 0).all(dim=1).any():
        raise ValueError(f"{name} must not hold (0, 0), which has no direction")
    degrees = torch.rad2deg(torch.atan2(x[:, 1], x[:, 0]))
    return tuple((degrees.numpy().round(9) % 360.0).tolist())


def points_at(angles: tuple[float, ...]) -> Tensor:
    """The points `(N, 2)` of the unit circle at these angles."""
    radians = torch.deg2rad(torch.tensor(angles, dtype=torch.float64))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def numbers(name: str, values: Any) -> Tensor:
    """Finite numbers in double precision, from any container."""
    try:
        # Lists of floats would become single precision.
        rows = values if isinstance(values, Tensor) else np.array(values, dtype=np.float64)
        x = torch.as_tensor(rows).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers, got {values!r}") from error
    if not x.isfinite().all():
        raise ValueError(f"{name} must be finite, but some are NaN or infinite")
    return x
