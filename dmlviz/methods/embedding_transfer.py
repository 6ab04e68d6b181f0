"""Embedding transfer: a frozen source model teaches a target model what is alike, and how much.

Kim, Kim, Cho, Kwak: Embedding Transfer with Label Relaxation for Improved Metric Learning, CVPR
2021. Source and target see the same augmented views; the loss compares what they make of them.
"""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from dmlviz.datasets.views import Views, one_after_the_other
from dmlviz.losses._checks import check_not_negative
from dmlviz.methods.method import Method, balanced_batches, check_num_classes
from dmlviz.models.embedding_net import EmbeddingNet

# Images whose two views are compared: views that differ by a coin flip agree on all of 16 images
# once in 65,000 cases.
COMPARED = 16


class EmbeddingTransfer(Method):
    """Train a target model by `loss(target's output, source's output)`.

    No labels are needed, unless `label_loss` or `samples_per_class` uses them. The target is best
    an `EmbeddingNet(…, normalize=False)`: relative distances give it no reason to stay on a sphere,
    and `evaluate` then searches by Euclidean distance, as the paper does.

    Args:
        source: the trained model that is learned from. A copy is kept, frozen and in evaluation
            mode, so the model given is left alone.
        loss: for instance `losses.RelaxedContrastiveLoss()`. Its attribute `compares` says what it
            takes of both models ("embeddings" if there is none; "features" and "maps" need an
            `EmbeddingNet`), `needs` what else ("labels", "indices").
        views: random views of each image in a batch, one after the other; the paper uses 2.
        label_loss: added to the loss, called `label_loss(embeddings, labels)` on the target.
        weight: of the loss beside `label_loss`; relaxed losses grow with the batch, so a small one
            may do.
        samples_per_class: images of a class per batch; None: random batches. The authors' code
            draws 2, and so uses labels for its batches, although not for its loss.
    """

    source: nn.Module

    def __init__(
        self,
        source: nn.Module,
        loss: nn.Module,
        views: int = 2,
        *,
        label_loss: nn.Module | None = None,
        weight: float = 1.0,
        samples_per_class: int | None = None,
    ) -> None:
        check_not_negative(weight=weight)
        super().__init__()
        self.source = copy.deepcopy(source).requires_grad_(False).eval()
        self.loss, self.label_loss, self.weight = loss, label_loss, weight
        self.views, self.samples_per_class = views, samples_per_class
        if getattr(loss, "views", views) != views:
            raise ValueError(
                f"the loss was made for views={getattr(loss, 'views', None)}, the method for "
                f"views={views}: give both the same"
            )

    def train(self, mode: bool = True) -> "EmbeddingTransfer":
        super().train(mode)
        self.source.eval()
        return self

    def dataset(self, train: Any) -> Views:
        return Views(train, self.views)

    def batch_sampler(self, train: Any, batch_size: int, seed: int) -> Sampler[list[int]]:
        if self.samples_per_class is None:
            return super().batch_sampler(train, batch_size, seed)
        return balanced_batches(train, batch_size, self.samples_per_class, seed)

    def proxies(self) -> list[nn.Parameter]:
        """Those of `label_loss`; what the loss itself learns, it learns at the network's rate."""
        return [] if self.label_loss is None else list(self.label_loss.parameters())

    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, labels, indices = one_after_the_other(*batch)
        compares = getattr(self.loss, "compares", "embeddings")
        target, embeddings = _run(model, images, compares)
        with torch.no_grad():
            source, _ = _run(self.source, images, compares)
        known = {"labels": labels, "indices": indices}
        extra = {name: known[name] for name in getattr(self.loss, "needs", ())}
        loss = self.weight * self.loss(target, source, **extra)
        return loss if self.label_loss is None else loss + self.label_loss(embeddings, labels)

    def check(self, train: Any, model: nn.Module) -> None:
        """Raise where source, target and data cannot work together; warn where they hardly do."""
        check_num_classes(self.label_loss, train)
        if isinstance(_item(train, 0), Tensor):
            self._refuse_labels()
        if getattr(self.loss, "images", len(train)) != len(train):
            raise ValueError(
                f"the loss remembers {self.loss.images} training images, but the training set has "
                f"{len(train)}: build it with labels=train.targets"
            )
        some = torch.linspace(0, len(train) - 1, min(len(train), COMPARED)).long().tolist()
        if self.views > 1 and all(torch.equal(_image(train, i), _image(train, i)) for i in some):
            _warn(
                f"views={self.views}, but the training set shows the same view every time: use "
                "views=1, or give it a random transform"
            )
        if isinstance(self.source, EmbeddingNet):
            _check_source(self.source, model, _image(train, 0))

    def _refuse_labels(self) -> None:
        if self.label_loss is not None or self.samples_per_class is not None:
            raise ValueError(
                "label_loss and samples_per_class need labels, but the training set has none: "
                "leave them out"
            )
        if "labels" in getattr(self.loss, "needs", ()):
            raise ValueError(
                f"{type(self.loss).__name__} needs labels, but the training set has none"
            )


def _run(model: nn.Module, images: Tensor, compares: str) -> tuple[Any, Tensor]:
    """What the loss compares, and the embeddings."""
    if compares == "embeddings":
        embeddings = model(images)
        return embeddings, embeddings
    if not isinstance(model, EmbeddingNet):
        raise TypeError(
            f"a loss that compares {compares} needs an EmbeddingNet, whose stages are known, "
            f"got {type(model).__name__}"
        )
    trace = model.trace(images)
    return getattr(trace, compares), trace.embeddings


def _check_source(source: EmbeddingNet, model: nn.Module, image: Tensor) -> None:
    if not source.head.bias.any():
        _warn(
            "the head of the source is untrained (its bias is all zero): train the source first, "
            "load its weights, or start its head by initialize_head(features)"
        )
    size, needed = image.shape[-1], source.backbone.input_size
    if source.pretrained and image.ndim == 3 and needed and size != needed:
        _warn(
            f"the training images are {size} pixels wide, the source was trained on {needed}: load "
            "them with transform=source.transforms(train=True)"
        )
    if not isinstance(model, EmbeddingNet):
        return
    if source.in_channels != model.in_channels:
        raise ValueError(
            f"the source takes in_channels={source.in_channels}, the target "
            f"{model.in_channels}, but both see the same images: build them alike"
        )
    if source.pretrained != model.pretrained:
        names = {True: "ImageNet's mean and deviation", False: "values in -1…1"}
        _warn(
            "source and target expect different pixels, but see the same ones: the source "
            f"{names[source.pretrained]}, the target {names[model.pretrained]}. Use "
            "transform=source.transforms(train=True) and let the target adapt, or start both "
            "with weights or both without"
        )


def _image(train: Any, index: int) -> Tensor:
    """One view of one image of the set."""
    item = _item(train, index)
    return item if isinstance(item, Tensor) else item[0]


def _item(train: Any, index: int) -> Any:
    with torch.random.fork_rng(devices=[]):  # the global random state is left alone
        torch.default_generator.seed()  # another view each time, whatever the state was
        return train[index]


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)
