"""TrainingPlayground: a small network trains while you watch and change the rules."""

import traceback
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from dmlviz.widgets.controls import Controlled
from dmlviz.widgets.hyperparameters import controls_for
from dmlviz.widgets.live import LiveRun
from dmlviz.widgets.playground_panels import PROXIES, Picture, Space
from dmlviz.widgets.small_training import RANDOM, SmallTraining, small_images, small_methods

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
PER_CLASS = [("random images", RANDOM), ("2 each", 2), ("5 each", 5), ("10 each", 10)]
OTHER = "other "  # begins the names of the second network's controls
LOOK_FOR = (
    "Look for: does the loss fall while Recall@1 on unseen classes stands still? Change a slider "
    "in mid-run and watch the curves."
)


class TrainingPlayground(Controlled):
    """A convnet learns to place a few classes on a circle or a sphere, live.

    The picture shows the training images in the network's embedding, the proxies if the loss has
    any, and the loss and Recall@1 on *other* classes. Play, pause, single steps, reset; the
    hyper-parameters, the learning rate, what a batch is made of, and the method itself take effect
    in mid-run. With `versus` two networks of one seed train side by side, step by step.

    Training runs on a thread of its own; closing the widget, or making another playground, ends it.
    An error in it shows in words and, below, with its traceback.

    Args:
        dataset: training images, `.image`-like items with `.targets` and `.classes`.
        method: a loss of the library or of pytorch-metric-learning, `methods.Supervised` or
            `methods.NovelClasses`; or a dictionary of these by name, to choose from. Each is
            copied, and if its loss owns proxies it gets new ones, one for each class here.
        versus: the same for a second network; None: there is one.
        unseen: images of other classes for Recall@1; None: six later classes of `dataset`.
        dimensions: 2: three classes on the circle; 3: four on the sphere.
        seed: of networks, proxies and batches; a control changes it later.
    """

    def __init__(
        self,
        dataset: Any,
        method: Any,
        versus: Any = None,
        *,
        unseen: Any = None,
        dimensions: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        data = small_images(dataset, unseen, dimensions, seed)
        of_each = [small_methods(m) for m in (method, versus) if m is not None]
        self.sides = [SmallTraining(data, methods, dimensions) for methods in of_each]
        self.training = self.sides[0]
        self._sliders = [
            {name: controls_for(m.loss) for name, m in methods.items()} for methods in of_each
        ]
        self._method = [ipywidgets.Dropdown(options=list(m), description="method") for m in of_each]
        self._common = self._common_controls(dimensions, seed)
        self._rows = [ipywidgets.HBox() for _ in self.sides]
        self._arrange()
        every = [*self._common.values(), *self._method]
        every += [c for side in self._sliders for of in side.values() for c in of.values()]
        for control in every:
            control.observe(self._changed, "value")
        self.picture = Picture(self.sides)
        self.view = self.picture.view
        self.run = LiveRun(self._step, self._frame, name="dmlviz-playground")
        buttons = [self._button(*of) for of in (
            ("▶ play / pause", self.toggle), ("step", self.step), ("reset", self.reset)
        )]  # fmt: skip
        common = ipywidgets.HBox(list(self._common.values()))
        hint = ipywidgets.HTML(f"<i>{LOOK_FOR}</i>")
        self._trace = ipywidgets.Output(layout={"margin": "0"})
        rows = [ipywidgets.HBox(buttons), common, *self._rows, self.view.image, hint, self.message]
        self.widget = ipywidgets.VBox([*rows, self._trace])
        self.widget.observe(lambda _: self.close(), "comm")  # which a closed widget loses
        for row in (common, *self._rows):
            row.layout.flex_flow = "row wrap"
        self.reset()

    # --- what the buttons do -------------------------------------------------------------------

    def toggle(self) -> None:
        """Play if it is paused, pause if it plays."""
        self.pause() if self.run.playing else self.play()

    def play(self) -> None:
        """Train until `pause()`."""
        self.run.play()

    def pause(self) -> None:
        """Stop after the step under way; an error of the training is raised."""
        self.run.pause()
        if self.run.error is not None:
            raise self.run.error
        self.view.show()

    def step(self, steps: int = 1) -> None:
        """Pause, and do so many steps now."""
        self.run.pause()
        self.run.once(steps)

    def reset(self) -> None:
        """Begin anew with the present seed; the sliders stay where they are."""
        self.run.pause()
        for side in self.sides:
            side.reset(self._common["seed"].value)
        self.run.steps, self.run.error = 0, None
        self._read()
        self.run.draw()

    def close(self) -> None:
        """End the training thread."""
        self.run.close()

    # --- from Python ---------------------------------------------------------------------------

    def sweep(self) -> int:
        """Move every control through its range, with a training step at each stop; then reset."""
        visited = super().sweep()
        self.reset()
        return visited

    def _at_stop(self) -> None:
        self.step()

    def static(self, steps: tuple[int, ...] = (0, 30, 100, 250)) -> Figure:
        """The embedding after so many steps, side by side; ends with a reset."""
        self.reset()
        rows = len(self.sides)
        figure = Figure(figsize=(2.6 * len(steps), 2.9 * rows), layout="constrained")
        for column, until in zip(
            figure.subplots(rows, len(steps), squeeze=False).T, steps, strict=True
        ):
            self.step(until - self.run.steps)
            for ax, side in zip(column, self.sides, strict=True):
                space = Space(ax, side)
                space.move(self._turn())
                for line in (space.caption, space.below):
                    line.set_text("")  # the title says it shorter
                recall = f"Recall@1 {100 * side.recalls[-1][1]:.0f} %"
                which = f"{side.name}, " if rows > 1 else ""
                ax.set_title(f"{which}step {until}: {recall}", fontsize=9)
        self.reset()
        words = "Recall@1: of these images, those trained on"
        owns = any(side.proxies() is not None for side in self.sides)
        figure.supxlabel(f"{words}\n{PROXIES}" if owns else words, fontsize=8.5)
        return figure

    # --- the loop ------------------------------------------------------------------------------

    def _changed(self, change: Any) -> None:
        owner = change["owner"]
        if owner in self._method:
            self._arrange()
        if owner is self._common["seed"]:
            self._guard(self.reset)
        self._read()
        if not self.run.playing:
            self.run.draw()

    def _read(self) -> None:
        """What the next step reads: for each side its method, and the numbers."""
        common = {"lr": self._common["lr"].value, "per_class": self._common["batch"].value}
        for i, name in enumerate(self._method):
            sliders = self._sliders[i][name.value]
            numbers = {n: control.value for n, control in sliders.items()}
            self.run.params[str(i)] = name.value, common | numbers

    def _step(self, params: dict[str, Any]) -> None:
        for i, side in enumerate(self.sides):
            name, numbers = params[str(i)]
            side.choose(name)
            side.step(**numbers)

    # --- controls and picture ------------------------------------------------------------------

    def _common_controls(self, dimensions: int, seed: int) -> dict[str, Any]:
        rates = [(f"{lr:g}", lr) for lr in LEARNING_RATES]
        controls: dict[str, Any] = {
            "lr": ipywidgets.SelectionSlider(options=rates, value=1e-3, description="lr"),
            "batch": ipywidgets.Dropdown(options=PER_CLASS, value=10, description="batch"),
            "seed": ipywidgets.BoundedIntText(seed, min=0, max=9999, description="seed"),
        }
        if dimensions == 3:
            controls["turn"] = ipywidgets.IntSlider(0, min=0, max=360, description="turn")
        return controls

    def _arrange(self) -> None:
        """Show the sliders of the present methods, and call them by their names."""
        controls = dict(self._common)
        for i, (name, row) in enumerate(zip(self._method, self._rows, strict=True)):
            sliders = self._sliders[i][name.value]
            several = len(name.options) > 1
            shown = {"method": name, **sliders} if several else sliders
            controls |= {(OTHER if i else "") + key: c for key, c in shown.items()}
            side = ("left", "right")[i] if several else f"{('left', 'right')[i]}: {name.value}"
            title = [ipywidgets.Label(side)] if len(self.sides) > 1 else []
            row.children = [*title, *shown.values()]
        self.controls = controls

    def _button(self, text: str, action: Any) -> ipywidgets.Button:
        button = ipywidgets.Button(description=text)
        button.on_click(lambda _: self._guard(action))
        return button

    def _turn(self) -> float:
        return float(self._common["turn"].value) if "turn" in self._common else 0.0

    def _frame(self) -> None:
        if self.run.error is None:
            self.picture.move(self._turn())
            self.view.show()
        self._tell(None)

    def _tell(self, error: BaseException | None) -> None:
        """An error in words and with its traceback; one of the training stays until a new start."""
        with self.run.lock:
            error = error or self.run.error
            super()._tell(error)
            lines = [] if error is None else traceback.format_exception(error)
            stream = {"output_type": "stream", "name": "stderr", "text": "".join(lines)}
            self._trace.outputs = (stream,) if lines else ()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it the picture for readers without a kernel."""
        return self.view.mimebundle(self.widget)
