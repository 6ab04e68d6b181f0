"""Assignment 3: its references are the library, its locks hold, wrong hand-ins get their due."""

import re

import pytest
import torch
from torch.nn.functional import normalize

import course_cases as hand_in
from course_cases import opened
from dmlviz import synthesis
from dmlviz.course import checks, clouds, novel, words

NAME = "03_novel_classes"
SEEDS = (0, 1, 7)
pytestmark = pytest.mark.usefixtures("asked_live")


@pytest.mark.parametrize("seed", SEEDS)
def test_mixtures_are_those_of_proxy_synthesis(seed):
    x, y, p, _ = novel.batch(seed).arguments
    corners = torch.eye(2, dtype=torch.float64)
    mixed = synthesis.ProxySynthesis(seed=seed)(corners, torch.arange(2), corners).proxies[0]
    lam = (mixed[0] / mixed.sum()).item()  # what it draws first
    library = synthesis.ProxySynthesis(seed=seed)(x, y, p)
    x_mixed, p_mixed = novel.mixtures(x, y, p, lam)
    torch.testing.assert_close(x_mixed, library.embeddings)
    torch.testing.assert_close(p_mixed, library.proxies)
    alone = novel.of_one_class(seed).arguments
    assert [len(z) for z in novel.mixtures(*alone)] == [0, 0]


@pytest.mark.parametrize(("n", "m"), [(6, 6), (7, 4), (1, 5)])
def test_the_distance_along_drawn_directions_is_the_librarys(n, m):
    x, y, _ = clouds.two_clouds(0, n, m).arguments
    directions = torch.randn(64, x.shape[1], generator=torch.Generator().manual_seed(3))
    library = synthesis.sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(clouds.SLICED.reference(x, y, directions), library)


def test_the_nearest_ratio_by_loops():
    v, x = clouds.with_twins(0, 4, 6).arguments
    near = sum(min((a - b).norm() for b in x) for a in v) / len(v)
    among = [min((a - x[j]).norm() for j in range(len(x)) if j != i) for i, a in enumerate(x)]
    torch.testing.assert_close(clouds.nearest_ratio(v, x), near / (sum(among) / len(x)))
    assert clouds.nearest_ratio(x[2:], x) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_references_have_gradients_and_hold_at_the_edge(seed):
    case = novel.batch(seed)
    for first, batch in ((False, case), (True, novel.swapped(case))):
        loss = novel.as_loss(novel.mixtures, proxies_first=first)
        checks.gradients(loss, opened(novel.MIXTURES), [batch])
    checks.gradients(novel.union_loss, opened(novel.UNION), [novel.union_batch(seed)])
    odd = [clouds.reordered(seed, 5), clouds.two_clouds(seed, 1, 4)]
    checks.edges(clouds.SLICED.reference, opened(clouds.SLICED), odd)
    checks.gradients(clouds.SLICED.reference, opened(clouds.SLICED), [odd[1]])


@pytest.mark.parametrize("first", [False, True])
def test_a_mixture_that_is_cut_off_is_found(first):
    def mixtures(x, y, p, lam):
        return novel.mixtures(*((x, y, p.detach()) if first else (x.detach(), y, p)), lam)

    case = novel.batch(0)
    loss = novel.as_loss(mixtures, proxies_first=first)
    with pytest.raises(words.CheckFailed, match=r"cut off from the graph|a number without one"):
        checks.gradients(loss, opened(novel.MIXTURES), [novel.swapped(case) if first else case])


def by_the_library(x, y, p, lam):
    mixed = synthesis.ProxySynthesis()(x, y, p)
    return mixed.embeddings, mixed.proxies


@pytest.mark.parametrize(
    ("function", "exercise", "case"),
    [
        (by_the_library, novel.MIXTURES, novel.batch(0)),
        (novel.union_loss, novel.UNION, novel.union_batch(0)),
        (
            lambda x, y, directions: synthesis.sliced_wasserstein(x, y),
            clouds.SLICED,
            clouds.two_clouds(0, 4, 5),
        ),
        (synthesis.spread_ratio, clouds.SPREAD, clouds.two_sets(0)),
    ],
)
def test_the_librarys_own_function_is_locked(function, exercise, case):
    with pytest.raises(words.CheckFailed, match="write the formula yourself"):
        checks.values(function, exercise, [case])
    function(*case.arguments)  # and open again


def test_two_loops_cost_too_much_and_tables_do_not():
    def by_loops(v, x):
        near = [min((a - b).norm() for b in x) for a in v]
        among = [min((x[i] - x[j]).norm() for j in range(len(x)) if j != i) for i in range(len(x))]
        return sum(near) / len(near) / (sum(among) / len(among))

    many = clouds.with_twins(0, 150, 120, dimension=16)
    assert hand_in.refused_cost(by_loops, clouds.NEAREST, many, limit=100) > 5 * 100
    space = {"torch": torch}
    exec(hand_in.right("a3-nearest", of=NAME)["a3-nearest"], space)
    checks.cost(space["nearest_ratio"], clouds.NEAREST, many, limit=100 / 2)


def test_the_model_answers_quote_the_outputs():
    cells = {hand_in.grade_id(c): c for c in hand_in.read(hand_in.instructors(NAME)).cells}

    def figures(cell):  # a list of dicts, row by row
        text = "".join(output.text for output in cells[cell].outputs)
        rows = [re.findall(r"(\w+) +(\d[\d.]*)", line) for line in text.splitlines()]
        return [{name: float(value) for name, value in row} for row in rows]

    few, _, some, many = figures("a3-run")
    gaps = [row["new"] - row["own"] for row in (few, many)]
    near = [few["own"], some["own"], many["own"], few["new"], many["new"], *gaps]
    real, taught, untaught, carried, copies = figures("a3-figures")
    quoted = {
        "a3-gap": [f"{value:.4f}" for value in [*near, real["distance"]]],
        "a3-accuracy": [f"{row['accuracy'] * 100:.0f} %" for row in (taught, untaught, carried)]
        + [f"{untaught['spread']:.2f}", f"{carried['spread']:.2f}", f"{untaught['distance']:.4f}"]
        + [f"{copies['accuracy'] * 100:.0f} %", f"{real['accuracy'] * 100:.1f} %"],
        "a3-copies": [f"{row['distance']:.4f}" for row in (copies, real)]
        + [f"{copies['spread']:.2f}", f"{real['nearest']:.2f}", f"{taught['nearest']:.2f}"],
    }
    for cell, numbers in quoted.items():
        for number in numbers:
            assert number in cells[cell].source


# --- whole hand-ins ---------------------------------------------------------------------------

ALL = 76  # points that are decided without a person
ROLL = """
def mixtures(x, y, p, lam):
    j = torch.arange(len(y)).roll(-1)
    x, p = normalize(x), normalize(p)
    return normalize(lam * x + (1 - lam) * x[j]), normalize(lam * p[y] + (1 - lam) * p[y[j]])
"""
DIAGONAL = """
def nearest_ratio(v, x):
    near, among = ((z[:, None] - x[None, :]).norm(dim=2).amin(dim=1).mean() for z in (v, x))
    return near / among
"""


def changed(cell, *replacements):
    """The right source of a cell, with a slip."""
    source = hand_in.right(cell, of=NAME)[cell]
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    return {cell: source}


def wrong_hand_ins():
    """Three students who know the idea: lengths, pairs and sizes, gradients and means go wrong."""
    right = {
        hand_in.grade_id(cell): cell.source
        for cell in hand_in.read(hand_in.instructors(NAME)).cells
        if cell.cell_type == "code" and cell.metadata.nbgrader.solution
    }
    repeated = "a.repeat_interleave(len(b), 0) - b.repeat_interleave(len(a), 0)"
    lengths = (
        changed("a3-mixtures", ("x_mixed = normalize(lam * x + (1 - lam) * x[j])",
                                "x_mixed = lam * x + (1 - lam) * x[j]"),
                ("normalize(lam * p[y] + (1 - lam) * p[y[j]])", "lam * p[y] + (1 - lam) * p[y[j]]"))
        | changed("a3-sliced", ("normalize(directions)", "directions"))
        | changed("a3-spread", ("    v = normalize(v)\n", ""))
    )  # fmt: skip
    pairs = (
        {"a3-mixtures": ROLL, "a3-nearest": DIAGONAL}
        | changed("a3-union", ("len(p) + torch.arange(len(x_mixed))", "y"))
        | changed("a3-sliced", (repeated, "a[:len(b)] - b[:len(a)]"))
    )
    means = (
        changed("a3-mixtures", ("(1 - lam) * x[j]", "(1 - lam) * x[j].detach()"))
        | changed("a3-sliced", (".square().mean()", ".square().mean().sqrt()"))
        | changed("a3-spread", ("torch.stack([own.var(dim=0).sum() for own in classes]).mean()",
            "sum(own.var(dim=0).sum() * (len(own) - 1) for own in classes)"
            " / sum(len(own) - 1 for own in classes)"))
        | changed("a3-sweep", ("own, new = learn(n)", "new, own = learn(n)"))
    )  # fmt: skip
    return {
        name: hand_in.answered(right | slips, NAME)
        for name, slips in {"lengths": lengths, "pairs": pairs, "means": means}.items()
    }


@pytest.fixture(scope="module")
def graded(tmp_path_factory, glyph_root):
    pytest.importorskip("nbgrader", reason="the extra [course]")
    return hand_in.grade(NAME, wrong_hand_ins(), tmp_path_factory.mktemp("novel"), glyph_root)


@pytest.mark.slow
def test_the_instructors_copy_earns_every_point_and_the_students_none(graded):
    hand_in.check_right_and_untouched(graded[0], NAME)
    assert graded[0]["right"]["total"] == str(ALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points", "words"),
    [
        (
            "lengths",
            ALL - 10 - 10 - 8,
            ["scale them again", "the directions are not of length 1", "vectors are not of length"],
        ),
        (
            "pairs",
            6 + 8 + 2 + 4,  # an infinite ratio is no figure for the sweep and its table either
            ["mixed with itself", "class of its own, C + i", "is left out", "leave the diagonal"],
        ),
        (
            "means",
            ALL - 6 - 10 - 6 - 8 - 6,
            ["cut off from the graph", "a root too many", "all vectors count alike", "swapped"],
        ),
    ],
)
def test_a_wrong_hand_in_gets_its_due_and_the_mistake_named(graded, name, points, words):
    rows, pages = graded
    assert rows[name]["total"] == str(points)
    for part in words:
        assert part in pages[name]


def test_scales_of_generated_vectors_do_not_matter_to_the_spread():
    v, y, x, z = clouds.two_sets(0).arguments
    space = {"torch": torch, "normalize": normalize}
    exec(hand_in.right("a3-spread", of=NAME)["a3-spread"], space)
    torch.testing.assert_close(
        space["spread_ratio"](3 * v, y, x, z).item(), synthesis.spread_ratio(v, y, x, z)
    )
