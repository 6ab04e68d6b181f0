"""LossExplorer: turn a loss's hyper-parameters, and watch the forces that it puts on points."""

import copy
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from torch import nn

from dmlviz.plots.forces import (
    arrows,
    circle,
    configuration,
    force_field,
    forces,
    in_the_plane,
    owns_proxies,
    pull_and_push,
)
from dmlviz.plots.style import CLASS_COLORS, CLASS_MARKERS, NEGATIVE, POSITIVE, plain
from dmlviz.widgets.controls import controls_for
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.view import FigureView

LENGTH = 0.45


class State(NamedTuple):
    """What the picture shows: points and forces, and the two profiles."""

    loss: float
    points: np.ndarray
    labels: np.ndarray
    force: np.ndarray
    pull: np.ndarray
    push: np.ndarray


class LossExplorer(Explorer):
    """Force field and force profile of a loss, with a slider per hyper-parameter.

    Left: twelve points of three classes on the unit circle and the force on each; the longest arrow
    always has the same length. Right: the force on one positive and one negative as it moves, as a
    share of the strongest. The loss given is not changed.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning with numeric attributes.
        points: which configuration to start with, "mixed", "sorted" or "collapsed".
    """

    def __init__(self, loss: nn.Module, *, points: str = "mixed") -> None:
        self.loss = copy.deepcopy(loss)
        controls = controls_for(loss)
        if not controls:
            raise ValueError(
                f"{type(loss).__name__} has no numeric hyper-parameter that a slider could move, "
                "such as margin, alpha or temperature"
            )
        controls["points"] = ipywidgets.Dropdown(
            options=["mixed", "sorted", "collapsed"], value=points, description="points"
        )
        super().__init__(
            controls,
            self._build_view(),
            "Look for: which points feel no force? What is the loss blind to when all collapse?",
        )

    def compute(self, *, points: str, **hyperparameters: float) -> State:  # type: ignore[override]
        loss = self._with(hyperparameters)
        x, y, proxies = configuration(points)
        value, force = forces(in_the_plane(loss, proxies), x, y)
        _, pull, push = pull_and_push(loss)
        return State(value, x.numpy(), y.numpy(), force.numpy(), pull.numpy(), push.numpy())

    def draw(self, state: State) -> None:
        self._arrows.set_data(*arrows(state.points, state.force, LENGTH))
        for label, artist in enumerate(self._classes):
            artist.set_data(*state.points[state.labels == label].T)
        strongest = max(np.abs(state.pull).max(), np.abs(state.push).max(), 1e-12)
        self._pull.set_ydata(state.pull / strongest)
        self._push.set_ydata(state.push / strongest)
        longest = np.linalg.norm(state.force, axis=1).max()
        self._caption.set_text(f"loss {state.loss:.3g}, longest arrow {longest:.3g}")
        self._strongest.set_text(f"1 = {strongest:.3g}")

    def static(self) -> Figure:
        """The force field at both ends and the present value of the last hyper-parameter."""
        name = [n for n in self.controls if n != "points"][-1]
        control = self.controls[name]
        ends = (
            [o[1] for o in control.options]
            if hasattr(control, "options")
            else [control.min, control.max]
        )
        values = sorted({ends[0], control.value, ends[-1]})
        figure = Figure(figsize=(3.1 * len(values), 3.3), layout="constrained")
        x, y, proxies = configuration(self.params["points"])
        hyperparameters = {n: v for n, v in self.params.items() if n != "points"}
        axes = figure.subplots(1, len(values), squeeze=False)[0]
        for ax, value in zip(axes, values, strict=True):
            loss = self._with(hyperparameters | {name: value})
            force_field(loss, x, y, proxies=proxies, ax=ax)
            ax.set_title(f"{name} = {value:.3g}: {ax.get_title()}", fontsize=9)
        return figure

    def _with(self, hyperparameters: dict[str, float]) -> nn.Module:
        """A copy of the loss with other hyper-parameters: `compute` touches nothing."""
        loss = copy.deepcopy(self.loss)
        for name, value in hyperparameters.items():
            setattr(loss, name, value)
        return loss

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(8.2, 4.2), dpi=100)
        field = circle(figure.add_axes((0.01, 0.02, 0.49, 0.9)))
        right = plain(figure.add_axes((0.62, 0.14, 0.36, 0.74)))
        (self._arrows,) = field.plot([], [], color="black", linewidth=1.4, zorder=2)
        self._classes = []
        for i, centre in enumerate(configuration()[2].tolist()):
            style: dict[str, Any] = {"color": CLASS_COLORS[i], "marker": CLASS_MARKERS[i]}
            (artist,) = field.plot([], [], linestyle="", markersize=8, mec="white", **style)
            self._classes.append(artist)
            if owns_proxies(self.loss):
                field.plot(*centre, "D", markersize=12, mfc="none", mec=CLASS_COLORS[i], mew=2)

        proxies = owns_proxies(self.loss)
        where = pull_and_push(self.loss)[0].numpy()
        empty = np.full(len(where), np.nan)
        (self._pull,) = right.plot(where, empty, color=POSITIVE, label="pull on a positive")
        (self._push,) = right.plot(where, empty, "--", color=NEGATIVE, label="push on a negative")
        right.set(xlabel="similarity s to the proxy" if proxies else "distance d to the anchor")
        right.set(ylabel="share of the strongest force", ylim=(-0.05, 1.1))
        right.set(xlim=(-1, 1) if proxies else (0, 1.5))
        place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2}
        right.legend(frameon=False, fontsize=9, **place)
        self._caption = field.text(0.5, 1.02, "", transform=field.transAxes, ha="center")
        self._strongest = right.text(
            -0.12, 0.97, "", transform=right.transAxes, ha="right", fontsize=9
        )
        lines = [self._arrows, *self._classes, self._pull, self._push]
        moving = [*lines, self._caption, self._strongest]
        alt = f"Forces of {type(self.loss).__name__} on points of a circle, and their profile"
        return FigureView(figure, moving, alt)
