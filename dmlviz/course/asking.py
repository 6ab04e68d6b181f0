"""How a student's function is asked: alone, quietly, with inputs of its own; what it answers."""

import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from dmlviz.course import words
from dmlviz.course.answers import ask, plain
from dmlviz.course.exercise import Case, Exercise, Function

STEP = 1e-6  # of the finite difference, in float64
Measure = Callable[[Function, Exercise, Case], Any]


def answer(kind: str, function: Function, exercise: Exercise, case: Case, measure: Measure) -> Any:
    """What a measure of the function gives, or a failure with the words for what went wrong.

    Args:
        kind: of question; answers are filed under it.
        function: the student's.
        exercise: what it should do.
        case: the input.
        measure: `measure(function, exercise, case)`.
    """

    def produce() -> Any:
        try:
            return {"came": plain(measure(function, exercise, case))}
        except Exception as error:
            if isinstance(error, NotImplementedError) and not error.args:  # torch's has words
                return {"unwritten": True}
            return {"error": words.of_error(error)}

    answer = ask(f"{kind} of {exercise.name}: {case.name}", produce)
    if "unwritten" in answer:
        raise words.failure(
            f"{exercise.name} is not written yet",
            hint="replace the line `raise NotImplementedError()` by your code",
        )
    if "error" in answer:
        raise words.failure(f"{exercise.name}: {case.name}", came=str(answer["error"]))
    return answer["came"]


def of_value(function: Function, exercise: Exercise, case: Case) -> Any:
    """What the function returns."""
    with alone(exercise):
        return function(*fresh(case))


def of_gradient(function: Function, exercise: Exercise, case: Case) -> dict[str, Any]:
    """Value and gradient; `along` a direction, beside the `slope` by a finite difference."""
    x, *rest = fresh(case)
    x.requires_grad_()
    with alone(exercise):
        loss = function(x, *rest)
    if not isinstance(loss, Tensor) or loss.ndim != 0:
        raise TypeError(f"a loss is a tensor with one number and no dimension, came {loss!r}")
    answer = {"value": loss.item(), "type": str(loss.dtype), "gradient": None}
    if not loss.requires_grad:
        return answer
    (gradient,) = torch.autograd.grad(loss, x)
    draw = torch.Generator().manual_seed(0)
    direction = torch.randn(x.shape, generator=draw, dtype=x.dtype)
    direction /= direction.norm()
    with alone(exercise), torch.no_grad():
        up, down = (float(function(x + s * STEP * direction, *rest)) for s in (1, -1))
    along, slope = (gradient * direction).sum().item(), (up - down) / (2 * STEP)
    return answer | {"gradient": gradient, "along": along, "slope": slope}


def of_cost(function: Function, exercise: Exercise, case: Case) -> dict[str, Any]:
    """The shortest time of the function as a multiple of the reference's, taken in turns.

    Processor time of one thread: what else runs on the machine does not count. With two threads
    that wait for each other on a busy machine, honest code took 200 times as long as the reference.
    """
    theirs = ours = math.inf
    start, threads = time.perf_counter(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        while math.isinf(ours) or time.perf_counter() - start < 1:
            with alone(exercise):
                theirs = min(theirs, seconds(function, case))
            ours = min(ours, *(seconds(exercise.reference, case) for _ in range(5)))
    finally:
        torch.set_num_threads(threads)
    return {"ratio": theirs / ours, "value": of_value(function, exercise, case)}


def fresh(case: Case) -> list[Any]:
    """The arguments, copied: a function may write into its own."""
    return [a.clone() if isinstance(a, Tensor) else a for a in case.arguments]


def seconds(function: Function, case: Case) -> float:
    """How much processor time one call takes."""
    arguments = fresh(case)
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


@contextlib.contextmanager
def alone(exercise: Exercise) -> Iterator[None]:
    """A student's function runs without the library's losses, and without a word on stderr.

    nbgrader takes anything on stderr for a failure, and a warning is none.
    """

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("that is the library's own: write the formula yourself")

    modules = [import_module(name) for name in exercise.closed]
    # Every loss and measure looks at its input first, through one of these; parts of a loss, at the
    # distances.
    doors = [
        (module, name, door)
        for module in modules
        for name, door in vars(module).items()
        if name.lstrip("_").startswith("check") or name == "pairwise_distances"
    ]
    for module, name, _ in doors:
        setattr(module, name, refuse)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
            torch.enable_grad(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, name, door in doors:
            setattr(module, name, door)
