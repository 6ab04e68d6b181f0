"""One embedding of N images over T epochs: neighbours in D dimensions, places in two."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.evaluation.retrieval import METRICS, Search, before_best
from dmlviz.geometry import normalize
from dmlviz.plots.projection import as_rows, pca_plane
from dmlviz.widgets.embedding_labels import Labels

PCA_ROWS = 20_000  # as many decide on the plane: more take longer and turn it no further


class Found(NamedTuple):
    """Rows, nearest first, and their cosine similarities or Euclidean distances."""

    rows: np.ndarray
    values: np.ndarray


class Space:
    """Where the images lie, and which are near.

    All epochs are seen from one side, the plane of a joint PCA, each centred on its mean, so that
    a point moves only because its embedding moves among the others. It is a PCA of the shown
    classes' means over all epochs: one of all points turns to where a half-trained network
    spreads most, which tells little of the trained one. Two-dimensional embeddings are drawn as
    they are. Under the cosine only directions count, so PCA sees only these.

    Args:
        name: title of the map.
        vectors: `(T, N, D)`.
        metric: "cosine" or "euclidean".
        labels: classes, or None.
        shown: which of the classes the plane shall show best; empty: PCA of all points.
        proxies: `(C, D)` of the last epoch, `(T, C, D)`, or None.
        positions: a map made elsewhere, `(N, 2)` or `(T, N, 2)`; None: as above.

    Attributes:
        places: `(T, N, 2)` float32 in -1…1, all epochs on one scale.
        proxy_places: `(T, C, 2)`, NaN in epochs without proxies; or None.
        circle: centre and radius of the unit circle if the embeddings lie on it, else None.
        how: what the map is, in words.
    """

    def __init__(
        self, name: str, vectors: Tensor, metric: str, labels: Labels | None,
        shown: Sequence[int], proxies: Any = None, positions: Any = None,
    ) -> None:  # fmt: skip
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        self.name, self.vectors, self.metric, self.labels = name, vectors, metric, labels
        self.right = lru_cache(maxsize=None)(self._right)  # a second for 10,000 images
        if positions is None:
            given = None if proxies is None else _read_proxies(proxies, vectors, labels)
            places, p = self._lay_out(shown, given)
        elif proxies is not None:
            raise ValueError("proxies have no place among positions made elsewhere: leave one out")
        else:
            places, p = _read_positions(positions, vectors), None
            self.how = "positions as given"
        ends = np.concatenate([a.reshape(-1, 2) for a in (places, p) if a is not None])
        norms = vectors.norm(dim=2)
        on_circle = places.shape == vectors.shape and torch.allclose(norms, norms.new_ones(()))
        if on_circle and positions is None:
            ends = np.array([[-1.0, -1.0], [1.0, 1.0]])
        low, high = np.nanmin(ends, axis=0), np.nanmax(ends, axis=0)
        centre, reach = (low + high) / 2, float((high - low).max()) / 2 or 1.0
        self.places = ((places - centre) / reach).astype(np.float32)
        self.proxy_places = None if p is None else ((p - centre) / reach).astype(np.float32)
        self.circle = (0.0, 0.0, 1.0) if on_circle and positions is None else None

    def neighbours(self, rows: Sequence[int] | np.ndarray, k: int, epoch: int) -> Found:
        """The k nearest to each of these images in the embedding space, itself left out."""
        x = self.vectors[self.at(epoch)]
        return Found(*nearest_neighbors(x, k, queries=rows, metric=self.metric))

    def at(self, epoch: int) -> int:
        """Its own number of an epoch: a space of one epoch stays as it is."""
        return min(epoch, len(self.vectors) - 1)

    def for_page(self) -> dict[str, Any]:
        """What a page draws of it; arrays as bytes."""
        p, classes = self.proxy_places, np.zeros(0, np.int32)
        if p is not None:
            number = {} if self.labels is None else {v: i for i, v in enumerate(self.labels.values)}
            classes = np.array([number.get(c, -1) for c in range(p.shape[1])], np.int32)
        return {
            "name": self.name,
            "how": self.how,
            "dimensions": self.vectors.shape[2],
            "places": self.places.tobytes(),
            "circle": self.circle,
            "proxies": b"" if p is None else p.tobytes(),
            "proxy_classes": classes.tobytes(),
        }

    def _right(self, epoch: int) -> np.ndarray:
        """Whether each image's nearest is of its class, `(N,)`; the mean is Recall@1.

        As in every evaluation, ties count against it, and an image alone in its class is a miss.
        """
        assert self.labels is not None
        x = self.vectors[self.at(epoch)]
        search = Search.prepare(x, self.labels.numbers, self.metric, None, None)
        return torch.cat([before_best(block) < 1 for block in search.blocks()]).numpy()

    def _lay_out(
        self, shown: Sequence[int], p: Tensor | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Places of the embeddings and of the proxies, on any scale."""
        x, size = self.vectors, self.vectors.shape[2]
        if size == 2:
            self.how = "the embedding itself"
            if p is not None and self.metric == "cosine":  # on the circle, if the embeddings are
                p = _directions(p) * x.norm(dim=2).median()
            return x.numpy(), None if p is None else p.numpy()
        if self.metric == "cosine":
            x, p = _directions(x), None if p is None else _directions(p)
        mean = x.mean(dim=1, keepdim=True)
        x, p = x - mean, None if p is None else p - mean
        what, of = self._seen_best(x, shown)
        joint = "one " * (len(x) > 1)
        self.how = (
            f"each mark is an image; {size} dimensions flattened to 2 by {joint}PCA of {what}"
        )
        turn = torch.from_numpy(pca_plane(of)[1].T.copy()).float()
        return (x @ turn).numpy(), None if p is None else (p @ turn).numpy()

    def _seen_best(self, x: Tensor, shown: Sequence[int]) -> tuple[str, Tensor]:
        """What PCA looks at: means of classes, or points where fewer than three make no plane."""
        if self.labels is None or len(shown) < 3:
            points = x.reshape(-1, x.shape[2])
            return "all images", points[:: -(-len(points) // PCA_ROWS)]
        of = [torch.from_numpy(self.labels.numbers == c) for c in shown]
        return "the class means", torch.cat([x[:, rows].mean(dim=1) for rows in of])


def _directions(x: Tensor) -> Tensor:
    return normalize(x.reshape(-1, x.shape[-1])).view_as(x)


def _read_proxies(proxies: Any, vectors: Tensor, labels: Labels | None) -> Tensor:
    """`(T, C, D)`; proxies of one moment are those of the last epoch, and NaN before."""
    t, _, d = vectors.shape
    p = torch.as_tensor(proxies).detach().float().cpu()
    if p.ndim == 2:
        p = torch.cat([torch.full((t - 1, *p.shape), torch.nan), p[None]])
    if p.ndim != 3 or len(p) != t or p.shape[2] != d or not p[-1].isfinite().all():
        raise ValueError(
            f"proxies must be finite, of shape (C, {d}), or ({t}, C, {d}) for all epochs, "
            f"got {tuple(torch.as_tensor(proxies).shape)}"
        )
    if labels is not None and max(labels.values) >= p.shape[1]:
        raise ValueError(
            f"proxies must be one per class: labels go to {max(labels.values)}, "
            f"but there are {p.shape[1]} proxies"
        )
    return p


def _read_positions(positions: Any, vectors: Tensor) -> np.ndarray:
    t, n, _ = vectors.shape
    p = torch.as_tensor(positions).detach().float().cpu()
    if tuple(p.shape) not in ((n, 2), (t, n, 2)):
        wanted = f"({n}, 2)" + f" or ({t}, {n}, 2)" * (t > 1)
        raise ValueError(f"positions must have shape {wanted}, got {tuple(p.shape)}")
    as_rows("positions", p.reshape(-1, 2))  # finite?
    return p.expand(t, n, 2).numpy()
