"""Embedding transfer between heads on a frozen backbone: 512 to 512, and 512 to 64 dimensions.

    python benchmarks/heads_transfer.py --data cub --data-root DATA --weights FILE

The source is heads.py's Proxy-Anchor head (512 dimensions, with the setting that won there); the
target is a linear head of 512 or of 64 dimensions on the same features, started as their principal
components, not normalised, and searched by Euclidean distance. No labels are used for transfer.
Rows of each size: the untrained target (PCA), Proxy-Anchor trained directly at that size (with
heads.py's setting), and transfer by relaxed contrastive, RKD and PKT.

Each loss of transfer gets one learning rate and a number of epochs out of PLAN for both
sizes, written down before the first run: chosen by cross-validation over training
classes at 64 dimensions (source and target train without every fourth class, four folds, seed 0),
by mean Recall@1 on the classes held out. Then three seeds on all training classes, the last epoch.

    python benchmarks/heads_transfer.py --longer --data cars …

On both sets every loss chose the largest learning rate, on Cars all epochs, too: the corner of this
grid. `--longer` asks again for relaxed contrastive alone, with the larger rates and more epochs
of LONGER, chosen in the same way. Written down after the results of the first plan, before its own.
"""

import json
from typing import Any, NamedTuple

import torch

import frozen
from dmlviz import datasets, evaluation, losses, methods, training
from heads import BATCH, SEEDS, fit_head
from record import RESULTS, Stopwatch, markdown_table, provenance, save

SIZES = (512, 64)
TUNED_SIZE = 64
PUBLISHED = {
    "cub": "source Proxy-Anchor 512 69.1; self-transfer 512: PKT 69.1, RKD 70.9, relaxed "
    "contrastive 72.1; 512 to 64: PKT 63.6, RKD 65.8, relaxed contrastive 67.4",
    "cars": "source Proxy-Anchor 512 86.4; self-transfer 512: PKT 86.4, RKD 88.9, relaxed "
    "contrastive 89.6; 512 to 64: PKT 82.2, RKD 83.7, relaxed contrastive 86.5",
}
LOSSES: dict[str, Any] = {
    "relaxed contrastive": losses.RelaxedContrastiveLoss,
    "RKD": losses.RKDLoss,
    "PKT": losses.PKTLoss,
}


class Grid(NamedTuple):
    """What is tried: each loss with each learning rate, looked at after each epoch."""

    losses: tuple[str, ...]
    lr: tuple[float, ...]
    epochs: int


PLAN = Grid(tuple(LOSSES), (1e-5, 1e-4, 1e-3), 20)
LONGER = Grid(("relaxed contrastive",), (1e-3, 3e-3, 1e-2), 60)


def main() -> None:
    parser = frozen.parser(__doc__.splitlines()[0])
    parser.add_argument("--longer", action="store_true", help="larger rates and more epochs")
    options = parser.parse_args()
    grid, longer = (LONGER, " --longer") if options.longer else (PLAN, "")
    watch = Stopwatch()
    train, test = frozen.features(options)
    print(f"features after {watch.minutes()} minutes", flush=True)
    winner = json.loads((RESULTS / f"{options.data}_head.json").read_text())
    winner = winner["chosen"]["Proxy-Anchor"]

    trials = _tune(train, winner, grid)
    chosen = {
        loss: max((t for t in trials if t["loss"] == loss), key=lambda t: t["val_recall@1"])
        for loss in grid.losses
    }
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        source, _ = fit_head("Proxy-Anchor", winner, train, winner["epochs"], seed)
        _add(rows, "source: Proxy-Anchor, 512", source, test)
        for size in SIZES:
            if seed == SEEDS[0]:
                pca = frozen.head(train, size, normalize=False)
                _add(rows, f"{size}: PCA, untrained", pca, test)
            if size != 512:
                direct, _ = fit_head(
                    "Proxy-Anchor", winner, train, winner["epochs"], seed, size=size
                )
                _add(rows, f"{size}: Proxy-Anchor directly", direct, test)
            for loss, setting in chosen.items():
                target, _ = _transfer(
                    loss, setting["lr"], source, train, size, setting["epochs"], seed
                )
                _add(rows, f"{size}: {loss}", target, test)
            print(f"seed {seed}, size {size} after {watch.minutes()} minutes", flush=True)
    result = {
        "what": __doc__.splitlines()[0],
        "data": frozen.describe(options.data, train, test, options.note),
        "published": PUBLISHED[options.data],
        "command": frozen.command("heads_transfer.py", options) + longer,
        "backbone": frozen.VIEW,
        "grid": {**grid._asdict(), "batch": BATCH, "folds": frozen.FOLDS},
        "trials": trials,
        "chosen": chosen,
        "rows": rows,
        **provenance(watch.minutes()),
    }
    save(f"{options.data}_transfer" + longer.replace(" --", "_"), result, _report(result))
    print(_report(result))


def _tune(train: datasets.Features, winner: dict[str, Any], grid: Grid) -> list[dict[str, Any]]:
    folds = [frozen.fold(train, number) for number in range(frozen.FOLDS)]
    sources = [fit_head("Proxy-Anchor", winner, s, winner["epochs"], 0)[0] for s, _ in folds]
    trials = []
    for loss in grid.losses:
        for lr in grid.lr:
            curves = []
            for source, (seen, unseen) in zip(sources, folds, strict=True):
                _, history = _transfer(
                    loss, lr, source, seen, TUNED_SIZE, grid.epochs, 0, val=unseen
                )
                curves.append(history["val_recall@1"])
            mean = torch.tensor(curves).mean(dim=0)
            trial = {"loss": loss, "lr": lr, "epochs": int(mean.argmax())}
            trial |= {"val_recall@1": round(mean.max().item(), 4)}
            trial |= {"val_recall@1 untrained (PCA)": round(mean[0].item(), 4)}
            trials.append(trial)
            print(trial, flush=True)
    return trials


def _transfer(
    loss: str, lr: float, source: Any, train: Any, size: int, epochs: int, seed: int, **watched: Any
) -> tuple[Any, Any]:
    target = frozen.head(train, size, seed, normalize=False)
    history = training.fit(
        target,
        methods.EmbeddingTransfer(source, LOSSES[loss](), views=1),
        train,
        epochs=epochs,
        batch_size=BATCH,
        lr=lr,
        schedule="constant",  # so that any epoch can be the last
        seed=seed,
        snapshot_size=0,
        progress=False,
        **watched,
    )
    return target, history


def _add(rows: dict[str, list[Any]], name: str, model: Any, test: datasets.Features) -> None:
    metric = "cosine" if model.normalize else "euclidean"
    figures = frozen.figures(evaluation.embed(model, test)[0], test, metric)
    rows.setdefault(name, []).append(figures)


def _report(result: dict[str, Any]) -> str:
    chosen = "; ".join(
        f"{loss}: lr {t['lr']:g}, {t['epochs']} epochs" for loss, t in result["chosen"].items()
    )
    return f"""# Embedding transfer between heads on frozen features, {result["data"]["name"]}

{frozen.described(result["data"])}

{markdown_table(result["rows"])}

Per cent on the test classes, mean ± standard deviation over seeds. Setting of each loss chosen on \
training classes, by {result["grid"]["folds"]}-fold cross-validation over classes ({chosen}); the \
grid is in the JSON beside.

**Published** (Kim et al., CVPR 2021, the authors' README; the whole data set, whole networks \
trained, BN-Inception, Recall@1): {result["published"]}. The differences: here only a linear \
layer is trained, on fixed features without augmentation (so one view, not two), with another \
backbone, and chosen on training classes, not by the test classes. The rows compare with each \
other, not with the published ones.

{result["minutes"]} minutes on {result["machine"]}; torch {result["versions"]["torch"]}, commit \
{result["commit"]}. Made by `{result["command"]}`.
"""


if __name__ == "__main__":
    main()
