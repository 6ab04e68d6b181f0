"""The explorers that draw figures, of small made-up data, all in one notebook: every control moves
the picture, an error shows in words, and after a restart everything works again."""

import pytest

from browser.jupyter import Notebook, Widget, end_kernels, eventually, write_notebook

pytestmark = pytest.mark.slow

DATA = """
import torch
from dmlviz import losses, synthesis, widgets
from dmlviz.history import History, Snapshot
random = torch.Generator().manual_seed(0)
y = torch.arange(40) % 4
centres = 2 * torch.randn(4, 8, generator=random)
x = centres[y] + torch.randn(40, 8, generator=random)
snapshots = [Snapshot(t, t * centres[y] + x, y, y, list("abcd")) for t in range(4)]
history = History([{"epoch": t, "test recall@1": t / 4} for t in range(4)], snapshots)
generator = synthesis.NovelClassGenerator(8, 4)
"""
CELLS = {
    "loss": "loss = widgets.LossExplorer(losses.ProxyAnchorLoss(3, 2, alpha=8))\nloss",
    "epochs": "epochs = widgets.EpochExplorer(history)\nepochs",
    "ratio": "ratio = widgets.RatioExplorer()\nratio",
    "mixed": "mixed = widgets.SynthesisExplorer(generator, x, y, centres)\nmixed",
    "transfer": "transfer = widgets.TransferExplorer(x[:12], y[:12])\ntransfer",
    "space": "space = widgets.EmbeddingExplorer(x, labels=y)\nspace",
    "field": "field = widgets.ForceField(losses.TripletLoss())\nfield",
}
FIGURES = [*CELLS][:5]  # the others are canvases
MENUS = {"loss": [("sorted", 0)], "mixed": [("class 2", 0), ("class 3", 1)]}  # first, second
TOWARDS = {"epochs": "ArrowLeft"}  # it begins at the last


@pytest.fixture(scope="module")
def notebook(browser, server):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    write_notebook(*server, "explorers.ipynb", DATA, *CELLS.values())
    notebook = Notebook(page, *server, "explorers.ipynb")
    run(notebook)
    yield notebook
    page.close()
    end_kernels(*server)


def run(notebook):
    notebook.run_all()
    assert notebook.errors() == []
    boxes = notebook.page.locator(".widget-vbox:has(.widget-image)")
    eventually(lambda: boxes.count() == len(FIGURES))  # now the nth is the nth
    eventually(lambda: notebook.page.locator(".dmlviz-ee .legend .entry").count())


def explorer(notebook, name):
    return Widget(notebook.page, FIGURES.index(name))


@pytest.mark.parametrize("name", FIGURES)
def test_every_control_moves_the_picture(notebook, name):
    widget = explorer(notebook, name)
    widget.move_every_slider(TOWARDS.get(name, "ArrowRight"))
    for option, nth in MENUS.get(name, []):
        before = widget.picture()
        assert widget.choose(option, nth) != before, option
    assert widget.caption() == ""
    words = notebook.python(f"{name}.view.alt")
    assert widget.box.get_by_role("img", name=words, exact=True).count() == 1


def test_epochs_play_to_the_last_one(notebook):
    widget = explorer(notebook, "epochs")
    widget.press("epoch", "Home")
    player = "epochs.widget.children[0].children[1].value"
    eventually(lambda: notebook.python(player) == 0)  # it follows the slider
    widget.box.locator(".widget-play button").first.click()
    eventually(lambda: notebook.python("epochs.params['epoch']") == 3)


@pytest.mark.parametrize("name", FIGURES)
def test_an_error_shows_in_words_until_it_is_mended(notebook, name):
    widget = explorer(notebook, name)
    slider = widget.handle(widget.labels()[0])
    slider.press("Home")
    notebook.execute(f"{name}.compute = lambda **params: 1 / 0")
    slider.press("ArrowRight")
    eventually(lambda: widget.caption() == "ZeroDivisionError: division by zero")
    notebook.execute(f"del {name}.compute")
    slider.press("ArrowRight")
    eventually(lambda: widget.caption() == "")


def test_restarted_and_run_again_everything_works(notebook):
    page = notebook.page
    notebook.restart()
    run(notebook)
    for name in FIGURES:
        widget = explorer(notebook, name)
        label = widget.labels()[0]
        before = widget.picture()
        assert widget.press(label, TOWARDS.get(name, "ArrowRight")) != before, name
        assert widget.caption() == "", name

    space, field = page.locator(".dmlviz-ee"), page.locator(".dmlviz-ff").last
    space.get_by_label("neighbours").press("ArrowRight")
    eventually(lambda: notebook.python("space.k") == 7)
    space.locator(".map canvas").last.focus()
    page.keyboard.press("ArrowRight")  # to the point in the middle
    page.keyboard.press("Enter")
    eventually(lambda: notebook.python("space.selected is not None"))
    eventually(lambda: space.locator(".strip .tile").count() == 8)
    before = notebook.python("field.angles")
    field.get_by_role("button", name="step", exact=True).click()
    eventually(lambda: notebook.python("field.angles") != before)
    assert space.locator(".error").inner_text() == field.locator(".error").inner_text() == ""
