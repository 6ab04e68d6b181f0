"""Do novel classes help where training classes are few? Glyphs with 20 to 200 of them.

    python benchmarks/novel_classes.py              # everything that is not there yet
    python benchmarks/novel_classes.py --render     # only the tables, from the runs that are there

Every finished run is kept in results/novel_classes.json at once, so the command may be stopped and
called again. The plan, written down before the first run:

* One network (convnet_small, 64 dimensions), Proxy-Anchor, batches of 64 random images, AdamW,
  cosine schedule, about STEPS steps however few classes there are. A run's seed draws its training
  classes out of the 200, too; all methods get the same draws.
* **Methods**: the base, Proxy-Anchor alone; with Proxy Synthesis; with MemVir; and five of ours
  (see `novel_variants`). None is added or dropped after the first run.
* **Tuning**, seed 0, Recall@1 on the 40 validation classes in the best epoch, with 20 training
  classes (the setting for 20 and 50) and with 100 (for 100 and 200). The base gets twelve settings:
  LEARNING_RATES x ALPHAS x RATES of the proxies. Every other method inherits the base's alpha and
  rate of the proxies, and gets four: LEARNING_RATES x two of its own. (The base's grid was laid
  around what 14 trials of the base alone, seed 0, had shown on the same validation classes: with
  100 classes 3e-3 is a better learning rate than 1e-3 and 1e-2, 16 a better alpha than 32, 10 a
  better rate than 100.)
* **Main**: five seeds for every method and number of classes. Recall@1 on the 200 test classes in
  the epoch that is best on validation, and in the last epoch. 'Untrained', and 64 principal
  components of the pixels of the training images ('PCA'), have a row each.

The question: does any of ours, or any published method, beat the base where classes are few? A gain
is called one if it is larger than twice its standard error over the paired seeds.
"""

from typing import Any

import resumable
from novel_plan import FIELDS, Plan
from novel_tables import report
from novel_variants import OWN_SETTINGS

STEPS, BATCH, DIMENSION, LOOKS = 600, 64, 64, 6
LEARNING_RATES, ALPHAS, RATES = (2e-3, 5e-3), (8.0, 16.0, 32.0), (1.0, 10.0)

Run = resumable.Run


def perform(run: Run) -> Run:
    """Train once; returns the run with its figures."""
    import torch

    from dmlviz import datasets, evaluation, losses, methods, models, training
    from novel_variants import build

    torch.set_num_threads(1)
    root, seed, classes = run["root"], run["seed"], run["classes"]
    some = torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:classes]
    train = datasets.OfClasses(datasets.load("glyphs", "train", root), some.tolist())
    val, test = datasets.load("glyphs", "val", root), datasets.load("glyphs", "test", root)
    if run["part"] == "PCA":
        return {**run, "test": [_pixels(train, test)]}
    model = models.EmbeddingNet("convnet_small", DIMENSION, in_channels=1, seed=seed)
    if run["part"] == "untrained":
        return {**run, "test": [evaluation.evaluate(model, test, nmi=False).recall[1]]}
    setting = run["setting"]
    loss = losses.ProxyAnchorLoss(classes, DIMENSION, alpha=setting["alpha"], seed=seed)
    base = methods.Supervised(loss)
    epochs = round(STEPS / (len(train) // BATCH))
    history = resumable.whole(
        training.fit(
            model,
            base if run["method"] == "base" else build(run["method"], loss, setting, STEPS, seed),
            train,
            None if run["part"] == "tuning" else test,
            val=val,
            epochs=epochs,
            eval_every=max(1, epochs // LOOKS),
            batch_size=BATCH,
            lr=setting["lr"],
            proxy_lr_multiplier=setting["proxy_lr_multiplier"],
            seed=seed,
            ks=(1,),
            snapshot_size=0,
            progress=False,
        )
    )
    figures = {
        split: [record[f"{split}_recall@1"] for record in history.records if _looked(record)]
        for split in ("val", "test")
        if f"{split}_recall@1" in history.columns()
    }
    return {**run, **figures}


def _looked(record: dict[str, Any]) -> bool:
    return record.get("val_recall@1") is not None


def _pixels(train: Any, test: Any) -> float:
    """Recall@1 of the principal components of the training images' pixels."""
    import torch

    from dmlviz import evaluation

    x, z = (torch.stack([image.flatten() for image, _ in images]) for images in (train, test))
    components = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False).Vh[:DIMENSION]
    return evaluation.recall_at_k((z - x.mean(dim=0)) @ components.T, test.targets, [1])[1]


def main() -> None:
    plan = Plan(
        {20: 20, 50: 20, 100: 100, 200: 100}, LEARNING_RATES, ALPHAS, RATES, ("untrained", "PCA")
    )
    grid = {"lr": LEARNING_RATES, "alpha": ALPHAS, "proxy_lr_multiplier": RATES, **OWN_SETTINGS}
    about = {"grid": grid, "command": "python benchmarks/novel_classes.py"}
    study = resumable.Study(
        "novel_classes", __doc__.splitlines()[0], FIELDS, perform, report, about
    )
    study.main(*plan.phases())


if __name__ == "__main__":
    main()
