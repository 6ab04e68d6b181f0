"""The students' copies, and the sources that they are made from."""

import os
import re
import sysconfig
from pathlib import Path

import nbformat
import pytest

import course_cases as hand_in
from dmlviz import cli
from dmlviz.course import nbgraded, release

pytest.importorskip("nbgrader", reason="the extra [course]")

SOURCES = release.assignments(hand_in.ASSIGNMENTS)
each = pytest.mark.parametrize("name", SOURCES)


def graded(notebook):
    return [cell for cell in notebook.cells if nbgraded.is_grade(cell)]


@each
def test_releasing_again_changes_nothing(name, tmp_path, capsys):
    assert cli.main(["course", "release", "--to", str(tmp_path)]) == 0
    assert str(tmp_path / f"{name}.ipynb") in capsys.readouterr().out
    committed = (hand_in.ASSIGNMENTS / f"{name}.ipynb").read_bytes()
    assert (tmp_path / f"{name}.ipynb").read_bytes() == committed, "run: dmlviz course release"


@each
def test_the_students_copy_gives_nothing_away(name):
    text = (hand_in.ASSIGNMENTS / f"{name}.ipynb").read_text()
    for word in ("SOLUTION", "HIDDEN TESTS", "Rubric"):
        assert word in SOURCES[name].read_text()
        assert word not in text
    for cell in hand_in.read(hand_in.ASSIGNMENTS / f"{name}.ipynb").cells:
        assert not cell.get("outputs")
        if nbgraded.is_solution(cell):
            assert "YOUR CODE HERE" in cell.source or "YOUR ANSWER HERE" in cell.source
        elif nbgraded.grade_id(cell):
            assert not cell.metadata.editable


@each
def test_nbgraders_own_command_makes_the_same_copy(name, tmp_path, monkeypatch):
    """The cells, that is: nbgrader's command adds nothing else that a student sees."""
    # nbgrader calls `alembic` by its name, as if the environment were activated.
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", os.pathsep.join([scripts, os.environ["PATH"]]))
    source = tmp_path / "source" / name
    source.mkdir(parents=True)
    (source / f"{name}.ipynb").write_bytes(SOURCES[name].read_bytes())
    with nbgraded.quiet():
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config

        config = Config()
        config.CourseDirectory.root = str(tmp_path)
        outcome = NbGraderAPI(config=config).generate_assignment(name)
    assert outcome["success"], outcome
    made = nbformat.read(tmp_path / "release" / name / f"{name}.ipynb", as_version=4)
    assert made.cells == hand_in.read(hand_in.ASSIGNMENTS / f"{name}.ipynb").cells


@each
def test_a_source_is_complete(name):
    notebook = nbgraded.load(SOURCES[name])
    nbformat.validate(notebook)
    number = int(name.split("_")[0])
    assert len(notebook.cells) <= 60
    assert sum(nbgraded.settings(cell)["points"] for cell in graded(notebook)) == 100
    for cell in notebook.cells:
        if cell.cell_type == "code" or nbgraded.is_grade(cell):
            assert nbgraded.grade_id(cell).startswith(f"a{number}-"), cell.source
    assert nbgraded.grade_id(notebook.cells[2]) == f"a{number}-seed"
    for cell in graded(notebook):
        points = nbgraded.settings(cell)["points"]
        assert re.fullmatch(rf"(# Check|\*\*Your answer) · .+ · {points} points(\*\*)?",
                            cell.source.splitlines()[0])  # fmt: skip
        if nbgraded.is_by_hand(cell):
            rubric = cell.source.split("**Rubric**")[1]
            assert points_of(rubric) == points


def points_of(rubric):
    """The points that the lines of a rubric promise; "1 each" is for three parts."""
    total = 0
    for line in re.split(r"\n- ", rubric)[1:]:
        number, times = re.search(r": (\d)( each)?[;.]", " ".join(line.split())).groups()
        total += int(number) * (3 if times else 1)
    return total


@each
def test_a_source_was_run_to_its_end(name):
    """Its outputs are what teachers read the model answers by."""
    notebook = nbgraded.load(SOURCES[name])
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
    for cell in graded(notebook):
        if cell.cell_type == "code":
            assert "✓" in "".join(output.text for output in cell.outputs)
    assert "/home/" not in SOURCES[name].read_text()


@each
def test_an_assignment_has_wrong_solutions_in_tests_of_its_own(name):
    """Those of assignment 1 are in `test_course_grading.py`."""
    topic = name.partition("_")[2]
    tests = f"test_course_{topic}.py" if name != hand_in.FIRST else "test_course_grading.py"
    text = (Path(__file__).parent / tests).read_text()
    assert "hand_in.check_right_and_untouched(" in text


def test_a_seed_sets_one_constant(tmp_path):
    assert cli.main(["course", "release", "--to", str(tmp_path), "--seed", "7"]) == 0
    for name in SOURCES:
        plain = hand_in.read(hand_in.ASSIGNMENTS / f"{name}.ipynb").cells
        seeded = hand_in.read(tmp_path / f"{name}.ipynb").cells
        changed = [new for old, new in zip(plain, seeded, strict=True) if old.source != new.source]
        assert [cell.source.split("#")[0].strip() for cell in changed] == ["SEED = 7"]


def test_a_seed_below_zero_is_refused(capsys, tmp_path):
    assert cli.main(["course", "release", "--to", str(tmp_path), "--seed", "-1"]) == 1
    assert "seed must not be negative, got -1" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["release", "check", "grade"])
def test_without_nbgrader_a_command_names_the_remedy(action, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nbgraded, "find_spec", lambda name: None)
    arguments = {
        "release": ["--to", str(tmp_path)],
        "check": [str(hand_in.STUDENT)],
        "grade": [str(tmp_path), "--csv", str(tmp_path / "marks.csv")],
    }
    assert cli.main(["course", action, *arguments[action]]) == 1
    assert "pip install 'dmlviz[course]'" in capsys.readouterr().err
