"""Lesson 00 as a student meets it: open, run all, drag the slider, restart."""

import pytest

from browser.jupyter import Notebook, Slider

pytestmark = pytest.mark.slow


def test_the_slider_moves_the_map_also_after_a_restart(page, server, tmp_path):
    notebook = Notebook(page, *server, "00_what_is_metric_learning.ipynb")
    notebook.run_all()
    assert notebook.errors() == []

    slider = Slider(page, "epoch")
    last = slider.picture()
    earlier = slider.press("ArrowLeft")
    assert earlier != last
    assert slider.press("Home") != earlier
    slider.press("End")

    notebook.restart()
    notebook.run_all()
    assert notebook.errors() == []
    slider = Slider(page, "epoch")
    assert slider.press("ArrowLeft") != slider.press("Home")
