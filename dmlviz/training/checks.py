"""What `fit` refuses, in words."""

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from dmlviz.datasets.base import class_names_shared
from dmlviz.methods import Method

AT_LEAST = {
    "epochs": 0, "warmup_epochs": 0, "snapshot_size": 0, "batch_size": 1, "eval_every": 1,
}  # fmt: skip


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise for numbers that cannot be."""
    for name, least in AT_LEAST.items():
        if settings[name] < least:
            raise ValueError(f"{name} must be at least {least}, got {settings[name]}")
    lr, multiplier = settings["lr"], settings["proxy_lr_multiplier"]
    if not (lr > 0 and multiplier > 0):
        raise ValueError(f"lr and proxy_lr_multiplier must be positive, got {lr} and {multiplier}")
    if settings["select_on"] not in ("val", "test"):
        raise ValueError(f'select_on must be "val" or "test", got {settings["select_on"]!r}')


def check_parts(method: Method, model: nn.Module, train: Any, val: Any) -> None:
    """Raise if method, model and data do not belong together."""
    method.check(train, model)
    shared = class_names_shared(train, val)
    if shared:
        raise ValueError(
            f"val shares {len(shared)} classes with train (such as {sorted(shared)[0]}), so it "
            "cannot choose the epoch: hold them out of training, for instance by val_classes="
        )


def check_finite(loss: float, epoch: int, step: int) -> float:
    """The loss, unless it is not finite any more."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} in epoch {epoch}, step {step}: lower lr, or look for broken images"
        )
    return loss
