"""ForceField under a real mouse: drag, touch, keys, steps, the sliders beside it, errors."""

import math

import pytest

from browser.jupyter import Notebook, Widget, eventually, write_notebook

pytestmark = pytest.mark.slow

EXPLORER = """
from dmlviz import losses, widgets
e = widgets.LossExplorer(losses.ProxyAnchorLoss(3, 2, alpha=8))
f = e.field
e
"""
# Half a second of thought, and an error where the first point is in the lower half.
SLOW = """
import time
import torch
from dmlviz import widgets
calls = []
class Slow(torch.nn.Module):
    def forward(self, x, y):
        calls.append(x[0, 1].item())
        time.sleep(0.5)
        if x[0, 1] < 0:
            raise RuntimeError("too low")
        return x[:, 0].sum()
f = widgets.ForceField(Slow(), [[1, 1], [-1, 1], [-1, 0]], [0, 1, 2])
f
"""


class Field:
    """The force field `f` of a new notebook of this cell."""

    def __init__(self, page, server, cell):
        write_notebook(*server, "field.ipynb", cell)
        self.page, self.notebook = page, Notebook(page, *server, "field.ipynb")
        self.notebook.run_all()
        assert self.notebook.errors() == []
        self.root = page.locator(".dmlviz-ff")
        self.canvas = self.root.locator("canvas")
        self.canvas.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        self.box = self.canvas.bounding_box()

    def place(self, degrees, radius=1.0):
        """Where a direction is on the screen."""
        reach, angle = self.box["width"] / 2 / 1.2 * radius, math.radians(degrees)
        x = self.box["x"] + self.box["width"] / 2 + reach * math.cos(angle)
        return x, self.box["y"] + self.box["height"] / 2 - reach * math.sin(angle)

    def drag(self, start, *stops):
        self.page.mouse.move(*self.place(start))
        self.page.mouse.down()
        for stop in stops:
            self.page.mouse.move(*self.place(stop, 1.3), steps=5)  # beside the circle, too
        self.page.mouse.up()

    def angle(self, i, of="angles"):
        return self.notebook.python(f"f.{of}[{i}]")

    def picture(self):
        return self.canvas.evaluate("c => c.toDataURL()")

    def arrows(self):
        return self.notebook.python("f._arrows['along']")

    def press(self, button):
        self.root.get_by_role("button", name=button, exact=True).click()

    def error(self):
        return self.root.locator(".error").inner_text()


def test_mouse_and_keys(page, server):
    field = Field(page, server, EXPLORER)
    before, arrows, caption = field.picture(), field.arrows(), field.root.locator(".caption")
    words = caption.inner_text()
    field.drag(151, 140, 120)  # point 4, of class 1
    eventually(lambda: field.angle(4) == pytest.approx(120, abs=1))
    eventually(lambda: caption.inner_text() != words)
    eventually(lambda: field.picture() != before)
    assert field.arrows() != arrows
    assert field.angle(5) == 198  # the others stay

    field.drag(90, 60)  # a proxy
    eventually(lambda: field.angle(0, "proxy_angles") == pytest.approx(60, abs=1))
    field.drag(250, 200)  # nothing is there
    page.wait_for_timeout(300)
    assert field.angle(7) == 299

    focus = "document.activeElement.getAttribute('aria-label')"
    field.drag(271, 260)
    assert page.evaluate(focus) == "point 8 of class 2"  # what was dragged is chosen
    eventually(lambda: field.angle(8) == pytest.approx(260, abs=0.2))
    at = field.angle(8)
    for key, turned in (("ArrowRight", -2), ("]", -4), ("ArrowLeft", -2), ("[", 0), ("[", 2)):
        page.keyboard.press(key)
        eventually(lambda turned=turned: field.angle(8) == pytest.approx(at + turned))
    handle = field.root.get_by_role("slider", name="point 8 of class 2")
    eventually(lambda: float(handle.get_attribute("aria-valuenow")) == pytest.approx(at + 2))
    page.keyboard.press("Tab")
    assert page.evaluate(focus) == "point 9 of class 2"
    for key, name in (("ArrowUp", "point 8"), ("ArrowDown", "point 9"), ("Shift+Tab", "point 8")):
        page.keyboard.press(key)
        assert page.evaluate(focus) == f"{name} of class 2"
    cells = "window.jupyterapp.shell.currentWidget.content.model.cells.length"
    for key in ("a", "b", "x", "d", "d"):
        page.keyboard.press(key)  # what would add, cut and delete cells elsewhere
    assert page.evaluate(cells) == 1
    page.keyboard.press("Escape")
    assert page.evaluate(focus) is None
    assert field.error() == ""
    assert field.notebook.errors() == []


def test_touch(page, server):
    field = Field(page, server, EXPLORER)
    session = page.context.new_cdp_session(page)

    def touch(kind, *at):
        points = [{"x": at[0], "y": at[1]}] if at else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    touch("touchStart", *field.place(179))
    for degrees in (185, 195, 210, 225):  # downwards, where a page would scroll
        touch("touchMove", *field.place(degrees))
    touch("touchEnd")
    eventually(lambda: field.angle(3) == pytest.approx(225, abs=1))


def test_steps_and_the_controls_beside_it(page, server):
    field = Field(page, server, EXPLORER)
    explorer = Widget(page)
    before = field.arrows()
    for label in ("margin", "alpha"):
        picture = field.picture()
        explorer.press(label, "ArrowRight")
        eventually(lambda picture=picture: field.picture() != picture)
    eventually(lambda: field.notebook.python("f.loss.alpha") == 16)
    eventually(lambda: field.arrows() != before)

    field.drag(179, 220)
    eventually(lambda: field.angle(3) == pytest.approx(220, abs=1))  # its last word has come
    explorer.choose("sorted")
    eventually(lambda: field.angle(3) == pytest.approx(124))
    explorer.choose("mixed")
    field.press("step")
    eventually(lambda: field.angle(3) == pytest.approx(175, abs=0.5))
    field.press("reset")
    eventually(lambda: field.angle(3) == 179)
    high = field.notebook.python("f.value")
    field.press("let go")
    eventually(lambda: field.notebook.python("f.value") < 0.2 * high, 60)
    pressed = field.root.locator("button[aria-pressed]")
    if pressed.get_attribute("aria-pressed") == "true":  # they still run
        field.press("let go")
    page.wait_for_timeout(500)
    still = field.picture()
    page.wait_for_timeout(500)
    assert field.picture() == still
    assert (field.error(), explorer.caption()) == ("", "")


def test_a_slow_loss_lags_behind_by_one_answer_and_its_errors_show(page, server):
    field = Field(page, server, SLOW)
    known = field.notebook.python("len(calls)")
    page.mouse.move(*field.place(45))
    page.mouse.down()
    for degrees in range(45, 110):  # many more moves than there is time for
        page.mouse.move(*field.place(degrees))
        page.wait_for_timeout(30)
    handle = field.root.get_by_role("slider", name="point 0 of class 0")
    eventually(lambda: float(handle.get_attribute("aria-valuenow")) == pytest.approx(109, abs=1))
    page.mouse.up()
    eventually(lambda: field.angle(0) == pytest.approx(109, abs=1))
    assert 2 <= field.notebook.python("len(calls)") - known < 65 / 2

    field.drag(109, 180, 300)
    eventually(lambda: field.angle(0) == pytest.approx(300, abs=1))
    eventually(lambda: field.error() == "RuntimeError: too low")
    eventually(lambda: field.root.locator(".caption").inner_text() == "")
    field.press("reset")
    eventually(lambda: field.angle(0) == pytest.approx(45))
    eventually(lambda: field.error() == "")
