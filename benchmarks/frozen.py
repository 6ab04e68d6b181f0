"""Photographs through a frozen backbone: what two cores can do with CUB-200-2011 or Cars-196.

The backbone, MobileNetV2 as trained on ImageNet, looks at every image once (no augmentation); then
heads are trained on its pooled features, which takes seconds. The benchmarks of heads share this.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dmlviz import datasets, evaluation, models
from dmlviz.datasets.registry import source

SETS = {"cub": "CUB-200-2011", "cars": "Cars-196"}
KS = (1, 2, 4, 8)
FOLDS = 4
VIEW = "mobilenet_v2, ImageNet, frozen; shorter side 256, centre crop 224"


def parser(what: str, sets: Mapping[str, str] = SETS) -> argparse.ArgumentParser:
    """Options of a benchmark of heads; without `sets`, of one that chooses its data itself."""
    parser = argparse.ArgumentParser(description=what)
    if sets:
        parser.add_argument("--data", choices=list(sets), default="cub")
        parser.add_argument("--cache", type=Path, help="a folder to keep the features in")
    parser.add_argument(
        "--data-root", required=True, help="the folder that holds the data set's own folder"
    )
    parser.add_argument("--weights", default="imagenet", help="torchvision MobileNetV2 state dict")
    parser.add_argument("--note", default="", help="what is special about this copy of the data")
    return parser


def features(options: argparse.Namespace) -> tuple[datasets.Features, datasets.Features]:
    """Features of the training and of the test classes."""
    kept = options.cache / f"{options.data}.pt" if options.cache else None
    if kept and kept.exists():
        train, test = torch.load(kept, weights_only=False)
        return train, test
    backbone = models.EmbeddingNet("mobilenet_v2", weights=options.weights)
    view = backbone.transforms(train=False)
    sets = [
        datasets.load(options.data, split, options.data_root, view) for split in ("train", "test")
    ]
    train, test = (
        datasets.Features(evaluation.embed(backbone, images, features=True)[0], images)
        for images in sets
    )
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save((train, test), kept)
    return train, test


def fold(train: datasets.Features, number: int) -> tuple[datasets.OfClasses, datasets.OfClasses]:
    """The training features without, and of, every FOLDS-th class."""
    classes = range(len(train.classes))
    seen = datasets.OfClasses(train, [c for c in classes if c % FOLDS != number])
    return seen, datasets.OfClasses(train, classes[number::FOLDS])


def head(train: Any, embedding_size: int, seed: int = 0, **options: Any) -> models.EmbeddingNet:
    """A linear head that starts as the principal components of its training features."""
    features = torch.stack([x for x, _ in train])
    net = models.EmbeddingNet(
        "identity", embedding_size, in_channels=features.shape[1], seed=seed, **options
    )
    net.initialize_head(features)
    return net


def figures(
    embeddings: torch.Tensor, test: datasets.Features, metric: str = "cosine"
) -> dict[str, float]:
    report = evaluation.retrieval_metrics(embeddings, test.targets, KS, metric)
    assert report.nmi is not None
    shares = {f"R@{k}": share for k, share in report.recall.items()}
    return {**shares, "MAP@R": report.map_at_r, "NMI": report.nmi}


def describe(
    data: str, train: datasets.Features, test: datasets.Features, note: str
) -> dict[str, Any]:
    whole = source(data)
    official = whole.official if whole else ()
    return {
        "name": SETS[data],
        "train_images": len(train),
        "train_classes": len(train.classes),
        "test_images": len(test),
        "test_classes": len(test.classes),
        "official": ", ".join(f"{n:,} images of {c} classes {split}" for split, c, n in official),
        "note": note,
    }


def command(program: str, options: argparse.Namespace) -> str:
    """How to make a result again."""
    return f"python benchmarks/{program} --data {options.data} --data-root DATA --weights FILE"


def described(data: dict[str, Any]) -> str:
    """One sentence of a report about the data."""
    return (
        f"{data['train_images']:,} images of {data['train_classes']} training classes, "
        f"{data['test_images']:,} images of {data['test_classes']} test classes (official: "
        f"{data['official']}). {data['note']} Backbone: {VIEW}."
    )
