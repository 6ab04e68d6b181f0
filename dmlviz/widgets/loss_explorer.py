"""LossExplorer: turn a loss's hyper-parameters, and watch the forces that it puts on points."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from torch import nn

from dmlviz.plots.forces import (
    configuration,
    force_field,
    loss_profile,
    owns_proxies,
    pull_and_push,
)
from dmlviz.plots.style import NEGATIVE, POSITIVE, plain
from dmlviz.widgets.controls import stops
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.force_field import ForceField
from dmlviz.widgets.force_inputs import check_called_with_labels
from dmlviz.widgets.hyperparameters import controls_for, set_hyperparameter
from dmlviz.widgets.view import FigureView, as_png

# Losses of pytorch-metric-learning that ask for more than a batch of points that may be dragged.
_NEEDS = {
    "CrossBatchMemory": "a memory of earlier batches; give the loss inside it",
    "DynamicSoftMarginLoss": "a histogram of earlier batches",
    "HistogramLoss": "points of which no two coincide: its histogram ends just below s = 1",
    "ManifoldLoss": "meta-classes that it draws at random, and no labels",
    "SmoothAPLoss": "as many images of every class as there are classes",
    "VICRegLoss": "two views of each image, and no labels",
}


class State(NamedTuple):
    """A loss with these hyper-parameters, and its two profiles; the field measures the forces."""

    module: nn.Module
    pull: np.ndarray
    push: np.ndarray


class LossExplorer(Explorer):
    """Force field and force profile of a loss, with a slider per hyper-parameter.

    Left: twelve points of three classes on the unit circle and the force on each, a `ForceField`:
    points and proxies can be dragged, and the longest arrow always has the same length. Right: the
    force on one positive and one negative as it moves, as a share of the strongest. The loss given
    is not changed.

    Args:
        loss: any loss called as `loss(embeddings, labels)`, of the library or of
            pytorch-metric-learning, with numeric hyper-parameters, which are its public numeric
            attributes but sizes, counts and epsilons.
        points: which configuration to start with, "mixed", "sorted" or "collapsed".

    Attributes:
        field: the `ForceField`, whose angles may be read and set.

    Raises:
        TypeError: for a loss that is called otherwise; the words name the explorer that shows it.
        ValueError: for one without hyper-parameters, or that a few points do not suffice for.
    """

    def __init__(self, loss: nn.Module, *, points: str = "mixed") -> None:
        check_called_with_labels(loss)
        name = type(loss).__name__
        if name in _NEEDS:
            raise ValueError(f"{name} cannot be explored: it needs {_NEEDS[name]}")
        controls = controls_for(loss)
        if not controls:
            raise ValueError(
                f"{name} itself has no numeric hyper-parameter that a slider could move, such as "
                "margin, alpha or temperature; ForceField shows forces without sliders"
            )
        controls["points"] = ipywidgets.Dropdown(
            options=["mixed", "sorted", "collapsed"], value=points, description="points"
        )
        self.loss = copy.deepcopy(loss)
        x, y, proxies = configuration(points)
        try:
            self.field = ForceField(self.loss, x, y, proxies=proxies)
            self.field.layout.width = "390px"
            super().__init__(
                controls,
                self._build_view(),
                "Look for: which points feel no force? What is the loss blind to when all "
                "collapse?",
                beside=self.field,
            )
        except Exception as error:
            raise ValueError(
                f"{name} cannot be explored: called as loss(embeddings, labels) with a few points "
                f"of the plane it fails, {type(error).__name__}: {error}"
            ) from error

    def compute(self, *, points: str, **hyperparameters: float) -> State:  # type: ignore[override]
        """The loss and its profiles, which `points` leaves as they are."""
        loss = self._with(hyperparameters)
        _, pull, push = pull_and_push(loss)
        return State(loss, pull.numpy(), push.numpy())

    def draw(self, state: State) -> None:
        self.field.loss = state.module
        strongest = max(np.abs(state.pull).max(), np.abs(state.push).max(), 1e-12)
        self._pull.set_ydata(state.pull / strongest)
        self._push.set_ydata(state.push / strongest)
        self._strongest.set_text(f"1.0 = a force of {strongest:.3g}")

    def sweep(self) -> int:
        """Move every control through its range and every point along the circle, and back."""
        dragged = self.field.angles, self.field.proxy_angles
        visited = super().sweep() + self.field.sweep()
        self.field.angles, self.field.proxy_angles = dragged
        return visited

    def static(self, points: str | None = None, **values: Sequence[float]) -> Figure:
        """Force field and profile for a few values of one control.

        Args:
            points: the configuration; None: the present one.
            **values: `name=(first, second, …)`; without any, the last control at both ends and at
                its present value.
        """
        name, chosen = values.popitem() if values else self._ends()
        hyperparameters = {n: v for n, v in self.params.items() if n != "points"}
        if values or name not in hyperparameters:
            raise ValueError(f"give values of one control out of: {', '.join(hyperparameters)}")
        figure = Figure(figsize=(3.1 * max(len(chosen), 2), 5.4), layout="constrained")
        x, y, proxies = configuration(points or self.params["points"])
        axes = figure.subplots(2, len(chosen), squeeze=False, height_ratios=(3, 2))
        for ax, below, value in zip(*axes, chosen, strict=True):
            loss = self._with(hyperparameters | {name: value})
            force_field(loss, x, y, proxies=proxies, ax=ax)
            ax.set_title(f"{name} = {value:.3g}: {ax.get_title()}", fontsize=9)
            if (legend := loss_profile(loss, ax=below).get_legend()) is not None:
                legend.remove()  # one for all stands below
        lines, words = axes[1, 0].get_legend_handles_labels()
        figure.legend(lines, words, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        figure.suptitle(self.field.key, fontsize=9)
        return figure

    def _ends(self) -> tuple[str, Sequence[float]]:
        """The last control but the points, its ends and its present value."""
        name = [n for n in self.controls if n != "points"][-1]
        control = self.controls[name]
        reach = stops(control)
        return name, sorted({reach[0], control.value, reach[-1]})

    def _changed(self, change: Any) -> None:
        if change.owner is self.controls["points"]:
            x, _, proxies = configuration(change.new)
            self._guard(lambda: self.field.reset(x, proxies))
        super()._changed(change)

    def _with(self, hyperparameters: dict[str, float]) -> nn.Module:
        """A copy of the loss with other hyper-parameters: `compute` touches nothing."""
        loss = copy.deepcopy(self.loss)
        for name, value in hyperparameters.items():
            set_hyperparameter(loss, name, value)
        return loss

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(4.5, 4.2), dpi=100)
        ax = plain(figure.add_axes((0.165, 0.14, 0.8, 0.71)))
        proxies = owns_proxies(self.loss)
        where = pull_and_push(self.loss)[0].numpy()
        empty = np.full(len(where), np.nan)
        (self._pull,) = ax.plot(where, empty, color=POSITIVE, label="pull on a positive")
        (self._push,) = ax.plot(where, empty, "--", color=NEGATIVE, label="push on a negative")
        ax.set(xlabel="similarity s to the proxy" if proxies else "distance d to the anchor")
        ax.set(ylabel="share of the strongest force", ylim=(-0.05, 1.1))
        ax.set(xlim=(-1, 1) if proxies else (0, 1.5))
        ax.locator_params(axis="x", nbins=5)
        place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2}
        ax.legend(frameon=False, fontsize=9, **place)
        above: dict[str, Any] = {"transform": ax.transAxes, "va": "bottom", "fontsize": 9}
        self._strongest = ax.text(-0.13, 1.11, "", **above)
        alt = f"Forces of {type(self.loss).__name__} on points of a circle, and their profile"
        return FigureView(figure, [self._pull, self._push, self._strongest], alt)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it field and profile for readers without a kernel."""
        bundle = super()._repr_mimebundle_()
        with suppress(Exception):  # the live widget says in words what is wrong
            profile = self.view.pixels()
            height, width, _ = profile.shape
            figure = Figure(figsize=((height + width) / 100, height / 100), dpi=100)
            self.field.draw(figure.add_axes((0.01, 0.1, height / (height + width), 0.82)))
            figure.figimage(profile, xo=height)
            bundle["image/png"] = as_png(figure)
        return bundle
