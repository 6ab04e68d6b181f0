"""What is taken from a hand-in, the limits that it runs in, and what comes out: table and page."""

import csv
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import torch

import course_cases as hand_in
from dmlviz.course import checks, limits, nbgraded, release, submissions
from dmlviz.course.feedback import page, write_page
from dmlviz.course.limits import Limits
from dmlviz.course.marking import Mark
from dmlviz.course.release import with_seed
from dmlviz.course.results import Result, write_table


def names(notebook):
    return [nbgraded.grade_id(cell) or cell.source for cell in notebook.cells]


@pytest.fixture
def sources():
    return nbgraded.load(hand_in.INSTRUCTOR), hand_in.read()


def test_a_clean_notebook_has_our_cells_and_the_students_solutions(sources):
    instructor, student = sources
    cleaned = submissions.clean(hand_in.read(), instructor, student)
    assert cleaned.notes == []
    assert names(cleaned.notebook) == names(instructor)
    for cell, given in zip(cleaned.notebook.cells, student.cells, strict=True):
        hidden = "HIDDEN TESTS" in cell.source
        assert hidden or cell.source == given.source
        assert "SOLUTION" not in cell.source


def test_added_cells_run_where_they_stood_and_copies_after_the_first(sources):
    came = hand_in.read()
    at = names(came).index("a1-triplet")
    came.cells.insert(at, nbformat.v4.new_code_cell("helper = 1"))
    copy = nbformat.from_dict(came.cells[at + 1])
    copy.source = "again = 2"
    came.cells.insert(at + 2, copy)
    came.cells.insert(0, nbformat.v4.new_code_cell("first = 0"))
    cleaned = submissions.clean(came, *sources)
    found = names(cleaned.notebook)
    assert found[0] == "first = 0"
    before, after = found.index("helper = 1"), found.index("again = 2")
    assert found.index("a1-contrastive-edges") < before < found.index("a1-triplet") < after
    assert after < found.index("a1-triplet-values")


@pytest.mark.parametrize("metadata", [5, [], {"grade_id": ["a1-seed"]}, {"grade_id": None}])
def test_damaged_metadata_is_a_missing_cell(sources, metadata):
    came = hand_in.read()
    came.cells[names(came).index("a1-learn")].metadata.nbgrader = metadata
    cleaned = submissions.clean(came, *sources)
    assert cleaned.notes == ["cells were deleted and put back: a1-learn"]
    assert names(cleaned.notebook).count("a1-learn") == 1


def test_another_seed_is_noted(sources):
    instructor, student = sources
    cleaned = submissions.clean(with_seed(hand_in.read(), 7), instructor, student)
    assert cleaned.notes == ["its SEED was 7, it is graded with 0: --seed 7?"]


def test_a_folder_holds_files_and_folders(tmp_path):
    (tmp_path / "ada.ipynb").touch()
    (tmp_path / "ada").mkdir()
    (tmp_path / "bob").mkdir()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "marks.csv").touch()
    found = submissions.find(tmp_path, skip=[tmp_path / "marks.csv"])
    assert found.keys() == {"ada", "ada.ipynb", "bob"}
    with pytest.raises(FileNotFoundError, match="no folder"):
        submissions.find(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="is empty"):
        submissions.find(tmp_path / "bob")


def test_deeply_nested_and_binary_files_are_refused(tmp_path):
    for number, content in enumerate([b"[" * 100_000, b"\xff\xfe\x00", b"[]", b'"cells"', b"null"]):
        path = tmp_path / f"{number}.ipynb"
        path.write_bytes(content)
        with pytest.raises(submissions.Refused, match="not a notebook that can be read"):
            submissions.read(path)


# --- what is hidden ---------------------------------------------------------------------------


def questions(exercise, batches):
    """What a function is asked, by content: arguments that are functions say nothing."""
    told = [[a for a in case.arguments if not callable(a)] for case in batches]
    told = [[a.tolist() if isinstance(a, torch.Tensor) else a for a in case] for case in told]
    return {f"{exercise.name}: {case}" for case in told}


@pytest.mark.usefixtures("asked_live")
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("name", release.assignments(hand_in.ASSIGNMENTS))
def test_the_hidden_parts_ask_other_questions(name, seed):
    """Of every function whose values are checked: who knows the visible answers knows none."""
    seen, every = hand_in.asked(name, seed), hand_in.asked(name, seed, hidden=True)
    seen = [(exercise, questions(exercise, batches)) for exercise, batches in seen]
    assert [(exercise, questions(exercise, batches)) for exercise, batches in every[::2]] == seen
    known, hidden = set().union(*(asked for _, asked in seen)), set()
    for (exercise, _), (again, batches) in zip(seen, every[1::2], strict=True):
        assert exercise is again
        asked = questions(exercise, batches)
        assert asked
        assert not asked & known
        hidden |= asked
        checks.values(exercise.reference, hand_in.opened(exercise), batches)
    assert len(hidden) >= len(known)


# --- limits -----------------------------------------------------------------------------------


def run(code, folder, **kwargs):
    return limits.run([sys.executable, "-c", code], Limits(**kwargs), folder=folder, environment={})


def test_what_ends_by_itself_has_no_reason(tmp_path):
    assert run("open('here', 'w')", tmp_path) == ""
    assert (tmp_path / "here").exists()


def test_time_and_memory_end_a_run_and_all_that_it_started(tmp_path):
    start = (
        "import subprocess, sys, os, time\n"
        "child = 'import os, time; os.setsid(); time.sleep(1000)'\n"
        "print(subprocess.Popen([sys.executable, '-c', child]).pid, file=open('pid', 'w'))\n"
    )
    assert run(start + "time.sleep(1000)", tmp_path, seconds=3) == "it took longer than 3 seconds"
    assert is_gone(int((tmp_path / "pid").read_text()))

    eat = "import time\neaten = bytearray(300_000_000)\ntime.sleep(1000)"
    assert run(eat, tmp_path, memory=0.2) == "it used more than 0.2 GB of memory"


def test_what_a_run_leaves_behind_is_ended(tmp_path):
    leave = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), file=open('pid', 'w'), flush=True)\n"
        "        time.sleep(1000)\n"
        "    os._exit(0)\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.1)\n"
    )
    assert run(leave, tmp_path) == ""
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid):
    """Whether a process ends soon; a container may have nobody who buries it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("name", ["cell_seconds", "seconds", "memory"])
def test_limits_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be a positive number, got 0"):
        Limits(**{name: 0})


# --- table and page ---------------------------------------------------------------------------

MARKS = [
    Mark("a1-values", "values", 10, 10),
    Mark("a1-edges", "the edge", 0, 8, words="✗ came: <script>alert(1)</script>"),
    Mark("a1-why", "why", None, 8, rubric="- says why,\n  in words: 5;\n- and <b>when</b>: 3."),
]


def test_the_table_is_written_row_by_row_and_holds_no_formulas(tmp_path):
    table = tmp_path / "new" / "marks.csv"
    failed = Result("bob", "01", [Mark("a1-values", "values", None, 10)] * 3, "oh", failed=True)
    results = write_table(iter([Result("=1+1", "01", MARKS, "@x"), failed]), table)
    next(results)
    assert len(table.read_text().splitlines()) == 2
    assert len(list(results)) == 1
    with table.open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["student", "a1-values", "a1-edges", "a1-why", "total", "open", "reason"],
        ["'=1+1", "10", "0", "", "10", "8", "'@x"],
        ["bob", "", "", "", "", "", "oh"],
    ]


def test_a_page_shows_points_words_and_rubric_and_runs_nothing(tmp_path):
    path = write_page(Result("ada", "<i>01</i>", MARKS, "a note"), Path(tmp_path))
    assert path.name == "ada.html"
    text = path.read_text()
    assert "10 of 18</b> points so far; 8 more are marked by hand" in text
    assert "✗ came: &lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<li>says why,\n  in words: 5;</li><li>and &lt;b&gt;when&lt;/b&gt;: 3.</li>" in text
    assert "a note" in text
    for tag in ("<script", "<i>", "<b>when", "http"):
        assert tag not in text
    assert "Not graded yet" in page(Result("ada", "01_pairs", MARKS, failed=True))
