"""Points for the graded cells of an assignment, by nbgrader's rule.

`Marker` is the kernel that judges a class: it has run the instructor's notebook, and nothing else
ever runs in it. For each submission it goes through the graded cells once more, and the checks in
them take their answers from the file that the submission left.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dmlviz.course import nbgraded
from dmlviz.course.running import Ran


@dataclass(frozen=True)
class Mark:
    """What one cell earns.

    Args:
        name: the cell's grade id.
        title: what it is about.
        earned: points; None where a person decides.
        most: points that it can earn.
        words: what failed, or an empty string.
        rubric: how a person decides.
    """

    name: str
    title: str
    earned: float | None
    most: float
    words: str = ""
    rubric: str = ""


UNANSWERED = "nothing was written here"


def marks_of_run(notebook: NotebookNode, ran: Ran, student: NotebookNode) -> list[Mark]:
    """The marks of a student's own run: what `dmlviz course check` shows.

    Args:
        notebook: what was run.
        ran: what came of it.
        student: the copy as it was handed out, for the titles.
    """
    titles = nbgraded.titles(student)
    marks = []
    for cell in map(nbformat.from_dict, notebook.cells):
        name = nbgraded.grade_id(cell)
        if not nbgraded.is_grade(cell):
            continue
        error = ran.errors.get(name, "")
        if not error and ran.stopped and cell.cell_type == "code":
            error = f"the notebook was ended: {ran.stopped}"
        if cell.cell_type == "code":
            cell.outputs = _outputs(error, noisy=name in ran.noisy)
        earned, most = nbgraded.determine_grade(cell)
        if nbgraded.is_by_hand(cell) and earned == 0:
            error = UNANSWERED
        marks.append(Mark(name, titles[name], earned, most, error))
    return marks


def _outputs(error: str, *, noisy: bool) -> list[NotebookNode]:
    """As much of a cell's outputs as nbgrader's rule asks for."""
    outputs = []
    if error:
        outputs.append(nbformat.v4.new_output("error", ename="", evalue=error, traceback=[]))
    if noisy:
        outputs.append(nbformat.v4.new_output("stream", name="stderr", text="…"))
    return outputs


class Marker:
    """The kernel that judges; a context manager.

    Args:
        instructor: the notebook to mark by.
        folder: where its kernel runs.
    """

    def __init__(self, instructor: NotebookNode, folder: Path) -> None:
        nbgraded.require()
        with nbgraded.quiet():
            from nbgrader.preprocessors import Execute

            self._client: Any = Execute(
                kernel_name="python3",
                timeout=1800,
                resources={"metadata": {"path": str(folder)}},
                store_widget_state=False,
                record_timing=False,
            )
            self._client.nb = nbformat.from_dict(instructor)  # what runs is put into this one
        self.notebook = instructor
        self._kernel: Any = None

    def __enter__(self) -> "Marker":
        """Start the kernel, and see that the instructor's copy earns every point."""
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._kernel = self._client.setup_kernel(**silent)
        self._kernel.__enter__()
        try:
            self._run_all()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        with nbgraded.quiet():
            self._kernel.__exit__(*error)

    def _run_all(self) -> None:
        cells = [
            self._execute(nbformat.from_dict(cell), index)
            for index, cell in enumerate(self.notebook.cells)
        ]
        for mark in self._marks(cells, {}):
            if mark.earned is not None and mark.earned != mark.most:
                raise ValueError(
                    f"the instructor's copy earns {mark.earned:g} of {mark.most:g} points in "
                    f"{mark.name}: mend it before you grade by it\n{mark.words}"
                )

    def mark(self, submission: NotebookNode, answers: Path, ran: Ran) -> list[Mark]:
        """The marks of a submission.

        Args:
            submission: its notebook, for the cells that a person marks.
            answers: what its kernel wrote down.
            ran: for the words where it gave no answer.
        """
        replay = f"from dmlviz.course import answers; answers.replay({str(answers)!r})"
        self._execute(nbformat.v4.new_code_cell(replay), 0)
        written = {nbgraded.grade_id(c): c for c in submission.cells if nbgraded.is_by_hand(c)}
        judged = []
        for index, cell in enumerate(self.notebook.cells):
            name = nbgraded.grade_id(cell)
            if nbgraded.is_by_hand(cell):
                judged.append(nbformat.from_dict(written[name]))
            elif nbgraded.is_grade(cell):
                judged.append(self._execute(nbformat.from_dict(cell), index))
        reasons = {nbgraded.grade_id(cell): ran.stopped for cell in judged} | ran.errors
        return self._marks(judged, reasons)

    def _execute(self, cell: NotebookNode, index: int) -> NotebookNode:
        with nbgraded.quiet():
            return self._client.execute_cell(cell, index)

    def _marks(self, cells: list[NotebookNode], reasons: dict[str, str]) -> list[Mark]:
        marks, titles = [], nbgraded.titles(self.notebook)
        for cell in cells:
            if not nbgraded.is_grade(cell):
                continue
            name = nbgraded.grade_id(cell)
            earned, most = nbgraded.determine_grade(cell)
            words, rubric = _words(cell, reasons.get(name, "")), ""
            if nbgraded.is_by_hand(cell):
                words, rubric = UNANSWERED if earned == 0 else "", self._rubric(name)
            marks.append(Mark(name, titles[name], earned, most, words, rubric))
        return marks

    def _rubric(self, name: str) -> str:
        """What stands behind the word Rubric in the instructor's cell."""
        (source,) = [c.source for c in self.notebook.cells if nbgraded.grade_id(c) == name]
        _, found, rubric = source.partition("**Rubric**")
        return rubric.split("<!--")[0].strip() if found else ""


def _words(cell: NotebookNode, reason: str) -> str:
    """What the check of this cell says; where no answer came, what the submission's kernel said."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            if output.ename == "NoAnswer":
                return reason or "no answer came: was the check changed, or taken away?"
            return str(output.evalue) or output.ename
    return ""
