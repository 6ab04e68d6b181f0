"""What the tests of novel classes share: losses, batches, synthesizers, a data set."""

from types import SimpleNamespace

import torch

from dmlviz import datasets, losses, models, synthesis, training
from dmlviz.geometry import normalize

LOSSES = {
    "normalised softmax": losses.NormalizedSoftmaxLoss,
    "proxy-nca": losses.ProxyNCALoss,
    "proxy-anchor": losses.ProxyAnchorLoss,
}
C, D = 5, 6


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(seed=0, n=12, dtype=torch.float64):
    """Embeddings and proxies that want a gradient, and labels with every class among them."""
    x = torch.randn(n, D, generator=gen(seed), dtype=dtype).requires_grad_()
    y = torch.arange(n)[torch.randperm(n, generator=gen(seed))] % C
    p = torch.randn(C, D, generator=gen(seed + 1), dtype=dtype).requires_grad_()
    return x, y, p


def generated(maker=None, num_novel=4, **options):
    generator = synthesis.NovelClassGenerator(D, 3)
    maker = synthesis.Mixtures() if maker is None else maker
    return synthesis.GeneratedClasses(generator, maker, num_novel, **options)


SYNTHESIZERS = {
    "proxy synthesis": lambda seed=0: synthesis.ProxySynthesis(seed=seed),
    "proxy synthesis, nearest": lambda seed=0: synthesis.ProxySynthesis(
        partner="nearest", seed=seed
    ),
    "carried": lambda seed=0: synthesis.CarriedOffsets(4, seed=seed),
    "carried, hard": lambda seed=0: synthesis.CarriedOffsets(4, pairs="hard", seed=seed),
    "generated, mixtures": lambda seed=0: generated(seed=seed),
    "generated, extrapolations": lambda seed=0: generated(
        synthesis.Extrapolations(pairs="hard"), seed=seed
    ),
    "generated, free": lambda seed=0: generated(synthesis.FreeClasses(7, D), seed=seed),
}


def gaussians(classes=10, per_class=24, size=16, spread=0.1, seed=0):
    """Unit vectors around unit class vectors, wider in some directions than in others."""
    p = normalize(torch.randn(classes, size, generator=gen(seed)))
    y = torch.arange(classes).repeat_interleave(per_class)
    widths = spread * torch.linspace(0.3, 1.6, size)
    return normalize(p[y] + widths * torch.randn(len(y), size, generator=gen(seed + 1))), y, p


def blobs(classes=C, per_class=8, size=8, seed=0):
    """A small labelled data set of feature vectors."""
    x, y, _ = gaussians(classes, per_class, size, 0.5, seed)
    names = [f"blob {seed} {c}" for c in range(classes)]
    return datasets.Features(
        x, SimpleNamespace(targets=y, split="train", name="blobs", classes=names)
    )


def noisy_blobs(seed=0):
    """24 classes in 8 dimensions, and noise as wide as those in 8 others."""
    generator = gen(seed)
    y = torch.arange(24).repeat_interleave(16)
    centres = torch.randn(24, 8, generator=generator)
    x = torch.cat([centres[y], torch.randn(len(y), 8, generator=generator)], dim=1)
    x = x + 0.1 * torch.randn(x.shape, generator=generator)
    names = [f"noisy {seed} {c}" for c in range(24)]
    return datasets.Features(
        x, SimpleNamespace(targets=y, split="train", name="noisy", classes=names)
    )


def head(in_channels=8, seed=0):
    return models.EmbeddingNet("identity", D, in_channels=in_channels, seed=seed)


def fit(method, model, train=None, **options):
    options = {"epochs": 2, "batch_size": 16, "progress": False, "lr": 1e-2} | options
    return training.fit(model, method, train or blobs(), **options)
