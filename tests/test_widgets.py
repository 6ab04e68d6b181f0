"""Widgets without a browser: what they compute, draw and send, and how they fail."""

import base64
import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from dmlviz import widgets
from dmlviz.history import History, Snapshot


def history(epochs=4, n=60, d=6, classes=12):
    """Classes that drift apart epoch by epoch."""
    y = torch.arange(n) % classes
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, d, generator=generator)
    noise = torch.randn(n, d, generator=generator)
    snapshots = [
        Snapshot(e, e * centres[y] + noise + 100 * e, y, torch.arange(n), list("abcdefghijkl"))
        for e in range(epochs)
    ]
    records = [{"epoch": e, "loss": None, "test_recall@1": e / 10} for e in range(epochs)]
    return History(records, snapshots)


def picture(widget):
    return np.asarray(Image.open(io.BytesIO(widget.view.image.value)))


def test_the_slider_changes_the_picture():
    explorer = widgets.EpochExplorer(history())
    last = picture(explorer)
    explorer.update(epoch=0)
    assert explorer.params == {"epoch": 0}
    first = picture(explorer)
    assert (first != last).any()
    explorer.update(epoch=3)
    assert (picture(explorer) == last).all()


def test_compute_centres_each_epoch_and_reports_its_recall():
    explorer = widgets.EpochExplorer(history())
    frame = explorer.compute(epoch=2)
    assert frame.epoch == 2
    assert frame.recall == 0.2
    np.testing.assert_allclose(frame.xy.mean(axis=0), 0, atol=1e-3)


def test_highlighted_classes_part_in_the_picture():
    explorer = widgets.EpochExplorer(history(), highlight=[0, 1, 2])

    def spread(epoch):
        xy, y = explorer.compute(epoch=epoch).xy, history().snapshots[0].labels.numpy()
        means = np.stack([xy[y == c].mean(axis=0) for c in range(3)])
        return np.linalg.norm(means - means.mean(axis=0))

    assert spread(3) > 2 * spread(0)


def test_sweep_visits_every_stop_and_returns():
    explorer = widgets.EpochExplorer(history())
    explorer.update(epoch=1)
    assert explorer.sweep() == 4
    assert explorer.params == {"epoch": 1}


def test_blitting_draws_what_a_full_draw_would():
    explorer = widgets.EpochExplorer(history())
    explorer.update(epoch=1)
    blitted = explorer.view.pixels()
    explorer.view._background = None
    np.testing.assert_array_equal(explorer.view.pixels(), blitted)


def test_readers_without_a_kernel_get_a_picture():
    explorer = widgets.EpochExplorer(history())
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.size == (760, 420)
    assert bundle["text/plain"].startswith("Map of the embedding space")


def test_static_is_small_multiples_on_paper():
    figure = widgets.EpochExplorer(history()).static()
    assert isinstance(figure, Figure)
    assert [ax.get_title() for ax in figure.axes][-1] == "epoch 3: Recall@1 30 %"


def test_the_picture_says_what_is_grey_and_has_no_star():
    explorer = widgets.EpochExplorer(history())
    space, curve = explorer.view.figure.axes
    assert space.get_xlabel() == "8 of 12 classes in colour, grey: the others"
    assert "*" not in {line.get_marker() for ax in (space, curve) for line in ax.lines}
    every = widgets.EpochExplorer(history(classes=3))
    assert every.view.figure.axes[0].get_xlabel() == "3 of 3 classes in colour"


def test_no_pyplot_figure_is_opened():
    import matplotlib.pyplot as plt

    plt.close("all")
    widgets.EpochExplorer(history()).static()
    assert plt.get_fignums() == []


def test_an_error_shows_in_words_and_is_raised():
    explorer = widgets.EpochExplorer(history())

    def fail(**_):
        raise RuntimeError("no such <epoch>")

    explorer.compute = fail
    with pytest.raises(RuntimeError, match="no such"):
        explorer.update(epoch=0)
    assert "RuntimeError: no such &lt;epoch&gt;" in explorer.message.value
    del explorer.compute
    explorer.update(epoch=1)
    assert explorer.message.value == ""


def test_unknown_controls_and_short_histories_are_refused():
    with pytest.raises(ValueError, match="no control 'margin', there are: epoch"):
        widgets.EpochExplorer(history()).update(margin=1)
    with pytest.raises(ValueError, match="at least 2"):
        widgets.EpochExplorer(history(epochs=1))
