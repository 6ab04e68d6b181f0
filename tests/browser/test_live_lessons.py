"""Lessons 01 to 05: every slider moves its picture; the playground trains and listens."""

import pytest

from browser.jupyter import Notebook, Widget, eventually

pytestmark = pytest.mark.slow


def at_rest(playground):
    before = playground.picture()
    playground.page.wait_for_timeout(800)
    return playground.picture() == before


def play_with(playground, label):
    """Play, change a slider in mid-run, pause, reset."""
    fresh = playground.picture()
    playground.click("play")
    assert playground.wait_for_change() != fresh
    playground.press(label, "ArrowRight")
    assert playground.wait_for_change() != fresh  # it goes on
    playground.click("play")  # and pauses
    eventually(lambda: at_rest(playground))
    still = playground.picture()
    playground.click("reset")
    eventually(lambda: playground.picture() != still)
    assert playground.caption() == ""


def test_triplets(page, server):
    notebook = Notebook(page, *server, "01_triplets.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    contrastive, triplet, playground = (Widget(page, n) for n in range(3))
    contrastive.move_every_slider()
    triplet.move_every_slider()
    before = triplet.picture()
    assert triplet.choose("collapsed") != before
    play_with(playground, "margin")

    notebook.restart()
    notebook.run_all()
    assert notebook.errors() == []
    play_with(Widget(page, 2), "margin")


def test_proxies(page, server):
    notebook = Notebook(page, *server, "02_proxies.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    softmax, anchor, playground = (Widget(page, n) for n in range(3))
    assert {"temperature"} <= set(softmax.labels())
    softmax.move_every_slider()
    assert {"margin", "alpha"} <= set(anchor.labels())
    anchor.move_every_slider()
    play_with(playground, "alpha")


@pytest.mark.parametrize(
    ("lesson", "labels", "restart"),
    [
        # Restarted, or once: the others' explorers start no thread and keep no state.
        ("03_novel_classes.ipynb", {"mix", "noise", "turn"}, False),
        ("04_embedding_transfer.ipynb", {"sigma", "delta", "steps", "anchor"}, True),
        ("05_continuous_labels.ipynb", {"label", "place", "margin"}, False),
    ],
)
def test_a_lesson_with_one_explorer(page, server, lesson, labels, restart):
    notebook = Notebook(page, *server, lesson)
    for again in range(1 + restart):
        if again:
            notebook.restart()
        notebook.run_all()
        assert notebook.errors() == []
        explorer = Widget(page, 0)
        assert labels <= set(explorer.labels())
        explorer.move_every_slider()
