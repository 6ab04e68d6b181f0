"""Assignment 3, made-up classes: the experiment, and the mistakes that people make in it.

v are generated vectors, x real ones, y the class of a row of both.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dmlviz.course.clouds import nearest_ratio, normal
from dmlviz.course.exercise import Case, Exercise
from dmlviz.synthesis import sliced_wasserstein


def distance(v: Tensor, x: Tensor) -> float:
    """The library's sliced Wasserstein distance, always on the same directions."""
    return sliced_wasserstein(v, x, generator=torch.Generator().manual_seed(0)).item()


def _by_class(fold: Callable[[Tensor, Tensor], Tensor]) -> Any:
    def measured(v: Tensor, x: Tensor, y: Tensor) -> float:
        values = torch.tensor([distance(v[y == c], x[y == c]) for c in y.unique()])
        return fold(values, y.unique(return_counts=True)[1]).item()

    return measured


class_distance = _by_class(lambda values, sizes: values.mean())

CLASS_DISTANCE = Exercise(
    "class_distance",
    class_distance,
    {
        "this is the distance of all v to all x at once, whatever their class": (
            lambda v, x, y: distance(v, x)
        ),
        "this is the sum over the classes, not their mean": _by_class(lambda d, n: d.sum()),
        "each class counts alike; here large ones count more": _by_class(
            lambda d, n: (d * n).sum() / n.sum()
        ),
    },
)


def classes_apart(seed: int, *, classes: int = 4) -> Case:
    """Generated and real vectors, row for row of one class; classes of different sizes."""
    y = torch.arange(classes).repeat_interleave(torch.arange(classes) + 2)
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))] * 2 + 1
    x = normal(seed, len(y), 3) + y[:, None]
    v = normal(seed + 1000, len(y), 3) * (1 + y[:, None]) + y[:, None]
    return Case(f"{len(y)} vectors of {classes} classes (seed {seed})", (v, x, y))


def _sweep(own: int = 0, new: int = 1, nearest_of: int = 0, of_class: Any = class_distance) -> Any:
    def sweep(learn: Any, counts: Sequence[int]) -> list[dict[str, float]]:
        rows = []
        for n in counts:
            drawn = learn(n)
            v, x, _ = drawn[nearest_of]
            row = {"classes": n, "own": of_class(*drawn[own]), "new": of_class(*drawn[new])}
            rows.append(row | {"nearest": float(nearest_ratio(v, x))})
        return rows

    return sweep


SWEEP = Exercise(
    "sweep",
    _sweep(),
    {
        "own and new classes are swapped: learn gives its own ones first": _sweep(1, 0, 1),
        "the nearest ratio is that of the new classes: copies can only be of what was learned": (
            _sweep(nearest_of=1)
        ),
        "the distances are those of all vectors at once: take class_distance": _sweep(
            of_class=lambda v, x, y: distance(v, x)
        ),
    },
)


def make_believe(seed: int, counts: Sequence[int]) -> Case:
    """A `learn` that trains nothing and answers at once, to try a `sweep` on."""

    def learn(n: int) -> tuple[Any, Any]:
        own, new = (classes_apart(100 * seed + n + k, classes=3).arguments for k in (0, 50))
        return own, new

    return Case(
        f"a make-believe training on {tuple(counts)} classes (seed {seed})", (learn, counts)
    )
