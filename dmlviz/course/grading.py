"""A class, graded: every hand-in in a kernel of its own, and none stops the rest."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nbformat import NotebookNode

from dmlviz.course import nbgraded
from dmlviz.course.limits import Limits
from dmlviz.course.marking import Mark, Marker, marks_of_run
from dmlviz.course.release import assignments, released, seed_of, with_seed
from dmlviz.course.results import Result
from dmlviz.course.running import ANSWERS, run_notebook
from dmlviz.course.submissions import Refused, clean, find, read


def grade(
    folder: Path,
    sources: Path,
    *,
    assignment: str | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    skip: tuple[Path, ...] = (),
) -> Iterator[Result]:
    """Grade every hand-in of a folder, one after the other.

    Args:
        folder: see `submissions.find`.
        sources: `tutorials/assignments`.
        assignment: its name; None: the one that most cells of the hand-ins belong to.
        seed: what it was released with, if not the one in the notebook.
        limits: of each hand-in.
        skip: what in the folder is no hand-in.

    Yields:
        The results, by name; a hand-in that cannot be graded is a result with a reason.
    """
    nbgraded.require()
    handed_in = find(folder, skip=skip)
    known = assignments(sources)
    assignment = assignment or assignment_of(list(handed_in.values()), known)
    if assignment not in known:
        raise ValueError(f"no assignment {assignment!r}; there are {', '.join(known)}")
    grader = Grader(assignment, with_seed(nbgraded.load(known[assignment]), seed), limits)
    with temporary_folder() as place, Marker(grader.instructor, place) as marker:
        for student, path in handed_in.items():
            yield grader.grade(student, path, marker)


class Grader:
    """Grades one hand-in at a time.

    Args:
        assignment: its name.
        instructor: its source, with the seed that it was released with.
        limits: of each hand-in.
    """

    def __init__(
        self, assignment: str, instructor: NotebookNode, limits: Limits | None = None
    ) -> None:
        self.assignment, self.instructor = assignment, instructor
        self.limits = limits or Limits()
        self.student_copy = released(instructor)

    def grade(self, student: str, path: Path, marker: Marker) -> Result:
        """The result of one hand-in; whatever it does, a result."""
        nothing = [
            Mark(nbgraded.grade_id(c), nbgraded.title(c), 0, float(nbgraded.settings(c)["points"]))
            for c in self.instructor.cells
            if nbgraded.is_grade(c)
        ]
        try:
            cleaned = clean(read(path), self.instructor, self.student_copy)
            with temporary_folder() as place:
                ran = run_notebook(cleaned.notebook, place, self.limits, record=True)
                marks = marker.mark(cleaned.notebook, place / ANSWERS, ran)
        except Refused as refusal:
            return Result(student, self.assignment, nothing, f"refused: {refusal}")
        except Exception as error:  # a fault of ours costs a person a look, not the class its marks
            words = f"not graded, the grader failed: {type(error).__name__}: {error}"
            undecided = [replace(mark, earned=None) for mark in nothing]
            return Result(student, self.assignment, undecided, words[:300], failed=True)
        return Result(student, self.assignment, marks, _reason(ran.stopped, cleaned.notes))


def check(path: Path, sources: Path, *, limits: Limits | None = None) -> Result:
    """Run a student's own copy with its visible checks.

    Args:
        path: the notebook.
        sources: `tutorials/assignments`.
        limits: of the run.

    Raises:
        ValueError: if it cannot be graded, with the reason.
    """
    nbgraded.require()
    known = assignments(sources)
    submission = read(path)
    assignment = assignment_of([path], known)
    seeds = [seed_of(c.source) for c in submission.cells if nbgraded.is_seed(c)]
    student_copy = released(with_seed(nbgraded.load(known[assignment]), *seeds[:1] or [None]))
    cleaned = clean(submission, student_copy, student_copy)
    with temporary_folder() as place:
        ran = run_notebook(cleaned.notebook, place, limits or Limits())
    marks = marks_of_run(cleaned.notebook, ran, student_copy)
    return Result(path.stem, assignment, marks, _reason(ran.stopped, cleaned.notes))


def assignment_of(handed_in: list[Path], known: dict[str, Path]) -> str:
    """The assignment whose cells the hand-ins have most of."""
    own = {
        name: {nbgraded.grade_id(cell) for cell in nbgraded.load(path).cells} - {""}
        for name, path in known.items()
    }
    votes = dict.fromkeys(known, 0)
    for path in handed_in:
        try:
            came = {nbgraded.grade_id(cell) for cell in read(path).cells}
        except Refused:
            continue
        for name in known:
            votes[name] += len(came & own[name])
    best = max(votes, key=lambda name: votes[name])
    if votes[best] == 0:
        raise ValueError(f"no notebook here is of an assignment; there are {', '.join(known)}")
    return best


class temporary_folder(tempfile.TemporaryDirectory[str]):
    """A folder for one run; what a run makes undeletable is left to the system."""

    def __init__(self) -> None:
        super().__init__(prefix="dmlviz-run-", ignore_cleanup_errors=True)

    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def _reason(stopped: str, notes: list[str]) -> str:
    return "; ".join(filter(None, [stopped and f"ended: {stopped}", *notes]))
