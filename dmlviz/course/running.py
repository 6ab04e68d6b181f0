"""One submission, run in its own process: what it answered, and where it went wrong."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dmlviz.course import nbgraded
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
    ran, begun, ends = Ran(stopped), -1, False
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            words = json.loads(line)
        except ValueError:  # the last one, cut short
            break
        begun = words.get("began", begun)
        if "stopped" in words:
            ran.stopped, ends = stopped or words["stopped"], True
        if "ended" in words:
            name = nbgraded.grade_id(notebook.cells[words["ended"]])
            if name and words["error"]:
                ran.errors[name] = words["error"]
            if name and words["stderr"]:
                ran.noisy.add(name)
    if not ran.stopped and not ends:
        ran.stopped = "its kernel could not be run to the end"
    if ran.stopped and begun >= 0:
        name = nbgraded.grade_id(notebook.cells[begun]) or "a cell that the student added"
        ran.stopped += f", in {name}"
    return ran
