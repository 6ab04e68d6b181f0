"""A folder of own images: how many of each class, and how are wrong labels found?

    python benchmarks/own_images.py              # everything that is not there yet
    python benchmarks/own_images.py --render     # only the tables, from the runs that are there

Every finished run is kept in results/own_images.json at once, so the command may be stopped and
called again. The plan was written down after trials with one seed, in which EPOCHS and the list of
k's were chosen, and was changed once, after ten runs, as said below. Nothing is tuned here.

* **How many images**: some classes of Glyphs, some images of each; convnet_small, 64 dimensions,
  Proxy-Anchor with the setting that `novel_classes` found with 100 classes, about STEPS steps
  whatever the number of images; three seeds, which draw classes and images, too. Recall@1 on the
  200 test classes at the look that is best on the 40 validation classes. (30 images of each of 20
  to 200 classes: the base of `novel_classes`, with the same network and the same rules.)
* **A first plan** for this took FIRST_STEPS steps with the network and setting of the next part. In
  its six runs, seed 0, fewer classes were ahead of more: with 200 classes the network was half
  trained. They stay in the table as an example of too small a budget. At the same time some
  runs were left out, for time: more numbers of images, second trainings with 5 % wrong labels.
* **Wrong labels**: convnet, 64 dimensions, Proxy-Anchor (alpha 16, learning rate 0.001, that of the
  proxies ten times as high), EPOCHS epochs, three seeds; Recall@1 after the last. Of the 200
  training classes 120 train, 50 others test. A share of all labels is wrong, "at random" or "by
  pairs": images of a class always get the same wrong label, as if two folders had been mixed up.
  All images are ranked by `evaluation.label_disagreement`, with several k's, and so are two parts
  of them: ten images of each class, and twenty classes, ten of them trained on. The figure is the
  share of wrong labels among the first n, where n are wrong. With 20 % wrong the network is then
  trained again, from the same start: with the wrong labels that stand among the first 2 n put
  right, as by someone who looked at these; or without the first n, as by someone who did not look.
"""

from collections.abc import Iterator
from typing import Any

import resumable
from own_images_tables import report

EPOCHS, STEPS, FIRST_STEPS, LOOKS = 8, 2000, 400, 5
BATCH, DIMENSION, SEEDS = 64, 64, range(3)
MANY = [(200, 2), (200, 8), (100, 16)]  # classes, images of each
FIRST_MANY = [(200, 2), (200, 4), (200, 8), (200, 30), (100, 16), (53, 30)]
WRONG = [(0.01, "at random"), (0.05, "at random"), (0.2, "at random"), (0.05, "by pairs")]
KS = (5, 10, 20, 30, 50, 100, 200, 300, 600, 1200)
TRAINING_CLASSES, TEST_CLASSES = 120, 50

Run = dict[str, Any]


def plan() -> Iterator[Run]:
    for classes, images in FIRST_MANY:
        yield {"part": "how many", "classes": classes, "images": images, "seed": 0}
    for seed in SEEDS:
        for classes, images in MANY:
            yield {"part": "images", "classes": classes, "images": images, "seed": seed}
        yield {"part": "labels", "wrong": 0.0, "kind": "none", "seed": seed}
        for share, kind in WRONG:
            yield {"part": "labels", "wrong": share, "kind": kind, "seed": seed}


def perform(run: Run) -> Run:
    """Train, once or three times; returns the run with its figures."""
    import torch

    torch.set_num_threads(1)
    return run | (_labels(run) if run["part"] == "labels" else _how_many(run))


def _how_many(run: Run) -> Run:
    import torch

    from dmlviz import datasets, evaluation

    root, seed = run["root"], run["seed"]
    random = torch.Generator().manual_seed(seed)
    glyphs = datasets.load("glyphs", "train", root)
    drawn = datasets.OfClasses(
        glyphs, torch.randperm(200, generator=random)[: run["classes"]].tolist()
    )
    order = torch.randperm(len(drawn), generator=random)
    few = [order[drawn.targets[order] == c][: run["images"]] for c in range(run["classes"])]
    train = _Items(drawn, torch.cat(few))
    batches = max(1, len(train) // BATCH)
    test = datasets.load("glyphs", "test", root)
    if run["part"] == "how many":
        model, _ = _train(train, round(FIRST_STEPS / batches), seed)
        return {"recall@1": evaluation.recall_at_k(*evaluation.embed(model, test), [1])[1]}
    epochs, val = round(STEPS / batches), datasets.load("glyphs", "val", root)
    _, history = _train(train, epochs, seed, small=True, test=test, val=val)
    looks = {"val": history["val_recall@1"], "test": history["test_recall@1"]}
    return {name: [r for r in recalls if r is not None] for name, recalls in looks.items()}


def _labels(run: Run) -> Run:
    import torch

    from dmlviz import datasets, evaluation

    root, seed = run["root"], run["seed"]
    random = torch.Generator().manual_seed(seed)
    glyphs = datasets.load("glyphs", "train", root)
    still = datasets.load("glyphs", "train", root, transform=datasets.transforms.glyph())
    classes, true = torch.randperm(200, generator=random), glyphs.targets
    n = round(run["wrong"] * len(true))
    spoilt = torch.randperm(len(true), generator=random)[:n]
    step = torch.randint(1, 200, (n,), generator=random) if run["kind"] == "at random" else 77
    labels = true.clone()
    labels[spoilt] = (labels[spoilt] + step) % 200
    everything = torch.arange(len(true))

    def trained_on(labels: Any, rows: Any) -> tuple[Any, Run]:
        chosen = classes[:TRAINING_CLASSES]
        number = torch.full((200,), -1)
        number[chosen] = torch.arange(len(chosen))
        rows = rows[number[labels[rows]] >= 0]
        model, _ = _train(_Items(glyphs, rows, number[labels], len(chosen)), EPOCHS, seed)
        x, _ = evaluation.embed(model, still)
        others = classes[-TEST_CLASSES:]
        shares = {}
        for name, y in (("recall@1", true), ("recall@1 as labelled", labels)):
            there = torch.isin(y, others)
            shares[name] = evaluation.recall_at_k(x[there], y[there], [1])[1]
        return x, shares

    x, figures = trained_on(labels, everything)
    if not n:
        return figures
    galleries = {
        "all": everything,
        "ten of each class": _ten_of_each(labels, random),
        "twenty classes": torch.isin(labels, classes[110:130]).nonzero().flatten(),
    }
    wrong = labels != true
    figures["precision"] = {
        name: {str(k): _found(x[rows], labels[rows], wrong[rows], k) for k in KS if k < len(rows)}
        for name, rows in galleries.items()
    }
    figures["sizes"] = {name: len(rows) for name, rows in galleries.items()}
    first = evaluation.label_disagreement(x, labels).argsort(descending=True, stable=True)
    figures["found by looking at 2n"] = (wrong[first[: 2 * n]].sum() / n).item()
    if run["wrong"] >= 0.2:
        right = labels.clone()
        right[first[: 2 * n]] = true[first[: 2 * n]]
        figures["put right"] = trained_on(right, everything)[1]["recall@1"]
        figures["dropped"] = trained_on(labels, first[n:].sort().values)[1]["recall@1"]
    return figures


def _found(x: Any, labels: Any, wrong: Any, k: int) -> float:
    """The share of wrong labels among the first n of the list, where n are wrong."""
    from dmlviz import evaluation

    first = evaluation.label_disagreement(x, labels, k).argsort(descending=True, stable=True)
    return wrong[first[: int(wrong.sum())]].float().mean().item()


def _ten_of_each(labels: Any, random: Any) -> Any:
    import torch

    order = torch.randperm(len(labels), generator=random)
    return torch.cat([order[labels[order] == c][:10] for c in labels.unique()])


def _train(train: Any, epochs: int, seed: int, *, small: bool = False, **watched: Any) -> Any:
    from dmlviz import losses, methods, models, training

    network = "convnet_small" if small else "convnet"
    model = models.EmbeddingNet(network, DIMENSION, in_channels=1, seed=seed)
    alpha, lr, multiplier = (32, 5e-3, 1) if small else (16, 1e-3, 10)
    loss = losses.ProxyAnchorLoss(len(train.classes), DIMENSION, alpha=alpha, seed=seed)
    history = training.fit(
        model, methods.Supervised(loss), train, **watched, epochs=epochs, batch_size=BATCH, lr=lr,
        proxy_lr_multiplier=multiplier, eval_every=max(1, epochs // LOOKS), seed=seed,
        snapshot_size=0, progress=False,
    )  # fmt: skip
    return model, resumable.whole(history)


class _Items:
    """Some items of a data set, perhaps under other labels."""

    def __init__(self, dataset: Any, rows: Any, labels: Any = None, classes: int = 0) -> None:
        self.dataset, self.rows = dataset, rows
        self.targets = (dataset.targets if labels is None else labels)[rows]
        self.classes = range(classes) if classes else dataset.classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.dataset[int(self.rows[i])][0], int(self.targets[i])


def main() -> None:
    study = resumable.Study(
        "own_images",
        __doc__.splitlines()[0],
        ("part", "classes", "images", "wrong", "kind", "seed"),
        perform,
        report,
        {"plan": {"epochs": EPOCHS, "steps": STEPS, "first_steps": FIRST_STEPS, "batch": BATCH}},
    )
    study.main(lambda _: plan())


if __name__ == "__main__":
    main()
