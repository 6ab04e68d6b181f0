"""Feature vectors as a data set: compute a frozen backbone's outputs once, train heads on them."""

from typing import Any

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dmlviz.datasets.base import as_index_tensor, check_index
from dmlviz.datasets.continuous import ContinuousDataset


class Features(Dataset[tuple[Tensor, int]]):
    """Vectors in the place of images; item i is `(features[i], targets[i])`.

    Made from the outputs of `evaluation.embed(model, dataset, features=True)`; a head on them is
    `models.EmbeddingNet("identity", embedding_size, in_channels=features.shape[1])`. Caching
    freezes the backbone and its view of each image, so there is no augmentation.

    Args:
        features: `(N, F)` floats.
        source: the data set they were computed from, in its order; it lends `targets`, `classes`,
            `name` and `split`.
    """

    def __init__(self, features: Tensor, source: Any) -> None:
        self.features, self.targets = features, as_index_tensor(source.targets)
        _check(features, len(self.targets))
        self.classes, self.name, self.split = source.classes, source.name, source.split

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.features[index], int(self.targets[index])


class ContinuousFeatures(ContinuousDataset):
    """`Features` of a data set with continuous labels; item i is `(features[i], i)`.

    Args:
        features: `(N, F)` floats; or the images themselves as `(N, C, H, W)`, transformed once for
            all epochs, which only a transform that draws nothing allows.
        source: the `ContinuousDataset` they were computed from, in its order; it is asked for the
            label distances.
    """

    def __init__(self, features: Tensor, source: ContinuousDataset) -> None:
        is_image = features.ndim == 4
        _check(features.flatten(1) if is_image else features, len(source))
        self.features, self.source = features, source
        self.name, self.unit, self.split = source.name, source.unit, source.split
        self.smallest_distance = source.smallest_distance
        self.flips = source.flips and is_image

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        check_index(index, len(self))
        return self.features[index], index % len(self)

    def image(self, index: int) -> Image.Image:
        return self.source.image(index)

    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        return self.source.label_distances(rows, other=other.source, columns=columns)


def _check(features: Tensor, n: int) -> None:
    if features.ndim != 2 or len(features) != n:
        raise ValueError(
            f"features must have shape ({n}, F), one row per item of the source, got "
            f"{tuple(features.shape)}"
        )
