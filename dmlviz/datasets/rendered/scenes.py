"""Scenes: a few coloured shapes in relations, and captions that tell of them, all rendered here.

There are no classes. Each picture shows two to four of 7 shapes in 8 colours and 2 sizes on a
ground that means nothing, and comes with its graph (objects, and how any two of them lie to each
other: `_scene_graphs`) and with five captions made from it (`_scene_words`), which leave things out
and use different words, as people do. Two distances between labels:

- "captions": relaxed word mover's distance between the captions of two images (`captions`), with
  word vectors learned from the training captions. It does not know who is left of whom, as bags of
  words do not, and equal scenes are not at distance 0, as nobody describes them alike.
- "graph": between the graphs themselves, of which it knows everything (`_scene_graphs`).

So one can train on what captions say and ask what of the scenes was learned. Composing and
rendering is seeded and takes seconds; the result is cached under the data root.
"""

from functools import cache
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, check_split
from dmlviz.datasets.captions import Vocabulary, learn_vocabulary, relaxed_distance
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.rendered._cache import cached
from dmlviz.datasets.rendered._scene_graphs import (
    MOST,
    SIDE,
    GraphCodes,
    Place,
    SceneGraph,
    compose,
    decode,
    encode,
    graph_distances,
)
from dmlviz.datasets.rendered._scene_words import CAPTIONS, describe
from dmlviz.datasets.rendered._shapes import draw
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import rgb

IMAGES = {"train": 3000, "val": 500, "query": 250, "gallery": 1000}
VERSION = 1  # part of the cache's file name: raise it when pictures or captions change
DIMENSIONS = 16  # of word vectors: few enough that synonyms fall together, enough for the colours
UNITS = {
    "captions": "relaxed word mover's distance, 0 to 2",
    "graph": "share of the scene that differs, 0 to 1",
}
# What the best matching descriptions of one scene differ by, and one colour among four objects.
SMALLEST = {"captions": 0.1, "graph": 0.05}


class Scenes(ContinuousDataset):
    """The Scenes data set: see the top of this file.

    Args:
        split: "train" (3,000 images), "val" (500), "query" (250) or "gallery" (1,000).
        root: data root for the cache; None: see `datasets.roots.data_root`.
        transform: from a 48 x 48 RGB PIL image to a float tensor; None: values in -1…1, on the
            training split with a random shift of up to three pixels.
        labels: what label distances compare, "captions" or "graph".

    Attributes:
        captions: five texts for each image.
        graphs: the objects of each image and their relations.
    """

    name = "scenes"
    splits = ("train", "val", "query", "gallery")
    flips = False  # left and right matter

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        labels: str = "captions",
    ) -> None:
        check_split(split, self.splits)
        if labels not in UNITS:
            raise ValueError(f"labels must be one of {', '.join(UNITS)}, got {labels!r}")
        n = IMAGES[split]
        shapes = {
            "images": (n, SIDE, SIDE, 3),
            "captions": (n, CAPTIONS),
            "sizes": (n,),
            "objects": (n, MOST, 3),
            "relations": (n, MOST, MOST),
        }
        place = data_root(root) / "scenes" / f"v{VERSION}-{split}.npz"
        arrays = cached(place, shapes, lambda: _render(split))
        self._pixels = arrays["images"]
        self.captions: list[list[str]] = arrays["captions"].tolist()
        self._codes = GraphCodes(arrays["sizes"], arrays["objects"], arrays["relations"])
        self.graphs: list[SceneGraph] = decode(self._codes)
        self.labels, self.unit, self.smallest_distance = labels, UNITS[labels], SMALLEST[labels]
        self._words = _vocabulary().encode(self.captions) if labels == "captions" else None
        super().__init__(split, transform or rgb(shift=3 if split == "train" else 0))

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, index: int) -> Image.Image:
        return Image.fromarray(self._pixels[index])

    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        if other.labels != self.labels:
            raise ValueError(
                f"labels={self.labels!r} and labels={other.labels!r} have no distance to each "
                "other: load both splits with the same labels"
            )
        if self._words is not None:
            return relaxed_distance(self._words.take(rows), other._words.take(columns))
        here, there = self._codes.take(rows), other._codes.take(columns)
        return torch.from_numpy(graph_distances(here, there))


def _scenes(split: str) -> tuple[list[SceneGraph], list[list[Place]], list[list[str]]]:
    """Graphs, places and captions of a split."""
    random = Random(f"scenes {VERSION} {split}")
    graphs, places = zip(*(compose(random) for _ in range(IMAGES[split])), strict=True)
    return list(graphs), list(places), [describe(graph, random) for graph in graphs]


@cache
def _vocabulary() -> Vocabulary:
    """The words of the training captions. They take no pictures, so all splits can know them."""
    return learn_vocabulary(_scenes("train")[2], dimensions=DIMENSIONS)


def _render(split: str) -> dict[str, np.ndarray]:
    graphs, places, captions = _scenes(split)
    rng = np.random.default_rng([VERSION, Scenes.splits.index(split)])
    images = draw(graphs, places, rng)
    return {"images": images, "captions": np.array(captions), **encode(graphs)._asdict()}
