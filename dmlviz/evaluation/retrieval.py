"""Retrieval: does the neighbourhood of an image hold its own class?

For a query q with R relevant images (same class, itself excluded *by index*), rank the others by
similarity.

* **Recall@K**: share of queries with at least one relevant image among the K nearest.
* **R-precision**: share of relevant images among the R nearest, averaged over queries.
* **MAP@R** (Musgrave, Belongie, Lim: A Metric Learning Reality Check, ECCV 2020):
  1/R Σ_{i≤R} P(i)·rel(i), with P(i) the precision of the i nearest.

**Ties count against the query**: an irrelevant image as similar as a relevant one stands before
it. So a collapsed embedding, in which everything is equally near, scores 0 and not 1. Queries
without any relevant image count as misses, and the report says how many there were.

The published numbers of In-shop Clothes follow another rule, `protocol="inshop"` (the code of Kim,
Kim, Cho, Kwak: Proxy Anchor Loss, CVPR 2020): a query is a hit among the K nearest if fewer than K
irrelevant images are *strictly* more similar than the best relevant one. Ties count for the query,
and a collapsed embedding scores 1. It concerns Recall@K alone.

No list of neighbours is needed: the rank of a relevant image follows from *counting* the
irrelevant ones that are at least as similar. Memory stays bounded, a block of queries at a time.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dmlviz.datasets.base import as_index_tensor
from dmlviz.evaluation.clustering import normalized_mutual_information
from dmlviz.evaluation.report import RetrievalReport
from dmlviz.geometry import normalize

METRICS = ("cosine", "euclidean")
PROTOCOLS = ("standard", "inshop")
_BLOCK = 2**24  # similarities held at a time: 64 MiB in float32


def recall_at_k(
    embeddings: Any,
    labels: Any,
    ks: Iterable[int] = (1, 2, 4, 8),
    metric: str = "cosine",
    *,
    gallery: Any = None,
    gallery_labels: Any = None,
    protocol: str = "standard",
) -> dict[int, float]:
    """Recall@K for each K, with ties counted against the query.

    Args:
        embeddings: `(N, D)` tensor or array, finite.
        labels: `(N,)` integers.
        ks: the K's, each at least 1.
        metric: "cosine" or "euclidean".
        gallery, gallery_labels: search these `(M, D)`, `(M,)` instead of the queries themselves.
        protocol: "standard", or "inshop": ties count for the query, see the top of this file.

    Returns:
        `{k: share of queries}` with shares in 0…1.

    >>> recall_at_k([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]], [0, 0, 1], ks=[1])
    {1: 0.6666666666666666}
    """
    check_protocol(protocol)
    data = Search.prepare(embeddings, labels, metric, gallery, gallery_labels)
    before = torch.cat([before_best(block, protocol) for block in data.blocks()])
    return _recall(before, ks)


def retrieval_metrics(
    embeddings: Any,
    labels: Any,
    ks: Iterable[int] = (1, 2, 4, 8),
    metric: str = "cosine",
    *,
    gallery: Any = None,
    gallery_labels: Any = None,
    protocol: str = "standard",
    nmi: bool = True,
    seed: int = 0,
) -> RetrievalReport:
    """Recall@K, R-precision, MAP@R and NMI of one embedding.

    Args:
        embeddings, labels, ks, metric, gallery, gallery_labels, protocol: as for `recall_at_k`.
        nmi: also cluster the gallery by k-means into as many clusters as classes, and report the
            normalised mutual information; it takes most of the time on large sets.
        seed: of k-means.
    """
    check_protocol(protocol)
    data = Search.prepare(embeddings, labels, metric, gallery, gallery_labels)
    before, precision, mean_precision, relevant = [], [], [], []
    for block in data.blocks():
        before.append(before_best(block, protocol))
        rp, ap = _precisions_at_r(block)
        precision.append(rp)
        mean_precision.append(ap)
        relevant.append(block.positive.isfinite().sum(dim=1))
    return RetrievalReport(
        recall=_recall(torch.cat(before), ks),
        map_at_r=torch.cat(mean_precision).mean().item(),
        r_precision=torch.cat(precision).mean().item(),
        nmi=normalized_mutual_information(data.gallery, data.gallery_labels, seed) if nmi else None,
        queries=len(data.query),
        gallery_size=len(data.gallery),
        without_relevant=int((torch.cat(relevant) == 0).sum()),
        metric=metric,
        protocol=protocol,
    )


def check_protocol(protocol: str) -> None:
    """Raise unless `protocol` is the name of one."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")


class _Block(NamedTuple):
    """Similarities of some queries: to the relevant images, and to the irrelevant ones."""

    positive: Tensor  # (B, R_max), -inf where a class is smaller
    negative: Tensor  # (B, M), -inf at the relevant images and the query itself


class Search(NamedTuple):
    """Queries and gallery made ready: the larger the product of two rows, the nearer they are."""

    query: Tensor
    query_labels: Tensor
    gallery: Tensor
    gallery_labels: Tensor
    own: bool  # the queries are the gallery

    @staticmethod
    def prepare(
        embeddings: Any, labels: Any, metric: str, gallery: Any, gallery_labels: Any
    ) -> "Search":
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if (gallery is None) != (gallery_labels is None):
            raise ValueError("gallery and gallery_labels must be given together")
        query, query_labels = _check("embeddings", embeddings, labels)
        own = gallery is None
        target, target_labels = (
            (query, query_labels) if own else _check("gallery", gallery, gallery_labels)
        )
        if query.shape[1] != target.shape[1]:
            raise ValueError(
                f"embeddings have {query.shape[1]} dimensions, but gallery has {target.shape[1]}"
            )
        dtype = torch.promote_types(query.dtype, target.dtype)
        query, target = query.to(dtype), target.to(dtype)
        if metric == "cosine":
            return Search(normalize(query), query_labels, normalize(target), target_labels, own)
        # ||q - x||² falls with q·x - ½||x||²: one more column makes it a product like the cosine.
        centre = target.mean(dim=0)  # distances do not change, but rounding errors shrink
        q, x = query - centre, target - centre
        q = torch.cat([q, torch.ones_like(q[:, :1])], dim=1)
        x = torch.cat([x, -0.5 * (x * x).sum(dim=1, keepdim=True)], dim=1)
        return Search(q, query_labels, x, target_labels, own)

    def blocks(self) -> Iterator[_Block]:
        # Equal images must get equal similarities to the last bit, or a tie would be decided by
        # rounding: so each distinct image is compared once, and the result copied.
        distinct, copy_of = torch.unique(self.gallery, dim=0, return_inverse=True)
        if len(distinct) == len(self.gallery):
            distinct, copy_of = self.gallery, None
        members, class_of = _members(self.gallery_labels, self.query_labels)
        rows = max(1, _BLOCK // max(len(self.gallery), 1))
        for start in range(0, len(self.query), rows):
            similarity = self.query[start : start + rows] @ distinct.T
            if copy_of is not None:
                similarity = similarity[:, copy_of]
            labels = self.query_labels[start : start + rows]
            index = members[class_of[start : start + rows]]  # (B, R_max), padded with -1
            missing = index < 0
            if self.own:
                itself = torch.arange(start, start + len(labels), device=labels.device)
                missing = missing | (index == itself[:, None])
            positive = similarity.gather(1, index.clamp_min(0)).masked_fill(missing, -torch.inf)
            same = labels[:, None] == self.gallery_labels[None, :]
            yield _Block(positive, similarity.masked_fill_(same, -torch.inf))


def _check(name: str, embeddings: Any, labels: Any) -> tuple[Tensor, Tensor]:
    x = torch.as_tensor(embeddings).detach()
    if x.ndim != 2 or len(x) == 0 or x.shape[1] == 0:
        raise ValueError(f"{name} must have shape (N, D) with N, D ≥ 1, got {tuple(x.shape)}")
    if x.dtype != torch.float64:
        x = x.float()
    if not x.isfinite().all():
        bad = int((~x.isfinite()).any(dim=1).sum())
        raise ValueError(f"{name} must be finite, but {bad} of {len(x)} rows hold NaN or infinity")
    y = as_index_tensor(labels).to(x.device)
    if len(y) != len(x):
        raise ValueError(f"labels must have one entry per row of {name} ({len(x)}), got {len(y)}")
    return x, y


def _members(gallery_labels: Tensor, query_labels: Tensor) -> tuple[Tensor, Tensor]:
    """Gallery rows of each class `(classes, R_max)` padded with -1, and the class of each query."""
    classes, inverse, counts = gallery_labels.unique(return_inverse=True, return_counts=True)
    members = torch.full((len(classes) + 1, int(counts.max())), -1, device=inverse.device)
    order = inverse.argsort(stable=True)
    first = counts.cumsum(0) - counts
    column = torch.arange(len(order), device=order.device) - first[inverse[order]]
    members[inverse[order], column] = order
    place = torch.searchsorted(classes, query_labels).clamp_max(len(classes) - 1)
    known = classes[place] == query_labels
    return members, torch.where(known, place, len(classes))  # the last, empty row: no relevant


def before_best(block: _Block, protocol: str = "standard") -> Tensor:
    """How many irrelevant images stand before the best relevant one; inf where there is none."""
    best = block.positive.amax(dim=1, keepdim=True)
    stands_before = torch.gt if protocol == "inshop" else torch.ge
    before = stands_before(block.negative, best).sum(dim=1).double()
    return before.masked_fill(best.squeeze(1).isinf(), torch.inf)


def _precisions_at_r(block: _Block) -> tuple[Tensor, Tensor]:
    """R-precision and average precision at R of each query."""
    positive = block.positive.sort(dim=1, descending=True).values
    R = positive.isfinite().sum(dim=1)
    # Only the R_max nearest irrelevant images can push a relevant one out of the R nearest.
    nearest = block.negative.topk(min(positive.shape[1], block.negative.shape[1]), dim=1).values
    before = torch.searchsorted(-nearest, -positive, right=True)  # those at least as similar
    j = torch.arange(1, positive.shape[1] + 1, device=R.device)
    rank = j + before
    found = (rank <= R[:, None]) & positive.isfinite()
    precision = torch.where(found, j / rank, 0).double()
    size = R.clamp_min(1)
    return found.sum(dim=1) / size.double(), precision.sum(dim=1) / size


def _recall(before: Tensor, ks: Iterable[int]) -> dict[int, float]:
    ks = list(ks)
    if not ks or any(not isinstance(k, (int, np.integer)) or k < 1 for k in ks):
        raise ValueError(f"ks must be integers of at least 1, got {ks}")
    return {int(k): (before < k).double().mean().item() for k in ks}
