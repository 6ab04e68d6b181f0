"""What a playground draws of one training: the embedding on a circle or sphere, and its curves."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from dmlviz.plots.forces import circle
from dmlviz.plots.style import BLUE, CLASS_COLORS, CLASS_MARKERS, ORANGE, class_edge, plain
from dmlviz.widgets.small_training import CLASSES, SmallTraining
from dmlviz.widgets.view import FigureView

FIRST_RANGE = 50  # steps that the curves show at first; then twice as many, and so on
OUTSIDE = 1.18  # where proxies stand, lest they hide the images
LOSS = "#707070"  # darker than the gridlines
CORNERS = ((-1, 1), (1, 1), (-1, -1), (1, -1))  # where the circle leaves room for a key
SMALL, RIM, SHORT = 0.5, 1.5, 8  # a key picture's side, its outer edge, the longest name
PROXIES = "◇ proxies: drawn outside the circle, lest they hide the images"


class Space:
    """The training images where the network puts them, and the proxies.

    The key in the corners, an image of each class and its mark, stays as it is. A sphere is seen
    from the front, turned about its upright axis; what lies on its far side is faint and small.
    """

    def __init__(self, ax: Axes, training: SmallTraining, *, named: bool = False) -> None:
        self.ax, self.training, self.named = circle(ax), training, named
        self.front, self.back, self.proxies = [], [], []
        for i in range(CLASSES[training.dimensions]):
            look: dict[str, Any] = {
                "color": CLASS_COLORS[i],
                "marker": CLASS_MARKERS[i].replace("D", "<"),
            }
            look |= {"linestyle": "", "mec": class_edge(i), "mew": 0.5}
            self.back += ax.plot([], [], markersize=4, alpha=0.35, **look)
            self.front += ax.plot([], [], markersize=7, **look)
            diamond: dict[str, Any] = {"mfc": "none", "mec": CLASS_COLORS[i], "mew": 2}
            self.proxies += ax.plot([], [], "D", markersize=9, **diamond)
        for corner, i in zip(CORNERS, range(len(self.front)), strict=False):
            show_class(ax, corner, training.data.pictures[i], training.data.names[i], self.front[i])
        self.caption = ax.text(0.5, 1.02, "", transform=ax.transAxes, ha="center", fontsize=9)
        below: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 8.5}
        self.below = ax.text(0.5, -0.015, "", transform=ax.transAxes, **below)
        words = [self.caption, self.below]
        self.artists: list[Any] = [*self.back, *self.front, *self.proxies, *words]

    def move(self, turn: float = 0.0) -> None:
        """Put everything where it is now; `turn` in degrees."""
        data, training = self.training.data, self.training
        xy, is_front = _seen_from_the_front(training.embed(data.images), turn)
        y = data.labels.numpy()
        for c, (front, back) in enumerate(zip(self.front, self.back, strict=True)):
            front.set_data(*xy[(y == c) & is_front].T)
            back.set_data(*xy[(y == c) & ~is_front].T)
        proxies = training.proxies()
        for c, artist in enumerate(self.proxies):
            empty = np.empty((0, 2))
            at = empty if proxies is None else _seen_from_the_front(proxies[c : c + 1], turn)[0]
            artist.set_data(*(OUTSIDE * at).T)
        last = f", loss {training.losses[-1]:.3g}" if training.losses else ""
        _, seen, unseen = training.recalls[-1]
        name = f"{training.name}: " if self.named else ""
        recall = f"Recall@1: these images {100 * seen:.0f} %, unseen classes {100 * unseen:.0f} %"
        self.caption.set_text(f"{name}step {len(training.losses)}{last}\n{recall}")
        self.below.set_text("" if proxies is None else PROXIES)


def show_class(
    ax: Axes, corner: tuple[int, int], picture: np.ndarray, name: str, mark: Line2D
) -> None:
    """Say in a corner what a mark is: a picture of its class beside it, and a short name."""
    height, width = np.array(picture.shape[:2]) / max(picture.shape[:2]) * SMALL
    x, y = (side * (RIM - SMALL / 2) for side in corner)
    extent = (x - width / 2, x + width / 2, y - height / 2, y + height / 2)
    ax.imshow(picture, extent=extent, zorder=1, gid="key")
    frame: dict[str, Any] = {"fill": False, "edgecolor": mark.get_color(), "linewidth": 2}
    ax.add_patch(Rectangle((extent[0], extent[2]), width, height, **frame))
    beside = Line2D([x - corner[0] * (SMALL / 2 + 0.13)], [y])
    beside.update_from(mark)
    beside.set_markersize(9)
    ax.add_line(beside)
    if len(name) <= SHORT:
        place: dict[str, Any] = {"ha": "center", "va": "top" if corner[1] > 0 else "bottom"}
        ax.text(x, y - corner[1] * (SMALL / 2 + 0.03), name, fontsize=7.5, **place)


class Curves:
    """The loss, and Recall@1 on these images and on unseen classes, over the training so far."""

    def __init__(self, ax: Axes, training: SmallTraining, *, legend: bool) -> None:
        self.ax, self.training = ax, training
        (self.loss,) = plain(ax).plot([], [], color=LOSS, label="loss, share of its highest")
        (self.seen,) = ax.plot([], [], color=BLUE, label="Recall@1, these images")
        (self.unseen,) = ax.plot([], [], "--", color=ORANGE, label="Recall@1, unseen classes")
        ax.set(xlim=(0, FIRST_RANGE), ylim=(0, 1.05), xlabel="step")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if legend:
            place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
            ax.legend(frameon=False, fontsize=9, **place)
        self.artists: list[Any] = [self.loss, self.seen, self.unseen]

    def move(self) -> bool:
        """Put the curves where they are now; whether the range of the steps has changed.

        It doubles when it is full: the axis is drawn anew seldom, and is half full at least.
        """
        losses = self.training.losses
        steps = np.arange(1, len(losses) + 1)
        self.loss.set_data(steps, np.asarray(losses) / max([*losses, 1e-9]))
        at, seen, unseen = np.asarray(self.training.recalls).T
        self.seen.set_data(at, seen)
        self.unseen.set_data(at, unseen)
        reach = FIRST_RANGE * 2 ** math.ceil(math.log2(max(1.0, len(steps) / FIRST_RANGE)))
        changed = reach != self.ax.get_xlim()[1]
        if changed:
            self.ax.set_xlim(0, reach)
        return changed


class Picture:
    """One training: its space, and its curves beside it. Two: side by side, curves below."""

    def __init__(self, trainings: list[SmallTraining]) -> None:
        alone = len(trainings) == 1
        figure = Figure(figsize=(8.2, 4.2) if alone else (9.2, 6.0), dpi=100)
        places = [((0.01, 0.06, 0.49, 0.83), (0.6, 0.12, 0.38, 0.66))]
        if not alone:
            places = [((x, 0.31, 0.44, 0.61), (x + 0.06, 0.09, 0.36, 0.13)) for x in (0.02, 0.52)]
        self.spaces, self.curves = [], []
        for (space, curves), training in zip(places, trainings, strict=True):
            self.spaces.append(Space(figure.add_axes(space), training, named=not alone))
            self.curves.append(Curves(figure.add_axes(curves), training, legend=alone))
        lines = self.curves[0].artists
        if not alone:
            look: dict[str, Any] = {"loc": (0.03, 0.23), "ncols": 3, "frameon": False}
            figure.legend(lines, [line.get_label() for line in lines], fontsize=9, **look)
        moving = [a for space in self.spaces for a in space.artists]
        moving += [a for curves in self.curves for a in curves.artists]
        kind = "two" if trainings[0].dimensions == 2 else "three"
        self.view = FigureView(figure, moving, f"A {kind}-dimensional embedding, being trained")

    def move(self, turn: float) -> None:
        """Draw the present state; the view has still to show it."""
        for space, curves in zip(self.spaces, self.curves, strict=True):
            space.move(turn)
            if curves.move():
                self.view.refresh()


def _seen_from_the_front(vectors: Tensor, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Places `(N, 2)` in the picture, and which points face the reader."""
    x = vectors.numpy()
    if x.shape[1] == 2:
        return x, np.ones(len(x), dtype=bool)
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    across, upright, depth = x.T
    places = np.stack([cosine * across + sine * depth, upright], axis=1)
    return places, cosine * depth - sine * across >= 0
