"""One submission, run in its own process: what it answered, and where it went wrong."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dmlviz.course import nbgraded
from dmlviz.course.answers import MOST_BYTES
from dmlviz.course.limits import Limits, run

ANSWERS = "answers.jsonl"


@dataclass
class Ran:
    """What came of a run.

    Args:
        stopped: why it did not come to its end, or an empty string.
        errors: `{grade id: what ended that cell}`.
        noisy: the cells that wrote on stderr, which nbgrader takes for a failure.
    """

    stopped: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    noisy: set[str] = field(default_factory=set)


def run_notebook(
    notebook: NotebookNode, folder: Path, limits: Limits, *, record: bool = False
) -> Ran:
    """Run a notebook in a fresh kernel.

    Args:
        notebook: from `submissions.clean`.
        folder: an empty one, for the run.
        limits: of time and memory.
        record: write its answers to `folder / ANSWERS`, to be judged elsewhere.
    """
    notebook = nbformat.from_dict(notebook)
    if record:
        line = f"from dmlviz.course import answers; answers.record({str(folder / ANSWERS)!r})"
        notebook.cells.insert(0, nbformat.v4.new_code_cell(line))
    nbformat.write(notebook, folder / "notebook.ipynb")
    (folder / "task.json").write_text(json.dumps({"cell_seconds": limits.cell_seconds}))
    # Nobody's own start-up files, the teacher's neither.
    environment = os.environ | {"IPYTHONDIR": str(folder / "ipython")}
    stopped = run(
        [sys.executable, "-m", "dmlviz.course.worker", str(folder)],
        limits,
        folder=folder,
        environment=environment,
    )
    return _read_report(folder / "report.jsonl", notebook, stopped)


def _read_report(path: Path, notebook: NotebookNode, stopped: str) -> Ran:
    """What the worker wrote; a hand-in may have written into it, too, which earns it nothing."""
    ran, begun, ends = Ran(stopped), -1, False
    readable = path.is_file() and path.stat().st_size < MOST_BYTES
    for line in path.read_text(errors="replace").splitlines() if readable else []:
        try:
            words = json.loads(line)
            begun = int(words.get("began", begun))
            if "stopped" in words:
                ran.stopped, ends = stopped or str(words["stopped"]), True
            if "ended" in words:
                name = nbgraded.grade_id(notebook.cells[words["ended"]])
                ran.errors |= {name: str(words["error"])} if words["error"] else {}
                ran.noisy |= {name} if words["stderr"] else set()
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            break  # the last line, cut short
    if not ran.stopped and not ends:
        ran.stopped = "its kernel could not be run to the end"
    if ran.stopped and 0 <= begun < len(notebook.cells):
        name = nbgraded.grade_id(notebook.cells[begun]) or "a cell that the student added"
        ran.stopped += f", in {name}"
    return ran
