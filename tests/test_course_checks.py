"""The checks of the assignments: what they accept, what they refuse, and in which words."""

import sys
import warnings

import pytest
import torch

import course_cases as hand_in
import course_hand_ins
from course_cases import opened
from dmlviz import losses
from dmlviz.course import answers, cases, checks, pairs, release, words
from dmlviz.course.exercise import Case, Exercise

SEEDS = (0, 1, 7)
pytestmark = pytest.mark.usefixtures("asked_live")
each = pytest.mark.parametrize("name", release.assignments(hand_in.ASSIGNMENTS))


@each
@pytest.mark.parametrize("seed", SEEDS)
def test_references_pass_and_every_mistake_is_named(name, seed, capsys):
    asked = hand_in.asked(name, seed)
    assert asked
    for exercise, batches in asked:
        checks.values(exercise.reference, opened(exercise), batches)
        assert capsys.readouterr().out.startswith(f"✓ {exercise.name}")
        assert exercise.mistakes
        for mistake, wrong in exercise.mistakes.items():
            with pytest.raises(words.CheckFailed) as failure:
                checks.values(wrong, opened(exercise), batches)
            assert mistake in " ".join(str(failure.value).split())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", [pairs.CONTRASTIVE, pairs.TRIPLET, pairs.SEMIHARD])
def test_references_are_well_behaved_at_the_edge(exercise, seed):
    odd = [make(seed) for make in (cases.one_point, cases.one_class, cases.no_positive)]
    odd += [cases.duplicates(seed), cases.collapsed()]
    checks.edges(exercise.reference, opened(exercise), odd)
    checks.gradients(exercise.reference, opened(exercise), [cases.batch(seed, margin=0.4)])


def failing(check, function, exercise=pairs.TRIPLET, batches=None):
    batches = batches or [cases.batch(0, margin=0.4), cases.batch(1, margin=0.4)]
    with pytest.raises(words.CheckFailed) as failure:
        check(function, opened(exercise), batches)
    return " ".join(str(failure.value).split())


def triplet(x, y, m):
    return losses.triplet(x, y, m)


def without_a_kernel(x, y, m):
    raise NotImplementedError("no such operation for 'Long'")  # as torch says it, with words


def test_a_failure_says_what_was_expected_and_what_came():
    message = failing(checks.values, lambda x, y, m: triplet(x, y, m) + 1)
    assert "✗ triplet_loss: " in message
    right = triplet(*cases.batch(0, margin=0.4).arguments).item()
    assert f"expected: {right:.6g} came: {right + 1:.6g}" in message
    assert "by hand" in message  # no mistake that we know


def test_a_constant_factor_is_noticed():
    assert "it is 3 times what is expected" in failing(
        checks.values, lambda x, y, m: 3 * triplet(x, y, m)
    )


@pytest.mark.parametrize(
    ("function", "part"),
    [
        (lambda x, y, m: triplet(x, y, m) * float("nan"), "nan is no number"),
        (lambda x, y, m: x, "expected: one number"),
        (lambda x, y, m: print, "a number was expected"),
        (lambda x, y, m: torch.zeros(1000, 1000), "1,000,000 numbers came"),
        (lambda x, y, m: x @ y, "RuntimeError"),
        (lambda x, y: 0, "TypeError"),
        (without_a_kernel, "NotImplementedError: no such operation"),
    ],
)
def test_odd_answers_are_refused_in_words(function, part):
    assert part in failing(checks.values, function)


def test_what_is_not_written_yet_is_no_error():
    def triplet_loss(x, y, m):
        raise NotImplementedError

    assert "triplet_loss is not written yet" in failing(checks.values, triplet_loss)


@pytest.mark.parametrize(
    ("function", "batch", "part"),
    [
        (lambda x, y, m: x.sum() * 0, cases.duplicates(0), "a number above 0"),
        (lambda x, y, m: x.square().sum(), cases.no_positive(0), "0, for nothing counts here"),
        (lambda x, y, m: x.sum() * 0 / 0, cases.no_positive(0), "0/0: divide by at least 1"),
        (lambda x, y, m: torch.tensor(0.0), cases.no_positive(0), "a number without one"),
        (lambda x, y, m: 0.0, cases.no_positive(0), "a loss is a tensor with one number"),
        (
            lambda x, y, m: (x - x).square().sum().sqrt(),
            cases.no_positive(0),
            "a square root has no derivative at 0",
        ),
    ],
)
def test_bad_behaviour_at_the_edge_is_named(function, batch, part):
    assert part in failing(checks.edges, function, batches=[batch])


def test_a_gradient_that_was_cut_off_is_found():
    def half(x, y, m):
        return triplet(x, y, m) + x.detach().square().sum() * x.sum()

    assert "cut off from the graph" in failing(checks.gradients, half)


def test_a_loss_in_single_precision_is_not_taken_for_a_wrong_gradient():
    message = failing(checks.gradients, lambda x, y, m: triplet(x.float(), y, m))
    assert "came: torch.float32 → is there a .float() in the formula?" in message


@pytest.mark.parametrize("exercise", [pairs.CONTRASTIVE, pairs.TRIPLET, pairs.SEMIHARD])
def test_the_librarys_own_loss_is_locked_while_a_student_is_asked(exercise):
    batches = [cases.batch(0)]
    with pytest.raises(words.CheckFailed, match="write the formula yourself"):
        checks.values(exercise.reference, exercise, batches)
    exercise.reference(*batches[0].arguments)  # and open again


def test_warnings_and_words_on_stderr_cost_nothing(capsys):
    def noisy(x, y, m):
        warnings.warn("deprecated", stacklevel=1)
        print("working", file=sys.stderr)
        return triplet(x, y, m)

    checks.values(noisy, opened(pairs.TRIPLET), [cases.batch(0)])
    assert capsys.readouterr().err == ""


def test_what_a_notebook_has_set_changes_no_batch():
    before = cases.batch(3).arguments[0]
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(cases.batch(3).arguments[0], before)
    finally:
        torch.set_default_dtype(torch.float32)


def test_seeds_change_data_and_shapes():
    assert len({tuple(cases.batch(seed).arguments[0].shape) for seed in range(8)}) > 3
    assert cases.batch(0).name != cases.batch(1).name


def by_loops(x, y, m):
    space = {"torch": torch}
    exec(course_hand_ins.ROUGH["a1-triplet"], space)
    return space["triplet_loss"](x, y, m)


def by_tables(x, y, m):
    space = {"torch": torch}
    source = hand_in.right("a1-triplet")["a1-triplet"]
    exec(source, space)
    return space["triplet_loss"](x, y, m)


def test_three_loops_cost_too_much_by_far_and_tables_do_not(capsys):
    wide = cases.batch(0, classes=16, each=4, dimension=32, margin=0.3)
    assert hand_in.refused_cost(by_loops, pairs.TRIPLET, wide, limit=200) > 5 * 200
    checks.cost(by_tables, pairs.TRIPLET, wide, limit=200 / 2)
    with pytest.raises(words.CheckFailed, match="a number above 0"):
        checks.cost(lambda x, y, m: 0.0, pairs.TRIPLET, wide, limit=200)


def test_a_choice_is_noted_and_not_judged(capsys):
    checks.choice("best", 0.3, (0.1, 0.3))
    assert capsys.readouterr().out == "✓ best: 0.3 is noted\n"
    with pytest.raises(words.CheckFailed, match=r"expected: one of 0\.1, 0\.3"):
        checks.choice("best", 0.2, (0.1, 0.3))


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (None, "expected: a list of 2 rows"),
        ([{"m": 0.1, "loss": 1}], "expected: a list of 2 rows"),
        ([{"m": 0.1, "loss": 1}, {"m": 0.2}], r"table, row 1(.|\n)*a dict with \['m', 'loss'\]"),
        ([{"m": 0.2, "loss": 1}, {"m": 0.1, "loss": 1}], "table, row 0, m"),
        ([{"m": 0.1, "loss": float("nan")}, {"m": 0.2, "loss": 1}], "a number from 0 to 5"),
        ([{"m": 0.1, "loss": "1"}, {"m": 0.2, "loss": 1}], "a number from 0 to 5"),
    ],
)
def test_a_table_has_its_rows_columns_and_bounds(rows, part):
    columns = {"m": (0, 1), "loss": (0, 5)}
    checks.table(
        "table", [{"m": 0.1, "loss": 1}, {"m": 0.2, "loss": 2.0}], columns, first=(0.1, 0.2)
    )
    with pytest.raises(words.CheckFailed, match=part):
        checks.table("table", rows, columns, first=(0.1, 0.2))


# --- answers and verdicts apart ---------------------------------------------------------------


def test_what_one_kernel_answers_another_judges(tmp_path):
    twice = Exercise("twice", lambda x: 2 * x)
    numbers = [Case("three", (3.0,)), Case("four", (4.0,))]
    answers.record(tmp_path / "answers")
    checks.values(lambda x: x + x, twice, numbers)

    def never(x):
        raise AssertionError("no function is called when answers are judged")

    answers.replay(tmp_path / "answers")
    checks.values(never, twice, numbers)
    with pytest.raises(answers.NoAnswer):
        checks.values(never, twice, [Case("five", (5.0,))])


def test_wrong_answers_are_judged_wrong_where_the_student_cannot_reach(tmp_path, monkeypatch):
    answers.record(tmp_path / "answers")
    batches = [cases.batch(0)]
    with monkeypatch.context() as patch:
        patch.setattr(words, "same", lambda *a: True)  # a hand-in that patches the checker
        checks.values(lambda x, y, m: x.sum(), pairs.TRIPLET, batches)
    answers.replay(tmp_path / "answers")
    with pytest.raises(words.CheckFailed, match="expected"):
        checks.values(None, pairs.TRIPLET, batches)


def test_a_file_of_answers_may_hold_anything(tmp_path):
    path = tmp_path / "answers"
    path.write_bytes(b'["a", 1]\n\xff\xfe\n{}\n[[[[\n["b"]\n' + b"[" * 100_000 + b'\n["c", NaN]\n')
    found = answers.read(path)
    assert found["a"] == 1
    assert found.keys() == {"a", "c"}
    assert answers.read(tmp_path / "none") == {}
    with path.open("wb") as file:
        file.truncate(answers.MOST_BYTES + 1)
    assert answers.read(path) == {}


@each
def test_a_question_is_asked_once_for_each_input(name):
    """Answers are filed under the question: no two inputs may have one name."""
    seen = {}
    for exercise, batches in hand_in.asked(name, 0, hidden=True):
        for case in batches:
            assert seen.setdefault((exercise.name, case.name), case) is case
    assert len(seen) > 10
