"""Embedding transfer on Glyphs: self-transfer, smaller dimension, smaller network, and more.

    python benchmarks/transfer.py              # everything that is not there yet
    python benchmarks/transfer.py --render     # only the tables, from the runs that are there

Every finished run is kept in results/transfer.json at once, so the command may be stopped and
called again. The plan was written down before the runs in the tables. Before it, a first version
(batches of 64, stopped during its tuning) and eight trials by hand on seed 0 had shown that
transfer from random weights wants small batches, so it got them:

* **Sources**: Proxy-Anchor on the 200 training classes, convnet, 64 dimensions, 8 epochs, batches
  of 64, lr 1e-3, proxies x 10 (lesson 00's), seeds 0 to 4. No run shares random weights with its
  source.
* **Settings**: "self" (the same network and dimension), "dimension" (64 to 8), "network" (to
  convnet_small, a fourteenth of the parameters, 64 dimensions). "Alone" is the target network
  trained as the sources are, alpha and lr tuned in each of the last two. Transfer sees two views of
  each image, in batches of 32 images, for 4 epochs: as many images as alone. In "self" there is
  "alone, 16 epochs", too: source and target together have cost that much.
* **Losses**: relaxed contrastive and RKD 5 seeds; relaxed multi-similarity, PKT, DarkRank (+
  triplet loss), attention transfer, FitNet, CRD (each + Proxy-Anchor) 3 seeds, combined as in the
  paper's code. Stages block2 to block4; CRD with 512 negatives.
* **Tuning**, by Recall@1 on the 40 validation classes, seed 0: of "alone", alpha out of ALPHAS and
  the larger two of LEARNING_RATES; of each loss of transfer, one of LEARNING_RATES, 2 epochs, in
  "self" (used in "dimension", too) and in "network". The rest is at the paper's values.
* **sigma x delta** of relaxed contrastive in "network", one seed.
* **Ablation** of relaxed contrastive in "network", three seeds: hard labels for relaxed ones, one
  view (8 epochs, batches of 64), no division by the row's mean, no gradient through it, a
  normalised target.
* **Self-supervised source** (views by strong augmentation, no labels, InfoNCE, 8 epochs of images),
  three seeds: its own figures, trained twice as long, and after transfer by relaxed contrastive,
  RKD, PKT; Recall@1 and a linear probe on the 200 test classes.
* **Classification** of the training classes' own held-out images, three seeds: a convnet_small with
  normalised softmax, alone and with a loss of transfer from a convnet classifier, both in batches
  of 32; the weight of the
  transfer loss out of WEIGHTS, and the learning rate of "alone" out of LEARNING_RATES, on
  validation images, seed 0.
* In a first round the student alone had batches of 64 and "one view" batches of 32, so not as many
  steps as what they were compared with; these runs were made again.
* **Longer** (added after most rows above were seen): in "network", relaxed contrastive and PKT for
  16 epochs and "alone" for 32, three seeds: does more time change the order?

The last epoch is reported everywhere; nothing was chosen by test classes.
"""

from collections.abc import Iterator
from typing import Any

import resumable
from transfer_runs import perform
from transfer_tables import report

SEEDS, FEWER_SEEDS = range(5), range(3)
LEARNING_RATES = (3e-4, 1e-3, 3e-3)
ALPHAS = (8.0, 16.0, 32.0)
SOURCE = {"alpha": 32.0, "lr": 1e-3}
WEIGHTS = (0.01, 0.1, 1.0, 10.0)
PAIRS = ("relaxed contrastive", "RKD")
OTHERS = ("relaxed multi-similarity", "PKT", "DarkRank", "attention", "FitNet", "CRD")
SETTINGS = ("self", "dimension", "network")
FIELDS = (
    *("part", "setting", "network", "loss", "lr", "alpha", "weight", "batch", "seed", "epochs"),
    *("ablation", "sigma", "delta"),
)
ABLATIONS = ("hard labels", "one view", "no row mean", "row mean detached", "normalised target")
SIGMAS, DELTAS = (0.25, 0.5, 1.0, 2.0), (0.5, 1.0, 2.0)

Run = resumable.Run


def sources() -> Iterator[Run]:
    for seed in SEEDS:
        yield {"part": "alone", "setting": "self", "seed": seed, "epochs": 8, **SOURCE}
    for seed in FEWER_SEEDS:
        yield {"part": "self-supervised source", "seed": seed, "epochs": 8}
        yield {"part": "classifier", "network": "convnet", "seed": seed}


def tuning() -> Iterator[Run]:
    for setting in ("dimension", "network"):
        for alpha in ALPHAS:
            for lr in LEARNING_RATES[1:]:
                run = {"setting": setting, "seed": 0, "epochs": 8, "alpha": alpha, "lr": lr}
                yield {"part": "tuning alone", **run}
    for setting in ("self", "network"):
        for lr in LEARNING_RATES:
            for loss in (*PAIRS, *OTHERS):
                yield {"part": "tuning", "setting": setting, "loss": loss, "lr": lr, "seed": 0}
    for loss in PAIRS:
        for weight in WEIGHTS:
            yield {"part": "classifier tuning", "loss": loss, "weight": weight, "seed": 0}
    for lr in LEARNING_RATES:
        student = {"network": "convnet_small", "lr": lr, "seed": 0, "batch": 32}
        yield {"part": "classifier tuning alone", **student}


def main_and_more(runs: list[Run]) -> Iterator[Run]:
    alpha = chosen(runs, "tuning alone", "setting", "alpha")
    lr_alone = chosen(runs, "tuning alone", "setting", "lr")
    weight = chosen(runs, "classifier tuning", "loss", "weight")
    student_lr = chosen(runs, "classifier tuning alone", "network", "lr")["convnet_small"]
    lr = {
        setting: chosen([r for r in runs if r.get("setting") == setting], "tuning", "loss", "lr")
        for setting in ("self", "network")
    }
    lr["dimension"] = lr["self"]

    def transfer(part: str, setting: str, loss: str, seed: int, **more: Any) -> Run:
        fixed = {"setting": setting, "loss": loss, "lr": lr[setting][loss], "seed": seed}
        return {"part": part, **fixed, **more}

    for seed in SEEDS:
        for setting in SETTINGS:
            for loss in PAIRS if seed not in FEWER_SEEDS else (*PAIRS, *OTHERS):
                yield transfer("transfer", setting, loss, seed)
            if setting != "self":
                tuned = {"alpha": alpha[setting], "lr": lr_alone[setting]}
                yield {"part": "alone", "setting": setting, "seed": seed, "epochs": 8, **tuned}
    for seed in FEWER_SEEDS:
        yield {"part": "alone", "setting": "self", "seed": seed, "epochs": 16, **SOURCE}
        yield {"part": "self-supervised source", "seed": seed, "epochs": 16}
        for loss in (*PAIRS, "PKT"):
            yield transfer("self-supervised transfer", "self", loss, seed)
        student = {"network": "convnet_small", "lr": student_lr, "seed": seed, "batch": 32}
        yield {"part": "classifier", **student}
        for loss in PAIRS:
            yield {"part": "classifier", "loss": loss, "weight": weight[loss], "seed": seed}
        for ablation in ABLATIONS:
            run = transfer("ablation", "network", "relaxed contrastive", seed)
            batch = {"batch": 64} if ablation == "one view" else {}  # as many images in a step
            yield {**run, "ablation": ablation, **batch}
    for seed in FEWER_SEEDS:
        tuned = {"alpha": alpha["network"], "lr": lr_alone["network"]}
        yield {"part": "longer", "setting": "network", "seed": seed, "epochs": 32, **tuned}
        for loss in ("relaxed contrastive", "PKT"):
            yield transfer("longer", "network", loss, seed, epochs=16)
    for sigma in SIGMAS:
        for delta in DELTAS:
            run = transfer("sigma x delta", "network", "relaxed contrastive", 0)
            yield {**run, "sigma": sigma, "delta": delta}


def chosen(runs: list[Run], part: str, of: str, field: str) -> dict[str, Any]:
    """For each value of `of`, the value of `field` that did best in validation."""
    best: dict[str, Run] = {}
    for run in (r for r in runs if r["part"] == part):
        rival = best.get(run[of])
        if rival is None or run["val"] > rival["val"]:
            best[run[of]] = run
    return {name: run[field] for name, run in best.items()}


def main() -> None:
    study = resumable.Study(
        "transfer",
        __doc__.splitlines()[0],
        FIELDS,
        perform,
        report,
        {
            "data": "Glyphs: 200 training, 40 validation, 200 test classes",
            "grid": {
                "lr": LEARNING_RATES,
                "alpha, alone": ALPHAS,
                "weight": WEIGHTS,
                "sigma": SIGMAS,
                "delta": DELTAS,
            },
        },
    )
    study.main(lambda _: sources(), lambda _: tuning(), main_and_more)


if __name__ == "__main__":
    main()
