"""Controls: reading, moving and sweeping them, and making them from a loss's hyper-parameters."""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from torch import nn

# Where a control may go. Scales and temperatures act by their ratio, so they step by factors.
_SCALE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TEMPERATURE = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CHOICES = {
    "alpha": _SCALE,
    "beta": _SCALE,
    "gamma": _SCALE,
    "scale": _SCALE,
    "softmax_scale": _SCALE,
    "temperature": _TEMPERATURE,
}
_RANGES = {"margin": (0.0, 1.0), "pos_margin": (0.0, 1.0), "neg_margin": (0.05, 2.0)}
_RANGES |= {"base": (-0.5, 1.0)}


def hyperparameters(loss: nn.Module) -> dict[str, float]:
    """Names and values of the numbers that steer a loss: margin, alpha, temperature, ….

    >>> from dmlviz import losses
    >>> hyperparameters(losses.ProxyAnchorLoss(4, 2))
    {'margin': 0.1, 'alpha': 32.0}
    """
    found = {}
    for name in (*_RANGES, *_CHOICES):
        value = getattr(loss, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def controls_for(loss: nn.Module) -> dict[str, Any]:
    """A slider for each hyper-parameter of the loss, at its present value."""
    return {name: _control(name, value) for name, value in hyperparameters(loss).items()}


def _control(name: str, value: float) -> Any:
    if name in _CHOICES:
        options = sorted({*_CHOICES[name], round(value, 6)})
        return ipywidgets.SelectionSlider(
            options=[(f"{o:.3g}", o) for o in options],
            value=round(value, 6),
            description=name,
            continuous_update=True,
        )
    low, high = _RANGES[name]
    return ipywidgets.FloatSlider(
        value=value,
        min=min(low, value),
        max=max(high, value),
        step=0.01,
        description=name,
        continuous_update=True,
    )


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
