"""RatioExplorer: drag an item along a continuous label, and see what two losses make of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlviz.plots.style import BLUE, PURPLE, QUIET, VERMILION, ink, plain
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.view import FigureView

FIXED = (0.5, 1.0, 2.0)  # label distances of the items that stay, and their places in the embedding
WHERE = np.geomspace(0.15, 6.0, 91)
TICKS = (0.25, 0.5, 1, 2, 4)
ITEM, WANTED = "the dragged item", "where it should be: its label distance"
LINE: dict[str, Any] = {"color": "#707070", "linestyle": ":", "linewidth": 1.3}


class State(NamedTuple):
    """Label distance and place of the dragged item; losses and slopes along all places."""

    label: float
    place: float
    ratio: np.ndarray
    triplet: np.ndarray
    ratio_slope: np.ndarray
    triplet_slope: np.ndarray
    loss: float
    triplet_loss: float


class RatioExplorer(Explorer):
    """An anchor, three items that are where they should be, and one to be dragged.

    Left: label distance to the anchor and distance in the embedding, both on logarithmic scales; an
    item is a line between them. The log-ratio loss is twice the variance of how much the lines
    rise: it is 0 when they are parallel. Middle and right: the losses, and their slopes, over all
    places that the dragged item could take. The dense triplet loss knows the order of the labels
    only. `places` holds the places, which the figures of a state belong to.
    """

    places = WHERE

    def __init__(self) -> None:
        options = [(f"{v:.2f}", float(v)) for v in np.geomspace(0.25, 4, 33)]
        start, there = options[22][1], options[8][1]
        super().__init__(
            {
                "label": ipywidgets.SelectionSlider(
                    options=options, value=start, description="label"
                ),
                "place": ipywidgets.SelectionSlider(
                    options=options, value=there, description="place"
                ),
                "margin": ipywidgets.FloatSlider(
                    value=0.1, min=0.0, max=1.0, step=0.05, description="margin"
                ),
            },
            self._build_view(),
            "Look for: as you drag the label, where does each loss want the item? When does the "
            "triplet loss notice that the label changed?",
        )

    def compute(self, *, label: float, place: float, margin: float) -> State:  # type: ignore[override]
        ratio, ratio_slope = _profile(label, ratio_of_distances)
        triplet, triplet_slope = _profile(label, lambda d, r: triplet_of_distances(d, r, margin))
        now = (float(np.interp(place, WHERE, values)) for values in (ratio, triplet))
        return State(label, place, ratio, triplet, ratio_slope, triplet_slope, *now)

    def draw(self, state: State) -> None:
        self._item.set_data([0, 1], [state.label, state.place])
        self._ratio.set_ydata(state.ratio)
        self._triplet.set_ydata(state.triplet)
        self._ratio_slope.set_ydata(state.ratio_slope)
        self._triplet_slope.set_ydata(state.triplet_slope)
        for artist, values in self._dots:
            artist.set_data([state.place], [np.interp(state.place, WHERE, getattr(state, values))])
        for line in self._wanted:
            line.set_xdata([state.label] * 2)
        self._caption.set_text(
            f"loss: log-ratio {state.loss:.2f}, dense triplet {state.triplet_loss:.2f}"
        )

    def static(self) -> Figure:
        """Both losses over all places and their slopes, for three labels of the item."""
        figure = Figure(figsize=(9.6, 5.6), layout="constrained")
        columns = figure.subplots(2, 3, sharex=True, sharey="row").T
        for (top, bottom), label in zip(columns, (0.35, 1.4, 3.0), strict=True):
            state = self.compute(label=label, place=1.0, margin=self.params["margin"])
            for ax, ratio, triplet, limits in (
                (top, state.ratio, state.triplet, (0, 4)),
                (bottom, state.ratio_slope, state.triplet_slope, (-6, 6)),
            ):
                plain(ax).plot(WHERE, ratio, color=BLUE, label="log-ratio")
                ax.plot(WHERE, triplet, "--", color=VERMILION, label="dense triplet")
                ax.axvline(label, label=WANTED, **LINE)
                ax.set_ylim(*limits)
            top.set_title(f"label distance {label:g}")
            bottom.axhline(0, color=QUIET, linewidth=1)
            _logarithmic(bottom, "place in the embedding (log scale)")
        for ax, name in zip(columns[0], ("loss", "slope of the loss"), strict=True):
            ax.set_ylabel(name)
        key = top.get_legend_handles_labels()
        figure.legend(*key, loc="outside lower center", ncols=3, frameon=False)
        return figure

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(10.4, 4.0), dpi=100)
        left = plain(figure.add_axes((0.065, 0.22, 0.235, 0.69)), grid=None)
        middle = plain(figure.add_axes((0.375, 0.22, 0.27, 0.69)))
        right = plain(figure.add_axes((0.715, 0.22, 0.275, 0.69)))
        for value in FIXED:
            left.plot([0, 1], [value, value], "-o", color=QUIET)
        (self._item,) = left.plot([], [], "-o", color=PURPLE, markersize=8, linewidth=2, label=ITEM)
        left.set(xlim=(-0.15, 1.15), yscale="log", ylim=(0.2, 5))
        left.set_xticks([0, 1], ["label distance", "in the embedding"])
        left.set_ylabel("distance (log scale)")
        left.set_yticks(TICKS, [f"{t:g}" for t in TICKS])
        left.minorticks_off()
        left.set_title("distances to the anchor", fontsize=9)
        empty = np.full(len(WHERE), np.nan)
        curves: list[Any] = []
        self._wanted: list[Any] = []
        for ax, title, limits in (
            (middle, "", (0, 4)),  # the title moves
            (right, "slope of the loss per unit of distance", (-6, 6)),
        ):
            (ratio,) = ax.plot(WHERE, empty, color=BLUE, label="log-ratio")
            (triplet,) = ax.plot(WHERE, empty, "--", color=VERMILION, label="dense triplet")
            _logarithmic(ax, "place of the item (log scale)")
            ax.set_ylim(*limits)
            ax.set_title(title, fontsize=9)
            curves += [ratio, triplet]
            self._wanted.append(ax.axvline(1, label=WANTED, **LINE))
        right.axhline(0, color=QUIET, linewidth=1)
        self._ratio, self._triplet, self._ratio_slope, self._triplet_slope = curves
        self._dots = [
            (ax.plot([], [], "o", color=PURPLE, mec=ink(), markersize=8)[0], values)
            for ax, values in (
                (middle, "ratio"),
                (middle, "triplet"),
                (right, "ratio_slope"),
                (right, "triplet_slope"),
            )
        ]
        words: dict[str, Any] = {"transform": right.transAxes, "ha": "right", "fontsize": 9}
        right.text(0.99, 0.98, "above 0: pulled in, to the left", va="top", **words)
        right.text(0.99, 0.02, "below 0: pushed out, to the right", **words)
        above: dict[str, Any] = {"transform": middle.transAxes, "ha": "center", "fontsize": 9}
        self._caption = middle.text(0.5, 1.03, "", **above)
        key = [self._item, self._wanted[0], *curves[:2]]
        look: dict[str, Any] = {"loc": "lower center", "ncols": 4, "frameon": False, "fontsize": 9}
        figure.legend(key, [artist.get_label() for artist in key], **look)
        moving = [self._item, *self._wanted, *curves, *(artist for artist, _ in self._dots)]
        moving.append(self._caption)
        return FigureView(figure, moving, "Log-ratio and dense triplet loss of one dragged item")


def ratio_of_distances(d: Tensor, r: Tensor) -> Tensor:
    """`losses.log_ratio` of one anchor for each row of its distances d `(P, m)`; r `(m,)`."""
    return 2 * (d / r).log().var(dim=1)


def triplet_of_distances(d: Tensor, r: Tensor, margin: float) -> Tensor:
    """`losses.dense_triplet` of one anchor, from its distances, in the same way."""
    ordered = r[:, None] < r[None, :]
    hinge = (d.square()[:, :, None] - d.square()[:, None, :] + margin).relu()
    return (hinge * ordered).sum(dim=(1, 2)) / ordered.sum()


def _profile(label: float, loss: Callable[..., Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Loss and slope at every place of the dragged item, all at once."""
    places = torch.from_numpy(WHERE).requires_grad_()
    fixed = torch.tensor(FIXED, dtype=torch.float64)
    d = torch.cat([fixed.expand(len(places), -1), places[:, None]], dim=1)
    values = loss(d, torch.cat([fixed, fixed.new_tensor([label])]))
    (slopes,) = torch.autograd.grad(values.sum(), places)
    return values.detach().numpy(), slopes.numpy()


def _logarithmic(ax: Any, name: str) -> None:
    ax.set(xscale="log", xlim=(WHERE[0], WHERE[-1]), xlabel=name)
    ax.set_xticks(TICKS, [f"{t:g}" for t in TICKS])
    ax.minorticks_off()
