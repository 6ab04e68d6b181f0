"""A process, and whatever it starts, within limits of time and memory.

Every process of a run carries a mark in its environment and is found by it: a kernel has a process
group of its own, and what student code starts may have left its parents. This keeps accidents
from harm. It is no sandbox: see `tutorials/assignments/instructor/README.md`.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "DMLVIZ_COURSE_RUN"
LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Args:
        cell_seconds: time for a cell; then it is interrupted, and the next one runs.
        seconds: time for the notebook; then it is ended.
        memory: gigabytes for all its processes together; then it is ended.
    """

    cell_seconds: float = 120
    seconds: float = 900
    memory: float = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be a positive number, got {value}")


def run(
    command: Sequence[str], limits: Limits, *, folder: Path, environment: dict[str, str]
) -> str:
    """Run a command to its end, or end it; returns why it was ended, or an empty string.

    Args:
        command: the program and its arguments.
        limits: for it and all that it starts.
        folder: where it runs; not where hand-ins lie, whose files could be taken for modules.
        environment: its variables.
    """
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    start = time.monotonic()
    try:
        while process.poll() is None:
            used = sum(_memory(p) for p in _marked(mark)) / 1e9
            if used > limits.memory:
                return f"it used more than {limits.memory:g} GB of memory"
            if time.monotonic() - start > limits.seconds:
                return f"it took longer than {limits.seconds:g} seconds"
            time.sleep(LOOK_EVERY)
        return ""
    finally:
        _end(mark)
        process.wait()


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                yield process
        except (psutil.Error, OSError):  # gone, or another user's
            continue


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _end(mark: str) -> None:
    """Kill what carries the mark, again and again: it may start others meanwhile."""
    for _ in range(50):
        left = [p for p in _marked(mark) if p.pid != os.getpid()]
        if not left:
            return
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=1)
