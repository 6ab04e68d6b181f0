"""Proxy-Anchor on a frozen backbone: heads on cached features of CUB-200-2011.

    python benchmarks/cub_head.py --data-root DATA --weights mobilenet_v2_imagenet.pth

What two cores can do with photographs: the backbone looks at every image once (no augmentation),
then a linear head is trained on its pooled features, which takes seconds. Rows: the features as
they are, their 512 principal components, and a Proxy-Anchor head that starts as those.

How the head's settings are chosen, written down before the first run: over GRID, on training
classes alone. The last fifth of the training classes is held out, one run per setting (seed 0) on
the others, and the setting and epoch with the best held-out Recall@1 are kept. Then the head is
trained on all training classes with them, once per seed, and the last epoch is reported.
"""

import argparse
from itertools import product
from typing import Any

from record import Stopwatch, markdown_table, provenance, save

from dmlviz import datasets, evaluation, losses, methods, models, training

EMBEDDING_SIZE = 512
KS = (1, 2, 4, 8)
GRID = {"lr": (3e-5, 1e-4, 3e-4), "proxy_lr_multiplier": (10.0, 100.0)}
EPOCHS = 40
BATCH = 180  # the Proxy-Anchor authors' value
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", required=True, help="the folder that holds CUB_200_2011/")
    parser.add_argument("--weights", default="imagenet", help="torchvision MobileNetV2 state dict")
    parser.add_argument("--note", default="", help="what is special about this copy of the data")
    options = parser.parse_args()
    watch = Stopwatch()

    backbone = models.EmbeddingNet("mobilenet_v2", weights=options.weights)
    view = backbone.transforms(train=False)
    train = _features(backbone, datasets.load("cub", "train", options.data_root, view))
    test = _features(backbone, datasets.load("cub", "test", options.data_root, view))
    held_out = len(train.classes) // 5
    seen, unseen = _held_out(train, held_out)
    print(f"features after {watch.minutes()} minutes", flush=True)

    trials = [_try(setting, seen, unseen) for setting in _settings()]
    best = max(trials, key=lambda trial: trial["val_recall@1"])
    rows = {
        "untrained features": [_figures(test.features, test)],
        f"PCA-{EMBEDDING_SIZE}": [_figures(evaluation.embed(_head(train), test)[0], test)],
        "Proxy-Anchor head": [_run(best, train, test, seed) for seed in SEEDS],
    }
    result = {
        "what": __doc__.splitlines()[0],
        "data": {**_describe(train, test), "note": options.note},
        "backbone": "mobilenet_v2, ImageNet, frozen; shorter side 256, centre crop 224",
        "grid": {**GRID, "epochs": EPOCHS, "batch": BATCH, "held_out_classes": held_out},
        "trials": trials,
        "chosen": best,
        "rows": rows,
        **provenance(watch.minutes()),
    }
    save("cub_head", result, _report(result))
    print(_report(result))


def _features(model: models.EmbeddingNet, dataset: Any) -> datasets.Features:
    return datasets.Features(evaluation.embed(model, dataset, features=True)[0], dataset)


def _held_out(train: datasets.Features, count: int) -> tuple[datasets.Features, datasets.Features]:
    """The training features without, and of, the last `count` classes."""
    first = len(train.classes) - count
    parts = []
    for members, classes, start in (
        (train.targets < first, train.classes[:first], 0),
        (train.targets >= first, train.classes[first:], first),
    ):
        part = argparse.Namespace(
            targets=train.targets[members] - start, classes=classes, name=train.name, split="train"
        )
        parts.append(datasets.Features(train.features[members], part))
    return parts[0], parts[1]


def _settings() -> list[dict[str, float]]:
    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def _head(train: datasets.Features, seed: int = 0) -> models.EmbeddingNet:
    head = models.EmbeddingNet(
        "identity", EMBEDDING_SIZE, in_channels=train.features.shape[1], seed=seed
    )
    head.initialize_head(train.features)
    return head


def _fit(
    setting: dict[str, Any], train: datasets.Features, epochs: int, seed: int, **watched: Any
) -> tuple[models.EmbeddingNet, Any]:
    head = _head(train, seed)
    loss = losses.ProxyAnchorLoss(len(train.classes), EMBEDDING_SIZE, seed=seed)
    history = training.fit(
        head,
        methods.Supervised(loss),
        train,
        epochs=epochs,
        batch_size=BATCH,
        lr=setting["lr"],
        proxy_lr_multiplier=setting["proxy_lr_multiplier"],
        schedule="constant",  # so that any epoch can be the last
        seed=seed,
        progress=False,
        **watched,
    )
    return head, history


def _try(
    setting: dict[str, float], seen: datasets.Features, unseen: datasets.Features
) -> dict[str, Any]:
    _, history = _fit(setting, seen, EPOCHS, 0, val=unseen, snapshot_size=0)
    recall = history["val_recall@1"]
    trial = {**setting, "epochs": history.best_epoch, "val_recall@1": max(recall)}
    print({**trial, "before": recall[0], "last": recall[-1]}, flush=True)
    return trial


def _run(
    setting: dict[str, Any], train: datasets.Features, test: datasets.Features, seed: int
) -> dict[str, float]:
    head, _ = _fit(setting, train, setting["epochs"], seed)
    return _figures(evaluation.embed(head, test)[0], test)


def _figures(embeddings: Any, test: datasets.Features) -> dict[str, float]:
    report = evaluation.retrieval_metrics(embeddings, test.targets, KS)
    assert report.nmi is not None
    shares = {f"R@{k}": share for k, share in report.recall.items()}
    return {**shares, "MAP@R": report.map_at_r, "NMI": report.nmi}


def _describe(train: datasets.Features, test: datasets.Features) -> dict[str, Any]:
    return {
        "name": "CUB-200-2011, classes 1-100 train, 101-200 test",
        "train_images": len(train),
        "train_classes": len(train.classes),
        "test_images": len(test),
        "test_classes": len(test.classes),
        "official": "5,864 images of 100 classes train, 5,924 of 100 test",
    }


def _report(result: dict[str, Any]) -> str:
    data, chosen = result["data"], result["chosen"]
    return f"""# Proxy-Anchor head on frozen features, CUB-200-2011

{data["train_images"]:,} images of {data["train_classes"]} training classes, \
{data["test_images"]:,} images of {data["test_classes"]} test classes (official: \
{data["official"]}). {data["note"]} Backbone: {result["backbone"]}.

{markdown_table(result["rows"])}

Per cent on the test classes, mean ± standard deviation over seeds. Setting chosen on \
{result["grid"]["held_out_classes"]} held-out training classes: lr {chosen["lr"]:g}, proxies \
x {chosen["proxy_lr_multiplier"]:g}, {chosen["epochs"]} epochs; the grid is in the JSON beside.

{result["minutes"]} minutes on {result["machine"]}; torch {result["versions"]["torch"]}, commit \
{result["commit"]}. Made by `python benchmarks/cub_head.py --data-root DATA --weights FILE`.
"""


if __name__ == "__main__":
    main()
