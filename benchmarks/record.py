"""Write a benchmark's outcome as JSON and as a table, with where it came from."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import dmlviz

RESULTS = Path(__file__).parent / "results"


class Stopwatch:
    """Wall-clock minutes since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def minutes(self) -> float:
        return round((time.perf_counter() - self.start) / 60, 1)


def provenance(minutes: float) -> dict[str, Any]:
    """Machine, versions and commit that a result was made with."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    return {
        "machine": f"{device}, {os.cpu_count()} cores, {platform.machine()} {platform.system()}",
        "versions": {"dmlviz": dmlviz.__version__, "torch": torch.__version__},
        "commit": commit,
        "minutes": minutes,
    }


def mean_and_spread(values: Sequence[float]) -> str:
    """ "78.7 ± 0.2" from shares in 0…1: mean and standard deviation over seeds, in per cent."""
    mean = f"{100 * statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * statistics.stdev(values):.1f}"


def markdown_table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A table of rows by name; each row is one dictionary of shares per seed."""
    columns = list(next(iter(rows.values()))[0])
    lines = [f"| | seeds | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for name, runs in rows.items():
        cells = [mean_and_spread([run[column] for run in runs]) for column in columns]
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def save(name: str, result: Mapping[str, Any], text: str) -> None:
    """Write `results/name.json` and `results/name.md`, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    for suffix, content in ((".json", json.dumps(result, indent=2) + "\n"), (".md", text)):
        part = RESULTS / f"{name}{suffix}.part"
        part.write_text(content, encoding="utf-8")
        part.replace(RESULTS / f"{name}{suffix}")
