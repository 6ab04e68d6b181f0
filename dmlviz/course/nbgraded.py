"""What we take from nbgrader, imported when it is needed, and read from its format."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode


def require() -> None:
    """Raise, with the remedy, where nbgrader is not installed."""
    if find_spec("nbgrader") is None:
        raise ValueError("this needs nbgrader: pip install 'dmlviz[course]'")


def load(path: Path) -> NotebookNode:
    """A notebook of ours."""
    return nbformat.read(path, as_version=4)


def settings(cell: NotebookNode) -> dict[str, Any]:
    """The nbgrader metadata of a cell, or `{}`; whatever a submission holds there."""
    found = cell.get("metadata", {}).get("nbgrader")
    return found if isinstance(found, dict) else {}


def grade_id(cell: NotebookNode) -> str:
    """The name under which nbgrader knows a cell, or an empty string."""
    found = settings(cell).get("grade_id")
    return found if isinstance(found, str) else ""


def is_solution(cell: NotebookNode) -> bool:
    """Whether students write in this cell."""
    return bool(settings(cell).get("solution"))


def is_grade(cell: NotebookNode) -> bool:
    """Whether this cell earns points."""
    return bool(settings(cell).get("grade"))


def is_seed(cell: NotebookNode) -> bool:
    """Whether this cell sets the constant that varies an assignment."""
    return grade_id(cell).endswith("-seed")


def is_by_hand(cell: NotebookNode) -> bool:
    """Whether a person marks this cell."""
    return is_grade(cell) and is_solution(cell)


def titles(notebook: NotebookNode) -> dict[str, str]:
    """`{grade id: title}` of the graded cells of a notebook of ours."""
    return {grade_id(cell): title(cell) for cell in notebook.cells if is_grade(cell)}


def title(cell: NotebookNode) -> str:
    """What a graded cell of ours is about: the middle of its first line.

    >>> title(nbformat.v4.new_code_cell("# Check · the values · 10 points"))
    'the values'
    """
    first, *_ = cell.source.splitlines()
    _, middle, _ = first.strip("#* ").split(" · ")
    return str(middle)


def determine_grade(cell: NotebookNode) -> tuple[float | None, float]:
    """nbgrader's rule: a cell that failed earns nothing, one that ran all; None: by hand."""
    with quiet():
        from nbgrader.utils import determine_grade

        earned, most = determine_grade(cell)
    return (None if earned is None else float(earned)), float(most)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the logs and warnings of a tool that talks to nbgrader's own command line."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
