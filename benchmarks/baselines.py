"""Losses side by side on Glyphs: tuned alike, five seeds, with label noise and outliers.

    python benchmarks/baselines.py              # everything that is not there yet
    python benchmarks/baselines.py --render     # only the table, from the runs that are there

Every finished run is kept in results/baselines.json at once, so the command may be stopped and
called again. The plan was written down before the first run. While the tuning was under way, and
before any run that the tables show, EPOCHS was cut from 8 to 6 and the lists of outlier shares and
dimensions were thinned, for time:

* One network (convnet, 64 dimensions), batches of 64, AdamW, cosine schedule, EPOCHS epochs. Pair
  losses get 16 classes x 4 images, proxy losses random batches.
* **Tuning**: every loss gets eight settings, two learning rates x four of its own, each run once
  (seed 0) for TUNING_EPOCHS. The best Recall@1 on the 40 validation classes wins.
* **Main**: each loss at its setting, five seeds. The figure is that of the 200 test classes in the
  epoch that was best on validation; the last epoch stands beside it.
* **Label noise** (share of wrong labels) and **outliers** (share of images replaced by images of
  foreign characters under the old label) for triplet, Proxy-NCA and Proxy-Anchor at the same
  settings, three seeds. Validation and test stay clean. The foreign characters are the last 40
  training classes, so the outlier runs train on the other 160, those without outliers too.
* **Proxy-Anchor alone**, one seed: alpha x delta, batch size, dimension.
"""

from collections.abc import Iterator
from typing import Any

import resumable
from baselines_tables import report

EPOCHS, TUNING_EPOCHS, BATCH, DIMENSION = 6, 4, 64, 64
SEEDS, NOISE_SEEDS = range(5), range(3)

LEARNING_RATES = (3e-4, 1e-3)
MARGINS: list[dict[str, float]] = [{"margin": m} for m in (0.1, 0.2, 0.4, 0.8)]
PROXIES = [
    {"temperature": t, "proxy_lr_multiplier": r} for t in (0.05, 1 / 32) for r in (10.0, 100.0)
]
OWN_SETTINGS: dict[str, list[dict[str, float]]] = {
    "contrastive": MARGINS,
    "triplet, all": MARGINS,
    "triplet, semi-hard": MARGINS,
    "triplet, hardest": MARGINS,
    "multi-similarity": [{"base": b, "beta": s} for b in (0.5, 0.8) for s in (10.0, 50.0)],
    "normalised softmax": PROXIES,
    "Proxy-NCA": PROXIES,
    "Proxy-Anchor": [
        {"alpha": a, "proxy_lr_multiplier": r} for a in (16.0, 32.0) for r in (10.0, 100.0)
    ],
}
WRONG_LABELS = (0.2, 0.4)
OUTLIERS = (0.0, 0.2)
NOISY = ("triplet, semi-hard", "Proxy-NCA", "Proxy-Anchor")
ALPHAS, DELTAS = (8.0, 16.0, 32.0, 64.0), (0.0, 0.1, 0.3)
BATCHES, DIMENSIONS = (32, 128, 256), (8, 16, 128)

Run = dict[str, Any]


def tuning() -> Iterator[Run]:
    for loss, settings in OWN_SETTINGS.items():
        for lr in LEARNING_RATES:
            for own in settings:
                setting = {"lr": lr, **own}
                yield {"part": "tuning", "loss": loss, "setting": setting, "epochs": TUNING_EPOCHS}


def main_and_more(best: dict[str, dict[str, float]]) -> Iterator[Run]:
    for seed in SEEDS:
        for loss, setting in best.items():
            yield {"part": "main", "loss": loss, "setting": setting, "seed": seed}
    for seed in NOISE_SEEDS:
        for loss in NOISY:
            common = {"loss": loss, "setting": best[loss], "seed": seed}
            for share in WRONG_LABELS:
                yield {"part": "wrong labels", "wrong_labels": share, **common}
            for share in OUTLIERS:
                yield {"part": "outliers", "outliers": share, **common}
    anchor = {"loss": "Proxy-Anchor", "seed": 0}
    setting = best["Proxy-Anchor"]
    for alpha in ALPHAS:
        for delta in DELTAS:
            changed = {**setting, "alpha": alpha, "margin": delta}
            yield {"part": "alpha x delta", "setting": changed, **anchor}
    for batch in BATCHES:
        yield {"part": "batch size", "setting": setting, "batch": batch, **anchor}
    for dimension in DIMENSIONS:
        yield {"part": "dimension", "setting": setting, "dimension": dimension, **anchor}


def perform(run: Run) -> Run:
    """Train once; returns the run with its figures."""
    import torch

    from dmlviz import datasets, methods, models, training

    torch.set_num_threads(1)
    root, seed, dimension = run.get("root"), run.get("seed", 0), run.get("dimension", DIMENSION)
    train: Any = datasets.load("glyphs", "train", root)
    val, test = datasets.load("glyphs", "val", root), datasets.load("glyphs", "test", root)
    if "wrong_labels" in run:
        train = datasets.with_wrong_labels(train, run["wrong_labels"], seed=seed)
    if "outliers" in run:
        foreign = datasets.OfClasses(train, range(160, 200))
        train = datasets.OfClasses(train, range(160))
        train = datasets.with_outliers(train, foreign, run["outliers"], seed=seed)
    setting = dict(run["setting"])
    lr, multiplier = setting.pop("lr"), setting.pop("proxy_lr_multiplier", 1.0)
    loss = build(run["loss"], len(train.classes), dimension, setting, seed)
    model = models.EmbeddingNet("convnet", dimension, in_channels=1, seed=seed)
    history = resumable.whole(
        training.fit(
            model,
            methods.Supervised(loss),
            train,
            None if run["part"] == "tuning" else test,
            val=val,
            epochs=run.get("epochs", EPOCHS),
            batch_size=run.get("batch", BATCH),
            lr=lr,
            proxy_lr_multiplier=multiplier,
            seed=seed,
            ks=(1, 8),
            snapshot_size=0,
            progress=False,
        )
    )
    figures = {name: history[name] for name in history.columns() if "recall" in name}
    done = {"best_epoch": history.best_epoch, "seconds": history["seconds"], **figures}
    return run | done


def build(name: str, classes: int, dimension: int, setting: dict[str, float], seed: int) -> Any:
    """The loss by its name in the table."""
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    from dmlviz import losses

    if name == "contrastive":
        return losses.ContrastiveLoss(**setting)
    if name.startswith("triplet"):
        mining = name.split(", ")[1].replace("-", "")
        return losses.TripletLoss(mining=mining, **setting)
    if name == "multi-similarity":
        return MultiSimilarityLoss(alpha=2, **setting)
    cls = {
        "normalised softmax": losses.NormalizedSoftmaxLoss,
        "Proxy-NCA": losses.ProxyNCALoss,
        "Proxy-Anchor": losses.ProxyAnchorLoss,
    }[name]
    return cls(classes, dimension, seed=seed, **setting)


def best_settings(runs: list[Run]) -> dict[str, dict[str, float]]:
    """Of each loss, the tuned setting with the best validation Recall@1."""
    best = {}
    for loss in OWN_SETTINGS:
        tuned = [r for r in runs if r["part"] == "tuning" and r["loss"] == loss]
        best[loss] = max(tuned, key=lambda r: max(r["val_recall@1"]))["setting"]
    return best


def main() -> None:
    study = resumable.Study(
        "baselines",
        __doc__.splitlines()[0],
        ("part", "loss", "setting", "seed", "wrong_labels", "outliers", "batch", "dimension"),
        perform,
        report,
        {
            "data": "Glyphs: 200 training, 40 validation, 200 test classes",
            "plan": {
                "epochs": EPOCHS,
                "tuning_epochs": TUNING_EPOCHS,
                "batch": BATCH,
                "dimension": DIMENSION,
                "grid": {"lr": LEARNING_RATES, **OWN_SETTINGS},
            },
        },
    )
    study.main(lambda _: tuning(), lambda runs: main_and_more(best_settings(runs)))


if __name__ == "__main__":
    main()
