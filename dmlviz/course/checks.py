"""The checks that the notebooks call: ask a student's function, judge what came.

Every check prints one line if all is well, and raises `CheckFailed` if not: nbgrader gives a cell
that raises no points. What a check may be asked for is numbers: see `answers`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dmlviz.course import asking, words
from dmlviz.course.answers import ask, plain
from dmlviz.course.exercise import Case, Exercise, Function


def values(function: Function, exercise: Exercise, cases: Sequence[Case]) -> None:
    """The function gives what the reference gives, on every case."""
    came = [asking.answer("value", function, exercise, case, asking.of_value) for case in cases]
    expected = [plain(exercise.reference(*case.arguments)) for case in cases]
    words.judge(exercise, cases, came, expected)
    print(f"✓ {exercise.name}: the right values on {_count(cases)}")


def gradients(function: Function, exercise: Exercise, cases: Sequence[Case]) -> None:
    """Autograd finds the slope that the function really has: no part of it was cut off.

    A wrong loss passes, if its gradient is that of the wrong loss: what is right is for `values`.
    """
    for case in cases:
        came = asking.answer("gradient", function, exercise, case, asking.of_gradient)
        title = f"{exercise.name}, its gradient: {case.name}"
        _check_gradient(title, came)
        if came["type"] != "torch.float64":
            raise words.failure(
                title,
                expected="a loss of the type of its points, torch.float64",
                came=str(came["type"]),
                hint="is there a .float() in the formula? it throws digits away",
            )
        if not words.close(came["along"], came["slope"]):
            raise words.failure(
                title,
                expected=f"{words.show(came['slope'])}, the slope of your function in a direction",
                came=f"{words.show(came['along'])}, what autograd says of it",
                hint="is a part of the formula cut off from the graph (.detach(), .item(), .data)?",
            )
    print(f"✓ {exercise.name}: its gradient fits its own values on {_count(cases)}")


def edges(function: Function, exercise: Exercise, cases: Sequence[Case]) -> None:
    """On batches at the edge: a finite value, 0 where nothing counts, a finite gradient."""
    for case in cases:
        came = asking.answer("edge", function, exercise, case, asking.of_gradient)
        title = f"{exercise.name}: {case.name}"
        _check_size(title, came["value"], plain(exercise.reference(*case.arguments)))
        _check_gradient(title, came)
    print(f"✓ {exercise.name}: well-behaved on {_count(cases)} at the edge")


SLOW = "loops over the points in Python are slow: an operation on whole tensors replaces them"


def cost(
    function: Function, exercise: Exercise, case: Case, *, limit: float, hint: str = SLOW
) -> None:
    """The function takes at most `limit` times as long as the reference, in the same kernel."""
    came = asking.answer("cost", function, exercise, case, asking.of_cost)
    title = f"{exercise.name}, its cost: {case.name}"
    _check_size(title, came["value"], plain(exercise.reference(*case.arguments)))
    if not came["ratio"] <= limit:
        raise words.failure(
            title,
            expected=f"at most {limit:g} times the time of the library",
            came=f"{came['ratio']:,.0f} times",
            hint=hint,
        )
    print(f"✓ {exercise.name}: fast enough, {came['ratio']:.1f} times the time of the library")


def choice(name: str, given: Any, allowed: Collection[Any]) -> None:
    """An answer from a list, such as a prediction; which one is not judged."""
    came = ask(f"choice {name}", lambda: plain(given))
    if came not in list(allowed):
        raise words.failure(
            name, expected="one of " + ", ".join(map(repr, allowed)), came=words.show(came)
        )
    print(f"✓ {name}: {came!r} is noted")


def table(
    name: str, rows: Any, columns: Mapping[str, tuple[float, float]], *, first: Sequence[float]
) -> None:
    """A table of an experiment: its rows and columns are there, its numbers possible.

    Args:
        name: of the table.
        rows: a list of dicts.
        columns: `{name: (lowest, highest)}`.
        first: what the first column should hold, row by row.
    """
    came = ask(f"table {name}", lambda: plain(rows))
    key = next(iter(columns))
    if not isinstance(came, list) or len(came) != len(first):
        raise words.failure(name, expected=f"a list of {len(first)} rows", came=words.show(came))
    for number, (row, wanted) in enumerate(zip(came, first, strict=True)):
        title = f"{name}, row {number}"
        if not isinstance(row, dict) or not columns.keys() <= row.keys():
            raise words.failure(title, expected=f"a dict with {list(columns)}", came=str(row)[:200])
        if not words.close(row[key], float(wanted)):
            raise words.failure(f"{title}, {key}", expected=f"{wanted}", came=words.show(row[key]))
        for column, (low, high) in columns.items():
            value = row[column]
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise words.failure(
                    f"{title}, {column}",
                    expected=f"a number from {low:g} to {high:g}",
                    came=words.show(value),
                )
    print(f"✓ {name}: {len(came)} rows")


def _check_size(title: str, value: float, right: float) -> None:
    """Finite, 0 where the reference is, and above 0 where it is: how large is for `values`."""
    if not math.isfinite(value):
        expected = "a finite number"
        hint = (
            "a mean over nothing is 0/0: divide by at least 1; and log 0 is minus infinity: raise "
            "what may be 0 to a tiny number first"
        )
    elif right == 0 and not words.close(value, 0.0):
        expected, hint = "0, for nothing counts here", ""
    elif right > 0 and not value > 0:
        expected, hint = "a number above 0, for something counts here", ""
    else:
        return
    raise words.failure(title, expected=expected, came=words.show(value), hint=hint)


def _check_gradient(title: str, came: dict[str, Any]) -> None:
    if came["gradient"] is None:
        raise words.failure(
            title,
            expected="a loss that has a gradient, be it 0",
            came="a number without one: .backward() fails on it",
            hint="sum what counts, also where nothing does, instead of returning "
            "torch.tensor(0.0); .item() and .detach() cut a number off from its gradient",
        )
    if not all(map(math.isfinite, words.flat(came["gradient"]).values())):
        raise words.failure(
            title,
            expected="a finite gradient",
            came="nan or infinity",
            hint="a square root has no derivative at 0, and each point is at distance 0 from "
            "itself: torch.cdist knows that, or add a tiny number under the root; and where an "
            "e^z overflows its gradient is nan, even if torch.where drops it",
        )


def _count(cases: Sequence[Case]) -> str:
    return f"{len(cases)} batch{'es' if len(cases) != 1 else ''}"
