"""Assignment 4, its experiment: what a sweep of σ is measured by, and mistakes in that."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dmlviz import losses
from dmlviz.course.exercise import Case, Exercise
from dmlviz.evaluation import recall_at_k
from dmlviz.geometry import normalize, pairwise_distances

K = 5  # nearest neighbours that should be kept


def spread(x: Tensor, sigma: float) -> float:
    """The standard deviation of the labels of all pairs i ≠ j."""
    return float(_pairs(losses.relaxed_labels(x, sigma)).std())


def _pairs(table: Tensor) -> Tensor:
    return table[~torch.eye(len(table), dtype=torch.bool)]


def _range(labels: Tensor) -> Tensor:
    return labels.max() - labels.min()


SPREAD = Exercise(
    "spread",
    spread,
    {
        "the diagonal is among the labels: take the pairs i ≠ j": lambda x, sigma: float(
            losses.relaxed_labels(x, sigma).std()
        ),
        "this is the variance; the standard deviation is its root": lambda x, sigma: (
            spread(x, sigma) ** 2
        ),
        "this is the largest label minus the smallest; take the standard deviation": (
            lambda x, sigma: float(_range(_pairs(losses.relaxed_labels(x, sigma))))
        ),
        "this is the deviation of the distances; take that of the labels": lambda x, sigma: float(
            _pairs(pairwise_distances(normalize(x))).std()
        ),
    },
)


def kept(z: Tensor, x: Tensor, k: int, **which: bool) -> float:
    """The share of the k nearest in x that are among the k nearest in z, too."""
    near_z, near_x = _near(z, k, **which), _near(x, k, **which)
    return float((near_z[:, :, None] == near_x[:, None, :]).double().sum(dim=(1, 2)).mean()) / k


def _near(x: Tensor, k: int, *, own: bool = False, farthest: bool = False) -> Tensor:
    """The k nearest of each, `(N, k)`; with `own`, a point is near itself, too."""
    d = pairwise_distances(x)
    if not (own or farthest):
        d = d.fill_diagonal_(torch.inf)
    return d.topk(k, largest=farthest).indices


KEPT = Exercise(
    "kept",
    kept,
    {
        "an image is taken for its own neighbour, which every space keeps: leave it out": (
            lambda z, x, k: kept(z, x, k, own=True)
        ),
        "the neighbours must stand in the same place of the order here; being among the k counts": (
            lambda z, x, k: float((_near(z, k) == _near(x, k)).double().mean())
        ),
        "the target was scaled to length 1: its distances are plain": (
            lambda z, x, k: kept(normalize(z), x, k)
        ),
        "this is how many are kept of each k; the share lies between 0 and 1": (
            lambda z, x, k: k * kept(z, x, k)
        ),
        "these are the farthest: topk(…, largest=False)": (
            lambda z, x, k: kept(z, x, k, farthest=True)
        ),
    },
)


def _sweep(k: int = K, metric: Any = "euclidean", percent: float = 1.0, of: int = 0) -> Any:
    def sweep(learn: Any, x: Tensor, y: Tensor, sigmas: Sequence[float]) -> list[dict[str, float]]:
        rows = []
        for sigma in sigmas:
            z, loss = learn(sigma)
            row = {"sigma": sigma, "loss": loss, "spread": spread((x, z)[of], sigma)}
            recall = recall_at_k(z, y, ks=[1], metric=metric)[1]
            rows.append(row | {"kept": kept(z, x, k), "recall": percent * recall})
        return rows

    return sweep


SWEEP = Exercise(
    "sweep",
    _sweep(),
    {
        "Recall@1 is that of the cosine: search by Euclidean distance": _sweep(metric="cosine"),
        "the share that is kept is that of one neighbour: take K = 5": _sweep(k=1),
        "this is the spread of the target's labels; take the source's": _sweep(of=1),
        "Recall@1 comes in percent: leave it between 0 and 1": _sweep(percent=100.0),
    },
)


def spaces(seed: int, n: int = 20, *, k: int = 3) -> Case:
    """For `kept`: a target that is the source, disturbed, and k."""
    x, _ = _classes(seed, n)
    draw = torch.Generator().manual_seed(seed)
    z = 4 + 3 * x + torch.randn(x.shape, generator=draw, dtype=torch.float64)
    return Case(f"{n} images, k = {k} (seed {seed})", (z, x, k))


def source(seed: int, n: int = 20, *, sigma: float = 0.7) -> Case:
    """For `spread`: a source and σ."""
    return Case(f"source of {n} images, σ = {sigma} (seed {seed})", (_classes(seed, n)[0], sigma))


def make_believe(seed: int, sigmas: Sequence[float]) -> Case:
    """A `learn` that trains nothing and answers at once, to try a `sweep` on."""
    x, y = _classes(seed, 60)

    def learn(sigma: float) -> tuple[Tensor, float]:
        draw = torch.Generator().manual_seed(1000 * seed + round(100 * sigma))
        z = 4 + 3 * x + torch.randn(x.shape, generator=draw, dtype=torch.float64)
        return z, float(z[0, 0].abs())

    name = f"a make-believe training with σ in {tuple(sigmas)} (seed {seed})"
    return Case(name, (learn, x, y, sigmas))


def _classes(seed: int, n: int) -> tuple[Tensor, Tensor]:
    """Points of length 1 in six classes, and their labels."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(6, (n,), generator=draw)
    centers = torch.randn(6, 4, generator=draw, dtype=torch.float64)
    return normalize(centers[y] + torch.randn(n, 4, generator=draw, dtype=torch.float64)), y
