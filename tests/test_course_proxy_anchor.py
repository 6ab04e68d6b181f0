"""Assignment 2: its references, its checks, and what wrong hand-ins get for which mistakes."""

import re

import pytest
import torch
import torch.nn.functional as F

import course_cases as hand_in
from course_cases import opened
from dmlviz.course import checks, proxy_anchor, proxy_gradients, words, wrong_labels
from dmlviz.geometry import normalize

NAME = "02_proxy_anchor"
SEEDS = (0, 1, 7)


# --- references and checks --------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [2.0, 16.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_two_gradients_agree_with_autograd_and_with_each_other(seed, alpha):
    case = proxy_anchor.batch(seed, alpha=alpha, delta=0.2)
    s, y, delta, alpha = proxy_gradients.similarities(case).arguments
    s.requires_grad_()
    positive = F.one_hot(y, s.shape[1]).bool()
    pull = torch.where(positive, (-alpha * (s - delta)).exp(), 0).sum(dim=0)
    push = torch.where(positive, 0, (alpha * (s + delta)).exp()).sum(dim=0)
    loss = (1 + pull).log().sum() / len(y.unique()) + (1 + push).log().mean()
    torch.testing.assert_close(loss, proxy_anchor.PROXY_ANCHOR.reference(*case.arguments))
    (expected,) = torch.autograd.grad(loss, s)
    g = proxy_gradients.similarity_gradient(s.detach(), y, delta, alpha)
    torch.testing.assert_close(g, expected)

    x, _, p, _, _ = case.arguments
    along = g @ normalize(p)
    across = along - (along * normalize(x)).sum(dim=1, keepdim=True) * normalize(x)
    found = proxy_gradients.embedding_gradient(x, y, p, delta, alpha)
    torch.testing.assert_close(found, across / x.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_well_behaved_at_the_edge(seed):
    exercise, batch = opened(proxy_anchor.PROXY_ANCHOR), proxy_anchor.batch
    odd = [batch(seed, images=1, classes=1), batch(seed, classes=1), batch(seed, absent=0)]
    checks.edges(exercise.reference, exercise, odd)
    checks.gradients(exercise.reference, exercise, odd)
    turned = [proxy_anchor.proxies_first(case) for case in odd]
    checks.gradients(proxy_anchor.OF_PROXIES.reference, opened(proxy_anchor.OF_PROXIES), turned)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_overflow_is_named_in_the_loss_and_in_the_gradient(seed):
    large = [proxy_anchor.batch(seed, alpha=3000.0)]
    exercise = opened(proxy_anchor.LARGE_ALPHA)
    checks.values(exercise.reference, exercise, large)
    with pytest.raises(words.CheckFailed, match=r"came: +inf") as failure:
        checks.values(exercise.mistakes[proxy_anchor.OVERFLOW], exercise, large)
    assert proxy_anchor.OVERFLOW in " ".join(str(failure.value).split())

    checks.gradients(exercise.reference, exercise, large)

    large = [proxy_gradients.similarities(case) for case in large]
    exercise = opened(proxy_gradients.LARGE_ALPHA)
    checks.values(proxy_gradients.similarity_gradient, exercise, large)
    space = {"torch": torch, "F": F}
    exec(NAIVE["a2-slope"], space)
    with pytest.raises(words.CheckFailed, match=r"came: +nan") as failure:
        checks.values(space["similarity_gradient"], exercise, large)
    assert proxy_gradients.OVERFLOW in " ".join(str(failure.value).split())


def test_what_fits_no_mistake_is_told_to_compare_with_autograd():
    batches = [proxy_gradients.similarities(proxy_anchor.batch(seed)) for seed in SEEDS]
    for odd, hint in ((1.0, "torch.autograd.grad of your loss"), (torch.nan, "nan is no number")):
        with pytest.raises(words.CheckFailed) as failure:
            checks.values(lambda s, *_, odd=odd: s + odd, opened(proxy_gradients.GRADIENT), batches)
        assert hint in " ".join(str(failure.value).split())


def test_a_right_table_is_lent_and_taken_back():
    """Also where the function fails, and where the notebook has no such name."""
    space = {}
    exec("def borrows(fail): return 1 / fail, similarity_gradient, wrong_share", space)
    before = dict(space) | {"similarity_gradient": "own"}
    space["similarity_gradient"] = "own"
    lent = proxy_gradients.lent(space["borrows"], wrong_share="right")
    assert lent(1) == (1, proxy_gradients.similarity_gradient, "right")
    with pytest.raises(ZeroDivisionError):
        lent(0)
    del space["__builtins__"], before["__builtins__"]
    assert space == before


def test_a_gradient_of_the_proxies_that_was_cut_off_is_found():
    def cut(p, x, y, delta, alpha):
        return proxy_anchor.OF_PROXIES.reference(p.detach(), x, y, delta, alpha)

    batches = [proxy_anchor.proxies_first(proxy_anchor.batch(0))]
    with pytest.raises(words.CheckFailed, match="a number without one"):
        checks.gradients(cut, opened(proxy_anchor.OF_PROXIES), batches)


def test_autograd_is_off_where_a_gradient_is_wanted_by_hand():
    batches = [proxy_anchor.batch(0)]
    reference = proxy_gradients.embedding_gradient  # it takes autograd
    exercise = opened(proxy_gradients.EMBEDDING_GRADIENT)
    with pytest.raises(words.CheckFailed, match="autograd is off here: write the derivative"):
        checks.values(proxy_gradients.no_autograd(reference), exercise, batches)

    def unwritten(*arguments):
        raise NotImplementedError

    with pytest.raises(words.CheckFailed, match="is not written yet"):
        checks.values(proxy_gradients.no_autograd(unwritten), exercise, batches)


def test_where_all_similarities_are_alike_wrong_labels_get_their_share():
    wrong = torch.tensor([True, False, False, False])
    s, y = torch.full((4, 2), 0.3), torch.tensor([0, 0, 1, 1])
    assert wrong_labels.WRONG_SHARE.reference(s, y, wrong, 0.1, 8.0) == pytest.approx(0.25)
    s[0, 0] = -0.3  # a wrong label: far from its proxy
    assert wrong_labels.WRONG_SHARE.reference(s, y, wrong, 0.1, 8.0) > 0.5


def test_the_model_answers_quote_the_table():
    """Every number with three decimals is in an output; every "… points" a difference of two."""
    notebook = hand_in.read(hand_in.instructors(NAME))
    outputs, answers = "", ""
    for cell in notebook.cells:
        outputs += "".join(o.get("text", "") for o in cell.get("outputs", []))
        if cell.cell_type == "markdown" and hand_in.grade_id(cell):
            answers += cell.source.split("**Rubric**")[0]
    quoted = re.findall(r"\d\.\d{3}\b", answers)
    assert len(quoted) > 10
    assert set(quoted) <= set(re.findall(r"\d\.\d{3}\b", outputs))
    rows = re.findall(r"clean +(\d\.\d+) +noisy +(\d\.\d+)", outputs)
    costs = {f"{100 * (float(clean) - float(noisy)):.1f}" for clean, noisy in rows}
    assert len(rows) == 5
    assert set(re.findall(r"(\d\.\d) points", answers)) == costs


# --- a class, graded --------------------------------------------------------------------------

SIMILARITIES = """
    s = F.normalize(x) @ F.normalize(p).T
    positive = F.one_hot(y, len(p)).bool()
"""
LOSS = "def proxy_anchor(x, y, p, delta, alpha):" + SIMILARITIES
SLOPE = """def similarity_gradient(s, y, delta, alpha):
    positive = F.one_hot(y, s.shape[1]).bool()
    pull = torch.where(positive, (-alpha * (s - delta)).exp(), 0)
    push = torch.where(positive, 0, (alpha * (s + delta)).exp())
    pull, push = pull / (1 + pull.sum(dim=0)), push / (1 + push.sum(dim=0))
"""
NAIVE = {  # right, but for the overflow
    "a2-anchor": LOSS
    + "    pull = torch.where(positive, (-alpha * (s - delta)).exp(), 0).sum(dim=0)\n"
    + "    push = torch.where(positive, 0, (alpha * (s + delta)).exp()).sum(dim=0)\n"
    + "    return (1 + pull).log().sum() / len(y.unique()) + (1 + push).log().mean()\n",
    "a2-slope": SLOPE + "    return alpha * (push / s.shape[1] - pull / len(y.unique()))\n",
    **hand_in.right("a2-chain", of=NAME),
}
CARELESS = {  # |P| in both parts, and no tangent
    "a2-anchor": LOSS
    + "    pull = (-alpha * (s - delta)).masked_fill(~positive, -torch.inf).logsumexp(dim=0)\n"
    + "    push = (alpha * (s + delta)).masked_fill(positive, -torch.inf).logsumexp(dim=0)\n"
    + "    return F.softplus(pull).mean() + F.softplus(push).mean()\n",
    "a2-slope": SLOPE + "    return alpha * (push - pull) / s.shape[1]\n",
    "a2-chain": "def embedding_gradient(x, y, p, delta, alpha):"
    + SIMILARITIES
    + "    pull = torch.where(positive, (-alpha * (s - delta)).exp(), 0)\n"
    + "    push = torch.where(positive, 0, (alpha * (s + delta)).exp())\n"
    + "    pull = pull / (1 + pull.sum(dim=0)) / len(y.unique())\n"
    + "    push = push / (1 + push.sum(dim=0)) / len(p)\n"
    + "    return alpha * (push - pull) @ F.normalize(p) / x.norm(dim=1, keepdim=True)\n",
    **hand_in.right("a2-share", of=NAME),
}
SHORTCUTS = {  # loops over all pairs, autograd, the library
    "a2-anchor": """
def proxy_anchor(x, y, p, delta, alpha):
    pull, push, present = [], [], 0
    for c in range(len(p)):
        near, far = [torch.zeros((), dtype=x.dtype)], [torch.zeros((), dtype=x.dtype)]
        for i in range(len(y)):
            s = x[i] @ p[c] / x[i].norm() / p[c].norm()
            if y[i] == c:
                near.append(-alpha * (s - delta))
            else:
                far.append(alpha * (s + delta))
        present += len(near) > 1
        pull.append(torch.stack(near).logsumexp(dim=0))
        push.append(torch.stack(far).logsumexp(dim=0))
    return sum(pull) / present + sum(push) / len(p)
""",
    "a2-slope": """
def similarity_gradient(s, y, delta, alpha):
    s = s.clone().requires_grad_()
    positive = F.one_hot(y, s.shape[1]).bool()
    pull = torch.where(positive, (-alpha * (s - delta)).exp(), 0).sum(dim=0)
    push = torch.where(positive, 0, (alpha * (s + delta)).exp()).sum(dim=0)
    loss = (1 + pull).log().sum() / len(y.unique()) + (1 + push).log().mean()
    return torch.autograd.grad(loss, s)[0]
""",
    "a2-chain": """
def embedding_gradient(x, y, p, delta, alpha):
    return losses.proxy_anchor(x, y, p, delta, alpha)
""",
}
SLIP = {  # no "1 +" in the table: what comes later is right, and is asked with a right table
    "a2-slope": SLOPE.replace("1 + ", "")
    + "    return alpha * (push / s.shape[1] - pull / len(y.unique()))\n",
    **hand_in.right("a2-chain", "a2-prediction", "a2-share", "a2-sweep", of=NAME),
}
DUE = {
    "naive": (6 + 10 + 4 + 12 + 10, ["e^z overflows to infinity", "torch.softmax divides"]),
    "slip": (
        10 + 2 + 4 + 6 + 4,
        ["the “1 +” is missing below the fraction, and a proxy without positives"],
    ),
    "careless": (
        10 + 4 + 4,  # edges, time, and a share, from which the divisor cancels
        ["the first part is divided by |P|", "the positives are divided by |P|", "part along x is"],
    ),
    "shortcuts": (
        6 + 10 + 12,
        ["loops over the points", "autograd is off here", "that is the library&#x27;s own"],
    ),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, glyph_root):
    pytest.importorskip("nbgrader", reason="the extra [course]")
    wrong = {"naive": NAIVE, "slip": SLIP, "careless": CARELESS, "shortcuts": SHORTCUTS}
    wrong = {student: hand_in.answered(cells, NAME) for student, cells in wrong.items()}
    return hand_in.grade(NAME, wrong, tmp_path_factory.mktemp("course"), glyph_root)


@pytest.mark.slow
def test_the_instructors_copy_earns_every_point_and_the_students_none(graded):
    hand_in.check_right_and_untouched(graded[0], NAME)


@pytest.mark.slow
@pytest.mark.parametrize("name", DUE)
def test_a_wrong_solution_gets_its_due_and_the_mistake_named(graded, name):
    rows, pages = graded
    points, mistakes = DUE[name]
    assert rows[name]["total"] == str(points)
    for mistake in mistakes:
        assert mistake in pages[name]
