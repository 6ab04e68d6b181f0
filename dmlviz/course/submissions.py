"""Hand-ins: which files they are, which of them can be graded, and what is taken from them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dmlviz.course import nbgraded
from dmlviz.course.release import seed_of

LARGEST = 10_000_000  # bytes; a notebook without outputs has a few thousand


class Refused(ValueError):
    """A hand-in that cannot be graded, with the reason."""


def find(folder: Path, *, skip: Collection[Path] = ()) -> dict[str, Path]:
    """`{student: path}`: every file of the folder, and every folder in it, is one hand-in.

    Args:
        folder: holds `NAME.ipynb`, or `NAME/anything.ipynb`.
        skip: files and folders that are no hand-ins, such as the table of an earlier run.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: give the one with the hand-ins")
    skipped = {path.resolve() for path in skip}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.resolve() in skipped:
            continue
        student = path.name if path.is_dir() else path.stem
        found[student if student not in found else path.name] = path
    if not found:
        raise FileNotFoundError(f"{folder} is empty: put one notebook per student into it")
    return found


def read(path: Path) -> NotebookNode:
    """The notebook of a hand-in.

    Raises:
        Refused: with the reason, if there is none that can be read.
    """
    if path.is_dir():
        inside = [p for p in sorted(path.glob("*.ipynb")) if not p.name.startswith(".")]
        if len(inside) != 1:
            raise Refused(f"one notebook was expected in this folder, {len(inside)} came")
        path = inside[0]
    if path.suffix != ".ipynb":
        raise Refused(f"a notebook (.ipynb) was expected, a {path.suffix or 'nameless'} file came")
    if not path.is_file():
        raise Refused("not a plain file")
    size = path.stat().st_size
    if size == 0:
        raise Refused("the file is empty")
    if size > LARGEST:
        raise Refused(
            f"too big: {size / 1e6:.0f} MB, at most {LARGEST / 1e6:.0f} MB; clear the outputs"
        )
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # whatever a broken file makes the parser do
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(f"not a notebook that can be read: {words[0][:100]}") from error
    if not notebook.cells:
        raise Refused("the notebook has no cells")
    return notebook


@dataclass
class Cleaned:
    """A hand-in, laid into clean cells."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)


def clean(submission: NotebookNode, source: NotebookNode, student: NotebookNode) -> Cleaned:
    """The cells of `source`, with what the student wrote in the places that are the student's.

    Cells that the student added run where they stood, behind the same cell. All others come from
    `source`: a check that was deleted or edited comes back as it was.

    Args:
        submission: what came.
        source: the instructor's notebook to grade by, or the student's copy to check by.
        student: the student's copy as it was handed out.

    Raises:
        Refused: if no cell of the submission belongs to the assignment.
    """
    given = {nbgraded.grade_id(cell): cell for cell in student.cells if nbgraded.grade_id(cell)}
    came: dict[str, NotebookNode] = {}
    added: dict[str, list[NotebookNode]] = {}
    last = ""
    for cell in submission.cells:
        name = nbgraded.grade_id(cell)
        if name in given and name not in came:
            came[name], last = cell, name
        elif cell.cell_type == "code":
            added.setdefault(last, []).append(nbformat.v4.new_code_cell(cell.source))
    if not came:
        raise Refused("none of its cells is of this assignment: is it another one?")

    cells = added.get("", [])
    for cell in source.cells:
        name = nbgraded.grade_id(cell)
        laid = nbformat.from_dict(cell)
        if nbgraded.is_solution(cell):
            laid = nbformat.from_dict(given[name])  # its checksum tells whether it was answered
            if name in came:
                laid.source = came[name].source
        cells += [laid, *added.get(name, [])] if name else [laid]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=source.metadata)
    return Cleaned(notebook, _notes(came, given))


def _notes(came: dict[str, NotebookNode], given: dict[str, NotebookNode]) -> list[str]:
    """What the teacher should know, and what costs nobody a point."""
    notes = []
    locked = {n: c for n, c in given.items() if not nbgraded.is_solution(c)}
    gone = [name for name in locked if name not in came]
    if gone:
        notes.append(f"cells were deleted and put back: {', '.join(gone)}")
    changed = []
    for name in (name for name in locked if name in came):
        theirs, ours = came[name].source, locked[name].source
        if nbgraded.is_seed(locked[name]) and seed_of(theirs) != seed_of(ours):
            seed = seed_of(theirs)
            notes.append(f"its SEED was {seed}, it is graded with {seed_of(ours)}: --seed {seed}?")
        elif theirs.strip() != ours.strip():
            changed.append(name)
    if changed:
        notes.append(f"cells were changed and put back: {', '.join(changed)}")
    return notes
