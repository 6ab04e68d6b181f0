"""What sets of photographs with captions share: the distance of two labels is that of captions.

It is the relaxed word mover's distance between the captions of two images (`datasets.captions`),
with word vectors learned from the training captions. The formula and the vectors are ours: Kim et
al. (Deep Metric Learning Beyond Binary Supervision, CVPR 2019) learn from distances between
captions, too, but the paper's exact formula was not available to us.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dmlviz.datasets.base import Transform, open_image
from dmlviz.datasets.captions import learn_vocabulary, relaxed_distance
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.transforms import photo

Vectors = Mapping[str, Sequence[float]]


class CaptionedImages(ContinuousDataset):
    """Image files and their captions; a subclass finds and reads them.

    Args:
        split: the split that it holds.
        paths: the image files.
        captions: of each of them, its texts.
        training: captions of the training images, for the word vectors.
        vectors: `{word: vector}` to use instead.
        transform: from a PIL image to a float tensor; None: `transforms.photo`.
    """

    unit = "relaxed word mover's distance, 0 to 2"
    smallest_distance = 0.4  # hardly any two descriptions of one image are nearer
    flips = True

    def __init__(
        self,
        split: str,
        paths: list[Path],
        captions: list[list[str]],
        *,
        training: list[list[str]],
        vectors: Vectors | None,
        transform: Transform | None,
    ) -> None:
        self.paths, self.captions = paths, captions
        self._words = learn_vocabulary(training, vectors=vectors).encode(captions)
        super().__init__(split, transform or photo(train=split == "train"))

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        return open_image(self.paths[index])

    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        return relaxed_distance(self._words.take(rows), other._words.take(columns))
