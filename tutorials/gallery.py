"""Draw the gallery: every picture of `dmlviz.plots`, beside the one line that drew it.

The widgets have a section of their own, whose screenshots come from `images/make_widgets.py`.

    python tutorials/gallery.py

Trains a few small networks on embedded data (with the drawing three minutes on one core), and
writes `gallery.md` and `images/gallery/*.png`. The line that is shown is the line that is run.
"""

import io
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from PIL import Image

from dmlviz import datasets, evaluation, losses, methods, models, plots, synthesis, training

HERE = Path(__file__).parent
IMAGES = HERE / "images" / "gallery"
MOST_BYTES = 60_000
KS = (1, 2, 5, 10, 20, 50, 100)
SIX = [
    "DIGIT SEVEN", "AMPERSAND", "FULL STOP", "NUMBER SIGN", "LATIN CAPITAL LETTER W", "DIGIT FIVE",
]  # fmt: skip


class Picture(NamedTuple):
    """One picture of the page: its title, the line that draws it, and what to see."""

    title: str
    code: str
    see: str

    @property
    def file(self) -> str:
        return re.sub("[^a-z0-9]+", "-", self.title.lower()).strip("-") + ".png"


class Widget(NamedTuple):
    """One widget of the page: the line that makes it, what to do with it, and what is seen."""

    code: str
    do: str
    alt: str

    @property
    def name(self) -> str:
        return self.code.split("(")[0].removeprefix("widgets.")


INTRO = """\
# Gallery

Every picture of `dmlviz.plots`, the line that drew it, and what to see. All are drawn anew from
embedded data by `python tutorials/gallery.py`. The networks are small and trained for seconds, with
one seed: these are pictures, not results. [Live pictures](#widgets) are at the end.

Colours mean the same everywhere: the query or anchor is a **black star** (or frame), what is of its
class is **blue**, of another class **vermilion**; proxies are **diamonds**, what is synthetic is
**hollow**. Classes have Okabe and Ito's colours, which colour-blind readers can tell apart, and a
marker each. All functions take data first and `ax=` last, and return the Axes.

| name | what it is here |
|---|---|
| `test` | Glyphs: characters of classes that no network was trained on |
| `history`, `last` | of training with Proxy-NCA (64 dimensions); its last snapshot of `test` |
| `x`, `y`, `p` | embeddings and labels of training images, and the proxies |
| `trained`, `spaces` | embeddings of `test` after training; and before, too |
| `after`, `before` | Recall@K of the two |
| `flat`, `round` | snapshots of networks with two and three dimensions; \
`flat_proxies`, `round_proxies` |
| `runs` | histories of three losses, two seeds each, on fewer classes |
| `collapsed` | a snapshot after training with a margin of 0.01 |
| `poses`, `r` | Poses, and the distances of their labels |
| `z`, `z0` | embeddings of `poses` after and before training; `graded`, `graded0`: their nDCG |
| `v`, `y_v`, `novel` | mixtures of two images of a class; mixed classes |
| `student` | embeddings of `test` by a network that learned from the first one, without labels |
"""

SECTIONS = {
    "Maps": [
        Picture(
            "Embedding map",
            'plots.embedding_map(last, method="tsne", dataset=test, thumbnails=70)',
            "Images of one class, none of them seen in training, mostly lie together, and beside "
            "classes that look like them. Eight of forty classes are in colour.",
        ),
        Picture(
            "The embedding itself: a circle, with its proxies",
            "plots.embedding_map(flat, proxies=flat_proxies)",
            "A network with two dimensions needs no projection: four training classes share the "
            "circle, and each proxy (diamond) stands in the middle of its class.",
        ),
        Picture(
            "The embedding itself: a sphere",
            "plots.embedding_map(round, proxies=round_proxies)",
            "With three dimensions the classes have more room. What lies on the far side is faint.",
        ),
        Picture(
            "PCA, with synthetic points",
            "plots.embedding_map(x, y, highlight=range(6), synthetic=v, synthetic_labels=y_v)",
            "PCA is a shadow of the space: straight lines stay straight, and much overlaps. Hollow "
            "markers are mixtures of two images of a class: they fall between the real ones.",
        ),
        Picture(
            "The space over the epochs",
            'plots.epoch_maps(history, method="tsne", epochs=3)',
            "Classes gather as training goes on. Each map starts from that of the epoch after it, "
            "so a point moves because its embedding does, and not by chance.",
        ),
        Picture(
            "Neighbours in the embedding space",
            'plots.neighbor_map(last, query=752, k=10, method="pca")',
            "Lines lead from the query to its true neighbours, among many points that are nearer "
            "on the map: look at the space, not at the map, to see what a search will find.",
        ),
        Picture(
            "Novel classes",
            "plots.novel_map(x, y, p[:30], novel)",
            "Hollow black: classes that do not exist, mixed from pairs of real ones. They fill "
            "gaps between the real classes.",
        ),
        Picture(
            "UMAP",
            'plots.embedding_map(last, method="umap")',
            "The same embeddings as in the first map. Islands are real; their sizes and the "
            "distances between them mean little.",
        ),
    ],
    "The shape of a space": [
        Picture(
            "Pair distances",
            "plots.pair_distances(trained, test.targets)",
            "The less the two histograms overlap, the better. Above them: how often a same-class "
            "pair is nearer than another pair.",
        ),
        Picture(
            "Similarity matrix, sorted",
            "plots.similarity_matrix(last, highlight=range(0, 40, 8))",
            "Each block on the diagonal is a class. Blue elsewhere are classes that the network "
            "mixes up; similar classes stand side by side.",
        ),
        Picture(
            "Singular values",
            'plots.singular_values(spaces | {"collapsed": collapsed})',
            "How far the images spread along each axis. Before training one axis holds most of "
            "it; where training shrank the space to almost a point, the whole curve lies "
            "low, though its shape, and so its effective rank, is the best of the three.",
        ),
        Picture(
            "Class relations",
            "plots.class_relations(p[:24], classes=train.classes[:24], limit=0.6)",
            "The cosines of proxies, similar classes side by side: what the loss has learned about "
            "which classes are alike.",
        ),
    ],
    "What a loss does": [
        Picture(
            "Force field",
            "plots.force_field(losses.ProxyAnchorLoss(3, 2))",
            "An arrow is where gradient descent moves a point. Points that stand wrong are moved "
            "most; diamonds are proxies.",
        ),
        Picture(
            "Loss landscape",
            "plots.loss_landscape(losses.ContrastiveLoss(margin=1.0))",
            "The loss as one sample (star) goes round the circle, as hills: there is a valley at "
            "its own class (blue), and the arrow is where the gradient moves it.",
        ),
        Picture(
            "Loss profile",
            "plots.loss_profile(losses.ProxyAnchorLoss(3, 2))",
            "How strongly a positive is pulled and a negative pushed, by similarity: the margins "
            "are where the forces fade.",
        ),
    ],
    "Search and training": [
        Picture(
            "Retrieval gallery",
            "plots.retrieval_gallery(test, spaces, queries=4, k=4)",
            "Four queries and what is nearest to each, by two networks. Blue and ✓ are right, "
            "vermilion and ✗ are wrong.",
        ),
        Picture(
            "Recall@K",
            'plots.recall_curves({"trained": after, "untrained": before})',
            "How often at least one of the K nearest is right.",
        ),
        Picture(
            "Training",
            "plots.training_curves(history)",
            "Recall on unseen classes rises while the training loss (grey) falls.",
        ),
        Picture(
            "A race",
            "plots.race(runs)",
            "Three losses, two seeds each: the line is their mean, the band goes from the lower to "
            "the higher. With two seeds, places that bands share are not decided.",
        ),
    ],
    "Labels in degrees": [
        Picture(
            "Label gallery",
            'plots.label_gallery(poses, {"trained": z, "untrained": z0}, queries=3, k=4, seed=1)',
            "Queries, their nearest images, and below each how far its pose is from the query's; "
            "blue is near, vermilion far.",
        ),
        Picture(
            "Log-ratio scatter",
            "plots.log_ratio_scatter(z, r)",
            "Each dot compares two images with an anchor: by label (across) and by embedding (up). "
            "On the line, the embedding keeps the ratio.",
        ),
        Picture(
            "nDCG",
            'plots.ndcg_curves({"trained": graded, "untrained": graded0})',
            "The quality of the whole ranking by label distance, for short and long lists.",
        ),
    ],
    "One network teaches another": [
        Picture(
            "Relaxed labels",
            "plots.relaxed_label_map(trained[few], test.targets[few], "
            "images=[test.image(i) for i in few])",
            "What the source tells the target about each pair: not only yes or no. Classes that "
            "look alike share some blue.",
        ),
        Picture(
            "Relaxed labels for several σ",
            "plots.relaxed_label_curves()",
            "The smaller σ, the more alike two images must be to count as a pair.",
        ),
        Picture(
            "Forces of transfer",
            "plots.transfer_forces()",
            "A pair with label w is pushed apart below its resting distance (dot) and pulled "
            "together beyond it.",
        ),
        Picture(
            "What the target made of it",
            "plots.relative_distance_scatter(student, trained)",
            "Each dot is a pair: where the loss draws it (across), and where it is (up).",
        ),
    ],
}

WIDGETS = [
    Widget(
        "widgets.EmbeddingExplorer(history, test)",
        "Click a point: are its nearest images, in all 64 dimensions, of its class (✓) or of "
        "another (✗), and are they near on the map, too?",
        "A map of images as points, some in colour; lines lead from a clicked one, a black star, "
        "to its six neighbours, whose images stand beside the map under a tick or a cross.",
    ),
    Widget(
        "widgets.EpochExplorer(history)",
        "Drag the epoch, or press play: when do the coloured classes part?",
        "A slider over epochs; below it the map of one epoch, eight classes in colour, beside the "
        "curve of Recall@1, on which a dot marks that epoch.",
    ),
    Widget(
        "widgets.TrainingPlayground(glyphs, losses.TripletLoss(0.2), losses.ProxyAnchorLoss(3, 2))",
        "Press play, and move a margin while both networks train: which classes move at once?",
        "Two networks side by side: each places images of three classes on a circle, whose corners "
        "show an image of each class and its mark; below, curves of the loss and of Recall@1.",
    ),
    Widget(
        "widgets.LossExplorer(losses.ProxyAnchorLoss(3, 2))",
        "Turn alpha and margin, and drag a point or a proxy: which points feel no force?",
        "Sliders for margin and alpha; below, twelve points and three proxies on a circle, arrows "
        "for the forces on the points, and curves of how strongly a loss pulls and pushes.",
    ),
    Widget(
        "widgets.ForceField(losses.TripletLoss(margin=0.4))",
        "Drag a point towards another class, then press *let go*: where do all of them rest?",
        "Twelve points of three classes on a circle, with an arrow for the force on each, and "
        "buttons to step, to let go and to reset.",
    ),
    Widget(
        "widgets.SynthesisExplorer(generator, x, y, p[:30], images)",
        "Drag mix from one class to the other, and turn the noise: whom do the samples resemble?",
        "Dropdowns for two classes and sliders for mix, noise and turn; a map of the real images, "
        "hollow samples of a mixed class between them, and the real images nearest to one sample.",
    ),
    Widget(
        "widgets.TransferExplorer(trained[few], test.targets[few])",
        "Raise steps to train the target: which pairs come near each other, and which sigma makes "
        "all pairs alike?",
        "Sliders for sigma, delta, steps and anchor; a matrix of relaxed labels, the target's "
        "points in the plane with their forces, and the distance of each pair beside its label.",
    ),
    Widget(
        "widgets.RatioExplorer()",
        "Drag the label: which of the two losses notices, and where does it want the item?",
        "Sliders for label, place and margin; lines from label distances to distances in the "
        "embedding, and curves of the log-ratio and the dense triplet loss and of their slopes.",
    ),
]

LIVE = """
## Widgets

Live in JupyterLab, and here as `python tutorials/images/make_widgets.py` found them there. Beside
the names above, `glyphs` are three characters to learn and six unseen ones, `images` those of `x`,
`few` 25 images of five classes, and `generator` has learned to make embeddings like `x`.
"""

OTHERS = """
## Not pictures, but for pictures

| | |
|---|---|
| `plots.project(x, "tsne")` | `(N, 2)`: PCA, t-SNE or UMAP, as the maps use them |
| `plots.project_epochs(history.snapshots, "tsne")` | the same for several epochs, aligned |
| `plots.class_order(p)` | an order of classes in which similar ones stand together |
"""


def fit(loss: Any, train: Any, test: Any, *, size: int = 64, seed: int = 0, **options: Any) -> Any:
    """A small network after training, and its history."""
    model = models.EmbeddingNet("convnet_small", size, in_channels=1, seed=seed)
    options = {"lr": 3e-3, "proxy_lr_multiplier": 10, "progress": False} | options
    return model, training.fit(model, methods.Supervised(loss), train, test, seed=seed, **options)


def classes() -> dict[str, Any]:
    """What needs class labels: Glyphs, and a network that learned them with Proxy-NCA."""
    train = datasets.load("glyphs", "train")
    test = datasets.OfClasses(datasets.load("glyphs", "test"), range(0, 200, 5))
    loss = losses.ProxyNCALoss(200, 64, temperature=0.1)
    model, history = fit(loss, train, test, epochs=9)
    first, last = history.snapshots[0], history.snapshots[-1]
    before, after = (evaluation.recall_at_k(s.embeddings, s.labels, KS) for s in (first, last))

    p = loss.proxies.detach()
    x, y = evaluation.embed(model, datasets.OfClasses(train, range(30)))
    pair = torch.arange(0, 180, 2)  # six classes of 30 images each, one after the other
    some = slice(None, None, 5)
    return {
        "train": train, "test": test, "model": model, "history": history, "last": last,
        "x": x, "y": y, "p": p, "before": before, "after": after, "trained": last.embeddings,
        "spaces": {"trained": last.embeddings, "untrained": first.embeddings},
        "v": x[pair] + x[pair + 1], "y_v": y[pair],
        "novel": synthesis.CarriedOffsets(3)(x[some], y[some], p[:30]),
    }  # fmt: skip


def race(test: Any) -> dict[str, Any]:
    """Three losses on a few classes, two seeds each; and one whose margin is far too small."""
    train = datasets.OfClasses(datasets.load("glyphs", "train"), range(40))
    contrastive = losses.ContrastiveLoss(margin=1.0)
    triplet = losses.TripletLoss(margin=0.2, mining="all")
    runs: dict[str, list[Any]] = {"Proxy-NCA": [], "contrastive": [], "triplet": []}
    for seed in (0, 1):
        proxy_nca = losses.ProxyNCALoss(40, 64, temperature=0.1, seed=seed)
        for name, loss in zip(runs, (proxy_nca, contrastive, triplet), strict=True):
            runs[name].append(fit(loss, train, test, seed=seed, epochs=6)[1])
    _, history = fit(losses.ContrastiveLoss(margin=0.01), train, test, epochs=3)
    return {"runs": runs, "collapsed": history.snapshots[-1]}


def low_dimensions() -> dict[str, Any]:
    """Networks with two and three dimensions, seen on the four and six classes that they learn."""
    glyphs = datasets.load("glyphs", "train")
    made: dict[str, Any] = {}
    for name, size, count in (("flat", 2, 4), ("round", 3, 6)):
        train = datasets.OfClasses(glyphs, [glyphs.classes.index(c) for c in SIX[:count]])
        loss = losses.ProxyNCALoss(count, size, temperature=0.3)
        _, history = fit(loss, train, train, size=size, epochs=40, batch_size=16, eval_every=40)
        made |= {name: history.snapshots[-1], f"{name}_proxies": loss.proxies.detach()}
    return made


def degrees() -> dict[str, Any]:
    """What needs labels that come in degrees: Poses, and the log-ratio loss."""
    poses = datasets.load("poses", "gallery")
    r = poses.label_distances()
    model = models.EmbeddingNet("convnet_small", 64, normalize=False)
    z0, _ = evaluation.embed(model, poses)
    method = methods.ContinuousLabels(losses.LogRatioLoss(), anchors=16, nearest=2)
    train = datasets.load("poses", "train")
    training.fit(model, method, train, epochs=2, lr=3e-3, progress=False)
    z, _ = evaluation.embed(model, poses)
    graded, graded0 = (evaluation.ndcg(space, r, KS) for space in (z, z0))
    return {"poses": poses, "r": r, "z": z, "z0": z0, "graded": graded, "graded0": graded0}


def transfer(source: Any, train: Any, test: Any) -> dict[str, Any]:
    """A network that learns from another one, by relaxed labels."""
    target = models.EmbeddingNet("convnet_small", 64, in_channels=1, normalize=False, seed=1)
    method = methods.EmbeddingTransfer(source, losses.RelaxedContrastiveLoss())
    training.fit(target, method, train, epochs=2, lr=3e-3, progress=False)
    return {
        "student": evaluation.embed(target, test)[0],
        "few": [20 * c + i for c in range(5) for i in range(5)],
    }


def save(figure: Figure, path: Path) -> None:
    """Write a picture of few colours, as small as it must be to stay under 60 kB."""
    for dpi, colours in ((100, 256), (100, 128), (100, 64), (80, 64), (80, 32), (64, 32)):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
        picture = Image.open(buffer).convert("RGB")
        palette = picture.quantize(colours, kmeans=3, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return
    raise ValueError(f"{path.name} is too large: show fewer images")


def page() -> str:
    """The page, from what `SECTIONS` holds; needs no picture to be drawn."""
    parts = [INTRO]
    for section, pictures in SECTIONS.items():
        parts.append(f"\n## {section}\n")
        for picture in pictures:
            parts.append(f"\n### {picture.title}\n\n{picture.see}\n")
            parts.append(f"\n```python\n{picture.code}\n```\n")
            parts.append(f"\n![{picture.title}](images/gallery/{picture.file})\n")
    parts += [OTHERS, LIVE]
    for widget in WIDGETS:
        parts.append(f"\n### {widget.name}\n\n{widget.do}\n\n`{widget.code}`\n")
        parts.append(f"\n![{widget.alt}](images/widgets/{widget.name}.png)\n")
    return "".join(parts)


def main() -> None:
    start = time.perf_counter()
    IMAGES.mkdir(parents=True, exist_ok=True)
    names = classes()
    names |= race(names["test"]) | low_dimensions() | degrees()
    names |= transfer(names["model"], names["train"], names["test"])
    print(f"trained in {time.perf_counter() - start:.0f} s", flush=True)
    names |= {"plots": plots, "losses": losses}
    for picture in (p for pictures in SECTIONS.values() for p in pictures):
        ax = eval(picture.code, names)
        save(ax.figure, IMAGES / picture.file)
        plt.close(ax.figure)
    (HERE / "gallery.md").write_text(page(), encoding="utf-8")
    print(f"drawn in {time.perf_counter() - start:.0f} s, all in all")


if __name__ == "__main__":
    main()
