"""A benchmark of many independent trainings: several at a time, each kept as soon as it ends."""

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from record import RESULTS, Stopwatch, provenance, save

Run = dict[str, Any]
Phase = Callable[[list[Run]], Iterable[Run]]


@dataclass(frozen=True)
class Study:
    """What is run, what tells two runs apart, and how the outcome is shown.

    Attributes:
        name: of the files in `results/`.
        what: title of the report.
        fields: the planned fields of a run; those that agree in them are the same run.
        perform: trains, in a process of its own, and returns the run with its figures.
        report: the tables, from whatever is stored.
        about: what is stored beside the runs, such as the grid.
    """

    name: str
    what: str
    fields: tuple[str, ...]
    perform: Callable[[Run], Run]
    report: Callable[[dict[str, Any]], str]
    about: Mapping[str, Any] = field(default_factory=dict)

    def main(self, *phases: Phase) -> None:
        """The command: `--data-root`, `--workers` and `--render`."""
        parser = argparse.ArgumentParser(description=self.what)
        parser.add_argument("--data-root", help="where data sets are cached")
        add_arguments(parser)
        options = parser.parse_args()
        if not options.render:
            self.complete(phases, options.workers, root=options.data_root)
        self.show()

    def complete(self, phases: Iterable[Phase], workers: int, **given: Any) -> None:
        """Perform what is planned and not done yet.

        Args:
            phases: each is called with all runs done so far, and plans more.
            workers: runs at a time.
            **given: joins every run while it is performed, and is not stored.
        """
        runs, before = self._stored()
        done = {self.key(run): run for run in runs}
        watch = Stopwatch()
        spawn = multiprocessing.get_context("spawn")
        for phase in phases:
            missing = [run for run in phase(list(done.values())) if self.key(run) not in done]
            with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
                jobs = [pool.submit(self.perform, {**run, **given}) for run in missing]
                for count, job in enumerate(as_completed(jobs), start=1):
                    run = {k: v for k, v in job.result().items() if k not in given}
                    done[self.key(run)] = run
                    self._keep(list(done.values()), before + watch.minutes())
                    print(f"{count}/{len(missing)} {self.key(run)}", flush=True)

    def show(self) -> None:
        """Write the tables again, from the runs that are there, and print them."""
        result = {**json.loads((RESULTS / f"{self.name}.json").read_text()), **self.about}
        save(self.name, result, self.report(result))
        print(self.report(result))

    def key(self, run: Run) -> str:
        """The planned fields of a run, as text."""
        return json.dumps({f: run[f] for f in self.fields if f in run}, sort_keys=True)

    def _stored(self) -> tuple[list[Run], float]:
        path = RESULTS / f"{self.name}.json"
        if not path.is_file():
            return [], 0.0
        result = json.loads(path.read_text())
        return result["runs"], result["minutes"]

    def _keep(self, runs: list[Run], minutes: float) -> None:
        result = {
            "what": self.what,
            **self.about,
            "runs": [{name: _round(value) for name, value in run.items()} for run in runs],
            **provenance(round(minutes, 1)),
        }
        save(self.name, result, self.report(result))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--render", action="store_true", help="only the tables")


def whole(history: Any) -> Any:
    """The history of a training; raises where Ctrl-C ended it early: half a run is none."""
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def _round(value: Any) -> Any:
    """Figures to four digits, as they are stored."""
    if isinstance(value, list):
        return [_round(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value
