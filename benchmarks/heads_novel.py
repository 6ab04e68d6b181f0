"""Do novel classes help where training classes are few? Heads on frozen features.

    python benchmarks/heads_novel.py --data cub --data-root DATA --weights mobilenet_v2_imagenet.pth

Every finished run is kept in results/DATA_novel.json at once, so the command may be stopped and
called again. The plan, written down before the first run:

* A frozen MobileNetV2 looks at every photograph once. Linear heads of 512 dimensions start as the
  principal components of their training features: Proxy-Anchor, batches of 90, AdamW, constant
  learning rate, about STEPS steps however few classes there are, LOOKS times looked at.
* Training classes: FEW of them, drawn by the seed, and all.
* **Methods**: the base, Proxy-Anchor alone, and all of `novel_variants`, none added or dropped.
* **Tuning**, seed 0, on training classes alone: every fourth is held out, four folds, mean Recall@1
  on the held-out classes at the best look. The base gets LEARNING_RATES x BASE settings; every
  other method inherits the best of them, and gets two of its own (at first two learning rates,
  too: cut for time, before any of these runs).
* With FEW classes the base at first had the learning rates of all classes, too. It was best at its
  first look and then unlearned (CUB, to 53.1 % from 75.1 % untrained), so two smaller learning
  rates were written down for it, and for all others, when of those two trials of one had run.
* With FEW classes of CUB only the base went on to main runs. At its best look it has 75.0 %, which
  is what the features have untrained: no base. And four methods had been tuned by then (a fifth in
  part), over four learning rates: each was best at its first look, while its warm-up lasted and it
  *was* the base.
* Other sets than CUB, for time: all classes only, and of the methods only those that the summary of
  all sets has a row for, `SUMMARY`; written down before their first run.
* **Main**: five seeds. Recall@1 on the test classes at the look that tuning chose, and at the last.
  The features as they are ('untrained') and the start of the heads ('PCA') have a row each.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import frozen
import resumable
from dmlviz import datasets, evaluation, losses, methods, training
from novel_plan import FIELDS, Plan
from novel_tables import report
from novel_variants import OWN_SETTINGS, build

FEW = 20
DIMENSION, BATCH, STEPS, LOOKS = 512, 90, 1000, 10
LEARNING_RATES = {"few": (1e-5, 3e-5, 1e-4, 3e-4), "all": (1e-4, 3e-4)}
BASE = tuple(
    {"alpha": alpha, "proxy_lr_multiplier": rate}
    for alpha in (16.0, 32.0)
    for rate in (10.0, 100.0)
)

SUMMARY = ("Proxy Synthesis", "generator, mixtures")

Run = resumable.Run


def perform(run: Run) -> Run:
    """Train one head; returns the run with its figures."""
    torch.set_num_threads(1)
    train, test = torch.load(run["features"], weights_only=False)
    seed, classes = run["seed"], run["classes"]
    if classes < len(train.classes):
        some = torch.randperm(len(train.classes), generator=torch.Generator().manual_seed(seed))
        train = datasets.OfClasses(train, some[:classes].tolist())
    if run["part"] == "untrained":
        return {**run, "test": [_recall(test.features, test)]}
    unseen = test
    if "fold" in run:
        train, unseen = frozen.fold(train, run["fold"])
    head = frozen.head(train, DIMENSION, seed)
    if run["part"] == "PCA":
        return {**run, "test": [_recall(evaluation.embed(head, test)[0], test)]}
    setting = run["setting"]
    loss = losses.ProxyAnchorLoss(len(train.classes), DIMENSION, alpha=setting["alpha"], seed=seed)
    base = methods.Supervised(loss)
    between = max(1, round(STEPS / LOOKS / (len(train) // BATCH)))  # epochs from look to look
    history = resumable.whole(
        training.fit(
            head,
            base if run["method"] == "base" else build(run["method"], loss, setting, STEPS, seed),
            train,
            unseen,
            epochs=LOOKS * between,
            eval_every=between,
            batch_size=BATCH,
            lr=setting["lr"],
            proxy_lr_multiplier=setting["proxy_lr_multiplier"],
            schedule="constant",  # so that any look can be the last
            seed=seed,
            ks=(1,),
            snapshot_size=0,
            progress=False,
        )
    )
    looks = [record.get("test_recall@1") for record in history.records]
    return {**run, "val" if "fold" in run else "test": [r for r in looks if r is not None]}


def _recall(embeddings: torch.Tensor, test: Any) -> float:
    return evaluation.recall_at_k(embeddings, test.targets, [1])[1]


def main() -> None:
    parser = frozen.parser(__doc__.splitlines()[0])
    resumable.add_arguments(parser)
    options = parser.parse_args()
    grid = {"lr": LEARNING_RATES, "base": BASE, **OWN_SETTINGS}
    about: dict[str, Any] = {"grid": grid, "command": frozen.command("heads_novel.py", options)}
    study = resumable.Study(
        f"{options.data}_novel", __doc__.splitlines()[0], FIELDS, perform, report, about
    )
    if not options.render:
        train, test = frozen.features(options)
        about["data"] = frozen.describe(options.data, train, test, options.note)
        few, every = (
            Plan({n: n}, LEARNING_RATES[which], BASE, ("untrained", "PCA"), False, frozen.FOLDS)
            for which, n in (("few", FEW), ("all", len(train.classes)))
        )
        phases = [*few.of_base(), *every.of_base(), *every.of_others()]
        if options.data != "cub":
            every = replace(every, others=SUMMARY)
            phases = [*every.of_base(), *every.of_others()]
        with tempfile.TemporaryDirectory() as folder:
            features = Path(folder) / "features.pt"
            torch.save((train, test), features)
            study.complete(phases, options.workers, features=str(features))
    study.show()


if __name__ == "__main__":
    main()
