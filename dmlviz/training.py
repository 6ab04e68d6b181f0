"""`fit`: a plain training loop. Batches, losses, steps; now and then a look at unseen classes."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm.std import tqdm

from dmlviz.datasets.base import class_names_shared, collate
from dmlviz.history import History
from dmlviz.methods import Method
from dmlviz.watch import Watch

__all__ = ["fit"]

Schedule = str | Callable[[int], float]


def fit(
    model: nn.Module,
    method: Method,
    train: Dataset[Any],
    test: Dataset[Any] | None = None,
    *,
    val: Dataset[Any] | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 3e-4,
    proxy_lr_multiplier: float = 100.0,
    weight_decay: float = 1e-4,
    warmup_epochs: int = 0,
    schedule: Schedule = "cosine",
    clip_gradient: float | None = 10.0,
    eval_every: int = 1,
    ks: Iterable[int] = (1, 2, 4, 8),
    snapshot_size: int = 2000,
    seed: int = 0,
    device: str | torch.device | None = None,
    workers: int = 0,
    progress: bool = True,
) -> History:
    """Train `model` by `method` on `train`; watch Recall@K on `test` and `val` as it learns.

    With `val`, the model ends as it was in the epoch of the best Recall@1 on `val`; without, as it
    was in the last epoch. `test` is only watched. Ctrl-C (or the stop button of a notebook) ends
    training early and returns what is there.

    Args:
        model: from images to embeddings, for instance `models.EmbeddingNet`; trained in place.
        method: for instance `methods.Supervised(loss)`.
        train: items `(image, label)`, with `.targets`.
        test: unseen classes to watch, or None.
        val: classes held out of training, to choose the epoch by, or None.
        epochs: passes over `train`; 0 only evaluates.
        batch_size: images per step.
        lr: AdamW's learning rate of the network.
        proxy_lr_multiplier: the proxies of the loss learn this many times faster; 100 is the
            Proxy-Anchor authors' value.
        weight_decay: AdamW's, on all parameters.
        warmup_epochs: epochs at the start in which only the head and the proxies train.
        schedule: factor on the learning rates: "cosine" (to 0), "constant", or a function of the
            epoch 0, 1, ….
        clip_gradient: largest absolute value of a gradient's entry; None: no limit.
        eval_every: evaluate after every so many epochs (and before the first, after the last).
        ks: the K's of Recall@K.
        snapshot_size: keep the embeddings of up to so many images of `test` (else `val`) at every
            evaluation; 0: none.
        seed: of batches and augmentation. The start of model and proxies has seeds of its own.
        device: None: a GPU if there is one.
        workers: processes that load images.
        progress: show a bar.

    Returns:
        The `History`; its first record is the untrained model's.

    Raises:
        ValueError: if `val` shares classes with `train`, or the loss was made for another number
            of classes.
        FloatingPointError: if the loss is not finite any more.
    """
    _at_least(0, epochs=epochs, warmup_epochs=warmup_epochs, snapshot_size=snapshot_size)
    _at_least(1, batch_size=batch_size, eval_every=eval_every)
    if not (lr > 0 and proxy_lr_multiplier > 0):
        raise ValueError(
            f"lr and proxy_lr_multiplier must be positive, got {lr} and {proxy_lr_multiplier}"
        )
    _check(method, model, train, val)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.to(device)
    method.to(device)
    backbone, head = _split(model)
    proxies = method.proxies()
    others = [p for p in _trainable(method) if not any(p is q for q in proxies)]
    groups: list[dict[str, Any]] = [
        {"params": backbone, "lr": lr},
        {"params": [*head, *others], "lr": lr},
        {"params": proxies, "lr": lr * proxy_lr_multiplier},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, _factor(schedule, epochs))
    loader = DataLoader(
        method.dataset(train),
        batch_sampler=method.batch_sampler(train, batch_size, seed),
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(seed),
        persistent_workers=workers > 0,
    )

    watch = Watch(model, test, val, tuple(ks), snapshot_size, workers)
    history = watch.history
    bar = tqdm(total=epochs * len(loader), disable=not progress, unit="step", mininterval=1)
    with torch.random.fork_rng(), bar:  # random augmentations follow the seed, and leave no trace
        torch.manual_seed(seed)
        try:
            watch.look(epoch=0, loss=None, lr=lr)
            for epoch in range(1, epochs + 1):
                for parameter in backbone:
                    parameter.requires_grad_(epoch > warmup_epochs)
                rate = optimizer.param_groups[0]["lr"]
                model.train()
                total = 0.0
                for step, batch in enumerate(loader, start=1):
                    loss = method(model, tuple(part.to(device) for part in batch))
                    if not loss.requires_grad:
                        raise ValueError(
                            "the loss depends on nothing that trains"
                            + (": set warmup_epochs=0" if epoch <= warmup_epochs else "")
                        )
                    optimizer.zero_grad()
                    loss.backward()
                    if clip_gradient is not None:
                        _clip(groups, clip_gradient)
                    optimizer.step()
                    total += _finite(loss.item(), epoch, step)
                    bar.update()
                decay.step()
                evaluate_now = epoch % eval_every == 0 or epoch == epochs
                watch.look(epoch, loss=total / len(loader), lr=rate, measure=evaluate_now)
                bar.set_postfix(watch.summary())
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            for parameter in backbone:
                parameter.requires_grad_(True)
    watch.restore_best()
    return history


def _at_least(least: int, **numbers: int) -> None:
    for name, value in numbers.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def _clip(groups: list[dict[str, Any]], largest: float) -> None:
    for group in groups:
        with_gradient = [p for p in group["params"] if p.grad is not None]
        if with_gradient:  # the backbone has none during warm-up
            nn.utils.clip_grad_value_(with_gradient, largest)


def _check(method: Method, model: nn.Module, train: Any, val: Any) -> None:
    method.check(train, model)
    shared = class_names_shared(train, val)
    if shared:
        raise ValueError(
            f"val shares {len(shared)} classes with train (such as {sorted(shared)[0]}), so it "
            "cannot choose the epoch: hold them out of training, for instance by val_classes="
        )


def _split(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters of the backbone, and of the head; of any other model, all are head."""
    head = getattr(model, "head", model)
    in_head = {id(p) for p in head.parameters()}
    return (
        [p for p in _trainable(model) if id(p) not in in_head],
        [p for p in _trainable(model) if id(p) in in_head],
    )


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _factor(schedule: Schedule, epochs: int) -> Callable[[int], float]:
    if callable(schedule):
        return schedule
    if schedule == "constant":
        return lambda epoch: 1.0
    if schedule == "cosine":
        return lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / max(epochs, 1)))
    raise ValueError(f'schedule must be "cosine", "constant" or a function, got {schedule!r}')


def _finite(loss: float, epoch: int, step: int) -> float:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} in epoch {epoch}, step {step}: lower lr, or look for broken images"
        )
    return loss
