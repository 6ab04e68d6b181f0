"""Controls: reading, moving and sweeping them, and a place for errors."""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets


class Controlled:
    """A widget with controls by name, readable and movable from Python, and a place for errors.

    JupyterLab hides the errors of callbacks, so they are shown in `message` in words, *and* raised
    again: a test must see them, too.
    """

    controls: dict[str, Any]

    def __init__(self) -> None:
        self.message = ipywidgets.HTML()

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
        """Move every control through its range and back; returns how many stops were visited."""
        visited = 0
        for control in self.controls.values():
            start = control.value
            for value in stops(control):
                control.value = value
                self._at_stop()
                visited += 1
            control.value = start
        return visited

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._tell(None)
        except Exception as error:
            self._tell(error)
            raise

    def _tell(self, error: BaseException | None) -> None:
        text = "" if error is None else html.escape(f"{type(error).__name__}: {error}")
        self.message.value = text and f"<b style='color:#D55E00'>{text}</b>"

    def _at_stop(self) -> None:
        """What a sweep does at every stop, beyond what the control itself sets off."""


def stops(control: Any) -> list[Any]:
    """Both ends and the middle of a slider, all options of a choice."""
    if hasattr(control, "options"):
        options = [o[1] if isinstance(o, tuple) else o for o in control.options]
        return (
            options if len(options) <= 20 else [options[0], options[len(options) // 2], options[-1]]
        )
    middle = (control.min + control.max) / 2
    return [control.min, int(middle) if isinstance(control.value, int) else middle, control.max]
