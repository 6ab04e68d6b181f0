"""Controls made from a loss: one for each of its hyper-parameters that this file knows."""

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
