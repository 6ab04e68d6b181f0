"""What the tests of all assignments share."""

import ast
import csv
import dataclasses
import re
from pathlib import Path

import nbformat
import pytest

from dmlviz import cli
from dmlviz.course import checks, words
from dmlviz.serve import lab

ASSIGNMENTS = Path(__file__).parents[1] / "tutorials" / "assignments"
FIRST = "01_pairs"
TRAINING = re.compile(r"""\b(epochs|eval_every|steps)("?(?:: |=| = ))\d+""", re.IGNORECASE)


def instructors(name):
    return ASSIGNMENTS / "instructor" / f"{name}.ipynb"


def students(name):
    return ASSIGNMENTS / f"{name}.ipynb"


INSTRUCTOR, STUDENT = instructors(FIRST), students(FIRST)


def read(path=STUDENT):
    return nbformat.read(path, as_version=4)


def grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def quick(notebook):
    """The same assignment, whose experiment trains for one epoch, or one step."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = TRAINING.sub(r"\1\g<2>1", cell.source)
            cell.source = cell.source.replace('ready("train")', 'ready("val")')  # a smaller split
    return notebook


def answered(cells, name=FIRST):
    """The student's copy, quick, with these sources in the cells of these names."""
    notebook = quick(read(students(name)))
    names = [grade_id(cell) for cell in notebook.cells]
    for cell, source in cells.items():
        notebook.cells[names.index(cell)].source = source
    return notebook


def right(*names, of=FIRST):
    """The instructor's sources of some cells."""
    return {grade_id(c): c.source for c in read(instructors(of)).cells if grade_id(c) in names}


def opened(exercise):
    """The exercise with the library unlocked, so that a reference can stand for a student."""
    return dataclasses.replace(exercise, closed=())


def refused_cost(function, exercise, case, *, limit):
    """How many times the library's time it takes; that is more than the limit."""
    with pytest.raises(words.CheckFailed, match=f"at most {limit} times") as failure:
        checks.cost(function, exercise, case, limit=limit)
    came = re.search(r"came: +([\d,]+) times", str(failure.value))[1]
    return int(came.replace(",", ""))


# --- what an assignment asks ------------------------------------------------------------------


class Recorder:
    """Stands for `checks`, and notes what `values` was asked; every other check passes."""

    def __init__(self):
        self.asked = []

    def values(self, function, exercise, batches):
        self.asked.append((exercise, batches))

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def asked(name, seed, *, hidden=False):
    """Exercise and batches of each `checks.values` in a cell `…-values` of an assignment.

    Args:
        name: of the assignment.
        seed: its SEED.
        hidden: with the hidden part.
    """
    cells = read(instructors(name) if hidden else students(name)).cells
    sources = {grade_id(cell): cell.source for cell in cells if cell.cell_type == "code"}
    space = {}
    for source in sources.values():
        for node in ast.parse(re.sub("^%.*", "", source, flags=re.MULTILINE)).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), space)
            elif isinstance(node, ast.FunctionDef):
                space[node.name] = None
            elif isinstance(node, ast.Assign) and _is_constant(node.value):
                exec(ast.unparse(node), space)
    space |= {"SEED": seed, "checks": Recorder()}
    for cell, source in sources.items():
        if cell.endswith("-values"):
            exec(source, space)
    return space["checks"].asked


def _is_constant(node):
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


# --- a class, graded --------------------------------------------------------------------------


def grade(name, hand_ins, root, data, *, more=None, cell_seconds=120):
    """Grade a class in one run: the rows of the table, and the pages, by hand-in.

    It trains for one epoch. The instructor's copy is among the hand-ins as `right`, the student's
    as `untouched`.

    Args:
        name: of the assignment.
        hand_ins: `{name: notebook}`.
        root: an empty folder.
        data: the data root.
        more: `more(folder)` writes further hand-ins.
        cell_seconds: after which a cell is interrupted.
    """
    folder, table = root / "handed_in", root / "marks.csv"
    source = root / "assignments" / "instructor" / f"{name}.ipynb"
    source.parent.mkdir(parents=True)
    folder.mkdir()
    instructor = quick(read(instructors(name)))
    nbformat.write(instructor, source)
    for student, notebook in {"right": instructor, "untouched": answered({}, name)}.items():
        nbformat.write(notebook, folder / f"{student}.ipynb")
    for student, notebook in hand_ins.items():
        nbformat.write(notebook, folder / f"{student}.ipynb")
    if more is not None:
        more(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMLVIZ_DATA", str(data))
        patch.setattr(lab, "tutorials", lambda: root)
        command = ["course", "grade", str(folder), "--csv", str(table)]
        command += ["--cell-seconds", str(cell_seconds), "--seconds", "300", "--memory", "2.5"]
        assert cli.main(command) == 0
    with table.open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {path.stem for path in folder.iterdir()}
    pages = {n: (root / "marks-feedback" / f"{n}.html").read_text() for n in rows}
    return rows, {n: " ".join(re.sub(r"&gt;", ">", page).split()) for n, page in pages.items()}


def check_right_and_untouched(rows, name):
    """The instructor's copy has earned every point, the student's none; both ran to their ends."""
    points = {True: 0, False: 0}
    for cell in read(instructors(name)).cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            points[cell.cell_type == "code"] += cell.metadata.nbgrader.points
    right, untouched = rows["right"], rows["untouched"]
    assert (right["total"], right["open"]) == (f"{points[True]:g}", f"{points[False]:g}")
    assert (untouched["total"], untouched["open"]) == ("0", "0")
    cells = [column for column in untouched if re.match(r"a\d+-", column)]
    assert len(cells) >= 10
    assert {untouched[cell] for cell in cells} == {"0"}
    assert "ended" not in right["reason"]
    assert untouched["reason"] == ""
