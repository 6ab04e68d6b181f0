"""EpochExplorer: drag through the epochs of a training run, and see the space arrange itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dmlviz.plots.maps import chosen_classes
from dmlviz.plots.projection import as_points, pca_plane
from dmlviz.plots.style import BLACK, BLUE, QUIET, bare, class_edge, class_style, plain
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.view import FigureView


class Frame(NamedTuple):
    """One epoch: where each image lies, and how far the recall curve has come."""

    epoch: int
    xy: np.ndarray
    recall: float


class EpochExplorer(Explorer):
    """A map of the embedding space with a slider over the snapshots of a `History`.

    All epochs are seen from one side: the plane in which the highlighted classes' means differ
    most at the end (PCA of the means). Each epoch is centred, so that a point moves only because
    its embedding moves among the others.

    Args:
        history: of `training.fit`, with at least two snapshots.
        highlight: labels to colour, two to eight; None: eight spread over the labels.
    """

    def __init__(self, history: Any, *, highlight: Sequence[int] | None = None) -> None:
        self.snapshots = list(history.snapshots)
        if len(self.snapshots) < 2:
            raise ValueError(
                f"history has {len(self.snapshots)} snapshots, at least 2 are needed: "
                "call fit with test= or val= and snapshot_size > 0"
            )
        self._labels = np.asarray(self.snapshots[0].labels)
        self._classes = chosen_classes(self._labels, highlight)
        last = as_points(self.snapshots[-1].embeddings)
        means = np.stack([last[self._labels == c].mean(axis=0) for c in self._classes])
        _, plane = pca_plane(means)
        points = [as_points(s.embeddings) for s in self.snapshots]
        self._xy = [(x - x.mean(axis=0)) @ plane.T for x in points]
        name = next(n for n in reversed(history.columns()) if n.endswith("recall@1"))
        recall = {record["epoch"]: record.get(name) for record in history.records}
        self._recall = [recall[s.epoch] for s in self.snapshots]

        slider = ipywidgets.SelectionSlider(
            options=[(str(s.epoch), i) for i, s in enumerate(self.snapshots)],
            value=len(self.snapshots) - 1,
            description="epoch",
            continuous_update=True,
        )
        end = len(self.snapshots) - 1
        play = ipywidgets.Play(min=0, max=end, value=end, interval=350, show_repeat=False)
        ipywidgets.link((play, "value"), (slider, "index"))
        super().__init__(
            {"epoch": slider},
            self._build_view(),
            "Look for: when do the coloured classes part? Which two stay together longest?",
            extra=(play,),
        )

    def compute(self, *, epoch: int) -> Frame:  # type: ignore[override]
        return Frame(self.snapshots[epoch].epoch, self._xy[epoch], self._recall[epoch])

    def draw(self, state: Frame) -> None:
        for artist, which in self._groups:
            artist.set_data(*state.xy[which].T)
        self._dot.set_data([state.epoch], [state.recall])
        self._caption.set_text(f"epoch {state.epoch}: Recall@1 {100 * state.recall:.1f} %")

    def static(self) -> Figure:
        """The first, a middle and the last epoch side by side."""
        stops = sorted({0, len(self.snapshots) // 4, len(self.snapshots) // 2, len(self._xy) - 1})
        figure = Figure(figsize=(2.6 * len(stops), 2.9), layout="constrained")
        for ax, i in zip(figure.subplots(1, len(stops), squeeze=False)[0], stops, strict=True):
            self._frame(ax)
            for artist, which in self._scatter(ax):
                artist.set_data(*self._xy[i][which].T)
            recall = f"Recall@1 {100 * self._recall[i]:.0f} %"
            ax.set_title(f"epoch {self.snapshots[i].epoch}: {recall}", fontsize=9)
        figure.supxlabel(f"{self._key()}; Recall@1: of unseen classes", fontsize=9)
        return figure

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(7.6, 4.2), dpi=100)
        space = figure.add_axes((0.01, 0.07, 0.53, 0.84))
        curve = figure.add_axes((0.64, 0.14, 0.34, 0.74))
        self._frame(space)
        space.set_xlabel(self._key(), fontsize=9)
        self._groups = self._scatter(space)
        self._caption = space.text(0.5, 1.02, "", transform=space.transAxes, ha="center")

        epochs = [s.epoch for s in self.snapshots]
        plain(curve)
        curve.plot(epochs, self._recall, color=BLUE)
        # No star: that would be a chosen image.
        ring: dict[str, Any] = {"mfc": BLUE, "mec": BLACK, "mew": 1.6, "markersize": 10}
        (self._dot,) = curve.plot([], [], "o", clip_on=False, **ring)
        curve.yaxis.set_major_formatter(PercentFormatter(1.0))
        curve.set(xlabel="epoch", ylim=(0, 1), title="Recall@1, unseen classes")
        curve.title.set_fontsize(10)
        moving = [*(artist for artist, _ in self._groups), self._dot, self._caption]
        alt = "Map of the embedding space at one epoch, and Recall@1 over the epochs"
        return FigureView(figure, moving, alt)

    def _key(self) -> str:
        count, shown = len(np.unique(self._labels)), len(self._classes)
        rest = ", grey: the others" if shown < count else ""
        return f"{shown} of {count} classes in colour{rest}"

    def _frame(self, ax: Any) -> None:
        everything = np.concatenate(self._xy)
        low, high = everything.min(axis=0), everything.max(axis=0)
        centre, reach = (low + high) / 2, (high - low).max() * 0.53
        bare(ax).set_aspect("equal")
        ax.set(xlim=(centre[0] - reach, centre[0] + reach))
        ax.set(ylim=(centre[1] - reach, centre[1] + reach))

    def _scatter(self, ax: Any) -> list[tuple[Any, np.ndarray]]:
        """One cheap marker line per class, and the images that it draws."""
        rest = ~np.isin(self._labels, self._classes)
        (others,) = ax.plot([], [], "o", color=QUIET, markersize=2.5, alpha=0.6, mew=0)
        groups = [(others, rest)]
        for i, label in enumerate(self._classes):
            style = class_style(i)
            (artist,) = ax.plot(
                [], [], linestyle="", markersize=6, mec=class_edge(i), mew=0.5, **style
            )
            groups.append((artist, self._labels == label))
        return groups
