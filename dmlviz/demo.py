"""`dmlviz demo`: train, measure, and show, with no notebook: one minute, one HTML page."""

import base64
import html
import io
import time
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmlviz import datasets, evaluation, losses, methods, models, plots, training
from dmlviz.datasets.roots import PathLike


def demo(
    output: PathLike = "dmlviz-demo.html",
    *,
    epochs: int = 10,
    seed: int = 0,
    root: PathLike | None = None,
) -> Path:
    """Train Proxy-Anchor on Glyphs, print the recall table, write one page of pictures.

    Args:
        output: the page to write.
        epochs: passes over the training set.
        seed: of everything random.
        root: data root for Glyphs; None: see `datasets.data_root`.
    """
    output = Path(output)
    if not output.resolve().parent.is_dir():
        raise FileNotFoundError(f"no folder {output.resolve().parent} to write {output.name} to")
    start = time.perf_counter()
    train = datasets.load("glyphs", "train", root)
    test = datasets.load("glyphs", "test", root)
    model = models.EmbeddingNet("convnet", embedding_size=64, in_channels=1, seed=seed)
    loss = losses.ProxyAnchorLoss(len(train.classes), embedding_size=64, seed=seed)
    print(f"training on {len(train.classes)} classes, tested on {len(test.classes)} others")
    before = evaluation.evaluate(model, test, nmi=False)
    history = training.fit(
        model, methods.Supervised(loss), train, test, epochs=epochs, seed=seed,
        lr=1e-3, proxy_lr_multiplier=10,
    )  # fmt: skip
    embeddings, _ = evaluation.embed(model, test)
    after = evaluation.evaluate(model, test)
    seconds = time.perf_counter() - start
    print(f"\nunseen classes, trained for {epochs} epochs:\n{after}\n(untrained: ", end="")
    print(f"Recall@1 {100 * before.recall[1]:.1f} %; {seconds:.0f} s in all)")

    pictures = {
        "Map of classes the model has never seen": plots.embedding_map(
            history.snapshots[-1], method="tsne", dataset=test, thumbnails=110
        ),
        "Training": plots.training_curves(history),
        "Recall@K": plots.recall_curves({"trained": after, "untrained": before}),
        "Distances of pairs": plots.pair_distances(history.snapshots[-1]),
        "What it retrieves": plots.retrieval_gallery(test, embeddings, queries=6, seed=seed),
    }
    intro = (
        f"<p>A small network trained with Proxy-Anchor for {epochs} epochs on "
        f"{len(train.classes)} written characters, seed {seed}, in {seconds:.0f} s, "
        f"and asked to find images of {len(test.classes)} <i>other</i> characters.</p>"
    )
    page = _page("dmlviz demo", intro + after._repr_html_(), pictures)
    part = output.with_suffix(output.suffix + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(output)  # never half a page
    print(f"pictures: {output}")
    return output


def _page(title: str, intro: str, pictures: dict[str, Axes]) -> str:
    figures = "".join(
        f"<figure><figcaption>{html.escape(caption)}</figcaption>"
        f'<img alt="{html.escape(caption)}" src="data:image/png;base64,{_png(ax)}"></figure>'
        for caption, ax in pictures.items()
    )
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
        "color:#222;background:#fff}img{max-width:100%}figure{margin:2rem 0}"
        "figcaption{font-weight:600}td,th{padding:.2rem .8rem;text-align:right}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1>{intro}{figures}</html>"
    )


def _png(ax: Axes) -> str:
    import matplotlib.pyplot as plt

    figure = ax.figure
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()
