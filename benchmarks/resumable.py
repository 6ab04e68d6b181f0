"""Run a plan of independent trainings, several at a time, keeping each one as it ends."""

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from record import RESULTS, Stopwatch

Run = dict[str, Any]


def parse(what: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data-root", help="where Glyphs is cached")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--render", action="store_true", help="only the table")
    return parser.parse_args()


def stored(name: str) -> tuple[list[Run], float]:
    """The runs in `results/name.json`, and the minutes they took."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return [], 0.0
    result = json.loads(path.read_text())
    return result["runs"], result["minutes"]


def complete(
    plan: list[Run],
    done: dict[str, Run],
    key: Callable[[Run], str],
    perform: Callable[[Run], Run],
    keep: Callable[[list[Run], float], None],
    *,
    workers: int,
    minutes: float,
) -> float:
    """Perform what is planned and not done yet; returns the minutes so far.

    Args:
        plan: what to run.
        done: finished runs by key; grows.
        key: what tells two runs apart.
        perform: trains, in a process of its own, and returns the run with its figures.
        keep: called with all finished runs and the minutes, after each.
        workers: runs at a time.
        minutes: spent before.
    """
    missing = [run for run in plan if key(run) not in done]
    watch = Stopwatch()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        jobs = [pool.submit(perform, run) for run in missing]
        for count, job in enumerate(as_completed(jobs), start=1):
            run = job.result()
            done[key(run)] = run
            keep(list(done.values()), minutes + watch.minutes())
            print(f"{count}/{len(missing)} {key(run)}", flush=True)
    return minutes + watch.minutes()


def whole(history: Any) -> Any:
    """The history of a training; raises where Ctrl-C ended it early: half a run is none."""
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def rounded(run: Run) -> Run:
    """Figures to four digits, as they are stored."""
    return {name: _round(value) for name, value in run.items()}


def _round(value: Any) -> Any:
    if isinstance(value, list):
        return [_round(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value
