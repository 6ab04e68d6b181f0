"""Assignment 5: its references at the edge, its costs, and wrong solutions as whole hand-ins."""

import re

import pytest
import torch

import course_cases as hand_in
from course_cases import opened
from dmlviz.course import checks, graded, log_ratio, words

NAME = "05_log_ratio"
LOG_RATIO, NEAR_FAR, NDCG = (f"a5-{name}" for name in ("log-ratio", "near-far", "ndcg"))
RIGHT = hand_in.right(LOG_RATIO, NEAR_FAR, NDCG, of=NAME)

TABLE = """
def log_ratio_loss(z, r):
    n = len(z)
    other = ~torch.eye(n, dtype=torch.bool)
    e = (torch.cdist(z, z)[other].log() - r[other].log()).view(n, n - 1)
    return (e[:, :, None] - e[:, None, :]).square().sum() / (n * (n - 1) * (n - 2))
"""
LOOPS = """
def log_ratio_loss(z, r):
    terms = []
    for a in range(len(z)):
        for i in range(len(z)):
            for j in range(i):
                if a not in (i, j):
                    d_i, d_j = (z[a] - z[i]).norm(), (z[a] - z[j]).norm()
                    terms.append(((d_i / d_j).log() - (r[a, i] / r[a, j]).log()) ** 2)
    return torch.stack(terms).mean()
"""


def changed(cell, right, wrong):
    """The solution of a cell with one expression replaced."""
    assert RIGHT[cell].count(right) == 1
    return {cell: RIGHT[cell].replace(right, wrong)}


def helpers():
    """What the right near_far_loss needs of the cell above it."""
    return RIGHT[LOG_RATIO].split("\n\n\n")[-1]


MIXED = (
    changed(LOG_RATIO, "torch.cdist(z, z).clamp_min", "2 * torch.cdist(z, z).clamp_min")
    | {NEAR_FAR: RIGHT[NEAR_FAR]}
    | changed(NDCG, "r.masked_fill(me, torch.inf).sort(dim=1).values[:, :k]",
              "found.sort(dim=1).values")
)  # fmt: skip
OFF_BY_ONE = (
    changed(LOG_RATIO, "max(m * (m - 1), 1)", "max(m * m, 1)")
    | changed(NEAR_FAR, "r.masked_fill(~other, torch.inf)", "r")
    | changed(NDCG, "torch.arange(k, dtype=r.dtype) + 2", "torch.arange(k, dtype=r.dtype) + 3")
)
CUBIC = (
    {LOG_RATIO: "FLOOR = 1e-9\n\n" + TABLE + "\n\n" + helpers(), NEAR_FAR: RIGHT[NEAR_FAR]}
    | changed(NDCG, "farthest = r.argsort(dim=1, descending=True)",
              "farthest = torch.arange(len(z)).expand(len(z), -1)")
)  # fmt: skip


def function(source, name="log_ratio_loss"):
    space = {"torch": torch}
    exec(source, space)
    return space[name]


def test_the_tables_that_mistakes_are_made_from_are_right():
    for seed in range(5):
        x, r, k = log_ratio.batch(seed, k=3).arguments
        e = log_ratio.rows(x, r)
        order = log_ratio.rows(x, r, 0, -1).argsort(dim=1)
        near, far = e.gather(1, order).split([k, e.shape[1] - k], dim=1)
        spread = log_ratio.within(near, far) + log_ratio.between(near, far)
        for came, expected in {
            log_ratio.twice_variance(e): log_ratio.LOG_RATIO.reference(x, r),
            log_ratio.across(near, far): log_ratio.NEAR_FAR.reference(x, r, k),
            spread: log_ratio.NEAR_FAR.reference(x, r, k),
        }.items():
            torch.testing.assert_close(came, expected)
        of = [graded.RIGHT(query) for query in graded.queries(x, r, k)]
        assert sum(of).item() / len(of) == pytest.approx(graded.NDCG.reference(x, r, k))


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize("k", [None, 2])
def test_references_are_well_behaved_at_the_edge(seed, k):
    exercise = opened(log_ratio.LOG_RATIO if k is None else log_ratio.NEAR_FAR)
    odd = [log_ratio.batch(seed, n=n, k=k) for n in (1, 2, 3)] + [log_ratio.collapsed(seed, k=k)]
    odd += [log_ratio.twice(seed, what, k=k) for what in ("points", "labels")]
    checks.edges(exercise.reference, exercise, odd)
    checks.gradients(exercise.reference, exercise, [log_ratio.batch(seed, k=k)])


def test_loops_and_tables_of_triplets_cost_too_much_and_the_solution_does_not():
    exercise = opened(log_ratio.LOG_RATIO)
    few, many = (log_ratio.batch(0, n=n, dimension=16) for n in (32, 400))
    assert hand_in.refused_cost(function(LOOPS), exercise, few, limit=200) > 5 * 200
    with pytest.raises(words.CheckFailed, match=r"at most 40 times(.|\n)*a table"):
        checks.cost(function(TABLE), exercise, many, limit=40, hint="a table")
    checks.cost(function(RIGHT[LOG_RATIO]), exercise, many, limit=10)


@pytest.mark.parametrize(
    ("exercise", "case"),
    [
        (log_ratio.LOG_RATIO, log_ratio.batch(0)),
        (log_ratio.NEAR_FAR, log_ratio.batch(0, k=2)),
        (graded.NDCG, log_ratio.batch(0, k=2)),
    ],
)
def test_the_library_is_locked_while_a_student_is_asked(exercise, case):
    with pytest.raises(words.CheckFailed, match="write the formula yourself"):
        checks.values(exercise.reference, exercise, [case])
    exercise.reference(*case.arguments)  # and open again


def test_the_model_answers_quote_the_outputs():
    """Numbers of three digits are in the table, or what is left of two of its numbers."""
    cells = {hand_in.grade_id(c): c for c in hand_in.read(hand_in.instructors(NAME)).cells}
    text = "".join(output.text for output in cells["a5-run"].outputs)
    table = {
        name: [float(number) for number in numbers]
        for name, *numbers in re.findall(
            r"(s = [\d.]+|\w+) +loss +(\S+) +explained +(\S+) +ndcg +(\S+)", text
        )
    }
    shown = {abs(number) for row in table.values() for number in row}
    start = table["untrained"][2]
    shown |= {row[2] - start for row in table.values()}
    shown |= {table[f"s = {s}"][0] - 2 * s**2 for s in (0.0, 0.5, 1.0, 2.0)}
    answers = "".join(c.source for c in cells.values() if c.cell_type == "markdown")
    quoted = re.findall(r"\d\.\d{3}\b", answers)
    assert len(quoted) > 10
    assert set(quoted) <= {f"{number:.3f}" for number in shown}


@pytest.fixture(scope="module")
def class_(tmp_path_factory, glyph_root):
    pytest.importorskip("nbgrader", reason="the extra [course]")
    wrong = {"mixed": MIXED, "off_by_one": OFF_BY_ONE, "cubic": CUBIC}
    notebooks = {name: hand_in.answered(cells, NAME) for name, cells in wrong.items()}
    return hand_in.grade(NAME, notebooks, tmp_path_factory.mktemp("course"), glyph_root)


@pytest.mark.slow
def test_the_instructors_copy_earns_every_point_and_the_students_none(class_):
    hand_in.check_right_and_untouched(class_[0], NAME)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points", "words"),
    [
        (
            "mixed",
            8 + 6 + 8,  # both edges, costs
            [
                "that asks for d² in proportion to r",
                "those of the labels are not: take both plain",
                "the ideal list holds only the k that were found",
            ],
        ),
        (
            "off_by_one",
            8 + 8,  # where nothing is far one is taken for far
            [
                "m² pairs instead of m (m - 1)",
                "the anchor is one of its own k nearest",
                "0, for nothing counts here",
                "ranks begin at 1",
            ],
        ),
        (
            "cubic",
            10 + 12 + 6 + 10,  # the values, and all of near_far_loss
            [
                "divide by at least 1; and log 0 is minus infinity",
                "is there a table of all (a, i, j)",
                "equally near points stand in the order of their numbers",
            ],
        ),
    ],
)
def test_a_wrong_solution_gets_its_due_and_the_mistake_named(class_, name, points, words):
    rows, pages = class_
    assert rows[name]["total"] == str(points)
    for part in words:
        assert part in pages[name]
