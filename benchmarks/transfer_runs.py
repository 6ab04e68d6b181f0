"""One run of transfer.py: train a source, a target, or a classifier, and measure it."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

import resumable
import transfer_losses
from dmlviz import datasets, evaluation, losses, methods, models, training

SIZE, SMALL = 64, 8
BATCH, TRANSFER_BATCH, LR = 64, 32, 1e-3
EPOCHS, TUNING_EPOCHS, CLASSIFIER_EPOCHS = 4, 2, 8
NETWORKS = {
    "self": ("convnet", SIZE),
    "dimension": ("convnet", SMALL),
    "network": ("convnet_small", SIZE),
}

Run = resumable.Run


def perform(run: Run) -> Run:
    """Train as the run says; returns the run with its figures."""
    torch.set_num_threads(1)
    part = run["part"]
    if "alpha" in run:  # Proxy-Anchor, without a source
        figures = _measure(_alone(run), run)
    elif part == "self-supervised source":
        figures = _measure(_self_supervised(run), run, probe=True)
    elif part.startswith("classifier"):
        figures = _classifier(run)
    else:
        figures = _measure(_transfer(run), run, probe=part == "self-supervised transfer")
    return run | figures


def _net(setting: str, seed: int, **options: Any) -> models.EmbeddingNet:
    backbone, size = NETWORKS[setting]
    return models.EmbeddingNet(backbone, size, in_channels=1, seed=seed, **options)


def _fit(model: nn.Module, method: methods.Method, train: Any, run: Run, **options: Any) -> None:
    settings = {"batch_size": BATCH, "lr": LR, "proxy_lr_multiplier": 10.0} | options
    resumable.whole(
        training.fit(model, method, train, seed=run["seed"], progress=False, **settings)
    )


def _measure(model: models.EmbeddingNet, run: Run, probe: bool = False) -> dict[str, float]:
    figures = {}
    for split in ("val", "test"):
        x, y = evaluation.embed(model, datasets.load("glyphs", split, run["root"]))
        metric = "cosine" if model.normalize else "euclidean"
        report = evaluation.retrieval_metrics(x, y, (1,), metric, nmi=False)
        figures[split], figures[f"{split} MAP@R"] = report.recall[1], report.map_at_r
        if probe and split == "test":
            figures["probe"] = evaluation.linear_probe(x, y)
    return figures


def _alone(run: Run) -> models.EmbeddingNet:
    train = datasets.load("glyphs", "train", run["root"])
    model = _net(run["setting"], run["seed"])
    loss = losses.ProxyAnchorLoss(
        len(train.classes), model.embedding_size, alpha=run["alpha"], seed=run["seed"]
    )
    _fit(model, methods.Supervised(loss), train, run, epochs=run["epochs"], lr=run["lr"])
    if run["setting"] == "self" and run["epochs"] == 8:
        _keep(model, "proxy-anchor", run)
    return model


def _strong_views(root: Any) -> Any:
    return datasets.load("glyphs", "train", root, datasets.transforms.glyph_views())


def _self_supervised(run: Run) -> models.EmbeddingNet:
    model = _net("self", run["seed"])
    _fit(
        model, methods.SelfSupervised(), _strong_views(run["root"]), run, epochs=run["epochs"] // 2
    )
    if run["epochs"] == 8:
        _keep(model, "self-supervised", run)
    return model


def _transfer(run: Run) -> models.EmbeddingNet:
    unlabelled = run["part"] == "self-supervised transfer"
    train = (
        _strong_views(run["root"]) if unlabelled else datasets.load("glyphs", "train", run["root"])
    )
    source = _kept("self-supervised" if unlabelled else "proxy-anchor", _net("self", 0), run)
    target = _net(
        run["setting"], run["seed"] + 100, normalize=run.get("ablation") == "normalised target"
    )
    views = 1 if run.get("ablation") == "one view" else 2
    loss, label_loss = transfer_losses.build(run, source, target, train)
    method = methods.EmbeddingTransfer(source, loss, views, label_loss=label_loss)
    epochs = run.get("epochs", TUNING_EPOCHS if run["part"] == "tuning" else EPOCHS)
    batch = run.get("batch", TRANSFER_BATCH)
    settings = {"lr": run["lr"], "epochs": epochs * 2 // views, "batch_size": batch}
    _fit(target, method, train, run, **settings)
    return target


def _classifier(run: Run) -> dict[str, float]:
    """Accuracy on held-out images of the training classes, by the nearest proxy."""
    everything = datasets.load("glyphs", "train", run["root"])
    plain = datasets.load("glyphs", "train", run["root"], datasets.transforms.glyph())
    number = torch.arange(len(everything)) % 30  # of the image in its class
    train = ItemsOf(everything, number < 20)
    model = models.EmbeddingNet(
        run.get("network", "convnet_small"), SIZE, in_channels=1, seed=run["seed"]
    )
    loss = losses.NormalizedSoftmaxLoss(len(train.classes), SIZE, seed=run["seed"])
    if "loss" in run:
        teacher = models.EmbeddingNet("convnet", SIZE, in_channels=1)
        _kept("classifier", teacher, run)
        transfer, _ = transfer_losses.build(run, teacher, model, train)
        method: methods.Method = methods.EmbeddingTransfer(
            teacher, transfer, views=1, label_loss=loss, weight=run["weight"]
        )
    else:
        method = methods.Supervised(loss)
    batch = run.get("batch", TRANSFER_BATCH if "loss" in run else BATCH)
    settings = {"epochs": CLASSIFIER_EPOCHS, "batch_size": batch, "lr": run.get("lr", LR)}
    _fit(model, method, train, run, **settings)
    if run.get("network") == "convnet":
        _keep(model, "classifier", run)
    figures = {}
    for split, low, high in (("val", 20, 25), ("test", 25, 30)):
        held_out = ItemsOf(plain, (number >= low) & (number < high))
        x, y = evaluation.embed(model, held_out)
        nearest = (x @ nn.functional.normalize(loss.proxies.detach()).T).argmax(dim=1)
        figures[split] = (nearest == y).float().mean().item()
    return figures


class ItemsOf(torch.utils.data.Subset[Any]):
    """Some items of a data set, with its targets and classes."""

    def __init__(self, dataset: Any, mask: torch.Tensor) -> None:
        super().__init__(dataset, mask.nonzero().flatten().tolist())
        self.targets, self.classes = dataset.targets[mask], dataset.classes


def _place(name: str, run: Run) -> Path:
    return datasets.data_root(run["root"]) / "transfer" / f"{name}-{run['seed']}.pt"


def _keep(model: nn.Module, name: str, run: Run) -> None:
    place = _place(name, run)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(f".{os.getpid()}")
    torch.save(model.state_dict(), part)
    part.replace(place)


def _kept(name: str, model: models.EmbeddingNet, run: Run) -> models.EmbeddingNet:
    """A source that an earlier run of the plan trained; its weights stay beside the data."""
    if not _place(name, run).is_file():  # its figures are there, but they came from elsewhere
        common = {"seed": run["seed"], "root": run["root"], "setting": "self", "epochs": 8}
        common |= {"alpha": 32.0, "lr": LR}
        again = {
            "proxy-anchor": {"part": "alone", **common},
            "self-supervised": {"part": "self-supervised source", **common},
            "classifier": {"part": "classifier", "network": "convnet", **common},
        }
        perform(again[name])
    model.load_state_dict(torch.load(_place(name, run), weights_only=True))
    return model
