"""`fit`: a plain training loop. Batches, losses, steps; now and then a look at unseen classes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm.std import tqdm

from dmlviz.datasets.base import collate
from dmlviz.datasets.roots import PathLike
from dmlviz.history import History
from dmlviz.methods import Method
from dmlviz.training.checkpoint import Checkpoint
from dmlviz.training.checks import check_finite, check_parts, check_settings
from dmlviz.training.optimizers import (
    Chosen,
    Schedule,
    build_optimizer,
    build_schedule,
    parameter_groups,
)
from dmlviz.watch import Watch

__all__ = ["fit"]


def fit(
    model: nn.Module,
    method: Method,
    train: Dataset[Any],
    test: Dataset[Any] | None = None,
    *,
    val: Dataset[Any] | None = None,
    gallery: Dataset[Any] | None = None,
    select_on: str = "val",
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 3e-4,
    proxy_lr_multiplier: float = 100.0,
    weight_decay: float = 1e-4,
    optimizer: Chosen = "adamw",
    warmup_epochs: int = 0,
    schedule: Schedule = "cosine",
    clip_gradient: float | None = 10.0,
    eval_every: int = 1,
    ks: Iterable[int] = (1, 2, 4, 8),
    snapshot_size: int = 2000,
    seed: int = 0,
    device: str | torch.device | None = None,
    workers: int = 0,
    checkpoint: PathLike | None = None,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> History:
    """Train `model` by `method` on `train`; watch Recall@K on `test` and `val` as it learns.

    With `val`, the model ends as it was in the epoch of the best Recall@1 on `val`; without, as it
    was in the last epoch. `test` is only watched. Ctrl-C (or the stop button of a notebook) ends
    training early and returns what is there.

    With `checkpoint`, all that is needed to go on is written to that file after every epoch. The
    same call with `resume=True` then goes on behind the last complete epoch, to the same figures
    and weights as if it had never stopped (on a CPU, bit by bit, with as many `workers`); where
    there is no file yet it begins, and where training is finished it returns its history.

    Args:
        model: from images to embeddings, for instance `models.EmbeddingNet`; trained in place.
        method: for instance `methods.Supervised(loss)`.
        train: items `(image, label)`, with `.targets`.
        test: unseen classes to watch, or None.
        val: classes held out of training, to choose the epoch by, or None.
        gallery: what the images of `test` search, in data sets that have "query" and "gallery".
        select_on: "val", or "test": the epoch is chosen on the test classes, as most papers do,
            which flatters the result.
        epochs: passes over `train`; 0 only evaluates.
        batch_size: images per step.
        lr: learning rate of the network.
        proxy_lr_multiplier: the proxies of the loss learn this many times faster; 100 is the
            Proxy-Anchor authors' value.
        weight_decay: on all parameters.
        optimizer: "adamw", "adam" or "sgd", or with torch's options `{"name": "sgd", "momentum":
            0.9}`.
        warmup_epochs: epochs at the start in which only the head and the proxies train.
        schedule: factor on the learning rates: "cosine" (to 0), "constant", a function of the epoch
            0, 1, …, `{"step": 10, "gamma": 0.5}` (halved every 10 epochs), `{"milestones": [50],
            "gamma": 0.1}` (a tenth after 50), `{"inverse": 1e-4}` (1 / (1 + 1e-4 · steps)).
        clip_gradient: largest absolute value of a gradient's entry; None: no limit.
        eval_every: evaluate after every so many epochs (and before the first, after the last).
        ks: the K's of Recall@K.
        snapshot_size: keep the embeddings of up to so many images of `test` (else `val`) at every
            evaluation; 0: none.
        seed: of batches and augmentation. The start of model and proxies has seeds of its own.
        device: None: a GPU if there is one.
        workers: processes that load images.
        checkpoint: a file to write after every epoch; None: none.
        resume: go on from `checkpoint`, with the same settings, data, model and method.
        about: plain values (numbers, words, lists, dictionaries) that the checkpoint shall carry.
        progress: show a bar.

    Returns:
        The `History`; its first record is the untrained model's.

    Raises:
        ValueError: if `val` shares classes with `train`, the loss was made for another number of
            classes, or `checkpoint` is damaged or of a run with other settings.
        FileExistsError: if `checkpoint` exists and `resume` is False.
        FloatingPointError: if the loss is not finite any more.
    """
    settings = {
        "epochs": epochs, "batch_size": batch_size, "lr": lr,
        "proxy_lr_multiplier": proxy_lr_multiplier, "weight_decay": weight_decay,
        "optimizer": _plain(optimizer), "warmup_epochs": warmup_epochs,
        "schedule": _plain(schedule), "clip_gradient": clip_gradient, "eval_every": eval_every,
        "ks": list(ks), "snapshot_size": snapshot_size, "seed": seed, "select_on": select_on,
        "training images": len(train),  # type: ignore[arg-type]
    }  # fmt: skip
    check_settings(settings)
    check_parts(method, model, train, val)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.to(device)
    method.to(device)
    backbone, groups = parameter_groups(model, method, lr, proxy_lr_multiplier)
    moves = build_optimizer(optimizer, groups, lr, weight_decay)
    decay, every_step = build_schedule(schedule, moves, epochs)
    loader = DataLoader(
        method.dataset(train),
        batch_sampler=method.batch_sampler(train, batch_size, seed),
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(seed),
        # Workers that live on hold random states that no checkpoint sees.
        persistent_workers=workers > 0 and checkpoint is None,
    )
    watch = Watch(
        model, test, val, tuple(settings["ks"]), snapshot_size, workers,
        gallery=gallery, select_on=select_on,
    )  # fmt: skip
    history = watch.history
    saved = Checkpoint(
        None if checkpoint is None else Path(checkpoint), settings, dict(about or {}),
        model, method, moves, decay, loader, watch, device,
    )  # fmt: skip
    saved.check(resume)
    bar = tqdm(total=epochs * len(loader), disable=not progress, unit="step", mininterval=1)
    with torch.random.fork_rng(), bar:  # random augmentations follow the seed, and leave no trace
        torch.manual_seed(seed)
        done = saved.resume() if resume else None
        try:
            if done is None:
                watch.look(epoch=0, loss=None, lr=lr)
                saved.save(epoch=0)
            bar.update((done or 0) * len(loader))
            for epoch in range((done or 0) + 1, epochs + 1):
                for parameter in backbone:
                    parameter.requires_grad_(epoch > warmup_epochs)
                rate = moves.param_groups[0]["lr"]
                model.train()
                total = 0.0
                for step, batch in enumerate(loader, start=1):
                    loss = method(model, tuple(part.to(device) for part in batch))
                    if not loss.requires_grad:
                        raise ValueError(
                            "the loss depends on nothing that trains"
                            + (": set warmup_epochs=0" if epoch <= warmup_epochs else "")
                        )
                    moves.zero_grad()
                    loss.backward()
                    if clip_gradient is not None:
                        _clip(groups, clip_gradient)
                    moves.step()
                    if every_step:
                        decay.step()
                    total += check_finite(loss.item(), epoch, step)
                    bar.update()
                if not every_step:
                    decay.step()
                evaluate_now = epoch % eval_every == 0 or epoch == epochs
                watch.look(epoch, loss=total / len(loader), lr=rate, measure=evaluate_now)
                saved.save(epoch)
                bar.set_postfix(watch.summary())
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            for parameter in backbone:
                parameter.requires_grad_(True)
    watch.restore_best()
    return history


def _clip(groups: list[dict[str, Any]], largest: float) -> None:
    for group in groups:
        with_gradient = [p for p in group["params"] if p.grad is not None]
        if with_gradient:  # the backbone has none during warm-up
            nn.utils.clip_grad_value_(with_gradient, largest)


def _plain(chosen: Any) -> Any:
    """A setting as a checkpoint keeps it; of a function, that it is one."""
    if callable(chosen):
        return "a function"
    return dict(chosen) if isinstance(chosen, Mapping) else chosen
