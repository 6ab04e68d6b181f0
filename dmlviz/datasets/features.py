"""Feature vectors as a data set: compute a frozen backbone's outputs once, train heads on them."""

from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from dmlviz.datasets.base import as_index_tensor


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
        if features.ndim != 2 or len(features) != len(self.targets):
            raise ValueError(
                f"features must have shape ({len(self.targets)}, F), one row per item of the "
                f"source, got {tuple(features.shape)}"
            )
        self.classes, self.name, self.split = source.classes, source.name, source.split

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.features[index], int(self.targets[index])
