"""Checkpoints: all that a training run is, in one file, so that it goes on as if never stopped.

The file holds the network, the method (proxies, generators, memories), the optimiser with its
moments, the schedule, the history with its snapshots, the best epoch's network, and where every
random source stands. It is plain tensors, numbers, words, lists and dictionaries, and is read as
such (`torch.load(weights_only=True)`): a foreign checkpoint cannot run code.

The order of batches is not stored but drawn again: the sampler is run through the epochs that are
done. That takes seconds and is exact for every sampler.
"""

import collections
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

import dmlviz
from dmlviz.datasets.roots import PathLike
from dmlviz.training.files import write_whole
from dmlviz.watch import Watch

FORMAT = "dmlviz checkpoint 1"


def read_checkpoint(path: PathLike) -> dict[str, Any]:
    """What a checkpoint holds, its tensors on the CPU.

    Args:
        path: the file that `training.fit(…, checkpoint=path)` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, cut short, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with zipfile.ZipFile(path) as archive:  # what torch.save writes; every part has a checksum
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"its part {damaged} is not what was written")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"the checkpoint {path} cannot be read: it is damaged, cut short, or was not written "
            f"by dmlviz ({str(error).splitlines()[0][:200]}). Start anew with another file"
        ) from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"{path} is no checkpoint of a training run: it should say {FORMAT!r}, but says "
            f"{found!r}. Weights alone are loaded by model.load_state_dict"
        )
    return state


@dataclass
class Checkpoint:
    """The file of one training run, and the parts that it is taken from and put back into.

    Args:
        path: the file; None: nothing is ever written.
        settings: plain values that must be the same when the run goes on.
        about: more plain values, which are stored as they are.
        model, method, optimizer, schedule, loader, watch: the parts.
        device: whose random source is kept beside the CPU's.
    """

    path: Path | None
    settings: dict[str, Any]
    about: dict[str, Any]
    model: nn.Module
    method: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    loader: DataLoader[Any]
    watch: Watch
    device: torch.device

    def check(self, resume: bool) -> None:
        """Raise before any work if the file is not what `resume` says."""
        if self.path is None:
            if resume:
                raise ValueError("resume=True needs checkpoint=, the file to go on from")
            return
        if self.path.exists() and not resume:
            raise FileExistsError(
                f"checkpoint={self.path} exists: go on with it by resume=True, or start anew with "
                "another file, or delete it"
            )

    def save(self, epoch: int) -> None:
        """Write the state after `epoch` epochs, whole or not at all."""
        if self.path is None:
            return
        state: dict[str, Any] = {
            "format": FORMAT,
            "dmlviz": dmlviz.__version__,
            "settings": self.settings,
            "about": self.about,
            "epoch": epoch,
            "model": self.model.state_dict(),
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "watch": self.watch.state_dict(),
            "random": {"cpu": torch.get_rng_state(), "loader": self._generator().get_state()},
        }
        if self.device.type == "cuda":
            state["random"]["cuda"] = torch.cuda.get_rng_state(self.device)
        write_whole(self.path, lambda file: torch.save(state, file))

    def resume(self) -> int | None:
        """Put everything back; returns how many epochs are done, or None if there is no file."""
        if self.path is None or not self.path.exists():
            return None
        state = read_checkpoint(self.path)
        self._compare(state["settings"])
        try:
            self.model.load_state_dict(state["model"])
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the checkpoint {self.path} is of another model or method: build them as they "
                f"were when it was written ({error})"
            ) from error
        self.schedule.load_state_dict(state["schedule"])
        self.watch.load_state_dict(state["watch"])
        for _ in range(state["epoch"]):
            collections.deque(self.loader.batch_sampler or (), maxlen=0)
        random = state["random"]
        self._generator().set_state(random["loader"])
        torch.set_rng_state(random["cpu"])
        if self.device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], self.device)
        return state["epoch"]

    def _compare(self, stored: dict[str, Any]) -> None:
        changed = [
            f"{name} was {stored.get(name)!r}, now {self.settings.get(name)!r}"
            for name in dict.fromkeys([*stored, *self.settings])
            if stored.get(name) != self.settings.get(name)
        ]
        if changed:
            raise ValueError(
                f"the run in {self.path} had other settings: {'; '.join(changed)}. Go on with the "
                "same, or start anew with another file"
            )

    def _generator(self) -> torch.Generator:
        generator = self.loader.generator
        assert isinstance(generator, torch.Generator)  # `fit` gives it one
        return generator
