"""Batches to try a loss on: random ones, and those at the edge.

All are float64 and drawn with their own generator, so that whatever a notebook has set
(default type, device, seed) changes nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dmlviz.course.exercise import Case
from dmlviz.geometry import normalize

SIZES = ((3, 6), (2, 4), (2, 8))  # classes, points of each, dimensions


def batch(
    seed: int,
    *,
    classes: int | None = None,
    each: int | None = None,
    dimension: int | None = None,
    margin: float = 0.5,
) -> Case:
    """Random points of length 1, in random order, with labels and a margin.

    Sizes that are not given come from the seed, too: 3 to 6 classes of 2 to 4 points, in 2 to 8
    dimensions.

    >>> batch(0, classes=2, each=2, dimension=3).name
    '4 points of 2 classes in 3 dimensions, m = 0.5 (seed 0)'
    """
    draw = torch.Generator().manual_seed(seed)
    drawn = [int(torch.randint(low, high + 1, (), generator=draw)) for low, high in SIZES]
    sizes = zip((classes, each, dimension), drawn, strict=True)
    classes, each, dimension = (d if given is None else given for given, d in sizes)
    n = classes * each
    x = normalize(torch.randn(n, dimension, generator=draw, dtype=torch.float64))
    labels = torch.arange(n) // each
    y = labels[torch.randperm(n, generator=draw)]
    name = f"{n} points of {classes} classes in {dimension} dimensions, m = {margin} (seed {seed})"
    return Case(name, (x, y, margin))


def line(places: Sequence[float], labels: Sequence[int], *, margin: float = 0.5) -> Case:
    """Points on a line, few enough to compute by hand.

    >>> line([0.0, 0.6], [0, 1], margin=1.0).name
    'points at [0.0, 0.6] on a line, labels [0, 1], m = 1.0'
    """
    x = torch.tensor(places, dtype=torch.float64)[:, None]
    name = f"points at {list(places)} on a line, labels {list(labels)}, m = {margin}"
    return Case(name, (x, torch.tensor(labels), margin))


def one_point(seed: int, *, margin: float = 0.5) -> Case:
    """A batch of a single point: no pair, no triplet."""
    x, _, _ = batch(seed, classes=1, each=1).arguments
    return Case(f"a batch of one point (seed {seed})", (x, torch.tensor([3]), margin))


def one_class(seed: int, *, n: int = 5, margin: float = 0.5) -> Case:
    """All points are of one class: no negative."""
    x, _, _ = batch(seed, classes=1, each=n).arguments
    y = torch.full((n,), 7)
    return Case(f"{n} points, all of one class (seed {seed})", (x, y, margin))


def no_positive(seed: int, *, n: int = 5, margin: float = 0.5) -> Case:
    """Every point is alone in its class: no positive."""
    x, _, _ = batch(seed, classes=n, each=1).arguments
    return Case(f"{n} points, each alone in its class (seed {seed})", (x, torch.arange(n), margin))


def duplicates(seed: int, *, margin: float = 0.5) -> Case:
    """Every point twice, with the same label: distances of 0 within a class."""
    x, y, _ = batch(seed).arguments
    name = f"{2 * len(y)} points, each of them there twice (seed {seed})"
    return Case(name, (torch.cat([x, x]), torch.cat([y, y]), margin))


def collapsed(*, classes: int = 3, each: int = 2, margin: float = 0.5) -> Case:
    """All points in one place: every distance is 0."""
    n = classes * each
    x: Tensor = torch.ones(n, 2, dtype=torch.float64)
    return Case(f"{n} points in one place", (x, torch.arange(n) % classes, margin))
