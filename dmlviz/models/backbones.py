"""Backbones: from images to feature maps. Each is a `Backbone` with its stages by name.

`convnet` and `convnet_small` train on two cores; the others are torchvision's. Stages are kept
apart, in order, so that a reader can look between them; a `Backbone` runs them one after the other.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

ImageNetWeights = str | Path | None


class Backbone(nn.Sequential):
    """Named stages, run in order.

    Attributes:
        out_channels: channels of the last feature map.
        min_size: smallest height and width that an input may have; 0 for feature vectors.
        input_size: side for which `EmbeddingNet.transforms` prepares images; None: any.
    """

    def __init__(
        self,
        stages: "OrderedDict[str, nn.Module]",
        *,
        out_channels: int,
        min_size: int,
        input_size: int | None,
    ) -> None:
        super().__init__(stages)
        self.out_channels, self.min_size, self.input_size = out_channels, min_size, input_size


def _convnet(*widths: int) -> Callable[[int, ImageNetWeights], Backbone]:
    """Blocks of 3 x 3 convolution, pooling to half the size (not in the last), batch norm, ReLU."""

    def block(i: int, in_channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(
                in_channels if i == 0 else widths[i - 1], widths[i], 3, padding=1, bias=False
            ),
            # Pooling comes first: a quarter of the work follows.
            nn.MaxPool2d(2) if i < len(widths) - 1 else nn.Identity(),
            nn.BatchNorm2d(widths[i]),
            nn.ReLU(),
        )

    def build(in_channels: int, weights: ImageNetWeights) -> Backbone:
        if weights is not None:
            raise ValueError("weights: the convnet has no published weights, use weights=None")
        stages = OrderedDict((f"block{i + 1}", block(i, in_channels)) for i in range(len(widths)))
        return Backbone(stages, out_channels=widths[-1], min_size=8, input_size=None)

    return build


def identity(in_channels: int, weights: ImageNetWeights) -> Backbone:
    """No backbone: the input is already a feature vector `(N, in_channels)`."""
    if weights is not None:
        raise ValueError("weights: the identity backbone has no weights, use weights=None")
    stages: OrderedDict[str, nn.Module] = OrderedDict(features=nn.Identity())
    return Backbone(stages, out_channels=in_channels, min_size=0, input_size=None)


def _resnet(name: str) -> Callable[[int, ImageNetWeights], Backbone]:
    def build(in_channels: int, weights: ImageNetWeights) -> Backbone:
        net = _torchvision(name, weights)
        net.conv1 = _for_channels(net.conv1, in_channels, weights)
        stages = OrderedDict(
            stem=nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool),
            layer1=net.layer1,
            layer2=net.layer2,
            layer3=net.layer3,
            layer4=net.layer4,
        )
        channels = net.fc.in_features
        return Backbone(stages, out_channels=channels, min_size=32, input_size=224)

    return build


def googlenet(in_channels: int, weights: ImageNetWeights) -> Backbone:
    """GoogLeNet (Szegedy et al. 2015), without its auxiliary classifiers."""
    net = _torchvision("googlenet", weights)
    net.conv1.conv = _for_channels(net.conv1.conv, in_channels, weights)
    names = "conv1 maxpool1 conv2 conv3 maxpool2 inception3a inception3b maxpool3 inception4a"
    names += " inception4b inception4c inception4d inception4e maxpool4 inception5a inception5b"
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    if weights is not None:
        stages["rescale"] = _ForGoogLeNet()
    stages.update((name, getattr(net, name)) for name in names.split())
    return Backbone(stages, out_channels=1024, min_size=32, input_size=224)


def mobilenet_v2(in_channels: int, weights: ImageNetWeights) -> Backbone:
    """MobileNetV2 (Sandler et al. 2018)."""
    net = _torchvision("mobilenet_v2", weights)
    net.features[0][0] = _for_channels(net.features[0][0], in_channels, weights)
    stages = OrderedDict((f"features{i}", stage) for i, stage in enumerate(net.features))
    return Backbone(stages, out_channels=net.last_channel, min_size=32, input_size=224)


BACKBONES: dict[str, Callable[[int, ImageNetWeights], Backbone]] = {
    "convnet": _convnet(32, 64, 128, 256),
    "convnet_small": _convnet(8, 16, 32, 64),  # a fourteenth of the parameters
    "identity": identity,
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    "resnet101": _resnet("resnet101"),
    "googlenet": googlenet,
    "mobilenet_v2": mobilenet_v2,
}


class _ForGoogLeNet(nn.Module):
    """torchvision's GoogLeNet weights want values in -1…1, not ImageNet's normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        from dmlviz.datasets.transforms import IMAGENET_MEAN, IMAGENET_STD

        mean, std = (x.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        return (x * std + mean - 0.5) / 0.5


def _torchvision(name: str, weights: ImageNetWeights) -> Any:
    """torchvision's network: random, with its first ImageNet weights, or with those of a file.

    "later" is random, but built for weights that `load_state_dict` will bring.
    """
    from torchvision import models

    options = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
    if weights == "imagenet":
        # The first release (V1) is what the papers' numbers start from; V2 is stronger.
        return getattr(models, name)(weights="IMAGENET1K_V1")
    net = getattr(models, name)(weights=None, **options)
    if weights not in (None, "later"):
        _load_file(net, name, Path(str(weights)))
    return net


def _load_file(net: nn.Module, name: str, path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"weights: no file {path}. Give the path of a state dict of torchvision's {name}, "
            '"imagenet" to download torchvision\'s, or None for random weights'
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict({k: v for k, v in state.items() if not k.startswith("aux")})
    except (RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"weights: {path} does not fit torchvision's {name}: {str(error)[:300]}"
        ) from error


def _for_channels(conv: nn.Conv2d, in_channels: int, weights: ImageNetWeights) -> nn.Conv2d:
    """The first convolution, made anew where the images are not RGB."""
    if in_channels == conv.in_channels:
        return conv
    if weights is not None:
        raise ValueError(
            f"in_channels={in_channels}: pretrained weights expect 3 channels. Keep in_channels=3 "
            "and give the data set transform=model.transforms(train=...), which converts to RGB"
        )
    return nn.Conv2d(
        in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        bias=conv.bias is not None,
    )
