"""TrainingPlayground: a small network trains while you watch and change the rules."""

import html
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dmlviz.datasets import ClassBalancedBatchSampler, OfClasses
from dmlviz.evaluation import recall_at_k
from dmlviz.models import EmbeddingNet
from dmlviz.plots.forces import circle, in_the_plane
from dmlviz.plots.style import BLUE, CLASS_COLORS, CLASS_MARKERS, ORANGE, QUIET, plain
from dmlviz.widgets.controls import controls_for
from dmlviz.widgets.explorer import stops
from dmlviz.widgets.live import LiveRun
from dmlviz.widgets.view import FigureView

CLASSES, UNSEEN, PER_BATCH = 3, 6, 10
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
CURVE = 400  # steps that the curves show at least


class TrainingPlayground:
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
        needed = CLASSES + (UNSEEN if unseen is None else 0)
        if len(dataset.classes) < needed:
            raise ValueError(
                f"dataset has {len(dataset.classes)} classes, {needed} are needed "
                f"({CLASSES} to train on, {UNSEEN} others unless unseen= is given)"
            )
        self.original, self.seed = loss, seed
        train = OfClasses(dataset, range(CLASSES))
        others = OfClasses(dataset, range(CLASSES, needed)) if unseen is None else unseen
        self.images, self.labels = _stack(train, seed)
        self.unseen, self.unseen_labels = _stack(others, seed)

        self.controls = controls_for(loss)
        self.controls["lr"] = ipywidgets.SelectionSlider(
            options=[(f"{lr:g}", lr) for lr in LEARNING_RATES], value=1e-3, description="lr"
        )
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self.view = self._build_view()
        self.run = LiveRun(self._step, self._frame, name="dmlviz-playground")
        self.message = ipywidgets.HTML()
        buttons = []
        for text, action in (
            ("▶ play / pause", self.toggle),
            ("step", self.step),
            ("reset", self.reset),
        ):
            button = ipywidgets.Button(description=text)
            button.on_click(lambda _, action=action: self._guarded(action))
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
        self.model = EmbeddingNet("convnet", 2, in_channels=self.images.shape[1], seed=self.seed)
        self.loss = _for_two_dimensions(self.original)
        parameters = [*self.model.parameters(), *self.loss.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, weight_decay=1e-4)
        sampler = ClassBalancedBatchSampler(self.labels, CLASSES, PER_BATCH, self.seed)
        self._batches = _forever(sampler)
        self.losses: list[float] = []
        self.recalls: list[tuple[int, float, float]] = []  # step, on these images, on unseen
        self.run.steps, self.run.error = 0, None
        self._changed(None)
        self._measure()
        self._frame()

    def close(self) -> None:
        """End the training thread."""
        self.run.close()

    # --- from Python ---------------------------------------------------------------------------

    @property
    def params(self) -> dict[str, float]:
        """Where the sliders stand."""
        return {name: control.value for name, control in self.controls.items()}

    def update(self, **params: float) -> None:
        """Move sliders from Python."""
        unknown = params.keys() - self.controls.keys()
        if unknown:
            raise ValueError(
                f"no control {sorted(unknown)[0]!r}, there are: {', '.join(self.controls)}"
            )
        for name, value in params.items():
            self.controls[name].value = value

    def sweep(self) -> int:
        """Move every slider through its range, with a training step at each stop; then reset."""
        drawn = 0
        for control in self.controls.values():
            start = control.value
            for value in stops(control):
                control.value = value
                self.step()
                drawn += 1
            control.value = start
        self.reset()
        return drawn

    def static(self, steps: tuple[int, ...] = (0, 30, 100, 250)) -> Figure:
        """The embedding after so many steps, side by side; ends with a reset."""
        self.reset()
        figure = Figure(figsize=(2.6 * len(steps), 2.9), layout="constrained")
        for ax, until in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
            self.step(until - self.run.steps)
            artists = self._artists(circle(ax))
            self._place(artists)
            ax.set_title(f"step {until}: Recall@1 {100 * self.recalls[-1][1]:.0f} %", fontsize=9)
        self.reset()
        return figure

    # --- the loop ------------------------------------------------------------------------------

    def _changed(self, _: Any) -> None:
        self.run.params.update(self.params)

    def _step(self, params: dict[str, Any]) -> None:
        lr = params.pop("lr")
        for name, value in params.items():
            setattr(self.loss, name, value)
        self.optimizer.param_groups[0]["lr"] = lr
        rows = next(self._batches)
        self.model.train()
        loss = self.loss(self.model(self.images[rows]), self.labels[rows])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        if len(self.losses) % 10 == 0:
            self._measure()

    @torch.no_grad()
    def _embed(self, images: Tensor) -> Tensor:
        self.model.eval()
        return self.model(images)

    def _measure(self) -> None:
        seen = recall_at_k(self._embed(self.images), self.labels, [1])[1]
        unseen = recall_at_k(self._embed(self.unseen), self.unseen_labels, [1])[1]
        self.recalls.append((len(self.losses), seen, unseen))

    # --- the picture ---------------------------------------------------------------------------

    def _frame(self) -> None:
        if self.run.error is not None:
            text = html.escape(f"{type(self.run.error).__name__}: {self.run.error}")
            self.message.value = f"<b style='color:#D55E00'>{text}</b>"
            return
        self._place(self._moving_artists)
        steps = np.arange(1, len(self.losses) + 1)
        # Curves are squeezed into the same frame as they grow: the axis says "share of the run".
        width = max(CURVE, len(steps))
        scale = max(max(self.losses, default=1.0), 1e-9)
        self._loss_curve.set_data(steps / width, np.asarray(self.losses) / scale)
        at, seen, unseen = np.asarray(self.recalls).T
        self._seen_curve.set_data(at / width, seen)
        self._unseen_curve.set_data(at / width, unseen)
        last = f", loss {self.losses[-1]:.3g}" if self.losses else ""
        self._caption.set_text(f"step {len(self.losses)}{last}, Recall@1 {100 * seen[-1]:.0f} %")
        self.message.value = ""
        self.view.show()

    def _place(self, artists: list[Any]) -> None:
        xy = self._embed(self.images).numpy()
        for c in range(CLASSES):
            artists[c].set_data(*xy[self.labels.numpy() == c].T)
        proxies = getattr(self.loss, "proxies", None)
        if proxies is not None:
            unit = nn.functional.normalize(proxies.detach()).numpy()
            for c in range(CLASSES):
                artists[CLASSES + c].set_data(*(1.18 * unit[c : c + 1]).T)

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

    def _guarded(self, action: Any) -> None:
        try:
            action()
        except Exception as error:
            text = html.escape(f"{type(error).__name__}: {error}")
            self.message.value = f"<b style='color:#D55E00'>{text}</b>"
            raise

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it the picture for readers without a kernel."""
        return self.view.mimebundle(self.widget)


def _stack(dataset: Any, seed: int) -> tuple[Tensor, Tensor]:
    """All images at once, the data set's random augmentation drawn one time by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        images = torch.stack([dataset[i][0] for i in range(len(dataset))])
    return images.contiguous(memory_format=torch.channels_last), dataset.targets


def _for_two_dimensions(loss: nn.Module) -> nn.Module:
    """The loss with the same hyper-parameters, and proxies for three classes around the circle.

    Three, because a circle has room for three directions that point away from each other.
    """
    angle = torch.arange(CLASSES) * (2 * torch.pi / CLASSES) + 0.3
    return in_the_plane(loss, torch.stack([angle.cos(), angle.sin()], dim=1)).float()


def _forever(sampler: Any) -> Any:
    while True:
        yield from sampler
