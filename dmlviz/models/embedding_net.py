"""EmbeddingNet: backbone → pooling → linear head → (length 1)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from dmlviz.datasets.transforms import photo
from dmlviz.geometry import normalize
from dmlviz.models.backbones import BACKBONES, ImageNetWeights

POOLINGS = ("avg", "max", "avg+max")


class Trace(NamedTuple):
    """What a network makes of a batch on its way to the embeddings.

    Attributes:
        maps: feature maps `(N, C, H, W)` by the name of their stage, in order.
        features: what the head sees, `(N, F)`.
        embeddings: `(N, D)`.
    """

    maps: dict[str, Tensor]
    features: Tensor
    embeddings: Tensor


class EmbeddingNet(nn.Module):
    """A network that maps an image to a point of the embedding space.

    Args:
        backbone: "convnet", "convnet_small", "resnet18", "resnet34", "resnet50", "resnet101",
            "googlenet", "mobilenet_v2", or "identity" for inputs that are feature vectors already.
        embedding_size: D, the dimension of the space.
        in_channels: channels of the images (features of a vector, for "identity").
        weights: None (random), "imagenet" (torchvision's, downloaded by torchvision), or the path
            of a state dict of the torchvision model; "later": as for "imagenet", but random, for
            a trained network's weights that are then loaded into it.
        pooling: over the last feature map, "avg", "max" or "avg+max" (their sum, as in the
            Proxy-Anchor authors' code).
        normalize: scale the output to length 1.
        freeze_batchnorm: keep the batch norms' statistics and scales as they are in training, as
            recipes that fine-tune on small benchmarks do.
        seed: of the random start; the global random state is left alone.

    Shapes: images `(N, in_channels, H, W)` (or vectors `(N, in_channels)`) → `(N, D)`.

    Raises:
        ValueError: for images that the backbone cannot take, with the remedy.
    """

    def __init__(
        self,
        backbone: str = "convnet",
        embedding_size: int = 64,
        *,
        in_channels: int = 3,
        weights: ImageNetWeights = None,
        pooling: str = "avg",
        normalize: bool = True,
        freeze_batchnorm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, got {backbone!r}")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        if embedding_size < 1 or in_channels < 1:
            raise ValueError(
                "embedding_size and in_channels must be at least 1, "
                f"got {embedding_size} and {in_channels}"
            )
        self.backbone_name, self.embedding_size = backbone, embedding_size
        self.in_channels, self.pretrained = in_channels, weights is not None
        self.pooling, self.normalize = pooling, normalize
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone = BACKBONES[backbone](in_channels, weights)
            self.head = nn.Linear(self.backbone.out_channels, embedding_size)
            nn.init.kaiming_normal_(self.head.weight, mode="fan_out")
            nn.init.zeros_(self.head.bias)
        self.to(memory_format=torch.channels_last)  # convolutions run two to three times faster
        self.freeze_batchnorm = freeze_batchnorm
        if freeze_batchnorm:
            for norm in self._batchnorms():
                norm.requires_grad_(False)
            self.train()

    def forward(self, images: Tensor) -> Tensor:
        embeddings = self.head(self.features(images))
        return normalize(embeddings) if self.normalize else embeddings

    def features(self, images: Tensor) -> Tensor:
        """What the head sees: the pooled last feature map, `(N, F)`."""
        return self._pool(self.backbone(self._input(images)))

    def trace(self, images: Tensor) -> Trace:
        """The embeddings, and what the network made on the way to them."""
        x = self._input(images)
        maps = {}
        for name, stage in self.backbone.named_children():
            x = maps[name] = stage(x)
        features = self._pool(x)
        embeddings = self.head(features)
        return Trace(maps, features, normalize(embeddings) if self.normalize else embeddings)

    @torch.no_grad()
    def stage_channels(self) -> dict[str, int]:
        """Channels of the feature map of every stage, by name."""
        device = self.head.weight.device
        side = max(self.backbone.min_size, 1)
        x = torch.zeros(1, self.in_channels, side, side, device=device)
        if self.backbone_name == "identity":
            x = x.flatten(1)
        training = self.training
        self.eval()
        maps = self.trace(x).maps
        self.train(training)
        return {name: map.shape[1] for name, map in maps.items()}

    def _input(self, images: Tensor) -> Tensor:
        self._check(images)
        if images.ndim == 2:
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def _pool(self, maps: Tensor) -> Tensor:
        if maps.ndim == 2:  # feature vectors
            return maps
        if self.pooling == "avg":
            return maps.mean(dim=(2, 3))
        if self.pooling == "max":
            return maps.amax(dim=(2, 3))
        return maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))

    def initialize_head(self, features: Tensor) -> None:
        """Start the head as PCA: the `embedding_size` directions in which `features` vary most.

        Args:
            features: `(M, F)` outputs of `model.features` on the training images, with M and F at
                least `embedding_size`.
        """
        if features.ndim != 2 or features.shape[1] != self.head.in_features:
            raise ValueError(
                f"features must have shape (M, {self.head.in_features}), "
                f"got {tuple(features.shape)}: pass the outputs of model.features"
            )
        if min(features.shape) < self.embedding_size:
            raise ValueError(
                f"features of shape {tuple(features.shape)} have fewer than "
                f"embedding_size={self.embedding_size} directions: use more images or a smaller "
                "embedding_size"
            )
        x = features.detach().double()
        mean = x.mean(dim=0)
        directions = torch.linalg.eigh((x - mean).T @ (x - mean)).eigenvectors  # ascending
        weight = directions[:, -self.embedding_size :].flip(1).T
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(-weight @ mean)

    def transforms(self, *, train: bool = False) -> Callable[[Image.Image], Tensor]:
        """The transform that fits this model: size and normalisation of its weights.

        With `train`, augmented. Networks without pretrained weights get values in -1…1.
        """
        if self.backbone_name == "identity" or self.in_channels not in (1, 3):
            raise ValueError(
                f"backbone {self.backbone_name!r} with in_channels={self.in_channels} does not "
                "take pictures, so it has no transform of its own: use the data set's default"
            )
        size = self.backbone.input_size or 64
        if self.pretrained:
            return photo(size, train=train)
        half = (0.5,) * self.in_channels
        return photo(size, train=train, mean=half, std=half)

    def train(self, mode: bool = True) -> "EmbeddingNet":
        super().train(mode)
        if mode and self.freeze_batchnorm:
            for norm in self._batchnorms():
                norm.eval()
        return self

    def extra_repr(self) -> str:
        return f"pooling={self.pooling!r}, normalize={self.normalize}"

    def _batchnorms(self) -> list[nn.Module]:
        return [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]

    def _check(self, images: Tensor) -> None:
        vectors = self.backbone.min_size == 0
        if images.ndim != (2 if vectors else 4) or not images.is_floating_point():
            wanted = "(N, features)" if vectors else "(N, channels, height, width)"
            raise ValueError(
                f"the model takes a float batch {wanted}, "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        if images.shape[1] != self.in_channels:
            what = "features" if vectors else "channels"
            raise ValueError(
                f"the model was made for in_channels={self.in_channels}, got {images.shape[1]} "
                f"{what}: build it with in_channels={images.shape[1]}, "
                "or load the data set with transform=model.transforms(train=...)"
            )
        if not vectors and min(images.shape[2:]) < self.backbone.min_size:
            raise ValueError(
                f"{self.backbone_name} needs images of at least {self.backbone.min_size} x "
                f"{self.backbone.min_size} pixels, got {images.shape[2]} x {images.shape[3]}: load "
                "the data set with transform=model.transforms(train=...)"
            )
