"""What every widget is: controls, a pure `compute`, a `draw`, and a picture.

Moving a control calls `compute(**params)` and draws its result. An error shows in the widget in
words *and* is raised again: JupyterLab hides errors of callbacks, and a test must see them.
"""

import html
from abc import ABC, abstractmethod
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from dmlviz.widgets.view import FigureView


class Explorer(ABC):
    """Base of the widgets: subclasses give controls, a view, `compute` and `draw`.

    Args:
        controls: widgets with a `.value`, by parameter name.
        view: the picture.
        look_for: one line that says what to look for.
    """

    def __init__(
        self, controls: dict[str, Any], view: FigureView, look_for: str, extra: tuple[Any, ...] = ()
    ) -> None:
        self.controls, self.view = controls, view
        self.message = ipywidgets.HTML()
        hint = ipywidgets.HTML(f"<i>{html.escape(look_for)}</i>")
        row = ipywidgets.HBox([*controls.values(), *extra])
        self.widget = ipywidgets.VBox([row, view.image, hint, self.message])
        for control in controls.values():
            control.observe(self._changed, "value")
        self._redraw()

    @abstractmethod
    def compute(self, **params: Any) -> Any:
        """What the picture shows for these parameters; touches nothing."""

    @abstractmethod
    def draw(self, state: Any) -> None:
        """Move the artists to this state."""

    @abstractmethod
    def static(self) -> Figure:
        """Small multiples that tell the same story on paper."""

    @property
    def params(self) -> dict[str, Any]:
        """Where the controls stand."""
        return {name: control.value for name, control in self.controls.items()}

    def update(self, **params: Any) -> None:
        """Move controls from Python."""
        unknown = params.keys() - self.controls.keys()
        if unknown:
            raise ValueError(
                f"no control {sorted(unknown)[0]!r}, there are: {', '.join(self.controls)}"
            )
        for name, value in params.items():
            self.controls[name].value = value

    def sweep(self) -> int:
        """Move every control through its range and back; returns how many pictures were drawn."""
        drawn = 0
        for control in self.controls.values():
            start = control.value
            for value in stops(control):
                control.value = value
                drawn += 1
            control.value = start
        return drawn

    def _changed(self, _: Any) -> None:
        self._redraw()

    def _redraw(self) -> None:
        try:
            self.draw(self.compute(**self.params))
            self.view.show()
            self.message.value = ""
        except Exception as error:
            text = html.escape(f"{type(error).__name__}: {error}")
            self.message.value = f"<b style='color:#D55E00'>{text}</b>"
            raise

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it the picture for readers without a kernel."""
        return self.view.mimebundle(self.widget)


def stops(control: Any) -> list[Any]:
    """Both ends and the middle of a slider, all options of a choice."""
    if hasattr(control, "options"):
        options = [o[1] if isinstance(o, tuple) else o for o in control.options]
        return (
            options if len(options) <= 20 else [options[0], options[len(options) // 2], options[-1]]
        )
    middle = (control.min + control.max) / 2
    return [control.min, int(middle) if isinstance(control.value, int) else middle, control.max]
