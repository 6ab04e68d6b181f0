"""SmallTraining: a few classes, a small convnet, two or three dimensions, one step at a time."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from dmlviz.datasets import ClassBalancedBatchSampler, OfClasses
from dmlviz.evaluation import recall_at_k
from dmlviz.methods import NovelClasses, Supervised
from dmlviz.models import EmbeddingNet
from dmlviz.plots.forces import in_the_plane
from dmlviz.widgets.hyperparameters import set_hyperparameter
from dmlviz.widgets.thumbnails import SIDE

# As many classes as there are directions that point away from each other: a triangle's corners on
# the circle, a tetrahedron's on the sphere.
CLASSES, UNSEEN = {2: 3, 3: 4}, 6
BATCH, RANDOM = 30, 0  # `per_class` of a batch of random images
MEASURE_EVERY = 10  # steps


class SmallImages(NamedTuple):
    """The images to train on, and those of other classes; all of them, as tensors.

    For people, `names` of the classes to train on, and a picture of each, `(height, width, 3)`.
    """

    images: Tensor
    labels: Tensor
    unseen: Tensor
    unseen_labels: Tensor
    names: list[str]
    pictures: list[np.ndarray]


def small_images(dataset: Any, unseen: Any, dimensions: int, seed: int) -> SmallImages:
    """The first classes of a data set, and six others where `unseen` gives none."""
    if dimensions not in CLASSES:
        raise ValueError(f"dimensions must be 2 or 3, which can be drawn, got {dimensions}")
    classes = CLASSES[dimensions]
    needed = classes + (UNSEEN if unseen is None else 0)
    if len(dataset.classes) < needed:
        raise ValueError(
            f"dataset has {len(dataset.classes)} classes, {needed} are needed "
            f"({classes} to train on, {UNSEEN} others unless unseen= is given)"
        )
    train = OfClasses(dataset, range(classes))
    others = OfClasses(dataset, range(classes, needed)) if unseen is None else unseen
    images, labels = _stack(train, seed)
    rows = [_most_ordinary(images, labels == c) for c in range(classes)]
    pictures = [_picture(train, images, row) for row in rows]
    names = [str(name) for name in train.classes]
    return SmallImages(images, labels, *_stack(others, seed), names, pictures)


def small_methods(method: Any) -> dict[str, Supervised]:
    """What can be trained here, by name: from a loss, a method, or a dictionary of these."""
    given = method if isinstance(method, Mapping) else {_name(method): method}
    if not given:
        raise ValueError("method is an empty dictionary: give a loss, a method, or some of them")
    made = {}
    for name, one in given.items():
        if isinstance(one, Supervised):
            made[str(name)] = one
        elif isinstance(one, nn.Module) and not hasattr(one, "batch_sampler"):
            made[str(name)] = Supervised(one)
        else:
            raise TypeError(
                "method must be a loss called loss(embeddings, labels), Supervised or "
                f"NovelClasses, or a dictionary of these by name, got {type(one).__name__}"
            )
    return made


class SmallTraining:
    """Trains on a few classes, and measures Recall@1 on these and on others.

    Args:
        data: all images.
        methods: by name; all train the same network, one at a time.
        dimensions: of the embedding.

    Attributes:
        name, method, loss: the present ones.
        losses: one per step.
        recalls: `(step, on these images, on unseen classes)` every ten steps.
    """

    def __init__(self, data: SmallImages, methods: dict[str, Supervised], dimensions: int) -> None:
        self.data, self.originals, self.dimensions = data, methods, dimensions
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin anew."""
        channels = self.data.images.shape[1]
        self.model = EmbeddingNet("convnet_small", self.dimensions, in_channels=channels, seed=seed)
        corners = _corners(self.dimensions)
        self.methods = {n: _small(method, corners) for n, method in self.originals.items()}
        self.choose(next(iter(self.methods)))
        # All at once: a method that is chosen in mid-run finds its proxies in the optimizer.
        parameters = [p for m in (self.model, *self.methods.values()) for p in m.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, weight_decay=1e-4)
        self.seed = seed
        self._batches: dict[int, Iterator[list[int]]] = {}
        self.losses: list[float] = []
        self.recalls: list[tuple[int, float, float]] = []
        self._measure()

    def choose(self, name: str) -> None:
        """Go on with another method."""
        self.name, self.method = name, self.methods[name]
        self.loss: Any = self.method.loss

    def step(self, lr: float, per_class: int, **hyperparameters: float) -> None:
        """One step of the present method.

        Args:
            lr: learning rate.
            per_class: images of each class in the batch; `RANDOM`: 30 random images.
            **hyperparameters: of the loss.
        """
        self.optimizer.param_groups[0]["lr"] = lr
        for name, value in hyperparameters.items():
            set_hyperparameter(self.loss, name, value)
        rows = self._next_batch(per_class)
        self.model.train()
        loss = self.method(self.model, (self.data.images[rows], self.data.labels[rows]))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        if len(self.losses) % MEASURE_EVERY == 0:
            self._measure()

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Where the network puts these images now, `(N, dimensions)`."""
        self.model.eval()
        return self.model(images)

    def proxies(self) -> Tensor | None:
        """Directions of the loss's proxies, one per class, or None."""
        proxies = getattr(self.loss, "proxies", None)
        return None if proxies is None else nn.functional.normalize(proxies.detach())

    def _next_batch(self, per_class: int) -> list[int]:
        if per_class not in self._batches:
            labels, classes = self.data.labels, CLASSES[self.dimensions]
            sampler: Any = _RandomBatches(len(labels), self.seed)
            if per_class != RANDOM:
                sampler = ClassBalancedBatchSampler(labels, classes, per_class, self.seed)
            self._batches[per_class] = _forever(sampler)
        return next(self._batches[per_class])

    def _measure(self) -> None:
        data = self.data
        seen = recall_at_k(self.embed(data.images), data.labels, [1])[1]
        unseen = recall_at_k(self.embed(data.unseen), data.unseen_labels, [1])[1]
        self.recalls.append((len(self.losses), seen, unseen))


class _RandomBatches:
    """Passes over all images in random order, the rest of a pass left out."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.random = n, torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.n, generator=self.random)
        size = min(BATCH, self.n)
        return iter([rows.tolist() for rows in order.split(size) if len(rows) == size])


def _forever(sampler: Any) -> Iterator[list[int]]:
    while True:
        yield from sampler


def _name(method: Any) -> str:
    return type(method.loss if type(method) is Supervised else method).__name__


def _stack(dataset: Any, seed: int) -> tuple[Tensor, Tensor]:
    """All images at once, the data set's random augmentation drawn one time by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        images = torch.stack([dataset[i][0] for i in range(len(dataset))])
    return images.contiguous(memory_format=torch.channels_last), dataset.targets


def _most_ordinary(images: Tensor, of: Tensor) -> int:
    """Of these images the one most like their mean, whatever its contrast."""
    rows = of.nonzero().flatten()
    x = images[rows].flatten(1)
    x = nn.functional.normalize(x - x.mean(dim=1, keepdim=True))
    return int(rows[(x @ x.mean(dim=0)).argmax()])


def _picture(dataset: OfClasses, images: Tensor, row: int) -> np.ndarray:
    """An image as bytes: as stored, or where the data set does not say, its tensor from 0 to 255.

    At most 128 pixels wide and high.
    """
    if hasattr(dataset.dataset, "image"):
        image = dataset.image(row).convert("RGB")
    else:
        x = images[row].mean(dim=0) if images.shape[1] != 3 else images[row].permute(1, 2, 0)
        x = (x - x.min()) / (x.max() - x.min()).clamp(min=1e-9)
        image = Image.fromarray((255 * x).byte().numpy()).convert("RGB")
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def _small(method: Supervised, corners: Tensor) -> Supervised:
    """A copy of the method whose loss, if it owns proxies, has them in these corners."""
    small = copy.deepcopy(method)
    small.loss = in_the_plane(method.loss, corners).float()
    if isinstance(small, NovelClasses):
        small.warmup_steps = 0  # the proxies mean something from the start
    return small


def _corners(dimensions: int) -> Tensor:
    """Directions that point away from each other: of a triangle, or of a tetrahedron."""
    if dimensions == 2:
        angle = torch.arange(3) * (2 * torch.pi / 3) + 0.3
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    return torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
