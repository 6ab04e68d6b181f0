"""Words that Pillow writes stand where matplotlib would have put them."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dmlviz.widgets.words import can_write, write

PLACES = list(
    itertools.product(["left", "center", "right"], ["top", "center", "baseline", "bottom"])
)


@pytest.fixture
def ax():
    figure = Figure(figsize=(4, 3), dpi=100)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    ax.axis("off")
    return ax


def drawn(text):
    """The same words by matplotlib and by Pillow, `(height, width, 3)` numbers each."""
    figure = text.figure
    canvas = figure.canvas
    canvas.draw()
    ours = Image.new("RGB", canvas.get_width_height(), "white")
    write(ours, text)
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int), np.asarray(ours).astype(int)


def box(pixels):
    """Left, right, top and bottom of the ink."""
    rows, columns = ((pixels.sum(axis=2) < 600).any(axis=axis).nonzero()[0] for axis in (1, 0))
    return np.array([columns[0], columns[-1], rows[0], rows[-1]])


@pytest.mark.parametrize(("ha", "va"), PLACES)
@pytest.mark.parametrize("words", ["step 30, loss 0.25", "step 30\nRecall@1: 48 %, gypsy"])
def test_place_and_size_are_matplotlibs(ax, words, ha, va):
    text = ax.text(0.5, 0.5, words, ha=ha, va=va, fontsize=9, transform=ax.transAxes)
    assert can_write(text)
    theirs, ours = map(box, drawn(text))
    assert np.abs(theirs - ours).max() <= 3  # the letters' shapes are hinted differently


def test_an_annotation_stands_off_by_its_points(ax):
    text = ax.annotate("mix", (0, 1), (30, -40), xycoords="axes fraction",
                       textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    theirs, ours = map(box, drawn(text))
    assert np.abs(theirs - ours).max() <= 2


def test_ink_and_colour_are_matplotlibs(ax):
    theirs, ours = drawn(ax.text(0.1, 0.5, "Recall@1 ◇ 0.25", color="#d55e00", fontsize=12))
    ink = [(255 - pixels).sum(axis=(0, 1)) for pixels in (theirs, ours)]
    np.testing.assert_allclose(ink[0], ink[1], rtol=0.15)


@pytest.mark.parametrize("look", [{"visible": False}, {"text": ""}])
def test_nothing_is_written_of_a_text_that_is_not_seen(ax, look):
    text = ax.text(0.5, 0.5, "step 30")
    text.set(**look)
    assert (drawn(text)[1] == 255).all()


@pytest.mark.parametrize(
    "look", [{"rotation": 90}, {"text": "$x^2$"}, {"bbox": {"facecolor": "white"}}]
)
def test_what_pillow_cannot_write_is_left_to_matplotlib(ax, look):
    text = ax.text(0.5, 0.5, "step 30")
    text.set(**look)
    assert not can_write(text)
    assert not can_write(ax.plot([])[0])
