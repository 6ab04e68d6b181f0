"""The leaderboard of the final project: every entry on every seed, and who is really ahead.

Each entry trains in a process of its own, within limits, and none stops the rest. This is no
sandbox: an entry's code runs with your rights (`tutorials/assignments/instructor/README.md`).
"""

import csv
import json
import math
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from dmlviz import evaluation
from dmlviz.course.contest import Contest
from dmlviz.course.grading import temporary_folder
from dmlviz.course.limits import Limits, run
from dmlviz.course.results import as_text

LARGEST = 100_000  # bytes of an entry: a program, and no trained weights
MINUTES = Limits(seconds=300)


@dataclass(frozen=True)
class Score:
    """One entry on one seed.

    Args:
        entry: the name of its file.
        seed: that drew the classes.
        recall: Recall@1 on the classes that it had not seen, or None.
        map_at_r: MAP@R on them, or None.
        seconds: of training, or None.
        reason: why there is no score, or an empty string.
    """

    entry: str
    seed: int
    recall: float | None = None
    map_at_r: float | None = None
    seconds: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Place:
    """One line of the leaderboard.

    Args:
        entry: the name of its file.
        recall: mean over the seeds, or None if a seed has no score.
        spread: standard deviation over the seeds.
        ahead: mean of its differences to the next entry, seed by seed.
        error: standard error of that mean; nan with a single seed.
        reason: why there is no place, or an empty string.
    """

    entry: str
    recall: float | None
    spread: float = math.nan
    ahead: float = math.nan
    error: float = math.nan
    reason: str = ""


def judge(
    folder: Path,
    seeds: Sequence[int],
    contest: Contest | None = None,
    limits: Limits = MINUTES,
) -> Iterator[Score]:
    """Let every entry of a folder train, once for each seed.

    Args:
        folder: holds `NAME.py`, one for each entry.
        seeds: each draws other classes; the ranking needs several.
        contest: the rules; None: the usual ones.
        limits: of time and memory, for each training with its evaluation.

    Yields:
        One score for each seed and entry, seed by seed; what fails is a score with a reason.
    """
    contest = contest or Contest()
    entries = find(folder)
    for seed in seeds:
        _, test = contest.sets(seed)
        for name, path in entries.items():
            yield _judge(name, path, seed, contest, limits, test.targets)


def find(folder: Path) -> dict[str, Path]:
    """`{entry: file}`, by name.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = {path.stem: path.resolve() for path in sorted(Path(folder).glob("*.py"))}
    if not found:
        raise FileNotFoundError(f"{folder} has no entries: put one NAME.py per team into it")
    return found


def places(scores: Iterable[Score]) -> list[Place]:
    """The leaderboard: by mean Recall@1, entries without a full set of scores last."""
    by_entry: dict[str, list[Score]] = {}
    for score in scores:
        by_entry.setdefault(score.entry, []).append(score)
    failed = [
        Place(entry, None, reason=next(s.reason for s in of if s.reason))
        for entry, of in by_entry.items()
        if any(s.recall is None for s in of)
    ]
    curves = {
        entry: {s.seed: s.recall for s in of if s.recall is not None}
        for entry, of in by_entry.items()
        if entry not in {place.entry for place in failed}
    }
    order = sorted(curves, key=lambda entry: -statistics.mean(curves[entry].values()))
    board = []
    for entry, behind in zip(order, [*order[1:], None], strict=True):
        own, next_one = curves[entry], curves[behind] if behind else {}
        gaps = [own[seed] - next_one[seed] for seed in own if seed in next_one]
        ahead, (_, error) = (statistics.mean(gaps) if gaps else math.nan), _spread(gaps)
        mean, (spread, _) = statistics.mean(own.values()), _spread(list(own.values()))
        board.append(Place(entry, mean, spread, ahead, error))
    return board + failed


def board(ranked: Sequence[Place]) -> str:
    """The leaderboard as text.

    >>> print(board([Place("ours", 0.71, 0.02, 0.03, 0.01), Place("late", None, reason="no fit")]))
    1. ours: Recall@1 71.0 ± 2.0 %, ahead of the next by 3.0 ± 1.0
    –  late: no fit
    """
    lines = []
    for number, place in enumerate(ranked, start=1):
        if place.recall is None:
            lines.append(f"–  {place.entry}: {place.reason}")
            continue
        line = f"{number}. {place.entry}: Recall@1 {100 * place.recall:.1f} ± "
        line += f"{100 * place.spread:.1f} %"
        if not math.isnan(place.ahead):
            line += f", ahead of the next by {100 * place.ahead:.1f} ± {100 * place.error:.1f}"
        lines.append(line)
    return "\n".join(lines)


def write_scores(scores: Iterable[Score], path: Path) -> Iterator[Score]:
    """Write a CSV row by row as the scores come, and hand them on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Score.__dataclass_fields__)
        for score in scores:
            row = asdict(score) | {"entry": as_text(score.entry), "reason": as_text(score.reason)}
            writer.writerow(row.values())
            file.flush()
            yield score


def _judge(
    name: str, path: Path, seed: int, contest: Contest, limits: Limits, labels: torch.Tensor
) -> Score:
    if path.stat().st_size > LARGEST:
        return Score(name, seed, reason=f"refused: more than {LARGEST:,} bytes, is it a program?")
    with temporary_folder() as place:
        task = {"file": str(path), "seed": seed, "contest": asdict(contest)}
        (place / "task.json").write_text(json.dumps(task))
        command = [sys.executable, "-m", "dmlviz.course.entry", str(place)]
        stopped = run(command, limits, folder=place, environment=dict(os.environ))
        if stopped:
            return Score(name, seed, reason=stopped)
        try:
            seconds, reason = _read(place / "report.json")
            embeddings = np.zeros(0) if reason else np.load(place / "embeddings.npy")
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            return Score(name, seed, reason=f"it left no embeddings behind ({error})"[:300])
    reason = reason or _wrong(embeddings, len(labels), contest.dimensions)
    if reason:
        return Score(name, seed, seconds=seconds, reason=reason)
    found = evaluation.retrieval_metrics(torch.from_numpy(embeddings), labels, (1,), nmi=False)
    return Score(name, seed, found.recall[1], found.map_at_r, seconds)


def _read(report: Path) -> tuple[float | None, str]:
    words = json.loads(report.read_text())
    return words["seconds"], str(words["reason"])


def _wrong(embeddings: np.ndarray, images: int, dimensions: int) -> str:
    shape = embeddings.shape
    if len(shape) != 2 or shape[0] != images or not 1 <= shape[1] <= dimensions:
        return f"embeddings of ({images}, 1 to {dimensions}) were expected, {shape} came"
    if embeddings.dtype.kind != "f" or not np.isfinite(embeddings).all():
        return "embeddings must be finite floats"
    return ""


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Standard deviation, and standard error of the mean; nan of a single value."""
    if len(values) < 2:
        return math.nan, math.nan
    deviation = statistics.stdev(values)
    return deviation, deviation / len(values) ** 0.5
