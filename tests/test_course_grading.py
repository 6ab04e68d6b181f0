"""A class, graded in one run: right, wrong and hostile hand-ins, and what each of them gets."""

import csv
import os
import subprocess
import sysconfig

import nbformat
import pytest

import course_cases as hand_in
import course_hand_ins
from dmlviz import cli
from dmlviz.course import checks, grading, nbgraded, release
from dmlviz.course.marking import Marker
from dmlviz.serve import lab

pytest.importorskip("nbgrader", reason="the extra [course]")
pytestmark = pytest.mark.slow

EDGES_AND_COST = 8 + 8 + 6 + 8


@pytest.fixture(scope="module")
def graded(tmp_path_factory, glyph_root):
    """The table and the pages of a class: right, wrong and hostile."""
    wrong = {
        "sums": hand_in.answered(course_hand_ins.SUMS),
        "careless": hand_in.answered(course_hand_ins.CARELESS),
        "rough": hand_in.answered(course_hand_ins.ROUGH),
    }
    root = tmp_path_factory.mktemp("course")
    return hand_in.grade(
        hand_in.FIRST, wrong, root, glyph_root, more=course_hand_ins.hostile, cell_seconds=45
    )


def test_the_instructors_copy_earns_every_point_and_the_students_none(graded):
    rows, _ = graded
    hand_in.check_right_and_untouched(rows, hand_in.FIRST)
    assert rows["right"]["a1-loss"] == ""  # a person fills it in


@pytest.mark.parametrize(
    ("name", "points", "words"),
    [
        (
            "sums",
            EDGES_AND_COST,
            ["this is the sum over the pairs", "those with ℓ > 0", "the easy triplets are in"],
        ),
        (
            "careless",
            EDGES_AND_COST - 6,  # own positives show where a batch has no positive
            ["self-pairs): N (N - 1) are pairs", "distances are squared", "its own positive"],
        ),
        ("rough", 10 + 10 + 10 + 6, ["a square root has no derivative at 0", "loops over the"]),
    ],
)
def test_a_wrong_solution_gets_its_due_and_the_mistake_named(graded, name, points, words):
    rows, pages = graded
    assert rows[name]["total"] == str(points)
    for part in words:
        assert part in pages[name]


# The points that these hand-ins have earned before or beside their harm.
CONTRASTIVE, SEMIHARD = 18, 16

REFUSED = "refused with the reason; 0"
# Points and reason in the table, and the words of the instructor's guide, row by row.
OUTCOMES = {
    "loops": (
        CONTRASTIVE,
        "",
        "the cell is interrupted after `--cell-seconds`: its check earns 0, the rest is graded",
    ),
    "loops_stubbornly": (
        CONTRASTIVE,
        "could not be interrupted, in a1-share",
        "ended; what was answered before counts, the rest earns 0, with the reason",
    ),
    "eats_memory": (
        CONTRASTIVE,
        "more than 2.5 GB of memory, in a1-share",
        "ended at `--memory`, for all its processes together; what was answered before counts",
    ),
    "ends_its_kernel": (
        CONTRASTIVE,
        "it ended its own kernel, in a1-share",
        "what was answered before counts",
    ),
    "renames_a_function": (
        SEMIHARD,
        "",
        "0 for its checks; the page says `name '…' is not defined`",
    ),
    "patches_the_checker": (
        0,
        "",
        "its answers are judged elsewhere: wrong ones, or none, earn 0",
    ),
    "deletes_and_edits_checks": (
        CONTRASTIVE,
        "cells were deleted and put back: a1-contrastive",
        "graded from clean cells, with a note: nothing gained, nothing lost",
    ),
    "memorises_the_answers": (0, "", "0: the hidden part of each check asks other questions"),
    "does_not_parse": (0, "refused: not a notebook that can be read", REFUSED),
    "is_empty": (0, "refused: the file is empty", REFUSED),
    "has_no_cells": (0, "refused: the notebook has no cells", REFUSED),
    "is_too_big": (0, "refused: too big: 50 MB", "refused unread, with the reason; 0"),
    "is_no_notebook": (
        0,
        "refused: a notebook (.ipynb) was expected, a .pdf file came",
        REFUSED,
    ),
    "is_another_notebook": (0, "refused: none of its cells is of this assignment", REFUSED),
    "has_two": (
        0,
        "refused: one notebook was expected in this folder, 2 came",
        "refused with the reason: which one counts, a person must say",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_hostile_hand_in_has_the_outcome_of_the_guide(graded, name):
    points, reason, _ = OUTCOMES[name]
    row = graded[0][name]
    assert row["total"] == str(points)
    assert reason in row["reason"]
    assert bool(reason) == bool(row["reason"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loops", "interrupted after 45 seconds"),
        ("renames_a_function", "name &#x27;contrastive_loss&#x27; is not defined"),
        ("renames_a_function", "name &#x27;triplet_loss&#x27; is not defined"),
        ("patches_the_checker", "no answer came: was the check changed, or taken away?"),
    ],
)
def test_its_page_says_what_happened(graded, name, words):
    assert words in graded[1][name]


def test_the_guide_tables_every_hostile_hand_in_and_its_outcome():
    guide = (hand_in.ASSIGNMENTS / "instructor" / "README.md").read_text()
    _, table = guide.split("| hand-in | outcome |\n|---|---|\n")
    rows = [row.strip("| ").split(" | ") for row in table.split("\n\n")[0].splitlines()]
    for (label, outcome), name in zip(rows, OUTCOMES, strict=True):
        assert label.startswith(name.replace("_", " "))
        assert outcome == OUTCOMES[name][2]


@pytest.mark.usefixtures("asked_live")
def test_what_was_learned_by_heart_passes_the_visible_checks():
    space = {}
    for source in course_hand_ins.by_heart().values():
        exec(source, space)
    passed = [
        checks.values(space[exercise.name], exercise, batches)
        for exercise, batches in hand_in.asked(hand_in.FIRST, 0)
        if exercise.name in space
    ]
    assert len(passed) == 4


def test_the_real_instructors_copy_earns_every_point(tmp_path, glyph_root, monkeypatch):
    """With all epochs of its experiment; to enter raises where a point is missing."""
    monkeypatch.setenv("DMLVIZ_DATA", str(glyph_root))
    with Marker(nbgraded.load(hand_in.INSTRUCTOR), tmp_path) as marker:
        assert marker.notebook.cells


SEEDED = "02_proxy_anchor"  # the quickest: by the command, which marks the instructor's copy, too


@pytest.mark.parametrize("name", sorted(release.assignments(hand_in.ASSIGNMENTS).keys() - {SEEDED}))
def test_with_another_seed_every_instructors_copy_earns_every_point(
    name, tmp_path, glyph_root, monkeypatch
):
    monkeypatch.setenv("DMLVIZ_DATA", str(glyph_root))
    notebook = hand_in.quick(hand_in.read(hand_in.instructors(name)))
    with Marker(release.with_seed(notebook, 7), tmp_path) as marker:
        assert "SEED = 7" in marker.notebook.cells[2].source


def test_a_class_is_graded_with_the_seed_that_it_was_handed_out_with(
    tmp_path, glyph_root, monkeypatch
):
    monkeypatch.setenv("DMLVIZ_DATA", str(glyph_root))
    monkeypatch.setattr(lab, "tutorials", lambda: tmp_path)
    source = tmp_path / "assignments" / "instructor" / f"{SEEDED}.ipynb"
    source.parent.mkdir(parents=True)
    (tmp_path / "handed_in").mkdir()
    instructor = hand_in.quick(hand_in.read(hand_in.instructors(SEEDED)))
    nbformat.write(instructor, source)
    nbformat.write(release.with_seed(instructor, 7), tmp_path / "handed_in" / "ada.ipynb")
    table = tmp_path / "marks.csv"
    command = ["course", "grade", str(tmp_path / "handed_in"), "--csv", str(table), "--seed", "7"]
    assert cli.main(command) == 0
    with table.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["total"], row["open"]) == ("76", "24")
    assert "SEED" not in row["reason"]  # it was handed out with 7


def test_nbgraders_own_command_grades_a_class(tmp_path, glyph_root):
    """As the guide says; hidden checks are back in their places, and refuse what is by heart."""
    name = hand_in.FIRST
    right = hand_in.quick(hand_in.read(hand_in.INSTRUCTOR))
    by_heart = hand_in.answered(course_hand_ins.by_heart())
    students = {"ada": right, "bob": by_heart}
    folders = {"source": right} | {f"submitted/{who}": what for who, what in students.items()}
    for folder, notebook in folders.items():
        (tmp_path / folder / name).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / folder / name / f"{name}.ipynb")

    scripts = sysconfig.get_path("scripts")  # nbgrader calls `alembic` by its name
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "DMLVIZ_DATA": str(glyph_root)}
    for command in (
        ["generate_assignment", name],
        ["autograde", name, "--Execute.timeout=300"],
        ["export"],
    ):
        ran = subprocess.run(
            [os.path.join(scripts, "nbgrader"), *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr
    with (tmp_path / "grades.csv").open() as file:
        scores = {row["student_id"]: row["score"] for row in csv.DictReader(file)}
    assert scores == {"ada": "76.0", "bob": "0.0"}


def test_a_wrong_instructors_copy_stops_the_grading(tmp_path):
    notebook = nbgraded.load(hand_in.INSTRUCTOR)
    keep = ("a1-seed", "a1-setup", "a1-contrastive", "a1-contrastive-values")
    notebook.cells = [c for c in notebook.cells if hand_in.grade_id(c) in keep]
    notebook.cells[2].source = course_hand_ins.SUMS["a1-contrastive"]
    with pytest.raises(ValueError, match="0 of 10 points in a1-contrastive-values"):
        Marker(notebook, tmp_path).__enter__()


def test_check_shows_a_student_points_and_words(tmp_path, glyph_root, monkeypatch, capsys):
    monkeypatch.setenv("DMLVIZ_DATA", str(glyph_root))
    notebook = hand_in.answered(hand_in.right("a1-contrastive") | {"a1-loss": "Because."})
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    assert cli.main(["course", "check", str(tmp_path / "mine.ipynb")]) == 1
    out = capsys.readouterr().out
    assert "✓ values of contrastive_loss: 10 of 10" in out
    assert "✗ values of triplet_loss: 0 of 10\n    ✗ triplet_loss is not written yet" in out
    assert "✎ the lowest loss and the best Recall@1: answered; 8 points" in out
    assert "✗ collapsed or not: 0 of 8\n    nothing was written here" in out
    assert "18 of 92 points by the visible checks" in out


def test_a_fault_of_the_graders_costs_one_row_and_no_marks(tmp_path, monkeypatch):
    nbformat.write(hand_in.read(), tmp_path / "ada.ipynb")
    grader = grading.Grader("01_pairs", nbgraded.load(hand_in.INSTRUCTOR))
    monkeypatch.setattr(grading, "run_notebook", lambda *a, **k: 1 / 0)
    result = grader.grade("ada", tmp_path / "ada.ipynb", None)
    assert result.failed
    assert "the grader failed: ZeroDivisionError" in result.reason
    assert {mark.earned for mark in result.marks} == {None}
