"""Batches for continuous labels: anchors, the neighbours of their labels, and random images.

Kim et al. (CVPR 2019), dense triplet mining: small label distances give large ratios, so an anchor
learns most beside the images that are nearest to it *in label space*. A random batch of a large
set hardly ever holds them.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

_BLOCK = 2**23  # label distances held at a time


class DenseTripletBatchSampler(Sampler[list[int]]):
    """Batches of `anchors` images, `nearest` label neighbours of each, and `random` others.

    A batch holds its anchors first. Every image is an anchor once in a pass (but for a last,
    incomplete batch); an image occurs once in a batch, so anchors that share neighbours leave room,
    which more random images fill. All batches have anchors · (1 + nearest) + random images.

    Args:
        dataset: has `label_distances(rows, columns=…)` and a length.
        anchors: per batch.
        nearest: of each anchor, how many of its nearest labels; 0: the rest is random.
        random: how many other images.
        pool: draw the `nearest` out of so many nearest labels; None: exactly the nearest. The
            authors' binary baseline draws 5 out of 30.
        precompute: find all neighbours at once at the start, a block of rows at a time, instead of
            anew for each batch.
        seed: of all draws; each pass draws anew.

    Raises:
        ValueError: where a batch asks for more images than there are.
    """

    def __init__(
        self,
        dataset: Any,
        anchors: int,
        nearest: int,
        random: int,
        *,
        pool: int | None = None,
        precompute: bool = True,
        seed: int = 0,
    ) -> None:
        self.dataset, self.anchors, self.nearest = dataset, anchors, nearest
        self.size = anchors * (1 + nearest) + random
        self.pool = nearest if pool is None else pool
        if anchors < 1 or nearest < 0 or random < 0:
            raise ValueError(
                "anchors must be at least 1, nearest and random not negative, got "
                f"{anchors}, {nearest} and {random}"
            )
        if self.pool < nearest:
            raise ValueError(f"pool must be at least nearest={nearest}, got {pool}")
        if max(self.size, self.pool + 1) > len(dataset):
            raise ValueError(
                f"a batch of {self.size} images with neighbours out of {self.pool} is more than "
                f"the {len(dataset)} images of the data set: use fewer anchors or neighbours"
            )
        self.seed, self.epoch = seed, 0
        everything = torch.arange(len(dataset))
        self._neighbours = self._nearest(everything) if precompute and self.pool else None

    def __len__(self) -> int:
        return len(self.dataset) // self.anchors

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        self.epoch += 1
        order = torch.randperm(len(self.dataset), generator=generator)
        for anchors in order[: len(self) * self.anchors].split(self.anchors):
            yield self._batch(anchors, generator)

    def _batch(self, anchors: Tensor, generator: torch.Generator) -> list[int]:
        batch = dict.fromkeys(anchors.tolist())  # a set that keeps its order
        if self.pool:
            found = (
                self._nearest(anchors) if self._neighbours is None else self._neighbours[anchors]
            )
            for neighbours in found:
                chosen = torch.randperm(self.pool, generator=generator)[: self.nearest]
                batch |= dict.fromkeys(neighbours[chosen].tolist())
        while len(batch) < self.size:
            more = torch.randint(len(self.dataset), (self.size,), generator=generator)
            for i in more.tolist():
                if len(batch) < self.size:
                    batch.setdefault(i)
        return list(batch)

    def _nearest(self, rows: Tensor) -> Tensor:
        """The `pool` nearest labels of each row, itself left out."""
        found = []
        everything = torch.arange(len(self.dataset))
        for block in rows.split(max(1, _BLOCK // len(self.dataset))):
            r = self.dataset.label_distances(block, columns=everything)
            r[torch.arange(len(block)), block] = torch.inf
            found.append(r.topk(self.pool, dim=1, largest=False).indices)
        return torch.cat(found)
