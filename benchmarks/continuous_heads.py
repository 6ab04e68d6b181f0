"""Continuous labels of photographs: {triplet, log-ratio} x {binary, dense} as linear heads.

    python benchmarks/continuous_heads.py --data-root DATA --weights mobilenet_v2_imagenet.pth

On LSP (how far apart poses are) and Flickr8k (how far captions are), whichever is there. A frozen
MobileNetV2 looks at every photograph once; heads are trained on its pooled features. The plan,
written down before the first run:

* Every head starts as the principal components of its training features. Triplet losses get a head
  that normalises, searched by cosine, log-ratio one that does not, searched by Euclidean distance.
* Batches of 64: 8 anchors with 5 label neighbours each, and random images; AdamW, cosine schedule,
  EPOCHS epochs, in each of which every image is an anchor once; no augmentation.
* **Mining**. Binary: the neighbours are drawn out of the 30 nearest, and the 5 nearest labels in
  the batch are positives, all others negatives. Dense: exactly the nearest, and all pairs that the
  labels order (triplet) or all pairs (log-ratio).
* **Tuning**: each of the four gets six settings, LEARNING_RATES x two of its own, on each data set:
  seed 0, nDCG@100 on the validation images, which search each other, after the last epoch.
* **Main**: at those settings, three seeds; queries against gallery, nDCG@100 and mean label
  distance of the 10 nearest after the last epoch. A row each for a random ranking (normally
  distributed vectors, seed 0), for the features as they are, and for both starts of the heads.
"""

from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import frozen
from continuous import OWN_SETTINGS, build
from continuous_tables import plain_mean
from dmlviz import datasets, evaluation, methods, models, training
from record import Stopwatch, mean_and_spread, provenance, save
from resumable import whole

SETS = {"lsp": "lsp_extended", "flickr8k": "flickr8k"}  # and the folder of each
SPLITS = ("train", "val", "query", "gallery")
DIMENSION, EPOCHS, BATCH = 128, 3, 64
FIT: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "snapshot_size": 0, "progress": False}
ANCHORS, NEAREST, POOL = 8, 5, 30
LEARNING_RATES, SEEDS = (1e-4, 3e-4, 1e-3), (0, 1, 2)

Setting = dict[str, Any]
Splits = dict[str, Any]


class Known(datasets.ContinuousFeatures):
    """Features with their label distances worked out once: training asks for them at every step."""

    def __init__(self, features: Tensor, source: datasets.ContinuousDataset) -> None:
        super().__init__(features, source)
        self.known = source.label_distances()

    def _distances(self, rows: Tensor, other: Any, columns: Tensor) -> Tensor:
        assert other is self, "the splits are not compared with each other"
        return self.known[rows[:, None], columns]


def main() -> None:
    options = frozen.parser(__doc__.splitlines()[0], {}).parse_args()
    watch = Stopwatch()
    root = Path(options.data_root).expanduser()
    here = [name for name, folder in SETS.items() if (root / folder).is_dir()]
    missing = [name for name in SETS if name not in here]
    if not here:
        raise FileNotFoundError(f"--data-root: {root} has no {' and no '.join(SETS.values())}")
    print(f"missing: {', '.join(missing) or 'nothing'}", flush=True)
    backbone = models.EmbeddingNet("mobilenet_v2", weights=options.weights)
    # All data before any training, so that what is wrong with it shows at once.
    data = {name: _splits(name, root, backbone) for name in here}
    print(f"features after {watch.minutes()} minutes", flush=True)
    result = {
        "what": __doc__.splitlines()[0],
        "note": options.note,
        "missing": missing,
        "backbone": frozen.VIEW,
        "grid": {"lr": LEARNING_RATES, "own": OWN_SETTINGS, **FIT},
        "sets": {name: _study(name, splits, watch) for name, splits in data.items()},
        **provenance(watch.minutes()),
    }
    save("continuous_heads", result, _report(result))
    print(_report(result))


def _splits(name: str, root: Path, backbone: models.EmbeddingNet) -> Splits:
    view = backbone.transforms(train=False)
    splits = {}
    for split in SPLITS:
        images = datasets.load(name, split, root, view)
        kind = Known if split in ("train", "val") else datasets.ContinuousFeatures
        splits[split] = kind(evaluation.embed(backbone, images, features=True)[0], images)
    return splits


def _study(name: str, splits: Splits, watch: Stopwatch) -> dict[str, Any]:
    """All rows of one data set, and how their settings were chosen."""
    query, gallery = splits["query"], splits["gallery"]
    truth = query.label_distances(other=gallery)
    random = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, DIMENSION, generator=random) for n in truth.shape)
    starts = [frozen.head(splits["train"], DIMENSION, normalize=n) for n in (True, False)]
    rows = {
        "random ranking": [_figures(x, y, truth, "euclidean")],
        "features, cosine": [_figures(query.features, gallery.features, truth, "cosine")],
        f"PCA-{DIMENSION}, cosine": [_of_head(starts[0], splits, truth)],
        f"PCA-{DIMENSION}, Euclidean": [_of_head(starts[1], splits, truth)],
    }
    trials, chosen = {}, {}
    for loss, own in OWN_SETTINGS.items():
        settings = [{"lr": lr, **o} for lr, o in product(LEARNING_RATES, own)]
        trials[loss] = [_try(name, loss, setting, splits) for setting in settings]
        chosen[loss] = max(trials[loss], key=lambda trial: trial["val_ndcg@100"])
        heads = [_fit(loss, chosen[loss], splits, seed)[0] for seed in SEEDS]
        rows[loss] = [_of_head(head, splits, truth) for head in heads]
        print(f"{name}, {loss} after {watch.minutes()} minutes", flush=True)
    about = {"images": {s: len(part) for s, part in splits.items()}, "unit": query.unit}
    return {**about, "trials": trials, "chosen": chosen, "rows": rows}


def _fit(loss: str, setting: Setting, splits: Splits, seed: int) -> tuple[Any, list[float]]:
    """A trained head, and its nDCG@100 on the validation images before and after each epoch."""
    train, val = splits["train"], splits["val"]
    head = frozen.head(train, DIMENSION, seed, normalize=loss.startswith("triplet"))
    method = methods.ContinuousLabels(
        build(loss, setting, NEAREST),
        anchors=ANCHORS,
        nearest=NEAREST,
        pool=POOL if "binary" in loss else None,
        all_anchors=setting.get("all_anchors", True),
    )
    # The validation images as `test`: they are watched, but choose no epoch.
    history = whole(training.fit(head, method, train, test=val, lr=setting["lr"], seed=seed, **FIT))
    return head, history["test_ndcg@100"]


def _try(name: str, loss: str, setting: Setting, splits: Splits) -> Setting:
    curve = [round(v, 4) for v in _fit(loss, setting, splits, seed=0)[1]]
    print(name, loss, setting, *curve, flush=True)
    return {**setting, "val_ndcg@100": curve[-1], "val_curve": curve}


def _of_head(head: models.EmbeddingNet, splits: Splits, truth: Tensor) -> dict[str, float]:
    query, gallery = (evaluation.embed(head, splits[split])[0] for split in ("query", "gallery"))
    return _figures(query, gallery, truth, "cosine" if head.normalize else "euclidean")


def _figures(query: Tensor, gallery: Tensor, truth: Tensor, metric: str) -> dict[str, float]:
    ndcg = evaluation.ndcg(query, truth, [100], gallery=gallery, metric=metric)
    near = evaluation.mean_label_distance(query, truth, [10], gallery=gallery, metric=metric)
    return {"ndcg": ndcg[100], "distance": near[10]}


def _report(result: dict[str, Any]) -> str:
    tables = "\n\n".join(_table(name, of) for name, of in result["sets"].items())
    notes = [result["note"], *(f"{name} was not there." for name in result["missing"])]
    return f"""# {result["what"]}

Linear heads of {DIMENSION} dimensions on fixed features, not whole networks, which need a GPU. \
Backbone: {result["backbone"]}. {" ".join(note for note in notes if note)}

nDCG@100 in per cent (higher is better) and mean label distance of the 10 nearest (lower is \
better), queries against gallery, mean ± standard deviation over seeds; even a random ranking has \
much nDCG. Setting of each loss chosen out of six by nDCG@100 on validation images, seed 0, after \
the last of {EPOCHS} epochs; the plan is in the command's docstring, all trials in the JSON beside.

{tables}

{result["minutes"]} minutes on {result["machine"]}; torch {result["versions"]["torch"]}, commit \
{result["commit"]}. Made by `python benchmarks/continuous_heads.py --data-root DATA --weights FILE`.
"""


def _table(name: str, of: dict[str, Any]) -> str:
    head = f"| {name} | seeds | nDCG@100 | label distance@10, {of['unit']} |\n|---|---|---|---|"
    lines = [
        f"| {row} | {len(runs)} | {mean_and_spread([run['ndcg'] for run in runs])} "
        f"| {plain_mean([run['distance'] for run in runs])} |"
        for row, runs in of["rows"].items()
    ]
    images = ", ".join(f"{split} {n:,}" for split, n in of["images"].items())
    chosen = "; ".join(
        f"{loss}: " + ", ".join(f"{k} {v}" for k, v in s.items() if not k.startswith("val_"))
        for loss, s in of["chosen"].items()
    )
    return "\n".join([head, *lines, "", f"{name}: images: {images}. Settings: {chosen}."])


if __name__ == "__main__":
    main()
