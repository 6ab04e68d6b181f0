"""TrainingPlayground in the page: every control in mid-run, two networks, errors, restart."""

import pytest

from browser.jupyter import Notebook, Widget, eventually, write_notebook

pytestmark = pytest.mark.slow

PLAYGROUND = """
import threading
from dmlviz import datasets, losses, methods, synthesis, widgets
softmax = losses.NormalizedSoftmaxLoss(4, 3)
live = widgets.TrainingPlayground(
    datasets.load("glyphs", "train"),
    {"triplet": losses.TripletLoss(), "Proxy-Anchor": losses.ProxyAnchorLoss(4, 3)},
    {"novel": methods.NovelClasses(softmax, synthesis.ProxySynthesis()),
     "contrastive": losses.ContrastiveLoss()},
    dimensions=3,
)
live
"""


@pytest.fixture
def notebook(page, server):
    write_notebook(*server, "playground.ipynb", PLAYGROUND)
    notebook = Notebook(page, *server, "playground.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    return notebook


def test_every_control_takes_effect_in_mid_run(page, notebook):
    live = Widget(page)
    live.click("play")
    eventually(lambda: notebook.python("live.run.steps") > 5)

    def reads(expression, value):
        """The loop reads the value, and goes on."""
        eventually(lambda: notebook.python(f"live.run.params{expression} == {value!r}"))
        steps = notebook.python("live.run.steps")
        eventually(lambda: notebook.python("live.run.steps") > steps)
        assert notebook.python("live.run.playing")

    margin = notebook.python("live.run.params['0'][1]['margin']")
    live.press("margin", "ArrowRight")
    reads("['0'][1]['margin']", round(margin + 0.01, 2))
    live.press("temperature", "ArrowRight")  # of the second network
    reads("['1'][1]['temperature']", notebook.python("live.params['other temperature']"))
    live.press("lr", "ArrowRight")
    reads("['0'][1]['lr']", 3e-3)
    reads("['1'][1]['lr']", 3e-3)
    live.choose("2 each")
    reads("['0'][1]['per_class']", 2)
    live.choose("Proxy-Anchor")
    reads("['0'][0]", "Proxy-Anchor")
    eventually(lambda: "alpha" in live.labels())  # its sliders come with it
    live.choose("contrastive")  # from the second network's menu
    reads("['1'][0]", "contrastive")
    eventually(lambda: "temperature" not in live.labels())
    reads("['0'][0]", "Proxy-Anchor")
    before = live.picture()
    live.press("turn", "ArrowRight")  # the sphere, seen from elsewhere
    assert live.wait_for_change() != before

    live.click("play")
    eventually(lambda: not notebook.python("live.run.playing"))
    steps = notebook.python("live.run.steps")
    live.click("step")
    eventually(lambda: notebook.python("live.run.steps") == steps + 1)
    live.type("seed", "7")
    eventually(lambda: notebook.python("live.run.steps") == 0)  # it begins anew
    assert live.caption() == ""
    assert notebook.errors() == []


def test_an_error_in_training_is_shown_until_it_begins_anew(page, notebook):
    live, output = Widget(page), page.locator(".jp-OutputArea").first
    height = live.box.bounding_box()["height"]
    notebook.execute("live.sides[1].step = lambda **numbers: 1 / 0")
    live.click("play")
    eventually(lambda: "ZeroDivisionError" in live.caption())
    eventually(lambda: "Traceback" in output.inner_text())
    eventually(lambda: output.inner_text().count("ZeroDivisionError: division by zero") == 2)
    assert not notebook.python("live.run.playing")
    live.click("step")
    eventually(lambda: "in once" in output.inner_text())  # where it came from now
    notebook.execute("del live.sides[1].step")
    live.click("reset")
    eventually(lambda: "Error" not in output.inner_text())
    eventually(lambda: live.box.bounding_box()["height"] == height)
    live.click("play")
    eventually(lambda: notebook.python("live.run.steps") > 2)
    assert live.caption() == ""


def test_restarted_and_run_again_it_leaves_one_thread(page, notebook):
    names = "[t.name for t in threading.enumerate()].count('dmlviz-playground')"
    for restart in (True, False):  # then the cell alone, twice in one kernel
        if restart:
            notebook.restart()
        notebook.run_all()
        assert notebook.errors() == []
        live = Widget(page)
        live.click("play")
        eventually(lambda: notebook.python("live.run.steps") > 5)
        assert notebook.python(names) == 1
