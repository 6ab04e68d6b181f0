"""Lesson 00 as a student meets it: open, run all, drag the slider."""

import pytest

from browser.jupyter import Notebook, Widget

pytestmark = pytest.mark.slow


def test_the_slider_moves_the_map(page, server):
    notebook = Notebook(page, *server, "00_what_is_metric_learning.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    explorer = Widget(page)
    last = explorer.picture()
    earlier = explorer.press("epoch", "ArrowLeft")
    assert earlier != last
    assert explorer.press("epoch", "Home") != earlier
