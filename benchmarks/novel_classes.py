"""Do novel classes help where training classes are few? Glyphs with 20 to 200 of them.

    python benchmarks/novel_classes.py              # everything that is not there yet
    python benchmarks/novel_classes.py --render     # only the tables, from the runs that are there

Every finished run is kept in results/novel_classes.json at once, so the command may be stopped and
called again. The plan, written down before the first run:

* One network (convnet_small, 64 dimensions), Proxy-Anchor, batches of 64 random images, AdamW,
  cosine schedule, about STEPS steps, by number of classes. A run's seed draws its training classes
  out of the 200, too; all methods get the same draws.
* **Methods**: the base, Proxy-Anchor alone; with Proxy Synthesis; with MemVir; and five of ours
  (see `novel_variants`). None is added or dropped after the first run.
* **Tuning**, seed 0, Recall@1 on the 40 validation classes in the best epoch, with 20 training
  classes (the setting for 20 and 50) and with 100 (for 100 and 200). The base gets twelve settings:
  LEARNING_RATES x PROXY_ANCHOR. Every other method inherits the base's alpha and rate of the
  proxies, and gets four: LEARNING_RATES x two of its own.
* **Main**: five seeds for every method and number of classes. Recall@1 on the 200 test classes in
  the epoch that is best on validation, and in the last epoch. 'Untrained', and 64 principal
  components of the pixels of the training images ('PCA'), have a row each.
* **Normalised softmax** is a second base, with 20 classes: the same methods and seeds, settings
  LEARNING_RATES x SOFTMAX. (Temperature 0.4 joined when 0.2, the largest until then, was chosen.)

What had been seen before this plan was made: trials of the base to find the steps it takes; a first
version of all this with 600 steps however many classes there are, which was stopped when the base
turned out to be half trained with 200 of them (25 %; 66 % with 2,000 steps); and trials with 20
classes, seed 0, in which novel classes did not help Proxy-Anchor, but did help normalised softmax.
That is why there is a second base.

The question: does any of ours, or any published method, beat the base where classes are few? A gain
is called one if it is larger than twice its standard error over the paired seeds.
"""

from itertools import product
from typing import Any

import resumable
from novel_plan import FIELDS, Plan
from novel_tables import report
from novel_variants import OWN_SETTINGS

STEPS = {20: 800, 50: 800, 100: 2000, 200: 2000}
BATCH, DIMENSION, LOOKS = 64, 64, 5
LEARNING_RATES = (2e-3, 5e-3)
PROXY_ANCHOR = tuple(
    {"alpha": alpha, "proxy_lr_multiplier": rate}
    for alpha, rate in product((8.0, 16.0, 32.0), (1.0, 10.0))
)
SOFTMAX = tuple(
    {"temperature": t, "proxy_lr_multiplier": rate}
    for t, rate in product((0.05, 0.1, 0.2, 0.4), (1.0, 10.0))
)

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
    if "temperature" in setting:
        loss: Any = losses.NormalizedSoftmaxLoss(
            classes, DIMENSION, setting["temperature"], seed=seed
        )
    else:
        loss = losses.ProxyAnchorLoss(classes, DIMENSION, alpha=setting["alpha"], seed=seed)
    base = methods.Supervised(loss)
    steps = STEPS[classes]
    epochs = round(steps / (len(train) // BATCH))
    history = resumable.whole(
        training.fit(
            model,
            base if run["method"] == "base" else build(run["method"], loss, setting, steps, seed),
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
    few = Plan({20: 20, 50: 20}, LEARNING_RATES, PROXY_ANCHOR, ("untrained", "PCA"))
    many = Plan({100: 100, 200: 100}, LEARNING_RATES, PROXY_ANCHOR, ("untrained", "PCA"))
    softmax = Plan({20: 20}, LEARNING_RATES, SOFTMAX, loss="normalised softmax")
    plans = (few, softmax, many)
    grid: dict[str, Any] = {
        "lr": LEARNING_RATES,
        "Proxy-Anchor": PROXY_ANCHOR,
        "normalised softmax": SOFTMAX,
    }
    grid |= OWN_SETTINGS
    about = {"grid": grid, "command": "python benchmarks/novel_classes.py"}
    study = resumable.Study(
        "novel_classes", __doc__.splitlines()[0], FIELDS, perform, report, about
    )
    study.main(
        *(phase for plan in plans for phase in plan.of_base()),
        *(phase for plan in plans for phase in plan.of_others()),
    )


if __name__ == "__main__":
    main()
