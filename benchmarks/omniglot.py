"""The methods on Omniglot, whole networks: triplet to Proxy-Anchor, novel classes, transfer.

    python benchmarks/omniglot.py --data-root DATA      # everything that is not there yet
    python benchmarks/omniglot.py --render              # only the table, from the runs there are

Every finished run is kept in results/omniglot.json at once, so the command may be stopped and
called again. The plan, written down before the first run:

* **Data**: drawings of 32 x 32 pixels; the 964 characters of the background alphabets train, the
  659 of the evaluation alphabets test. Tuning trains without the last VAL_ALPHABETS background
  alphabets and validates on those.
* One network (convnet, 512 dimensions), random weights, batches of 64, AdamW, cosine schedule,
  EPOCHS epochs; triplets in batches of 16 classes x 4 drawings. The last epoch is reported.
* **Tuning**, seed 0, TUNING_EPOCHS epochs: each loss gets two learning rates x two values of its
  own. The best Recall@1 in validation wins.
* **Novel classes** keep the setting of Proxy-Anchor, and get two values of their own: Proxy
  Synthesis, the published method, and the variant of ours that harmed least on Glyphs.
* **Transfer** by relaxed contrastive from the 512 dimensions of Proxy-Anchor: to a new network of
  512 dimensions (self), and to one of 64; beside it Proxy-Anchor trained at 64 dimensions directly.
  Two views of each drawing, half as many epochs: as many images. Batches of 32 drawings, since on
  Glyphs, too, transfer from random weights wanted small ones. One of TRANSFER_RATES is chosen at 64
  dimensions.
* Rows that are not trained: the pixels, their 512 principal components, the network at its start.
* Three seeds. No run shares random weights with its source.
"""

from collections.abc import Iterator
from typing import Any

import resumable
from omniglot_runs import NOVEL, perform
from omniglot_table import report

SEEDS = range(3)
LEARNING_RATES, TRANSFER_RATES = (3e-4, 1e-3), (3e-4, 1e-3, 3e-3)
RATES = [{"proxy_lr_multiplier": 10.0}, {"proxy_lr_multiplier": 100.0}]
OWN_SETTINGS: dict[str, list[dict[str, float]]] = {
    "Triplet, semi-hard": [{"margin": 0.1}, {"margin": 0.2}],
    "Proxy-NCA": RATES,
    "Proxy-Anchor": RATES,
}
BASE, TRANSFER = "Proxy-Anchor", "relaxed contrastive"
UNTRAINED = ("pixels", "PCA of pixels", "untrained network")
FIELDS = ("part", "method", "size", "setting", "seed")

Run = resumable.Run


def losses(_: list[Run]) -> Iterator[Run]:
    for method, settings in OWN_SETTINGS.items():
        for lr in LEARNING_RATES:
            for own in settings:
                yield _run("tuning", method, {"lr": lr, **own})


def tuning(runs: list[Run]) -> Iterator[Run]:
    """What builds on the best Proxy-Anchor."""
    base = best(runs)[BASE]
    for method, settings in NOVEL.items():
        for own in settings:
            yield _run("tuning", method, {**base, **own})
    for lr in TRANSFER_RATES:
        yield _run("tuning", TRANSFER, {"lr": lr, "source": base}, size=64)


def main_runs(runs: list[Run]) -> Iterator[Run]:
    settings = best(runs)
    for seed in SEEDS:
        for method in UNTRAINED if seed == 0 else UNTRAINED[2:]:
            yield _run("main", method, {}, seed)
        for method, setting in settings.items():
            yield _run("main", method, setting, seed)
            if method in (BASE, TRANSFER):
                yield _run("main", method, setting, seed, size=64)


def best(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Of each method, the setting with the best Recall@1 in validation."""
    tuned: dict[str, Run] = {}
    for run in (r for r in runs if r["part"] == "tuning"):
        rival = tuned.get(run["method"])
        if rival is None or run["R@1"] > rival["R@1"]:
            tuned[run["method"]] = run
    return {method: run["setting"] for method, run in tuned.items()}


def _run(part: str, method: str, setting: dict[str, Any], seed: int = 0, size: int = 512) -> Run:
    return {"part": part, "method": method, "size": size, "setting": setting, "seed": seed}


def main() -> None:
    grid = {"lr": LEARNING_RATES, "transfer lr": TRANSFER_RATES, **OWN_SETTINGS, **NOVEL}
    study = resumable.Study(
        "omniglot", __doc__.splitlines()[0], FIELDS, perform, report, {"grid": grid}
    )
    study.main(losses, tuning, main_runs)


if __name__ == "__main__":
    main()
