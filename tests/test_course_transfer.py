"""Assignment 4: what its checks say of slips, and what whole hand-ins with them are worth."""

import re

import pytest
import torch

import course_cases as hand_in
from course_cases import opened
from dmlviz import losses
from dmlviz.course import checks, transfer, transfer_sweep, words

NAME = "04_transfer"
SEEDS = (0, 1, 7)
pytestmark = pytest.mark.usefixtures("asked_live")


def failing(check, function, exercise, batches):
    with pytest.raises(words.CheckFailed) as failure:
        check(function, opened(exercise), batches)
    return " ".join(str(failure.value).split())


@pytest.mark.parametrize("seed", SEEDS)
def test_references_pass_what_the_notebook_asks_beside_values(seed):
    distances = opened(transfer.DISTANCES)
    checks.values(distances.reference, distances, map_target(transfer.odd(seed)[:3]))
    squares = transfer.squares(distances.reference)
    checks.gradients(squares, distances, map_target([transfer.batch(seed)]))
    loss = opened(transfer.LOSS)
    checks.edges(loss.reference, loss, transfer.odd(seed))
    checks.gradients(loss.reference, loss, [transfer.batch(seed)])
    to_source = opened(transfer.TO_SOURCE)
    checks.values(to_source.reference, to_source, [transfer.batch(seed)])


def map_target(cases):
    return [transfer.target_of(case) for case in cases]


def with_constant_mean(target):
    d = torch.cdist(target, target)
    return d / d.mean(dim=1, keepdim=True).detach()


def test_a_mean_without_gradient_is_found():
    """The values are right; only the gradient is not."""
    batches = map_target([transfer.batch(0)])
    checks.values(with_constant_mean, opened(transfer.DISTANCES), batches)
    squares = transfer.squares(with_constant_mean)
    message = failing(checks.gradients, squares, transfer.DISTANCES, batches)
    assert "cut off from the graph" in message


def test_a_division_by_the_mean_of_a_collapsed_row_is_found():
    def unguarded(target):
        d = torch.cdist(target, target)
        return d / d.mean(dim=1, keepdim=True)

    batches = map_target(transfer.odd(0)[:3])
    assert "is 0 divided by 0" in failing(checks.values, unguarded, transfer.DISTANCES, batches)


def test_a_gradient_to_the_source_is_named():
    ((mistake, wrong),) = transfer.TO_SOURCE.mistakes.items()
    message = failing(checks.values, wrong, transfer.TO_SOURCE, [transfer.batch(0)])
    assert "the source is frozen" in mistake
    assert mistake in message


def test_means_of_columns_give_the_same_loss():
    """So this mistake in a part is none in the whole; the notebook asks why."""
    column = transfer.DISTANCES.mistakes[transfer.COLUMN]
    target, source, sigma, delta = transfer.batch(3).arguments
    w, d = losses.relaxed_labels(source, sigma), column(target)
    assert not torch.allclose(d, losses.relative_distances(target))
    loss = (w * d**2 + (1 - w) * (delta - d).relu() ** 2).sum() / len(target)
    torch.testing.assert_close(loss, losses.relaxed_contrastive(target, source, sigma, delta))
    assert transfer.COLUMN not in transfer.LOSS.mistakes


@pytest.mark.parametrize(
    ("exercise", "case"),
    [
        (transfer.LABELS, transfer.source_of(transfer.batch(0))),
        (transfer.DISTANCES, transfer.target_of(transfer.batch(0))),
        (transfer.LOSS, transfer.batch(0)),
    ],
)
def test_the_librarys_own_parts_are_locked_while_a_student_is_asked(exercise, case):
    with pytest.raises(words.CheckFailed, match="write the formula yourself"):
        checks.values(exercise.reference, exercise, [case])
    exercise.reference(*case.arguments)  # and open again


def test_neighbours_are_kept_by_a_space_that_is_only_larger():
    _, x, k = transfer_sweep.spaces(0).arguments
    assert transfer_sweep.kept(1 + 7 * x, x, k) == 1
    draw = torch.Generator().manual_seed(0)
    other = torch.randn(200, 3, generator=draw), torch.randn(200, 3, generator=draw)
    assert transfer_sweep.kept(*other, 10) < 0.1  # 10 of 199 by chance


def test_the_model_answers_quote_the_table():
    """All numbers of three digits in them are of the instructor's own run."""
    cells = {hand_in.grade_id(cell): cell for cell in hand_in.read(hand_in.instructors(NAME)).cells}
    shown = "".join(output.text for output in cells["a4-run"].outputs).split()
    quoted = [
        number
        for cell in cells.values()
        if cell.cell_type == "markdown"
        for number in re.findall(r"\d+\.\d{3}\b", cell.source)
    ]
    assert len(quoted) > 10
    assert set(quoted) <= set(shown)
    lesson = (hand_in.ASSIGNMENTS.parent / "04_embedding_transfer.ipynb").read_text()
    assert re.search(r"as it is: +27\.6 %", lesson)
    assert re.search(r"row mean detached: +0\.7 %", lesson)


# --- whole hand-ins ---------------------------------------------------------------------------

LABELS = """
def relaxed_labels(source, sigma):
    f = torch.nn.functional.normalize(source.detach())
    return torch.exp(-torch.cdist(f, f).square() / sigma)
"""
DISTANCES = """
def relative_distances(target):
    d = torch.cdist(target, target)
    return d / d.mean(dim=1, keepdim=True).clamp_min(1e-12)
"""
LOSS = """
def relaxed_contrastive(target, source, sigma, delta):
    w, d = relaxed_labels(source, sigma), relative_distances(target)
    return (w * d.square() + (1 - w) * (delta - d).relu().square()).sum() / len(target)
"""
GRADIENTS = {  # every value is right; the gradient stops where it should flow, and the reverse
    "a4-labels": LABELS.replace(".detach()", ""),
    "a4-distances": DISTANCES.replace(".clamp_min", ".detach().clamp_min"),
    "a4-loss": LOSS,
}
CARELESS = {
    "a4-labels": LABELS.replace(".square()", ""),
    "a4-distances": DISTANCES.replace(", keepdim=True", ""),
    "a4-loss": LOSS.replace(".sum() / len(target)", ".mean()"),
    "a4-spread": "def spread(x, sigma):\n    return losses.relaxed_labels(x, sigma).std()\n",
}
LOOPS = {
    "a4-labels": LABELS,
    "a4-distances": DISTANCES.replace(".clamp_min(1e-12)", ""),
    "a4-loss": """
def relaxed_contrastive(target, source, sigma, delta):
    w, d, loss = relaxed_labels(source, sigma), relative_distances(target), 0
    for i in range(len(target)):
        for j in range(len(target)):
            if i != j:
                loss = loss + w[i, j] * d[i, j] ** 2 + (1 - w[i, j]) * (delta - d[i, j]).relu() ** 2
    return loss / len(target)
""",
    "a4-kept": """
def kept(z, x, k):
    near = [torch.cdist(s, s).topk(k, largest=False).indices.tolist() for s in (z, x)]
    return sum(len(set(a) & set(b)) for a, b in zip(*near)) / (k * len(x))
""",
}  # fmt: skip


SOURCE = {  # one slip only: the source learns, too
    "a4-labels": LABELS.replace(".detach()", ""),
    "a4-distances": DISTANCES,
    "a4-loss": LOSS,
}


def test_two_loops_cost_too_much_by_far_and_tables_do_not():
    space = {"torch": torch}
    for cell in (LABELS, DISTANCES, LOSS):
        exec(cell, space)
    many = transfer.batch(30, n=128)
    checks.cost(space["relaxed_contrastive"], transfer.LOSS, many, limit=200 / 2)
    exec(LOOPS["a4-loss"], space)
    by_loops = space["relaxed_contrastive"]
    assert hand_in.refused_cost(by_loops, transfer.LOSS, many, limit=200) > 5 * 200


@pytest.fixture(scope="module")
def graded(tmp_path_factory, glyph_root):
    """The table and the pages of a class."""
    pytest.importorskip("nbgrader", reason="the extra [course]")
    wrong = {"gradients": GRADIENTS, "source": SOURCE, "careless": CARELESS, "loops": LOOPS}
    hand_ins = {name: hand_in.answered(cells, NAME) for name, cells in wrong.items()}
    return hand_in.grade(NAME, hand_ins, tmp_path_factory.mktemp("course"), glyph_root)


@pytest.mark.slow
def test_the_instructors_copy_earns_every_point_and_the_students_none(graded):
    hand_in.check_right_and_untouched(graded[0], NAME)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points", "said"),
    [
        (
            "gradients",
            {"labels-values": 10, "distances-values": 8, "loss-values": 12, "cost": 4},
            ["cut off from the graph"],
        ),
        (
            "source",
            {
                "labels-values": 10,
                "distances-values": 8,
                "distances-edges": 6,
                "loss-values": 12,
                "cost": 4,
            },
            ["the source is frozen, and its labels are constants: use source.detach()"],
        ),
        (
            "careless",
            {"loss-edges": 10, "cost": 4},
            ["the distance is not squared", "by keepdim=True", "the diagonal is among"],
        ),
        (
            "loops",
            {"labels-values": 10, "distances-values": 8, "loss-values": 12},
            ["is 0 divided by 0", "loops over the points", "taken for its own neighbour"],
        ),
    ],
)
def test_a_wrong_solution_gets_its_due_and_the_mistake_named(graded, name, points, said):
    rows, pages = graded
    earned = {cell: int(rows[name][f"a4-{cell}"]) for cell in points}
    assert earned == points
    assert rows[name]["total"] == str(sum(points.values()))
    for part in said:
        assert part in pages[name]
