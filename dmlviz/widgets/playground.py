"""TrainingPlayground: a small network trains while you watch and change the rules."""

from typing import Any

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from torch import nn

from dmlviz.plots.forces import circle
from dmlviz.plots.style import BLUE, CLASS_COLORS, CLASS_MARKERS, ORANGE, QUIET, plain
from dmlviz.widgets.controls import Controlled, controls_for
from dmlviz.widgets.live import LiveRun
from dmlviz.widgets.small_training import CLASSES, SmallTraining
from dmlviz.widgets.view import FigureView

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
CURVE = 400  # steps that the curves show at least


class TrainingPlayground(Controlled):
    """A convnet learns to place a few classes on a circle, live.

    The picture shows the training images of three classes in the network's two-dimensional
    embedding, the proxies if the loss has any, and the loss and Recall@1 on *other* classes. Play,
    pause, single steps, reset; the loss's hyper-parameters and the learning rate take effect in
    mid-run. Training runs on a thread of its own; showing another playground ends it.

    Args:
        dataset: training images, `.image`-like items with `.targets` and `.classes`.
        loss: any loss of the library, or of pytorch-metric-learning; it is copied, and if it owns
            proxies it gets new ones for the three classes in two dimensions.
        unseen: images of other classes for Recall@1; None: six later classes of `dataset`.
        seed: of network, proxies and batches.
    """

    def __init__(self, dataset: Any, loss: nn.Module, *, unseen: Any = None, seed: int = 0) -> None:
        super().__init__()
        self.training = SmallTraining(dataset, loss, unseen, seed)
        self.controls = controls_for(loss)
        self.controls["lr"] = ipywidgets.SelectionSlider(
            options=[(f"{lr:g}", lr) for lr in LEARNING_RATES], value=1e-3, description="lr"
        )
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self.view = self._build_view()
        self.run = LiveRun(self.training.step, self._frame, name="dmlviz-playground")
        buttons = []
        for text, action in (
            ("▶ play / pause", self.toggle),
            ("step", self.step),
            ("reset", self.reset),
        ):
            button = ipywidgets.Button(description=text)
            button.on_click(lambda _, action=action: self._guard(action))
            buttons.append(button)
        hint = ipywidgets.HTML(
            "<i>Look for: does the loss fall while Recall@1 stands still? Change a slider in "
            "mid-run and watch both curves.</i>"
        )
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox(buttons),
                ipywidgets.HBox(list(self.controls.values())),
                self.view.image,
                hint,
                self.message,
            ]
        )
        self.reset()

    # --- what the buttons do -------------------------------------------------------------------

    def toggle(self) -> None:
        """Play if it is paused, pause if it plays."""
        self.pause() if self.run.playing else self.play()

    def play(self) -> None:
        """Train until `pause()`."""
        self.run.play()

    def pause(self) -> None:
        """Stop after the step under way."""
        self.run.pause()
        self.view.show()

    def step(self, steps: int = 1) -> None:
        """Pause, and do so many steps now."""
        self.run.pause()
        self.run.once(steps)

    def reset(self) -> None:
        """Begin anew with the same seed; the sliders stay where they are."""
        self.run.pause()
        self.training.reset()
        self.run.steps, self.run.error = 0, None
        self._changed(None)
        self._frame()

    def close(self) -> None:
        """End the training thread."""
        self.run.close()

    # --- from Python ---------------------------------------------------------------------------

    def sweep(self) -> int:
        """Move every slider through its range, with a training step at each stop; then reset."""
        visited = super().sweep()
        self.reset()
        return visited

    def _at_stop(self) -> None:
        self.step()

    def static(self, steps: tuple[int, ...] = (0, 30, 100, 250)) -> Figure:
        """The embedding after so many steps, side by side; ends with a reset."""
        self.reset()
        figure = Figure(figsize=(2.6 * len(steps), 2.9), layout="constrained")
        for ax, until in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
            self.step(until - self.run.steps)
            artists = self._artists(circle(ax))
            self._place(artists)
            recall = 100 * self.training.recalls[-1][1]
            ax.set_title(f"step {until}: Recall@1 {recall:.0f} %", fontsize=9)
        self.reset()
        return figure

    # --- the loop ------------------------------------------------------------------------------

    def _changed(self, _: Any) -> None:
        self.run.params.update(self.params)

    # --- the picture ---------------------------------------------------------------------------

    def _frame(self) -> None:
        if self.run.error is not None:
            self._tell(self.run.error)
            return
        self._place(self._moving_artists)
        losses = self.training.losses
        steps = np.arange(1, len(losses) + 1)
        # Curves are squeezed into the same frame as they grow: the axis says "share of the run".
        width = max(CURVE, len(steps))
        scale = max(max(losses, default=1.0), 1e-9)
        self._loss_curve.set_data(steps / width, np.asarray(losses) / scale)
        at, seen, unseen = np.asarray(self.training.recalls).T
        self._seen_curve.set_data(at / width, seen)
        self._unseen_curve.set_data(at / width, unseen)
        last = f", loss {losses[-1]:.3g}" if losses else ""
        self._caption.set_text(f"step {len(losses)}{last}, Recall@1 {100 * seen[-1]:.0f} %")
        self._tell(None)
        self.view.show()

    def _place(self, artists: list[Any]) -> None:
        training = self.training
        xy, y = training.embed(training.images).numpy(), training.labels.numpy()
        proxies = training.proxies()
        for c in range(CLASSES):
            artists[c].set_data(*xy[y == c].T)
            if proxies is not None:
                artists[CLASSES + c].set_data(*(1.18 * proxies[c : c + 1].numpy()).T)

    def _artists(self, ax: Any) -> list[Any]:
        artists = []
        for i in range(CLASSES):
            style: dict[str, Any] = {"color": CLASS_COLORS[i], "marker": CLASS_MARKERS[i]}
            artists += ax.plot([], [], linestyle="", markersize=7, mec="white", mew=0.5, **style)
        for i in range(CLASSES):
            artists += ax.plot([], [], "D", markersize=9, mfc="none", mec=CLASS_COLORS[i], mew=2)
        return artists

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(8.2, 4.2), dpi=100)
        space = circle(figure.add_axes((0.01, 0.02, 0.49, 0.9)))
        curve = plain(figure.add_axes((0.6, 0.12, 0.38, 0.66)))
        self._moving_artists = self._artists(space)
        self._caption = space.text(0.5, 1.02, "", transform=space.transAxes, ha="center")
        (self._loss_curve,) = curve.plot([], [], color=QUIET, label="loss, share of its highest")
        (self._seen_curve,) = curve.plot([], [], color=BLUE, label="Recall@1, these images")
        (self._unseen_curve,) = curve.plot(
            [], [], "--", color=ORANGE, label="Recall@1, unseen classes"
        )
        curve.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="training so far", xticks=[])
        place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        curve.legend(frameon=False, fontsize=9, **place)
        curves = [self._loss_curve, self._seen_curve, self._unseen_curve]
        moving = [*self._moving_artists, *curves, self._caption]
        return FigureView(figure, moving, "A two-dimensional embedding while it is being trained")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it the picture for readers without a kernel."""
        return self.view.mimebundle(self.widget)
