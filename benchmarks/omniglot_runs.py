"""One run of omniglot.py: train a network, or none, and measure it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

import novel_variants
import resumable
from dmlviz import datasets, evaluation, losses, methods, models, training
from dmlviz.training.files import write_whole

VAL_ALPHABETS = 5
EPOCHS, TUNING_EPOCHS = 4, 2
BATCH, TRANSFER_BATCH = 64, 32
KS = (1, 2, 4, 8)
PIXELS = 32 * 32
NOVEL = {
    name: novel_variants.OWN_SETTINGS[name]
    for name in ("Proxy Synthesis", "generator, free classes")
}

Run = resumable.Run


def perform(run: Run) -> Run:
    """Train as the run says; returns the run with its figures."""
    torch.set_num_threads(1)
    held_out = VAL_ALPHABETS if run["part"] == "tuning" else 0
    train = datasets.load("omniglot", "train", run["root"], val_alphabets=held_out)
    if held_out:
        test = datasets.load("omniglot", "val", run["root"], val_alphabets=held_out)
    else:
        test = datasets.load("omniglot", "test", run["root"])
    model = _model(run, train)
    plain = isinstance(model, nn.Flatten) or not getattr(model, "normalize", True)
    metric = "euclidean" if plain else "cosine"
    x, y = evaluation.embed(model, test)
    report = evaluation.retrieval_metrics(x, y, KS, metric, nmi=False)
    return run | {f"R@{k}": share for k, share in report.recall.items()} | {
        "MAP@R": report.map_at_r
    }  # fmt: skip


def _model(run: Run, train: Any) -> nn.Module:
    method = run["method"]
    if method == "pixels":
        return nn.Flatten()
    if method == "PCA of pixels":
        pca = models.EmbeddingNet("identity", run["size"], in_channels=PIXELS)
        pca.initialize_head(torch.stack([image.flatten() for image, _ in train]))
        return nn.Sequential(nn.Flatten(), pca)
    if method == "untrained network":
        return _net(run)
    return _transferred(run, train) if method == "relaxed contrastive" else _supervised(run, train)


def _net(run: Run, **options: Any) -> models.EmbeddingNet:
    return models.EmbeddingNet("convnet", run["size"], in_channels=1, seed=run["seed"], **options)


def _epochs(run: Run) -> int:
    return TUNING_EPOCHS if run["part"] == "tuning" else EPOCHS


def _supervised(run: Run, train: Any) -> models.EmbeddingNet:
    setting, classes = dict(run["setting"]), len(train.classes)
    lr, multiplier = setting.pop("lr"), setting.pop("proxy_lr_multiplier", 1.0)
    loss: Any
    if run["method"].startswith("Triplet"):
        loss = losses.TripletLoss(mining="semihard", **setting)
    else:
        proxies = losses.ProxyNCALoss if run["method"] == "Proxy-NCA" else losses.ProxyAnchorLoss
        loss = proxies(classes, run["size"], seed=run["seed"])
    method = methods.Supervised(loss)
    if run["method"] in NOVEL:
        steps = _epochs(run) * (len(train) // BATCH)
        method = novel_variants.build(run["method"], loss, setting, steps, run["seed"])
    model = _net(run)
    settings = {"batch_size": BATCH, "lr": lr, "proxy_lr_multiplier": multiplier}
    _fit(model, method, train, run, epochs=_epochs(run), **settings)
    if run["method"] == "Proxy-Anchor":
        _keep(model, run)
    return model


def _transferred(run: Run, train: Any) -> models.EmbeddingNet:
    """Two views of each drawing and half as many epochs: as many images as alone."""
    source = {**run, "method": "Proxy-Anchor", "size": 512, "setting": run["setting"]["source"]}
    if not _place(source).is_file():  # its figures are there, but they came from elsewhere
        _supervised(source, train)
    taught = _net(source)
    taught.load_state_dict(torch.load(_place(source), weights_only=True))
    model = _net(run | {"seed": run["seed"] + 100}, normalize=False)
    method = methods.EmbeddingTransfer(taught, losses.RelaxedContrastiveLoss(), views=2)
    settings = {"batch_size": TRANSFER_BATCH, "lr": run["setting"]["lr"]}
    _fit(model, method, train, run, epochs=_epochs(run) // 2, **settings)
    return model


def _fit(model: nn.Module, method: methods.Method, train: Any, run: Run, **settings: Any) -> None:
    resumable.whole(
        training.fit(
            model, method, train, seed=run["seed"], snapshot_size=0, progress=False, **settings
        )
    )


def _place(run: Run) -> Path:
    """Where the weights of a source are kept, beside the data that the library makes itself."""
    setting = "-".join(f"{value:g}" for value in run["setting"].values())
    name = f"{run['part']}-{run['size']}-{run['seed']}-{setting}.pt"
    return datasets.data_root() / "omniglot-sources" / name


def _keep(model: nn.Module, run: Run) -> None:
    write_whole(_place(run), lambda file: torch.save(model.state_dict(), file))
