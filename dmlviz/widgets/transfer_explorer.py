"""TransferExplorer: turn sigma and delta, and see labels relax and points settle."""

from collections import OrderedDict
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dmlviz.losses.relaxed import relative_distances, relaxed_contrastive, relaxed_labels
from dmlviz.plots.projection import as_points, pca_plane
from dmlviz.plots.style import (
    ANCHOR,
    BLACK,
    NEGATIVE,
    ORANGE,
    POSITIVE,
    bare,
    class_edge,
    class_style,
    plain,
)
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.view import FigureView

SIGMAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
STEPS, FEW_STEPS, STEP_SIZE = 80, 10, 0.3
STREWN = 0.5  # of the points' mean distance from their middle
SHADES = "light, w = 0: different … dark, w = 1: alike"
WIDTHS = (0.6, 1.6, 3.2)  # of the lines: weak, middling, strong
MOST = 60


class State(NamedTuple):
    """Relaxed labels, where the target's points are, and the forces between them and the anchor."""

    anchor: int
    labels: np.ndarray
    points: np.ndarray
    distance: np.ndarray
    goal: np.ndarray
    force: np.ndarray


class TransferExplorer(Explorer):
    """Relaxed contrastive transfer of a few images to the plane, with sliders for σ and δ.

    Left: the relaxed labels of all pairs. Middle: the target's points after some steps of gradient
    descent on the loss, and for one anchor its pairs, blue and solid where they pull together,
    vermilion and dashed where they push apart, wider where stronger. Right: the anchor's relative
    distances d against 1 - w, and the line d = δ(1 - w), to which the loss draws them.

    Args:
        source: `(N, D)` embeddings of a source model, of at most 60 images.
        labels: `(N,)` classes, only to colour the points; None: all alike.
        target: `(N, 2)` start of the target's points; None: the source's two principal components,
            strewn about, so that there is something to put right.
        seed: of the strewing.
    """

    def __init__(
        self, source: Any, labels: Any = None, target: Any = None, *, seed: int = 0
    ) -> None:
        self.source = torch.as_tensor(np.array(as_points(source))).double()
        n = len(self.source)
        if not 3 <= n <= MOST:
            raise ValueError(f"source must hold 3 to {MOST} embeddings, got {n}: take some images")
        self.classes = np.zeros(n, int) if labels is None else np.asarray(labels)
        if len(self.classes) != n:
            raise ValueError(f"labels must have shape ({n},), got {self.classes.shape}")
        self.start = (
            _start(self.source, seed) if target is None else torch.as_tensor(target).double()
        )
        if self.start.shape != (n, 2):
            raise ValueError(f"target must have shape ({n}, 2), got {tuple(self.start.shape)}")
        self._paths: OrderedDict[tuple[float, float], Tensor] = OrderedDict()
        slider = ipywidgets.FloatSlider(value=1.0, min=0.5, max=2.0, step=0.1, description="delta")
        super().__init__(
            {
                "sigma": ipywidgets.SelectionSlider(
                    options=[(f"{s:g}", s) for s in SIGMAS], value=1.0, description="sigma"
                ),
                "delta": slider,
                "steps": ipywidgets.IntSlider(value=0, min=0, max=STEPS, description="steps"),
                "anchor": ipywidgets.IntSlider(value=0, min=0, max=n - 1, description="anchor"),
            },
            self._build_view(),
            "Look for: which sigma makes all pairs alike, and which none? Where do the dots rest "
            "on the right, and which may stay above the line?",
        )

    def compute(  # type: ignore[override]
        self, *, sigma: float, delta: float, steps: int, anchor: int
    ) -> State:
        x = self.path(sigma, delta)[steps]
        w, d = relaxed_labels(self.source, sigma), relative_distances(x)
        slope = torch.where(d < delta, 2 * (d - delta * (1 - w)), 2 * w * d)
        arrays = (t.numpy() for t in (w, x, d[anchor], delta * (1 - w[anchor]), slope[anchor]))
        return State(anchor, *arrays)

    def path(self, sigma: float, delta: float) -> Tensor:
        """The target's points after 0, 1, … steps of gradient descent, `(STEPS + 1, N, 2)`."""
        if (sigma, delta) not in self._paths:
            path = [self.start]
            for _ in range(STEPS):
                x = path[-1].clone().requires_grad_()
                loss = relaxed_contrastive(x, self.source, sigma, delta)
                (gradient,) = torch.autograd.grad(loss, x)
                path.append(_centred(x.detach() - STEP_SIZE * gradient))
            self._paths[sigma, delta] = torch.stack(path)
            if len(self._paths) > 50:
                self._paths.popitem(last=False)
        return self._paths[sigma, delta]

    def draw(self, state: State) -> None:
        self._map.set_data(state.labels)
        self._row.set_data([-0.5, len(state.labels) - 0.5], [state.anchor] * 2)
        for c, artist in self._groups:
            artist.set_data(*state.points[self.classes == c].T)
        self._anchor.set_data(*state.points[[state.anchor]].T)
        others = np.arange(len(state.points)) != state.anchor
        strength = np.digitize(np.abs(state.force), (0.1, 0.5, 1.2))
        for (sign, level), artist in self._pairs.items():
            which = others & (np.sign(state.force) == sign) & (strength == level)
            artist.set_data(*_lines(state.points[state.anchor], state.points[which]))
        for sign, artist in self._dots.items():
            which = others & (np.sign(state.force) == sign)
            artist.set_data(1 - state.labels[state.anchor][which], state.distance[which])
        self._line.set_data([0, 1], [0, self.params["delta"]])
        pull, push = (int((np.sign(state.force[others]) == sign).sum()) for sign in (1, -1))
        self._lines.set_text(_forces_in_words(pull, push))

    def static(self) -> Figure:
        """Labels, and where the points are after a few steps and at the end, for three σ."""
        figure = Figure(figsize=(9.6, 9.4), layout="constrained")
        rows = figure.subplots(3, 3)
        delta = self.params["delta"]
        sigmas, after = (SIGMAS[0], 1.0, SIGMAS[-1]), (FEW_STEPS, STEPS)
        points = np.stack([self.path(sigma, delta)[list(after)].numpy() for sigma in sigmas])
        reach = 1.08 * np.abs(points).max()
        for (top, *below), sigma, moments in zip(rows.T, sigmas, points, strict=True):
            labels = relaxed_labels(self.source, sigma).numpy()
            bare(top).imshow(labels, cmap="Blues", vmin=0, vmax=1)
            _part(top, self.classes)
            top.set_title(f"relaxed labels, σ = {sigma:g}", fontsize=10)
            top.set_xlabel(SHADES, fontsize=8)
            for ax, steps, x in zip(below, after, moments, strict=True):
                for i, c in enumerate(np.unique(self.classes)):
                    bare(ax).plot(*x[self.classes == c].T, linestyle="", **_marks(i))
                ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
                ax.set_title(f"the target after {steps} steps", fontsize=10)
        return figure

    def _build_view(self) -> FigureView:
        n = len(self.source)
        figure = Figure(figsize=(10.4, 4.0), dpi=100)
        left = bare(figure.add_axes((0.01, 0.1, 0.3, 0.8)))
        middle = bare(figure.add_axes((0.335, 0.1, 0.31, 0.8)))
        right = plain(figure.add_axes((0.715, 0.14, 0.275, 0.76)), grid=None)
        self._map = left.imshow(np.zeros((n, n)), cmap="Blues", vmin=0, vmax=1)
        parts = _part(left, self.classes)
        (self._row,) = left.plot([], [], color=ANCHOR, linewidth=1.2)
        left.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        left.set_title("relaxed labels w (the line: the anchor's row)", fontsize=9)
        left.set_xlabel(SHADES, fontsize=8.5)
        middle.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
        middle.set_title("the target's points", fontsize=9)
        below: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 8.5}
        self._lines = middle.text(0.5, -0.015, "", transform=middle.transAxes, **below)
        colours = {1: (POSITIVE, "-"), -1: (NEGATIVE, "--")}
        self._pairs, self._dots = {}, {}
        for sign, (colour, line) in colours.items():
            for level, width in enumerate(WIDTHS, start=1):
                (artist,) = middle.plot([], [], line, color=colour, linewidth=width, alpha=0.35)
                self._pairs[sign, level] = artist
            marker = "o" if sign == 1 else "s"
            (self._dots[sign],) = right.plot([], [], marker, color=colour, markersize=5, alpha=0.8)
        self._groups = []
        for i, c in enumerate(np.unique(self.classes)):
            (artist,) = middle.plot([], [], linestyle="", **_marks(i))
            self._groups.append((c, artist))
        (self._anchor,) = middle.plot([], [], "*", color=ANCHOR, markersize=16, mec="white")
        (self._line,) = right.plot([], [], color=BLACK, linewidth=1.2)
        right.set(xlim=(0, 1.02), ylim=(0, 2.8), ylabel="relative distance d")
        right.set_xlabel("1 - w   (0: alike … 1: different)")
        right.set_title("the anchor's pairs rest at d = δ(1 - w)", fontsize=9)
        words: dict[str, Any] = {"transform": right.transAxes, "fontsize": 9, "zorder": 0}
        right.text(0.02, 0.98, "above the line: pulled", va="top", color=POSITIVE, **words)
        right.text(0.99, 0.02, "below it: pushed", ha="right", color=NEGATIVE, **words)
        moving = [self._map, *parts, self._row]  # lines on top of the map that moves
        moving += [*self._pairs.values(), self._line, *self._dots.values()]
        moving += [
            self._lines,
            *(artist for _, artist in self._groups),
            self._anchor,
        ]  # the star on top
        return FigureView(figure, moving, "Relaxed labels, the target's points and their forces")


def _marks(i: int) -> dict[str, Any]:
    """How the points of the i-th class look."""
    return {"markersize": 8, "mec": class_edge(i), "mew": 0.6, **class_style(i)}


def _forces_in_words(pull: int, push: int) -> str:
    """What the lines are that there are."""
    kinds = [f"{pull} pulled (blue)"] * (pull > 0) + [f"{push} pushed (dashed)"] * (push > 0)
    return "from the star: " + (", ".join(kinds) or "no forces")


def _part(ax: Axes, classes: np.ndarray) -> list[Any]:
    """Lines between the classes of a heat map, if its rows are sorted by them."""
    if (np.diff(classes) < 0).any():
        return []
    edges, end = np.flatnonzero(np.diff(classes)) + 0.5, len(classes) - 0.5
    return [draw(edges, -0.5, end, color=ORANGE, linewidth=0.9) for draw in (ax.hlines, ax.vlines)]


def _start(source: Tensor, seed: int) -> Tensor:
    plane = torch.from_numpy(np.array(pca_plane(source.numpy())[1])).double()
    x = (source - source.mean(dim=0)) @ plane.T
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return _centred(_centred(x) + STREWN * noise)


def _centred(x: Tensor) -> Tensor:
    """Around 0, at a mean distance of 1 from it: the loss does not care, the picture does."""
    x = x - x.mean(dim=0)
    return x / x.norm(dim=1).mean()


def _lines(start: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All lines from one point as one line with gaps."""
    gap = np.full(len(ends), np.nan)
    x, y = (np.stack([np.full(len(ends), start[i]), ends[:, i], gap], axis=1) for i in (0, 1))
    return x.ravel(), y.ravel()
