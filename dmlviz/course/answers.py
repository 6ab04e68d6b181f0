"""What a submission answers, kept apart from the verdict on it.

A check *asks* a student's function for numbers, and *judges* them against a reference. In a
notebook both happen at once. When a class is graded they happen in two kernels: the student's runs
the checks and writes each answer to a file (`record`); another, in which nothing of the student's
ever runs, goes through the same checks, reads the answers from that file (`replay`) and judges.

So a submission may patch whatever it likes, these lines included. All that leaves its kernel are
numbers, and only right ones earn points.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MOST_NUMBERS = 100_000  # more are no answer to any of our questions
MOST_BYTES = 50_000_000  # of a file that a hand-in may write: more means no good
_kept: dict[str, Any] | None = None
_file: Path | None = None


class NoAnswer(AssertionError):
    """A submission did not get as far as answering."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def ask(question: str, produce: Callable[[], Any]) -> Any:
    """The answer to a question: what `produce()` gives now, or what was recorded.

    Args:
        question: names the function, the kind of check and its input; the same in both kernels.
        produce: calls the student's function; gives what `plain` can hold.
    """
    if _kept is not None:
        if question not in _kept:
            raise NoAnswer("The check was not reached: no answer came.")
        return _kept[question]
    answer = plain(produce())
    if _file is not None:
        with _file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([question, answer]) + "\n")
    return answer


def record(path: str | Path) -> None:
    """From now on, write every answer to this file as well."""
    global _kept, _file
    _kept, _file = None, Path(path)


def replay(path: str | Path) -> None:
    """From now on, read the answers from this file, and call no function for them."""
    global _kept, _file
    _kept, _file = read(Path(path)), None


def live() -> None:
    """Ask and judge at once, as in a notebook."""
    global _kept, _file
    _kept, _file = None, None


def read(path: Path) -> dict[str, Any]:
    """The recorded answers; lines that are none, whoever wrote them, are skipped."""
    found: dict[str, Any] = {}
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            question, answer = json.loads(line)
            found[str(question)] = answer
        except (ValueError, TypeError, RecursionError):
            continue
    return found


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: tensors and arrays as lists, tuples as lists.

    >>> plain({"loss": torch.tensor(0.5), "rows": (1, 2)})
    {'loss': 0.5, 'rows': [1, 2]}
    """
    if isinstance(value, torch.Tensor) or hasattr(value, "__array__"):
        size = value.numel() if isinstance(value, torch.Tensor) else value.size
        if size > MOST_NUMBERS:
            raise ValueError(f"{size:,} numbers came, at most {MOST_NUMBERS:,} make sense")
        value = value.tolist()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    raise TypeError(f"a number was expected, or several; a {type(value).__name__} came")
