"""What moves the parameters: their groups, the optimiser, and how the learning rate falls."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from dmlviz.methods import Method

Schedule = str | Mapping[str, Any] | Callable[[int], float]
Chosen = str | Mapping[str, Any]

OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}
SCHEDULES = (
    '"cosine", "constant", {"step": 10, "gamma": 0.5}, {"milestones": [50], "gamma": 0.1}, '
    '{"inverse": 1e-4} or a function of the epoch'
)


def parameter_groups(
    model: nn.Module, method: Method, lr: float, proxy_lr_multiplier: float
) -> tuple[list[nn.Parameter], list[dict[str, Any]]]:
    """The backbone's parameters, and all that train with their learning rates.

    Of an `EmbeddingNet`, what is not its head is backbone; any other model is all head.
    """
    head = getattr(model, "head", model)
    in_head = {id(p) for p in head.parameters()}
    backbone = [p for p in _trainable(model) if id(p) not in in_head]
    proxies = method.proxies()
    others = [p for p in _trainable(method) if not any(p is q for q in proxies)]
    others = [p for p in _trainable(model) if id(p) in in_head] + others
    groups = [
        {"params": backbone, "lr": lr},
        {"params": others, "lr": lr},
        {"params": proxies, "lr": lr * proxy_lr_multiplier},
    ]
    return backbone, [group for group in groups if group["params"]]


def build_optimizer(
    optimizer: Chosen, groups: list[dict[str, Any]], lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser by its name, or by `{"name": …}` with torch's own options beside it."""
    options = {"name": optimizer} if isinstance(optimizer, str) else dict(optimizer)
    name = options.pop("name", None)
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
    try:
        make = getattr(torch.optim, OPTIMIZERS[name])
        return make(groups, lr=lr, weight_decay=weight_decay, **options)
    except TypeError as error:
        raise ValueError(f"optimizer: torch's {name} does not take {options}: {error}") from error


def build_schedule(
    schedule: Schedule, optimizer: torch.optim.Optimizer, epochs: int
) -> tuple[torch.optim.lr_scheduler.LRScheduler, bool]:
    """The schedule, and whether it moves at every step (else: at the end of every epoch)."""
    factor, every_step = _factor(schedule, epochs)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor), every_step


def _factor(schedule: Schedule, epochs: int) -> tuple[Callable[[int], float], bool]:
    """Factor on the learning rates after so many epochs (or steps)."""
    if callable(schedule):
        return schedule, False
    if schedule == "constant":
        return lambda epoch: 1.0, False
    if schedule == "cosine":
        return lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / max(epochs, 1))), False
    if isinstance(schedule, Mapping):
        numbers = dict(schedule)
        if numbers.keys() == {"step", "gamma"} and numbers["step"] >= 1:
            return lambda epoch: numbers["gamma"] ** (epoch // numbers["step"]), False
        if numbers.keys() == {"milestones", "gamma"}:
            passed = sorted(numbers["milestones"])
            return lambda epoch: numbers["gamma"] ** sum(epoch >= m for m in passed), False
        if numbers.keys() == {"inverse"}:
            return lambda step: 1 / (1 + numbers["inverse"] * step), True
    raise ValueError(f"schedule must be {SCHEDULES}, got {schedule!r}")


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]
