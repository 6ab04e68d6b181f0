"""What the notebooks hold in which widgets are measured: Python, a cell each."""

POINTS, MANY = 500, 10_000

EPOCHS = f"""
import time, torch
from dmlviz import widgets
from dmlviz.history import History, Snapshot
random, y = torch.Generator().manual_seed(0), torch.arange({POINTS}) % 20
start, end = torch.randn(2, {POINTS}, 64, generator=random)
places = [start.lerp(end + 2 * torch.randn(20, 64, generator=random)[y], e / 60) for e in range(61)]
names = [str(c) for c in range(20)]
history = History(
    [dict(epoch=e, **{{"test_recall@1": e / 60}}) for e in range(61)],
    [Snapshot(e, x, y, torch.arange({POINTS}), names) for e, x in enumerate(places)],
)
widget = widgets.EpochExplorer(history)
shown, show = [], widget.view.show
def timed():
    show()
    shown.append((time.time(), list(widget.params.values())[0]))
widget.view.show = timed
widget
"""
BARE = (
    EPOCHS
    + """
import anywidget, ipywidgets
class Echo(anywidget.AnyWidget):
    _esm = "export default { render({ model }) { window.echo = model; } }"
echo = Echo()
echo.on_msg(lambda widget, content, buffers: widget.send({}))
pictures = []
for number in range(61):
    widget.update(epoch=number)
    pictures.append(widget.view.image.value)
slider, image = ipywidgets.IntSlider(60, 0, 60), ipywidgets.Image(format="jpeg", value=pictures[60])
def show_ready(change):
    image.value = pictures[change["new"]]
    shown.append((time.time(), change["new"]))
slider.observe(show_ready, "value")
ipywidgets.VBox([slider, image, echo])
"""
)
LOSS = """
from dmlviz import losses, widgets
widget = widgets.LossExplorer(losses.ProxyAnchorLoss(3, 2))
widget
"""
PLAY = """
import os, threading, time
from dmlviz import datasets, losses, widgets
widget = widgets.TrainingPlayground(datasets.load("glyphs", "train"), losses.TripletLoss())
def without_picture(seconds):
    done, frame = [], widget.run.frame
    widget.run.frame = lambda: None
    before = widget.run.steps
    widget.play(); time.sleep(seconds); done.append(widget.run.steps - before); widget.run.pause()
    widget.run.frame = frame
    return done[0] / seconds
def with_picture(seconds):
    before = widget.run.steps
    widget.play(); time.sleep(seconds); steps = widget.run.steps - before; widget.run.pause()
    return steps / seconds
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
widget
"""
CLOUD = f"""
import numpy as np
from dmlviz import widgets
rng = np.random.default_rng(0)
centres, y = rng.normal(size=(20, 64)), rng.integers(20, size={MANY})
pictures = rng.integers(256, size=({MANY}, 64, 64, 3), dtype=np.uint8)
x = centres[y] + rng.normal(size=({MANY}, 64))
widget = widgets.EmbeddingExplorer(x, pictures, y)
widget
"""
