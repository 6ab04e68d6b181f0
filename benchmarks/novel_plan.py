"""What is run to compare ways of making novel classes: a grid each, then the best, every seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from novel_variants import OWN_SETTINGS
from resumable import Phase, Run

FIELDS = ("part", "loss", "method", "classes", "seed", "setting", "fold")
Best = dict[tuple[int, str], Run]


@dataclass(frozen=True)
class Plan:
    """The base, a loss alone, against everything in `novel_variants`.

    Attributes:
        tuned_with: of each number of training classes, the number that its settings are tuned with.
        lrs: learning rates, tried with every setting.
        base: settings of the base; the others inherit its best one, and add their own.
        start: of the rows that are not trained.
        tune_lr: whether the others try all learning rates, or inherit that of the base as well.
        loss: of the base, where a study has several; the runs then say which.
        folds: a setting is tried once on each; a run's `fold` says which. One: there is no `fold`.
        seeds: of the main runs.
        others: than the base, by their names in `novel_variants`.
    """

    tuned_with: dict[int, int]
    lrs: tuple[float, ...]
    base: tuple[dict[str, float], ...]
    start: tuple[str, ...] = ()
    tune_lr: bool = True
    folds: int = 1
    loss: str | None = None
    seeds: int = 5
    others: tuple[str, ...] = tuple(OWN_SETTINGS)

    def of_base(self) -> list[Phase]:
        return [lambda _: self._base(), lambda runs: self._main(runs, self.start, ("base",))]

    def of_others(self) -> list[Phase]:
        return [self._others, lambda runs: self._main(runs, (), self.others)]

    def _base(self) -> Iterator[Run]:
        for lr, setting, classes in product(self.lrs, self.base, self._tuned()):
            yield from self._tuning("base", classes, {"lr": lr, **setting})

    def _others(self, runs: list[Run]) -> Iterator[Run]:
        best = best_trials(of_loss(runs, self.loss))
        for method in self.others:
            for own, classes in product(OWN_SETTINGS[method], self._tuned()):
                base = best[classes, "base"]["setting"]
                for lr in self.lrs if self.tune_lr else (base["lr"],):
                    yield from self._tuning(method, classes, {**base, "lr": lr, **own})

    def _tuned(self) -> list[int]:
        return sorted(set(self.tuned_with.values()))

    def _tuning(self, method: str, classes: int, setting: dict[str, Any]) -> Iterator[Run]:
        run = self._run("tuning", method, classes, 0, setting)
        yield from (run | ({"fold": f} if self.folds > 1 else {}) for f in range(self.folds))

    def _main(
        self, runs: list[Run], parts: tuple[str, ...], names: tuple[str, ...]
    ) -> Iterator[Run]:
        best = best_trials(of_loss(runs, self.loss))
        for seed in range(self.seeds):
            for classes, tuned_with in self.tuned_with.items():
                for part in parts:
                    yield {"part": part, "classes": classes, "seed": seed}
                for name in names:
                    setting = best[tuned_with, name]["setting"]
                    yield self._run("main", name, classes, seed, setting)

    def _run(self, part: str, method: str, classes: int, seed: int, setting: dict[str, Any]) -> Run:
        run = {"part": part, "method": method, "classes": classes, "seed": seed, "setting": setting}
        return run if self.loss is None else {"loss": self.loss, **run}


def of_loss(runs: list[Run], loss: str | None) -> list[Run]:
    return [run for run in runs if run.get("loss") == loss]


def best_trials(runs: list[Run]) -> Best:
    """Of each number of classes and method, the setting that validated best, and where.

    A trial is the mean over the folds of its curve of validation figures; it counts at its highest
    point, `look`.
    """
    curves: dict[str, list[Run]] = {}
    for run in (r for r in runs if r["part"] == "tuning"):
        curves.setdefault(repr([run["classes"], run["method"], run["setting"]]), []).append(run)
    best: Best = {}
    for folds in curves.values():
        mean = [sum(point) / len(folds) for point in zip(*(r["val"] for r in folds), strict=True)]
        run = {**folds[0], "val": max(mean), "look": mean.index(max(mean))}
        where = run["classes"], run["method"]
        if where not in best or run["val"] > best[where]["val"]:
            best[where] = run
    return best
