"""Hyper-parameters of a loss: which of its numbers steer it, and a slider for each."""

import math
from collections.abc import Callable
from fnmatch import fnmatch
from numbers import Integral, Real
from typing import Any

import ipywidgets
import torch
from torch import Tensor, nn

# Where a control may go: between two numbers (in whole steps between whole numbers), or through
# several. "Loss.name" comes before "name". Scales and temperatures act by their ratio, so they step
# by factors.
_SCALE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TEMPERATURE = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_REACH: dict[str, tuple[float, ...]] = {
    "margin": (0.0, 1.0),
    "pos_margin": (0.0, 1.0),
    "neg_margin": (0.05, 2.0),
    "base": (-0.5, 1.0),
    "m": (0.0, 1.0),
    "margin_plus": (0.0, 1.0),
    "margin_minus": (0.0, 1.0),
    "imbalance": (0.0, 1.0),
    "pos_eps": (0.0, 0.5),
    "neg_eps": (0.0, 0.5),
    "Tp": (0.0, 10.0),
    "Tn": (0.0, 10.0),
    "num_bins": (2, 40),
    "alpha": _SCALE,
    "beta": _SCALE,
    "gamma": _SCALE,
    "la": _SCALE,
    "scale": _SCALE,
    "softmax_scale": _SCALE,
    "temperature": _TEMPERATURE,
    "anneal": _TEMPERATURE,
    # Where pytorch-metric-learning means something else by the name: an angle in radians, a
    # multiple of an angle, a distance, the width of a bin.
    "AngularLoss.alpha": (0.1, 1.3),
    "LargeMarginSoftmaxLoss.margin": (1, 8),
    "SphereFaceLoss.margin": (1, 8),
    "RankedListLoss.alpha": (0.0, 2.0),
    "MarginLoss.beta": (0.05, 2.0),
    "HistogramLoss.delta": (0.02, 0.05, 0.1, 0.2, 0.4),
}

# Numbers that are no hyper-parameters: sizes, places and counts; what only keeps a division or a
# logarithm finite; weights of regularizers; what others are derived into; and what acts only in
# another variant of the loss, or over many batches.
_NO_HYPERPARAMETER = (
    *("*_size", "*_dim", "*_idx", "num_classes", "num_pairs", "num_edges", "max_n", "views"),
    *("sub_centers", "centers_per_class", "eps", "epsilon", "seed", "*_reg_weight"),
    *("CircleLoss.o[pn]", "CircleLoss.delta_[pn]", "MarginLoss.nu", "PNPLoss.b", "PNPLoss.alpha"),
    "DynamicSoftMarginLoss.*",
)

# What a loss of pytorch-metric-learning derives from a hyper-parameter when it is made.
_DERIVE: dict[str, Callable[[Any], Any]] = {
    "CircleLoss.m": lambda loss: vars(loss).update(
        op=1 + loss.m, on=-loss.m, delta_p=1 - loss.m, delta_n=loss.m
    ),
    "FastAPLoss.num_bins": lambda loss: setattr(loss, "num_edges", loss.num_bins + 1),
    "LargeMarginSoftmaxLoss.margin": lambda loss: loss.init_margin(),
    "SphereFaceLoss.margin": lambda loss: loss.init_margin(),
}


def hyperparameters(loss: nn.Module) -> dict[str, float]:
    """Names and values of the numbers that steer a loss: margin, alpha, temperature, ….

    These are its public numeric attributes, those that are known by name first, without sizes,
    counts and epsilons; whole numbers where only these make sense.

    >>> from dmlviz import losses
    >>> hyperparameters(losses.ProxyAnchorLoss(4, 2))
    {'margin': 0.1, 'alpha': 32.0}
    """
    measured = getattr(loss, "_record_these_stats", ())  # pytorch-metric-learning's, of a batch
    found = {}
    for name in dict.fromkeys([*_REACH, *vars(loss)]):
        value = _number(getattr(loss, name, None))
        if value is not None and name[0] != "_" and name not in measured and _steers(loss, name):
            whole = all(isinstance(end, Integral) for end in _reach(loss, name, value))
            found[name] = round(value) if whole else float(value)
    return found


def set_hyperparameter(loss: nn.Module, name: str, value: float) -> None:
    """Change a hyper-parameter of a loss, and what the loss has derived from it."""
    old = getattr(loss, name)
    setattr(loss, name, torch.full_like(old, value) if isinstance(old, Tensor) else value)
    _DERIVE.get(_qualified(loss, name), lambda _: None)(loss)


def controls_for(loss: nn.Module) -> dict[str, Any]:
    """A slider for each hyper-parameter of the loss, at its present value.

    One that is not known by name goes from a tenth to three times that value; by factors of two
    where it is above 10.
    """
    return {
        name: _control(name, value, _reach(loss, name, value))
        for name, value in hyperparameters(loss).items()
    }


def _qualified(loss: nn.Module, name: str) -> str:
    return f"{type(loss).__name__}.{name}"


def _number(value: Any) -> float | None:
    """A finite number, also of a tensor of one that is not learned; else None."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.requires_grad:
        value = value.item()
    is_one = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_one else None


def _steers(loss: nn.Module, name: str) -> bool:
    names = name, _qualified(loss, name)
    return not any(fnmatch(n, pattern) for n in names for pattern in _NO_HYPERPARAMETER)


def _reach(loss: nn.Module, name: str, value: float) -> tuple[float, ...]:
    """Where a control may go: what is known by name, else around the present value."""
    known = _REACH.get(_qualified(loss, name), _REACH.get(name))
    if known is not None:
        return known
    if value == 0:
        return 0.0, 1.0
    if abs(value) > 10:
        around = tuple(value * 2.0**k for k in range(-3, 4))
        whole = isinstance(value, Integral)
        return tuple(dict.fromkeys(round(v) for v in around)) if whole else around
    if isinstance(value, Integral) and value > 0:
        return 1, 3 * value
    return min(0.1 * value, 3 * value), max(0.1 * value, 3 * value)


def _control(name: str, value: float, reach: tuple[float, ...]) -> Any:
    if len(reach) > 2:
        options = sorted({*reach, round(value, 6)})
        return ipywidgets.SelectionSlider(
            options=[(f"{o:.3g}", o) for o in options],
            value=round(value, 6),
            description=name,
            continuous_update=True,
        )
    low, high = min(*reach, value), max(*reach, value)
    whole = isinstance(value, int)
    slider = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    step = 1 if whole else min(0.01, (high - low) / 100)
    return slider(
        value=value, min=low, max=high, step=step, description=name, continuous_update=True
    )
