"""`run`: a recipe from its data to its result. Held-out training classes choose the epoch; the test
classes are looked at once, at the end, unless somebody asks for the papers' habit."""

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import dmlviz
from dmlviz.datasets.roots import PathLike
from dmlviz.history import History
from dmlviz.models import EmbeddingNet
from dmlviz.training.build import Sets, build_data, build_method, build_model
from dmlviz.training.checkpoint import read_checkpoint
from dmlviz.training.files import write_whole
from dmlviz.training.fit import fit
from dmlviz.training.recipe import Recipe, load_recipe
from dmlviz.training.saved import NAME, report

SELECTIONS = ("val", "test", "last")


@dataclass(frozen=True)
class Result:
    """What `run` returns; prints as the final table.

    Attributes:
        recipe: as it was run, changed settings included.
        output: the folder with `checkpoint.pt` and `result.json`.
        model: of the selected epoch.
        history: of the training.
        epoch: the selected one.
        selection: how it was selected, in words.
        report: of `evaluation.evaluate` on the test classes; None if training was interrupted.
    """

    recipe: Recipe
    output: Path
    model: EmbeddingNet
    history: History
    epoch: int
    selection: str
    report: Any

    @property
    def interrupted(self) -> bool:
        """Whether training stopped before its end; `run(…, resume=True)` goes on."""
        return self.history.interrupted

    @property
    def metrics(self) -> dict[str, float]:
        """The report's figures by name, shares in 0…1; empty if training was interrupted."""
        found: dict[str, float] = {}
        for name, value in vars(self.report).items() if self.report else ():
            if isinstance(value, dict):
                found |= {f"{name}@{k}": v for k, v in value.items()}
            elif isinstance(value, float):
                found[name] = value
        return found

    def __str__(self) -> str:
        if self.interrupted:
            return f"{self.recipe.name}: interrupted after {len(self.history) - 1} epochs"
        return f"{self.recipe.name}, {self.selection}\n{self.report}"


def run(
    recipe: PathLike | Recipe,
    *,
    data_root: PathLike | None = None,
    output: PathLike | None = None,
    select_on: str = "val",
    resume: bool = False,
    device: str | torch.device | None = None,
    workers: int = 0,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Result:
    """Train by a recipe, evaluate once on its test classes, write the result.

    Args:
        recipe: the name of one of `training.recipes()`, the path of a TOML file, or a `Recipe`.
        data_root: where the data lives; None: see `datasets.data_root`.
        output: folder for `checkpoint.pt` and `result.json`; None: `runs/NAME-SELECTION-seed0`.
        select_on: "val": the epoch is chosen on classes held out of training. "test": on the test
            classes, as most papers do, with all training classes; this flatters the result, and
            the output says so. "last": the last epoch, with all training classes.
        resume: go on from the checkpoint in `output`; without one, begin.
        device: None: a GPU if there is one.
        workers: processes that load images.
        seed: of network, proxies, batches and augmentation.
        settings: values to change, such as `{"lr": 1e-4, "loss.alpha": 16}`: see `Recipe.changed`.
        progress: show a bar, and say what is done.

    Raises:
        ValueError: for unknown settings, or a data set that has no "val" to choose on.
        FileNotFoundError: data, source or recipe is missing.
        FileExistsError: `output` holds a run, and `resume` is False.
    """
    if select_on not in SELECTIONS:
        raise ValueError(f"select_on must be one of {', '.join(SELECTIONS)}, got {select_on!r}")
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    recipe = recipe.changed(settings or {})
    folder = Path(output or Path("runs") / f"{recipe.name}-{select_on}-seed{seed}")
    _check_output(folder / NAME, recipe, resume)
    say = print if progress else _silent
    model = build_model(recipe, seed)
    sets = build_data(recipe, model, data_root, select_on)
    say(f"{recipe.name}: {recipe.about}\n" + ", ".join(str(s) for s in vars(sets).values() if s))
    for words in recipe.differs:
        say(f"differs: {words}")
    if select_on == "test":
        say(
            "the epoch is chosen on the TEST classes: most papers do so, and it flatters the result"
        )
    held_out = recipe.data.val_classes if select_on == "val" else 0
    on_test = select_on == "test"
    history = fit(
        model, build_method(recipe, model, sets.train, seed), sets.train,
        sets.test if on_test else None, gallery=sets.gallery if on_test else None, val=sets.val,
        select_on="test" if on_test else "val", seed=seed, device=device, workers=workers,
        checkpoint=folder / NAME, resume=resume, progress=progress,
        about={"recipe": recipe.tables(), "name": recipe.name, "val_classes": held_out},
        **({"snapshot_size": 0} | dict(recipe.fit)),
    )  # fmt: skip
    epoch = len(history) - 1 if history.best_epoch is None else history.best_epoch
    found = None
    if not history.interrupted:
        found = report(
            model, sets.test, sets.gallery, recipe.fit.get("ks"), recipe.data.protocol, workers
        )
    selection = _selection(select_on, epoch, len(history) - 1, sets)
    result = Result(recipe, folder, model, history, epoch, selection, found)
    if not result.interrupted:
        content = _content(result, sets, dict(settings or {}), seed, select_on)
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_whole(folder / "result.json", lambda file: file.write(text.encode()))
    say(result)
    return result


def _check_output(checkpoint: Path, recipe: Recipe, resume: bool) -> None:
    """Raise before the data is read if the checkpoint there is not what is to go on."""
    if not checkpoint.exists():
        return
    if not resume:
        raise FileExistsError(
            f"{checkpoint.parent} holds a run: go on with it by resume=True (--resume), or give "
            "another output"
        )
    stored = read_checkpoint(checkpoint)["about"].get("recipe", {})
    now = recipe.tables()
    changed = [
        f"{table}.{key} was {a.get(key)!r}, now {b.get(key)!r}"
        for table in dict.fromkeys([*stored, *now])
        for a, b in [(stored.get(table, {}), now.get(table, {}))]
        for key in dict.fromkeys([*a, *b])
        if a.get(key) != b.get(key)
    ]
    if changed:
        raise ValueError(
            f"the run in {checkpoint.parent} is another: {'; '.join(changed)}. Go on with the same "
            "recipe and settings, or give another output"
        )


def _selection(select_on: str, epoch: int, last: int, sets: Sets) -> str:
    """How the epoch was chosen, in words."""
    if select_on == "last":
        return f"the last epoch, {epoch}; nothing held out of training"
    if select_on == "test":
        return f"epoch {epoch} of {last}, chosen on the TEST classes, which flatters the figures"
    if hasattr(sets.val, "classes"):
        return f"epoch {epoch} of {last}, chosen on {len(sets.val.classes):,} held-out classes"
    return f"epoch {epoch} of {last}, chosen on {len(sets.val):,} held-out images"


def _content(
    result: Result, sets: Sets, settings: dict[str, Any], seed: int, select_on: str
) -> dict[str, Any]:
    """`result.json`: all that somebody who meets the figures elsewhere will ask."""
    device = next(result.model.parameters()).device
    return {
        "recipe": {"name": result.recipe.name, **result.recipe.tables()},
        "settings changed": settings,
        "differs": list(result.recipe.differs),
        "published": [vars(entry) for entry in result.recipe.published],
        "seed": seed,
        "select on": select_on,
        "selection": result.selection,
        "epoch": result.epoch,
        "metrics": result.metrics,
        "note": result.report.note(),
        "data": sets.counts(),
        "history": result.history.records,
        "minutes": round(result.history.records[-1]["seconds"] / 60, 2),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "threads": torch.get_num_threads(),
        },
        "versions": {
            "dmlviz": dmlviz.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "finished": time.strftime("%Y-%m-%d"),
    }


def _silent(*words: object) -> None:
    """Say nothing."""
