"""The gallery page: complete, up to date with its script, small; and figures safe on any page."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from dmlviz import losses, plots
from dmlviz.plots.style import class_style

TUTORIALS = Path(__file__).parents[1] / "tutorials"
PAGE = (TUTORIALS / "gallery.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script():
    backend = plt.get_backend()
    spec = importlib.util.spec_from_file_location("gallery", TUTORIALS / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert plt.get_backend().lower() == backend.lower()
    return module


def test_the_page_shows_every_public_function():
    for name in plots.__all__:
        assert f"plots.{name}(" in PAGE, f"the gallery lacks plots.{name}"


def test_the_page_is_what_the_script_writes(script):
    assert script.page() == PAGE, "run python tutorials/gallery.py"


def test_every_picture_exists_is_small_and_solid():
    files = re.findall(r"!\[[^]]+\]\((images/gallery/[^)]+)\)", PAGE)
    assert len(files) == len(set(files)) == PAGE.count("```python")
    present = {f"images/gallery/{p.name}" for p in (TUTORIALS / "images/gallery").iterdir()}
    assert set(files) == present
    for file in files:
        assert (TUTORIALS / file).stat().st_size <= 60_000, file
        picture = Image.open(TUTORIALS / file)
        assert "transparency" not in picture.info
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert sum((TUTORIALS / file).stat().st_size for file in files) <= 1_000_000


def test_every_line_of_the_page_is_one_call_of_a_public_function(script):
    for picture in (p for pictures in script.SECTIONS.values() for p in pictures):
        call = ast.parse(picture.code, mode="eval").body
        assert isinstance(call, ast.Call)
        assert call.func.attr in plots.__all__
        known = inspect.signature(getattr(plots, call.func.attr)).parameters
        assert {keyword.arg for keyword in call.keywords} <= set(known)
        assert len(picture.code) <= 100


# --- light and dark ---------------------------------------------------------------------------


def drawings():
    generator = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator))
    y = torch.arange(40) % 4
    loss = losses.ProxyAnchorLoss(3, 2)
    return [
        lambda: plots.embedding_map(x, y, proxies=x[:4]),
        lambda: plots.neighbor_map(x, y),
        lambda: plots.similarity_matrix(x, y),
        lambda: plots.singular_values(x),
        lambda: plots.pair_distances(x, y),
        lambda: plots.loss_landscape(loss),
        lambda: plots.force_field(loss),
        lambda: plots.recall_curves({"a": {1: 0.5, 2: 0.7}}),
    ]


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("number", range(8))
def test_words_stand_out_from_a_solid_ground(style, transparent, number):
    with plt.style.context(style):
        if transparent:  # as some notebooks ask for
            plt.rcParams.update({"figure.facecolor": "none", "axes.facecolor": "none"})
        figure = drawings()[number]().figure
        figure.canvas.draw()
    *ground, opacity = figure.get_facecolor()
    assert opacity == 1
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            contrast = abs(sum(to_rgb(text.get_color())) - sum(ground)) / 3
            assert contrast > 0.5, text.get_text()
    plt.close(figure)


def test_nothing_neutral_is_black_on_a_dark_ground():
    with plt.style.context("dark_background"):
        assert class_style(7)["color"] == "#ffffff"
        x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
        identity = plots.log_ratio_scatter(x, torch.cdist(x, x)).lines[1]
        assert identity.get_color() == "#ffffff"
    assert class_style(7)["color"] == "#000000"
