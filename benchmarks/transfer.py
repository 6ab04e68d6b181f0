"""Embedding transfer on Glyphs: self-transfer, smaller dimension, smaller network, and more.

    python benchmarks/transfer.py              # everything that is not there yet
    python benchmarks/transfer.py --render     # only the tables, from the runs that are there

Every finished run is kept in results/transfer.json at once, so the command may be stopped and
called again. The plan, written down before the first run:

* **Sources**: Proxy-Anchor on the 200 training classes, convnet, 64 dimensions, 8 epochs, lr 1e-3,
  proxies x 10 (lesson 00's), seeds 0 to 4. Source and target of a run never share random weights.
* **Settings**: "self" (the same network and dimension), "dimension" (64 to 8), "network" (to
  convnet_small, a sixteenth of the parameters, 64 dimensions). "Alone" is the target network
  trained as the sources are. Transfer sees two views of each image for 4 epochs: as many images as
  alone. In "self" there is "alone, 16 epochs", too: source and target together have cost that much.
* **Losses**: relaxed contrastive and RKD 5 seeds; relaxed multi-similarity, PKT, DarkRank (+
  triplet loss), attention transfer, FitNet, CRD (each + Proxy-Anchor) 3 seeds, combined as in the
  paper's code. Stages block2 to block4; CRD with 512 negatives.
* **Tuning**: one learning rate per loss for all settings, out of LEARNING_RATES, by Recall@1 on the
  40 validation classes in "self", seed 0, 2 epochs. Everything else is at the paper's values.
* **sigma x delta** of relaxed contrastive in "dimension", one seed.
* **Ablation** of relaxed contrastive in "self", three seeds: hard labels for relaxed ones, one view
  (8 epochs), no division by the row's mean, no gradient through it, a normalised target.
* **Self-supervised source** (views by strong augmentation, no labels, InfoNCE, 8 epochs of images),
  three seeds: its own figures, trained twice as long, and after transfer by relaxed contrastive,
  RKD, PKT; Recall@1 and a linear probe on the 200 test classes.
* **Classification** of the training classes' own held-out images, three seeds: a convnet_small with
  normalised softmax, alone and with a loss of transfer from a convnet classifier; the weight of the
  transfer loss out of WEIGHTS on validation images, seed 0.

The last epoch is reported everywhere; nothing was chosen by test classes.
"""

import json
from collections.abc import Iterator
from typing import Any

import resumable
from record import RESULTS, provenance, save
from transfer_runs import perform
from transfer_tables import report

NAME = "transfer"
SEEDS, FEWER_SEEDS = range(5), range(3)
LEARNING_RATES = (3e-4, 1e-3, 3e-3)
WEIGHTS = (0.01, 0.1, 1.0, 10.0)
PAIRS = ("relaxed contrastive", "RKD")
OTHERS = ("relaxed multi-similarity", "PKT", "DarkRank", "attention", "FitNet", "CRD")
SETTINGS = ("self", "dimension", "network")
ABLATIONS = ("hard labels", "one view", "no row mean", "row mean detached", "normalised target")
SIGMAS, DELTAS = (0.5, 1.0, 2.0), (0.5, 1.0, 2.0)

Run = resumable.Run


def sources() -> Iterator[Run]:
    for seed in SEEDS:
        yield {"part": "alone", "setting": "self", "seed": seed, "epochs": 8}
    for seed in FEWER_SEEDS:
        yield {"part": "self-supervised source", "seed": seed, "epochs": 8}
        yield {"part": "classifier", "network": "convnet", "seed": seed}


def tuning() -> Iterator[Run]:
    for lr in LEARNING_RATES:
        for loss in (*PAIRS, *OTHERS):
            yield {"part": "tuning", "setting": "self", "loss": loss, "lr": lr, "seed": 0}
    for loss in PAIRS:
        for weight in WEIGHTS:
            yield {"part": "classifier tuning", "loss": loss, "weight": weight, "seed": 0}


def main_and_more(lr: dict[str, float], weight: dict[str, float]) -> Iterator[Run]:
    for seed in SEEDS:
        for setting in SETTINGS:
            for loss in PAIRS if seed not in FEWER_SEEDS else (*PAIRS, *OTHERS):
                yield _transfer("transfer", setting, loss, lr, seed)
            if setting != "self":
                yield {"part": "alone", "setting": setting, "seed": seed, "epochs": 8}
    for seed in FEWER_SEEDS:
        yield {"part": "alone", "setting": "self", "seed": seed, "epochs": 16}
        yield {"part": "self-supervised source", "seed": seed, "epochs": 16}
        for loss in (*PAIRS, "PKT"):
            yield _transfer("self-supervised transfer", "self", loss, lr, seed)
        yield {"part": "classifier", "network": "convnet_small", "seed": seed}
        for loss in PAIRS:
            yield {"part": "classifier", "loss": loss, "weight": weight[loss], "seed": seed}
        for ablation in ABLATIONS:
            run = _transfer("ablation", "self", "relaxed contrastive", lr, seed)
            yield {**run, "ablation": ablation}
    for sigma in SIGMAS:
        for delta in DELTAS:
            run = _transfer("sigma x delta", "dimension", "relaxed contrastive", lr, 0)
            yield {**run, "sigma": sigma, "delta": delta}


def _transfer(part: str, setting: str, loss: str, lr: dict[str, float], seed: int) -> Run:
    return {"part": part, "setting": setting, "loss": loss, "lr": lr[loss], "seed": seed}


def key(run: Run) -> str:
    """The planned fields of a run, as text."""
    parts = "part setting network loss lr weight seed epochs ablation sigma delta"
    return json.dumps({f: run[f] for f in parts.split() if f in run}, sort_keys=True)


def chosen(runs: list[Run], part: str, field: str) -> dict[str, Any]:
    """Of each loss, the value of `field` that did best in validation."""
    best: dict[str, Run] = {}
    for run in (r for r in runs if r["part"] == part):
        rival = best.get(run["loss"])
        if rival is None or run["val"] > rival["val"]:
            best[run["loss"]] = run
    return {loss: run[field] for loss, run in best.items()}


def keep(runs: list[Run], minutes: float) -> None:
    result = {
        "what": __doc__.splitlines()[0],
        "data": "Glyphs: 200 training, 40 validation, 200 test classes",
        "grid": {"lr": LEARNING_RATES, "weight": WEIGHTS, "sigma": SIGMAS, "delta": DELTAS},
        "runs": [resumable.rounded(run) for run in runs],
        **provenance(round(minutes, 1)),
    }
    save(NAME, result, report(result))


def main() -> None:
    options = resumable.parse(__doc__.splitlines()[0])
    runs, minutes = resumable.stored(NAME)
    done = {key(run): run for run in runs}

    def go(plan: Iterator[Run]) -> None:
        nonlocal minutes
        wanted = [{**run, "root": options.data_root} for run in plan]
        minutes = resumable.complete(
            wanted, done, key, perform, keep, workers=options.workers, minutes=minutes
        )

    if not options.render:
        go(sources())
        go(tuning())
        finished = list(done.values())
        lr = chosen(finished, "tuning", "lr")
        go(main_and_more(lr, chosen(finished, "classifier tuning", "weight")))
    result = json.loads((RESULTS / f"{NAME}.json").read_text())
    save(NAME, result, report(result))
    print(report(result))


if __name__ == "__main__":
    main()
