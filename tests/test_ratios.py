"""Losses of continuous labels: against double loops, golden vectors and the paper's gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlviz import losses
from dmlviz.geometry import normalize


def batch(seed, n=7, size=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, size, generator=generator, dtype=torch.float64)
    labels = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    return x, torch.cdist(labels, labels)


# --- naive forms: loops over anchors and pairs ------------------------------------------------


def naive_log_ratio(x, r, anchors, positives=None):
    total = 0
    for a in anchors:
        others = sorted((i for i in range(len(x)) if i != a), key=lambda i: r[a, i].item())
        terms = []
        for rank, i in enumerate(others):
            for other_rank, j in enumerate(others):
                across = positives is None or rank < positives <= other_rank
                if rank < other_rank and across:
                    d_i, d_j = (x[a] - x[i]).norm(), (x[a] - x[j]).norm()
                    terms.append(((d_i / d_j).log() - (r[a, i] / r[a, j]).log()) ** 2)
        total = total + sum(terms) / len(terms)
    return total / len(anchors)


def naive_dense_triplet(x, r, anchors, margin):
    means = []
    for a in anchors:
        terms = []
        for i in range(len(x)):
            for j in range(len(x)):
                if a not in (i, j) and r[a, i] < r[a, j]:
                    d_i, d_j = (x[a] - x[i]).square().sum(), (x[a] - x[j]).square().sum()
                    terms.append((d_i - d_j + margin).clamp_min(0))
        if terms:
            means.append(sum(terms) / len(terms))
    return sum(means) / len(means) if means else x.sum() * 0


def naive_binary_triplet(x, r, anchors, margin, positives):
    means = []
    for a in anchors:
        others = sorted((i for i in range(len(x)) if i != a), key=lambda i: (r[a, i].item(), i))
        near, far = others[:positives], others[positives:]
        terms = [
            ((x[a] - x[i]).square().sum() - (x[a] - x[j]).square().sum() + margin).clamp_min(0)
            for i in near
            for j in far
        ]
        if terms:
            means.append(sum(terms) / len(terms))
    return sum(means) / len(means) if means else x.sum() * 0


@pytest.mark.parametrize("anchors", [None, [0], [4, 1, 2]])
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_equal_the_loops(seed, anchors):
    x, r = batch(seed)
    rows = list(range(len(x))) if anchors is None else anchors
    given = None if anchors is None else torch.tensor(anchors)
    cases = (
        (losses.log_ratio(x.requires_grad_(), r, given), naive_log_ratio(x, r, rows)),
        (
            losses.log_ratio(x, r, given, positives=2),
            naive_log_ratio(x, r, rows, positives=2),
        ),
        (losses.dense_triplet(x, r, given, 0.3), naive_dense_triplet(x, r, rows, 0.3)),
        (losses.binary_triplet(x, r, given, 0.5, 2), naive_binary_triplet(x, r, rows, 0.5, 2)),
    )
    for value, expected in cases:
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)
        fast, slow = (torch.autograd.grad(v, x, retain_graph=True)[0] for v in (value, expected))
        torch.testing.assert_close(fast, slow, rtol=1e-7, atol=1e-10)
        assert fast.abs().sum() > 0


def golden():
    """Input of the golden vectors, which are from running the authors' code in float64."""
    i, j = torch.arange(7).double()[:, None], torch.arange(5).double()[None]
    e = torch.sin(0.7 * i + 1.3 * j + 0.11 * i * j + 1.0)
    r = torch.zeros(7, 7, dtype=torch.float64)
    r[0] = torch.tensor([0, 0.5, 1, 1.5, 2.5, 4, 7])
    return e, r, torch.tensor([0])


def test_log_ratio_equals_the_authors_code():
    e, r, anchor = golden()
    e.requires_grad_()
    value = losses.log_ratio(e, r, anchor, eps=1e-4 / 5)
    # The authors add 1e-6 inside both logarithms, too, and weigh in float32.
    assert value.item() == pytest.approx(1.6058160, abs=5e-6)
    (gradient,) = torch.autograd.grad(value, e)
    expected = [
        [-0.6683745, 0.4213575, 0.5298743, -0.4426200, -0.2936059],
        [0.0513497, -0.2441496, -0.1842888, 0.2176348, 0.3261229],
    ]
    torch.testing.assert_close(gradient[:2], torch.tensor(expected).double(), rtol=0, atol=5e-6)
    assert losses.LogRatioLoss()(e, r, anchor).item() == pytest.approx(1.6058160, abs=5e-6)


def test_dense_triplet_equals_the_authors_code():
    e, r, anchor = golden()
    unit = normalize(e).requires_grad_()
    value = losses.DenseTripletLoss(margin=0.03)(unit, r, anchor)
    assert value.item() == pytest.approx(0.5301261, abs=1e-7)
    (gradient,) = torch.autograd.grad(value, unit)
    expected = torch.tensor([-0.3878637, 0.6518596, 0.1481136, -0.7373311, 0.1644193]).double()
    torch.testing.assert_close(gradient[0], expected, rtol=0, atol=1e-6)


def test_log_ratio_has_the_gradients_of_the_paper():
    """One pair of neighbours; the paper's loss has squared distances and is 4 times ours."""
    a, i, j = (torch.randn(3, dtype=torch.float64, generator=G) for G in (gen(0), gen(1), gen(2)))
    r = torch.tensor([[0.0, 0.4, 1.5], [0.4, 0, 1], [1.5, 1, 0]]).double()
    x = torch.stack([a, i, j]).requires_grad_()
    (gradient,) = torch.autograd.grad(4 * losses.log_ratio(x, r, torch.tensor([0])), x)
    D_i, D_j = (a - i).square().sum(), (a - j).square().sum()
    s = 4 * ((D_i / D_j).log() - (r[0, 1] ** 2 / r[0, 2] ** 2).log())
    to_i, to_j = (i - a) / D_i * s, (a - j) / D_j * s
    torch.testing.assert_close(gradient, torch.stack([-to_i - to_j, to_i, to_j]))


def gen(seed):
    return torch.Generator().manual_seed(seed)


# --- what the losses know and what they do not ------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(0.01, 100))
def test_log_ratio_has_no_scale(seed, of_embedding, of_labels):
    x, r = batch(seed)
    value = losses.log_ratio(x, r)
    torch.testing.assert_close(losses.log_ratio(of_embedding * x, of_labels * r), value)
    torch.testing.assert_close(losses.log_ratio(x + 7, r), value)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_neighbours_does_not_matter(seed):
    x, r = batch(seed)
    order = torch.randperm(7, generator=gen(seed))
    for loss in (losses.log_ratio, losses.dense_triplet, losses.binary_triplet):
        torch.testing.assert_close(loss(x[order], r[order][:, order]), loss(x, r))


def test_log_ratio_is_zero_where_ratios_are_kept_and_only_there():
    labels = torch.tensor([[0.0], [1.0], [3.0], [4.5]])
    r = torch.cdist(labels, labels)
    assert losses.log_ratio(5 * labels, r).item() == pytest.approx(0, abs=1e-10)
    assert losses.log_ratio(labels**2, r) > 0.01


def test_triplets_know_the_order_alone():
    x, r = batch(0)
    stretched = r**3
    for loss in (losses.dense_triplet, losses.binary_triplet):
        torch.testing.assert_close(loss(x, stretched), loss(x, r))
    assert abs(losses.log_ratio(x, stretched) - losses.log_ratio(x, r)) > 0.01


def test_dense_triplets_leave_ties_out():
    x = torch.tensor([[0.0], [1.0], [5.0]])
    r = torch.tensor([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]])
    assert losses.dense_triplet(x, r) == 0


def test_gradients_are_right_and_reach_the_embeddings_only():
    x, r = batch(3)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: losses.log_ratio(x, r), x)
    r.requires_grad_()
    losses.log_ratio(x, r.detach()).backward()
    assert r.grad is None


# --- what breaks losses -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", [losses.log_ratio, losses.dense_triplet, losses.binary_triplet])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_and_collapsed_batches_are_finite(loss, n):
    for x in (torch.zeros(n, 4), torch.ones(n, 4), torch.eye(4)[:n]):
        x = x.clone().requires_grad_()
        value = loss(x, torch.zeros(n, n))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(x.grad).all()


def test_equal_labels_and_equal_embeddings_are_finite():
    x, r = batch(1)
    x[1] = x[0]
    r[2, 3] = r[3, 2] = 0
    x.requires_grad_()
    value = losses.log_ratio(x, r)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    x, r = (t.to(dtype) for t in batch(0))
    for loss in (losses.log_ratio, losses.dense_triplet, losses.binary_triplet):
        value = loss(x, r)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(x.float(), r.float()))


@pytest.mark.parametrize("loss", [losses.log_ratio, losses.dense_triplet, losses.binary_triplet])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"r": torch.zeros(3, 3)}, ValueError, r"label_distances must have shape \(7, 7\)"),
        ({"r": -torch.ones(7, 7)}, ValueError, "label_distances must be finite and not negative"),
        ({"r": torch.full((7, 7), torch.nan)}, ValueError, "label_distances must be finite"),
        ({"x": torch.zeros(7)}, ValueError, r"embeddings must be floats of shape \(N, D\)"),
        ({"x": torch.zeros(0, 3), "r": torch.zeros(0, 0)}, ValueError, "embeddings is empty"),
        ({"r": [[0.0]]}, TypeError, "label_distances must be torch tensors"),
        ({"anchors": torch.tensor([7])}, ValueError, "anchors must be one or more rows 0...6"),
        ({"anchors": torch.tensor([-1])}, ValueError, "anchors must be one or more rows 0...6"),
        ({"anchors": torch.tensor([0.5])}, ValueError, r"anchors must be integers of shape \(A,\)"),
        ({"anchors": torch.zeros(0).long()}, ValueError, "anchors must be one or more rows"),
    ],
)
def test_bad_input_is_named(loss, change, error, message):
    x, r = batch(0)
    arguments = {"x": x, "r": r, "anchors": None} | change
    with pytest.raises(error, match=message):
        loss(*arguments.values())


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="eps must not be negative, got -1"):
        losses.LogRatioLoss(eps=-1)
    with pytest.raises(ValueError, match="margin must be a positive number, got 0"):
        losses.DenseTripletLoss(margin=0)
    with pytest.raises(ValueError, match="positives must be a positive number, got 0"):
        losses.BinaryTripletLoss(positives=0)
    assert "margin=0.03" in repr(losses.DenseTripletLoss())
    assert "positives=5" in repr(losses.BinaryTripletLoss())


@pytest.mark.parametrize("positives", [5, 9])
def test_binary_log_ratio_without_a_far_neighbour_costs_nothing(positives):
    x, r = batch(0, n=6)
    loss = losses.log_ratio(x.requires_grad_(), r, positives=positives)
    assert loss == 0
    loss.backward()
    assert not x.grad.any()
