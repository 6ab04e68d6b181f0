"""The task of the final project: train on characters that a seed draws, be judged on others.

An entry is a Python file with one function, `fit(train, seed)`, which returns a network. Nobody
knows the classes before the seed is drawn: 440 characters are public, which of them train and
which test is not, and every image is drawn anew.
"""

import unicodedata
from dataclasses import dataclass

import torch
from PIL import Image

from dmlviz.datasets.base import ImageDataset
from dmlviz.datasets.rendered import glyphs
from dmlviz.datasets.transforms import glyph


class Drawn(ImageDataset):
    """Glyphs of some characters, drawn by a seed; otherwise like `datasets.load("glyphs")`.

    Args:
        characters: one class each.
        images: of each class.
        seed: of the drawing.
        train: shift the images at random by up to three pixels, as the training split does.
    """

    name = "glyphs"

    def __init__(
        self, characters: list[str], images: int, seed: int | list[int], *, train: bool
    ) -> None:
        self._pixels, targets = glyphs.render(characters, images, seed)
        super().__init__(
            "train" if train else "test",
            classes=[unicodedata.name(c) for c in characters],
            targets=torch.from_numpy(targets),
            transform=glyph(train=train),
        )

    def image(self, index: int) -> Image.Image:
        return Image.fromarray(self._pixels[index])


@dataclass(frozen=True)
class Contest:
    """The rules.

    Args:
        classes: to train on, and as many others to be judged on.
        images: of each class.
        dimensions: of an embedding, at most.
    """

    classes: int = 100
    images: int = 30
    dimensions: int = 64

    def __post_init__(self) -> None:
        most = len(_characters()) // 2
        if not 2 <= self.classes <= most:
            raise ValueError(f"classes must be 2 to {most}, got {self.classes}")
        if self.images < 2:  # a query's own image is no answer to it
            raise ValueError(f"images must be at least 2, got {self.images}")

    def sets(self, seed: int) -> tuple[Drawn, Drawn]:
        """What an entry trains on, and what it is judged on: other characters.

        >>> train, test = Contest(classes=3, images=2).sets(seed=0)
        >>> train, test, set(train.classes) & set(test.classes)
        (<glyphs train: 6 images of 3 classes>, <glyphs test: 6 images of 3 classes>, set())
        """
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        every = _characters()
        order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))
        drawn = [every[i] for i in order[: 2 * self.classes]]
        # In the order of Unicode: the scraps at an image's rim come from neighbours in the list.
        ours, others = sorted(drawn[: self.classes]), sorted(drawn[self.classes :])
        return (
            Drawn(ours, self.images, [seed, 0], train=True),
            Drawn(others, self.images, [seed, 1], train=False),
        )


def _characters() -> list[str]:
    return [c for split in glyphs.Glyphs.splits for c in glyphs.class_characters(split)]
