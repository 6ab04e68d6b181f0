"""Feedback in words: what was expected, what came, and what it looks like."""

import math
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from dmlviz.course.answers import plain
from dmlviz.course.exercise import Case, Exercise

RELATIVE, ABSOLUTE = 1e-3, 1e-5  # an honest 1e-6 under a square root is no mistake


class CheckFailed(AssertionError):
    """A check that did not pass. A notebook shows its words, without the frames below them."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def failure(title: str, *, expected: str = "", came: str = "", hint: str = "") -> CheckFailed:
    """The error that says all three, each where there is something to say."""
    lines = [f"✗ {title}"]
    lines += [f"    expected: {expected}"] if expected else []
    lines += [f"    came:     {came}"] if came else []
    lines += textwrap.wrap(hint, 88, initial_indent="  → ", subsequent_indent="    ")
    return CheckFailed("\n".join(lines))


def of_error(error: Exception) -> str:
    """What stopped a student's function, with the lines of the notebook that led there."""
    words = f"{type(error).__name__}: {error}"
    for frame in traceback.extract_tb(error.__traceback__):
        if "ipykernel" in frame.filename and "site-packages" not in frame.filename:
            words += f"\n    line {frame.lineno} of its cell: {frame.line}"
    return words[:2000]


def show(value: Any) -> str:
    """A number with six digits, anything else cut short.

    >>> show(0.123456789), show([1, 2])
    ('0.123457', '[1, 2]')
    """
    if isinstance(value, float):
        return f"{value:.6g}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """The leaves of nested lists and dicts, by their place.

    >>> flat([{"recall": 0.5}, 2])
    {'[0].recall': 0.5, '[1]': 2}
    """
    if isinstance(value, Mapping):
        parts = [(f"{path}.{name}", item) for name, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        parts = [(f"{path}[{i}]", item) for i, item in enumerate(value)]
    else:
        return {path: value}
    leaves: dict[str, Any] = {}
    for place, item in parts:
        leaves |= flat(item, place)
    return leaves


def close(came: Any, expected: Any) -> bool:
    """Whether two leaves agree; numbers up to rounding, and never where one is not finite."""
    if _is_number(came) and _is_number(expected):
        return math.isclose(came, expected, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(came) is type(expected) and came == expected


def same(came: Any, expected: Any) -> bool:
    """Whether two answers agree in every leaf."""
    came, expected = flat(came), flat(expected)
    return came.keys() == expected.keys() and all(close(came[k], expected[k]) for k in expected)


def judge(exercise: Exercise, cases: Sequence[Case], came: list[Any], expected: list[Any]) -> None:
    """Raise, with words, unless all answers are the expected ones."""
    for case, answer, right in zip(cases, came, expected, strict=True):
        if same(answer, right):
            continue
        title = f"{exercise.name}: {case.name}"
        leaves, rights = flat(answer), flat(right)
        if leaves.keys() != rights.keys():
            raise failure(title, expected=_shape(right), came=_shape(answer))
        place = next(k for k in rights if not close(leaves[k], rights[k]))
        raise failure(
            title + (f", {place.lstrip('.')}" if place else ""),
            expected=show(rights[place]),
            came=show(leaves[place]),
            hint=_diagnosis(exercise, cases, came, expected),
        )


def _diagnosis(
    exercise: Exercise, cases: Sequence[Case], came: list[Any], expected: list[Any]
) -> str:
    """The mistake that explains every answer, if there is one."""
    for words, wrong in exercise.mistakes.items():
        if all(
            same(_spelt(answer), _spelt(plain(wrong(*case.arguments))))
            for case, answer in zip(cases, came, strict=True)
        ):
            return words
    if any("nan" in _spelt(answer).values() for answer in came):
        return exercise.nan
    pairs = list(zip(came, expected, strict=True))
    if len(pairs) > 1 and all(_is_number(v) and _is_number(e) and e for v, e in pairs):
        factors = [v / e for v, e in pairs]
        if all(close(f, factors[0]) for f in factors) and factors[0]:
            return f"it is {factors[0]:.4g} times what is expected, every time: a constant factor"
    return exercise.hint


def _spelt(answer: Any) -> dict[str, Any]:
    """The leaves, nan and infinity as words, so that a mistake may give them, too."""
    return {
        place: str(value) if _is_number(value) and not math.isfinite(value) else value
        for place, value in flat(answer).items()
    }


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dict with " + ", ".join(map(repr, value))
    if isinstance(value, list):
        return f"a list of {len(value)}: {show(value)}"
    return f"{'one number' if _is_number(value) else type(value).__name__}, {show(value)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
