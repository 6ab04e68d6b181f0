"""Scenes as graphs: two to four objects, how they lie to each other, and how far two graphs are.

An object has a shape, a colour and a size. Of any two objects i and j, exactly one of `RELATIONS`
holds, and its `INVERSE` between j and i. Objects are laid out so that nobody could doubt which:
they are clear of each other and off the diagonals, or one lies well inside the other, or one covers
a part of the other.

The distance between two scenes matches their objects, the fewer ones to some of the more:

    d(G, H) = min over matchings π of  ½ · 1/m Σ_i a(i, π(i))  +  ½ · 2/(m (m - 1)) Σ_{i<j} r(i, j)

with m the larger number of objects; a = 2/5 [other shape] + 2/5 [other colour] + 1/5 [other size],
and 1 for an object without partner; r = 1 where i and j lie to each other otherwise than π(i) and
π(j) do, or one of them is without partner. It is in 0…1, symmetric, and 0 only for equal graphs.
"""

import math
from itertools import combinations, permutations
from random import Random
from typing import Any, NamedTuple

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "moon")
COLOURS = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink")
SIZES = ("small", "large")
RELATIONS = (
    "left of", "right of", "above", "below", "inside", "around", "in front of", "behind",
)  # fmt: skip
INVERSE = {r: RELATIONS[k ^ 1] for k, r in enumerate(RELATIONS)}

SIDE = 48  # of the picture, in pixels
MOST = 4  # objects
RADIUS = {"small": (4.2, 5.4), "large": (8.4, 9.8)}
_ROOMY = ("circle", "square")  # others may lie inside of these, or cover a part of them
_SLANT = math.tan(math.radians(33))  # "left of" is this clear of "above", at least


class SceneObject(NamedTuple):
    """What a caption may say of an object."""

    shape: str
    colour: str
    size: str


class SceneGraph(NamedTuple):
    """Objects, and `relations[i, j]`: how object i lies to object j, for all i ≠ j."""

    objects: tuple[SceneObject, ...]
    relations: dict[tuple[int, int], str]


class Place(NamedTuple):
    """Where an object is drawn: its centre, and half its width, in pixels."""

    x: float
    y: float
    radius: float


def compose(random: Random) -> tuple[SceneGraph, list[Place]]:
    """A random scene: its graph, and the places of its objects. Later objects are drawn on top."""
    while True:
        number = random.choices((2, 3, 4), (3, 5, 4))[0]
        kinds = random.sample([(s, c) for s in SHAPES for c in COLOURS], number)
        objects = [SceneObject(*kind, random.choices(SIZES, (3, 2))[0]) for kind in kinds]
        # Large ones first, so that a small one may lie in front of them, or inside.
        objects.sort(key=lambda o: o.size)
        places = _lay_out(objects, random)
        if places:
            relations = {
                (i, j): relation
                for i, j in permutations(range(number), 2)
                if (relation := _relation(i, j, objects, places))
            }
            return SceneGraph(tuple(objects), relations), places


def _lay_out(objects: list[SceneObject], random: Random) -> list[Place]:
    """A place for each object, or none at all where that fails."""
    places: list[Place] = []
    for i, o in enumerate(objects):
        for _ in range(60):
            radius = random.uniform(*RADIUS[o.size])
            x, y = (random.uniform(radius + 1, SIDE - radius - 1) for _ in "xy")
            if places and random.random() < 0.4:  # close to another one: rare by chance
                near = random.choice(places)
                reach = random.choice((0, 0.1 * near.radius, 0.58 * (radius + near.radius)))
                angle = random.uniform(0, 2 * math.pi)
                x, y = near.x + reach * math.cos(angle), near.y + reach * math.sin(angle)
            place = Place(x, y, radius)
            seen = all(radius <= z <= SIDE - radius for z in (x, y))
            if seen and all(_relation(i, j, objects, [*places, place]) for j in range(i)):
                places.append(place)
                break
        else:
            return []
    return places


def _relation(i: int, j: int, objects: list[SceneObject], places: list[Place]) -> str | None:
    """How object i lies to object j; None where one could not tell."""
    if i < j:
        relation = _relation(j, i, objects, places)
        return relation and INVERSE[relation]
    (x, y, r), (u, v, s) = places[i], places[j]
    distance, reach = math.hypot(x - u, y - v), r + s
    if distance > 1.08 * reach:
        across, along = sorted((abs(x - u), abs(y - v)))
        if across > _SLANT * along:
            return None
        if abs(x - u) > abs(y - v):
            return "left of" if x < u else "right of"
        return "above" if y < v else "below"
    if objects[j].shape not in _ROOMY or objects[i].colour == objects[j].colour:
        return None
    if distance < 0.2 * s and r < 0.62 * s:
        return "inside"
    # An overlap that shows, but leaves both to be recognised; a moon might cover with its hollow.
    overlaps = 0.5 * reach < distance < 0.66 * reach and objects[i].shape != "moon"
    return "in front of" if overlaps else None


class GraphCodes(NamedTuple):
    """Graphs as numbers, 0 where there is no object.

    Attributes:
        sizes: `(N,)` numbers of objects.
        objects: `(N, 4, 3)` 1 + index of shape, colour and size.
        relations: `(N, 4, 4)` 1 + index of the relation.
    """

    sizes: np.ndarray
    objects: np.ndarray
    relations: np.ndarray

    def take(self, graphs: Any) -> "GraphCodes":
        """Some of the graphs, by their numbers."""
        return GraphCodes(*(codes[np.asarray(graphs)] for codes in self))


def encode(graphs: list[SceneGraph]) -> GraphCodes:
    codes = GraphCodes(
        np.array([len(g.objects) for g in graphs]),
        np.zeros((len(graphs), MOST, 3), np.int8),
        np.zeros((len(graphs), MOST, MOST), np.int8),
    )
    for n, graph in enumerate(graphs):
        for i, (shape, colour, size) in enumerate(graph.objects):
            indices = SHAPES.index(shape), COLOURS.index(colour), SIZES.index(size)
            codes.objects[n, i] = np.add(indices, 1)
        for (i, j), relation in graph.relations.items():
            codes.relations[n, i, j] = 1 + RELATIONS.index(relation)
    return codes


def decode(codes: GraphCodes) -> list[SceneGraph]:
    """The graphs, from their numbers."""
    graphs = []
    for size, objects, relations in zip(*codes, strict=True):
        kinds = [
            SceneObject(SHAPES[shape - 1], COLOURS[colour - 1], SIZES[extent - 1])
            for shape, colour, extent in objects[:size]
        ]
        pairs = {(i, j): RELATIONS[relations[i, j] - 1] for i, j in permutations(range(size), 2)}
        graphs.append(SceneGraph(tuple(kinds), pairs))
    return graphs


def graph_distances(a: GraphCodes, b: GraphCodes) -> np.ndarray:
    """d(G, H) for all graphs of a and of b, `(A, B)` float32.

    With 0 for missing objects, all graphs have four, and a matching is a permutation. What a
    matching makes equal is counted by products of one-hot vectors: fast, and exact, as all counts
    are small integers.
    """
    m = np.maximum(a.sizes[:, None], b.sizes).astype(np.float32)
    pairs = m * (m - 1) / 2
    i, j = np.array(list(combinations(range(MOST), 2))).T
    weight = np.array([2, 2, 1], np.float32)
    there_objects = _one_hot(b.objects, 1 + len(COLOURS))
    there_relations = _one_hot(b.relations[:, i, j], 1 + len(RELATIONS))
    best = np.full(m.shape, np.inf, np.float32)
    for p in map(np.array, permutations(range(MOST))):
        objects = _one_hot(a.objects[:, p], 1 + len(COLOURS), weight)
        relations = _one_hot(a.relations[:, p[i], p[j]], 1 + len(RELATIONS))
        other_objects = (5 * MOST - objects @ there_objects.T) / 5
        other_relations = len(i) - relations @ there_relations.T
        np.minimum(best, other_objects / m + other_relations / pairs, out=best)
    return best / 2


def _one_hot(codes: np.ndarray, values: int, weight: np.ndarray | None = None) -> np.ndarray:
    """`(N, …)` to `(N, … · values)`, each 1 in its place times the weight."""
    hot = np.eye(values, dtype=np.float32)[codes]
    if weight is not None:
        hot *= weight[:, None]
    return hot.reshape(len(codes), math.prod(hot.shape[1:]))
