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
VALUED = """
halves = (x[:, 0] > 0).astype(int)
e = EmbeddingExplorer([x / 2, x], images, halves, values=np.arange(81.0), **options)
e
"""
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
INSIDE = [30, 31, 32, 39, 40, 41, 48, 49, 50]
BLUE, VERMILION, PURPLE, YELLOW = [0, 114, 178], [213, 94, 0], [68, 1, 84], [253, 231, 37]


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

    def place(self, row, zoom=1.0):
        """Where a point of the lattice is on the screen."""
        box = self.canvas.bounding_box()
        unit = min(box["width"], box["height"]) / 2 / 1.06 * zoom
        x, y = row % 9 / 4 - 1, row // 9 / 4 - 1
        return box["x"] + box["width"] / 2 + x * unit, box["y"] + box["height"] / 2 - y * unit

    def hover(self, row, zoom=1.0, right=0):
        x, y = self.place(row, zoom)
        self.page.mouse.move(x + right + 3, y)
        self.page.mouse.move(x + right, y)

    def finds(self, row, *where):
        """Hover where a point should be, until its image shows; ask for another each time."""
        eventually(lambda: self.hover(row, *where) or self.shown() == [row, 2 * row, 0, 255])

    def draw_around(self, first, last):
        """Drag around the points between two corners."""
        (left, top), (right, low) = self.place(first), self.place(last)
        self.page.mouse.move(left - 20, top + 20)
        self.page.mouse.down()
        for corner in ((left - 20, low - 20), (right + 20, low - 20), (right + 20, top + 20)):
            self.page.mouse.move(*corner, steps=4)
        self.page.mouse.up()

    def colour(self, row):
        """The colour of a point."""
        box, (x, y) = self.canvas.bounding_box(), self.place(row)
        return self.root.locator(".map canvas").first.evaluate(
            "(c, at) => [...c.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3)",
            [round(x - box["x"]), round(y - box["y"])],
        )

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
    e.draw_around(30, 50)
    page.keyboard.up("Shift")
    eventually(lambda: e.python("e.selection") == INSIDE)
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
    for keys, *where in (
        ("+", 43, 1.3), ("-", 42), ("=", 22, 1.3), ("+", 31, 1.69), ("0", 23),
        ("Shift+ArrowLeft", 39, 1, 60), ("Shift+ArrowRight", 38),
    ):  # fmt: skip
        page.keyboard.press(keys)
        e.finds(*where)
    for key in ("a", "b", "x", "d", "d"):
        page.keyboard.press(key)  # what would add, cut and delete cells elsewhere
    page.wait_for_timeout(500)
    assert page.evaluate(cells) == before
    page.keyboard.press("Escape")
    eventually(lambda: e.python("e.selected") is None)
    assert e.canvas.evaluate("c => c === document.activeElement")
    assert e.canvas.get_attribute("aria-label").endswith("embedded in 2 dimensions.")


def test_controls_and_python(page, server):
    e = Explorer(page, server, LATTICE, VALUED)
    e.run("e.selected = 40")
    tiles = e.root.locator(".strip .tile")
    eventually(lambda: tiles.count() == 5)
    e.root.get_by_label("neighbours").press("ArrowRight")
    eventually(lambda: e.python("e.k") == 5)
    eventually(lambda: tiles.count() == 6)

    colours = e.root.get_by_label("colour of the points")
    colours.select_option("correct")
    eventually(lambda: "Recall@1 = " in e.root.locator(".legend").inner_text())
    assert e.python("e.colour") == "correct"
    right = e.python("e.scene.spaces[0].right(1).tolist()")
    eventually(lambda: e.colour(right.index(True)) == BLUE)
    eventually(lambda: e.colour(right.index(False)) == VERMILION)
    colours.select_option("label")
    eventually(lambda: (e.colour(0), e.colour(80)) == (PURPLE, YELLOW))
    assert e.python("e.colour") == "label"

    e.root.get_by_label("epoch", exact=True).press("ArrowLeft")
    eventually(lambda: e.python("e.epoch") == 0)
    e.finds(44, 0.5)  # the lattice is half as large
    e.root.get_by_label("play the epochs").click()
    eventually(lambda: e.python("e.epoch") == 1)
    e.root.get_by_label("play the epochs").wait_for()  # it ends with the last one

    e.run("e.selection = [3, 4]")
    eventually(lambda: e.root.locator(".grid .tile").count() == 2)
    e.run("images[:] = ['no image'] * 81")  # of those that are fetched ahead, too
    error = e.root.locator(".error")
    eventually(lambda: e.hover(7) or "AttributeError" in error.inner_text())


def test_buttons_above_the_map(page, server):
    e = Explorer(page, server, LATTICE, ONE)

    def press(words):
        button = e.root.get_by_role("button", name=words)
        button.click()
        return button.get_attribute("aria-pressed")

    press("zoom in")
    e.finds(42, 1.4)
    press("zoom out")
    e.finds(43)
    press("zoom in")
    press("zoom in")
    e.finds(41, 1.96)
    press("show all")
    e.finds(42)
    assert press("draw around") == "true"
    e.draw_around(30, 50)
    eventually(lambda: e.python("e.selection") == INSIDE)
    assert press("draw around") == "false"
    e.draw_around(30, 50)  # now it moves the map
    e.finds(39, 1, e.place(50)[0] - e.place(30)[0] + 40)
    assert e.python("e.selection") == INSIDE


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
