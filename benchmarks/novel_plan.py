"""What is run to compare ways of making novel classes: a grid each, then the best, every seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from novel_variants import OWN_SETTINGS

Run = dict[str, Any]
FIELDS = ("part", "method", "classes", "seed", "setting", "fold")
Best = dict[tuple[int, str], Run]


@dataclass(frozen=True)
class Plan:
    """The base, a loss alone, against everything in `novel_variants`.

    Attributes:
        tuned_with: of each number of training classes, the number that its settings are tuned with.
        lrs, alphas, rates: grid of the base; the others inherit its best alpha and rate.
        folds: a setting is tried once on each; a run's `fold` says which. One: there is no `fold`.
        seeds: of the main runs.
        start: of the rows that are not trained.
    """

    tuned_with: dict[int, int]
    lrs: tuple[float, ...]
    alphas: tuple[float, ...]
    rates: tuple[float, ...]
    start: tuple[str, ...]
    folds: int = 1
    seeds: int = 5

    def phases(self) -> list[Callable[[list[Run]], Iterator[Run]]]:
        return [lambda _: self._base(), self._others, self._main]

    def _base(self) -> Iterator[Run]:
        for lr, alpha, rate in product(self.lrs, self.alphas, self.rates):
            setting = {"lr": lr, "alpha": alpha, "proxy_lr_multiplier": rate}
            for classes in self._tuned():
                yield from self._tuning("base", classes, setting)

    def _others(self, runs: list[Run]) -> Iterator[Run]:
        best = best_trials(runs)
        for method, settings in OWN_SETTINGS.items():
            for lr, own, classes in product(self.lrs, settings, self._tuned()):
                setting = {**best[classes, "base"]["setting"], "lr": lr, **own}
                yield from self._tuning(method, classes, setting)

    def _tuned(self) -> list[int]:
        return sorted(set(self.tuned_with.values()))

    def _tuning(self, method: str, classes: int, setting: dict[str, Any]) -> Iterator[Run]:
        run = _run("tuning", method, classes, 0, setting)
        yield from (run | ({"fold": f} if self.folds > 1 else {}) for f in range(self.folds))

    def _main(self, runs: list[Run]) -> Iterator[Run]:
        best = best_trials(runs)
        for seed in range(self.seeds):
            for classes, tuned_with in self.tuned_with.items():
                for part in self.start:
                    yield {"part": part, "classes": classes, "seed": seed}
                for method in ("base", *OWN_SETTINGS):
                    setting = best[tuned_with, method]["setting"]
                    yield _run("main", method, classes, seed, setting)


def _run(part: str, method: str, classes: int, seed: int, setting: dict[str, Any]) -> Run:
    return {"part": part, "method": method, "classes": classes, "seed": seed, "setting": setting}


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
