"""EmbeddingExplorer under a real mouse: hover, click, lasso, wheel, keys, epochs, two maps."""

import pytest

from browser.jupyter import Notebook, eventually, write_notebook

pytestmark = pytest.mark.slow

# A lattice of 9 x 9 points, so that a test knows where each of them is on the screen. Image i is of
# colour (i, 2i, 0), its class is its column; at epoch 0 the lattice is half as large.
LATTICE = """
import numpy as np
from PIL import Image
from dmlviz.widgets import EmbeddingExplorer
side = np.linspace(-1, 1, 9)
x = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
y = np.arange(81) % 9
images = [Image.new("RGB", (20, 20), (i, 2 * i, 0)) for i in range(81)]
options = {"metric": "euclidean", "k": 4, "height": 400}
"""
ONE = "e = EmbeddingExplorer([x / 2, x], images, y, **options)\ne"
TWO = "e = EmbeddingExplorer(x, images, y, other=x[::-1].copy(), **options)\ne"
RECORD = """
asked, send = [], e._send_thumbnails
def recording(rows, lane=None):
    asked.append((lane, sorted(rows)))
    send(rows, lane)
e._send_thumbnails = recording
"""
MANY = """
rng = np.random.default_rng(0)
centres, y = rng.normal(size=(20, 64)), rng.integers(20, size=10_000)
e = EmbeddingExplorer(centres[y] + rng.normal(size=(10_000, 64)), labels=y)
e
"""


class Explorer:
    """The explorer of a new notebook of these cells."""

    def __init__(self, page, server, *cells):
        write_notebook(*server, "explorer.ipynb", *cells)
        self.page = page
        self.notebook = Notebook(page, *server, "explorer.ipynb")
        self.notebook.run_all()
        assert self.notebook.errors() == []
        self.python, self.run = self.notebook.python, self.notebook.execute
        self.root = page.locator(".dmlviz-ee")
        self.root.wait_for(timeout=60_000)
        self.canvas = self.root.locator(".map canvas:nth-child(2)").first
        self.canvas.scroll_into_view_if_needed()
        page.wait_for_timeout(600)  # the points have come to rest
        self.box = self.canvas.bounding_box()

    def place(self, row, zoom=1.0):
        """Where a point of the lattice is on the screen."""
        unit = min(self.box["width"], self.box["height"]) / 2 / 1.06 * zoom
        x, y = row % 9 / 4 - 1, row // 9 / 4 - 1
        left, top = self.box["x"] + self.box["width"] / 2, self.box["y"] + self.box["height"] / 2
        return left + x * unit, top - y * unit

    def hover(self, row):
        x, y = self.place(row)
        self.page.mouse.move(x + 3, y)
        self.page.mouse.move(x, y)

    def shown(self, where=".tip"):
        """The colour in the middle of a picture."""
        return self.root.locator(f"{where} canvas").first.evaluate(
            "c => [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]"
        )


def test_mouse(page, server):
    e = Explorer(page, server, LATTICE, ONE)

    e.hover(40)
    eventually(lambda: e.shown() == [40, 80, 0, 255])
    assert e.root.locator(".tip").inner_text() == "class 4 · 40"

    page.mouse.click(*e.place(31))
    eventually(lambda: e.python("e.selected") == 31)
    tiles = e.root.locator(".strip .tile")
    eventually(lambda: tiles.count() == 5)
    signs = {t.split("\n")[0] for t in tiles.all_inner_texts()}
    assert signs == {"★", "✓", "✗"}  # of its column are two of four
    assert "distance 0.2500\nclass 4" in "\n".join(tiles.all_inner_texts())
    eventually(lambda: e.shown(".strip") == [31, 62, 0, 255])
    nearest = e.python("int(e.found[0].rows[0])")
    tiles.nth(1).click()  # a picture is as good as its point
    eventually(lambda: e.python("e.selected") == nearest)

    page.keyboard.down("Shift")
    (left, top), (right, low) = e.place(30), e.place(50)
    page.mouse.move(left - 20, top + 20)
    page.mouse.down()
    for corner in ((left - 20, low - 20), (right + 20, low - 20), (right + 20, top + 20)):
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    inside = [30, 31, 32, 39, 40, 41, 48, 49, 50]
    eventually(lambda: e.python("e.selection") == inside)
    assert e.root.locator(".grid .tile").count() == 9
    assert "9 images in the lasso" in e.root.locator(".lassoed").inner_text()
    e.root.locator(".lassoed button.plain").click()
    eventually(lambda: e.python("e.selection") == [])

    page.mouse.move(*e.place(40))
    page.mouse.wheel(0, -400)  # twice as near, about the point under the mouse
    eventually(lambda: e.shown() == [40, 80, 0, 255])
    (x, y), (there, _) = e.place(40), e.place(41, zoom=2.054)
    page.mouse.move(there, y)
    eventually(lambda: e.shown() == [41, 82, 0, 255])
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.up()
    page.mouse.move(x + 1, y)
    eventually(lambda: e.shown() == [41, 82, 0, 255])
    assert e.notebook.errors() == []
    assert e.root.locator(".error").inner_text() == ""


def test_what_is_on_show_is_asked_for_first_and_its_neighbours_ahead(page, server):
    explorer = Explorer(page, server, LATTICE, ONE, RECORD)
    explorer.hover(40)
    eventually(lambda: len(explorer.python("asked")) == 2)
    shown, (lane, ahead) = explorer.python("asked")
    assert shown == ("shown", [40])
    assert lane == "ahead"
    assert {31, 39, 41, 49} <= set(ahead)
    assert 40 not in ahead
    explorer.hover(41)  # is here already: only its neighbours are asked for
    eventually(lambda: len(explorer.python("asked")) == 3)
    lane, ahead = explorer.python("asked")[2]
    assert lane == "ahead"
    assert 41 not in ahead


def test_keys(page, server):
    e = Explorer(page, server, LATTICE, ONE)
    status = e.root.locator(".status")
    cells = "window.jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)

    e.canvas.focus()
    page.keyboard.press("ArrowRight")  # to the point in the middle
    assert status.inner_text() == "image 40, class 4"
    for key, row in (("ArrowRight", 41), ("ArrowUp", 50), ("ArrowLeft", 49), ("ArrowDown", 40)):
        page.keyboard.press(key)
        assert status.inner_text().startswith(f"image {row},")
    page.keyboard.press("Enter")
    eventually(lambda: e.python("e.selected") == 40)
    for key in ("+", "-", "0", "Shift+ArrowLeft", "a", "b", "x", "d", "d"):
        page.keyboard.press(key)  # what would add, cut and delete cells elsewhere
    page.wait_for_timeout(500)
    assert page.evaluate(cells) == before
    page.keyboard.press("Escape")
    eventually(lambda: e.python("e.selected") is None)
    assert e.canvas.evaluate("c => c === document.activeElement")
    assert e.canvas.get_attribute("aria-label").endswith("embedded in 2 dimensions.")


def test_controls_and_python(page, server):
    e = Explorer(page, server, LATTICE, ONE)
    e.run("e.selected = 40")
    tiles = e.root.locator(".strip .tile")
    eventually(lambda: tiles.count() == 5)
    e.root.get_by_label("neighbours").press("ArrowRight")
    eventually(lambda: e.python("e.k") == 5)
    eventually(lambda: tiles.count() == 6)

    e.root.get_by_label("colour of the points").select_option("correct")
    eventually(lambda: "Recall@1 = " in e.root.locator(".legend").inner_text())
    assert e.python("e.colour") == "correct"

    e.root.get_by_label("epoch", exact=True).press("ArrowLeft")
    eventually(lambda: e.python("e.epoch") == 0)
    page.wait_for_timeout(600)
    x, y = e.place(44)
    middle = e.place(40)[0]
    page.mouse.move((x + middle) / 2 + 2, y)
    page.mouse.move((x + middle) / 2, y)  # the lattice is half as large
    eventually(lambda: e.shown() == [44, 88, 0, 255])
    e.root.get_by_label("play the epochs").click()
    eventually(lambda: e.python("e.epoch") == 1)
    e.root.get_by_label("play the epochs").wait_for()  # it ends with the last one

    e.run("e.selection = [3, 4]")
    eventually(lambda: e.root.locator(".grid .tile").count() == 2)
    e.run("images[7] = 'no image'")
    e.hover(7)
    eventually(lambda: "AttributeError" in e.root.locator(".error").inner_text())


def test_two_maps_share_the_mouse(page, server):
    e = Explorer(page, server, LATTICE, TWO)
    second = e.root.locator(".map canvas:nth-child(2)").nth(1)
    ink = """c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"""
    assert not second.evaluate(ink)
    e.hover(40)
    eventually(lambda: second.evaluate(ink))  # a ring around the same image
    assert e.root.locator(".tip:visible").count() == 1
    page.mouse.click(*e.place(2))
    eventually(lambda: e.root.locator(".strip").count() == 2)
    assert e.python("len(e.found)") == 2


def test_ten_thousand_points_follow_the_mouse(page, server):
    e = Explorer(page, server, LATTICE, MANY)  # how fast: benchmarks/widgets.py
    points = e.root.locator(".map canvas").first
    shown = [points.screenshot()]
    page.mouse.move(*e.place(31))
    page.mouse.down()
    page.mouse.move(*e.place(50), steps=5)
    page.mouse.up()
    shown.append(points.screenshot())
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(300)
    shown.append(points.screenshot())
    assert len(set(shown)) == 3
    assert e.root.locator(".error").inner_text() == ""
