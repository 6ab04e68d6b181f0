"""Every loss against its naive form, against published values, and against what breaks losses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from dmlviz import losses

PROXY_LOSSES = {
    "normalized_softmax": (losses.NormalizedSoftmaxLoss, {"temperature": 0.1}),
    "proxy_nca": (losses.ProxyNCALoss, {"temperature": 0.1}),
    "proxy_anchor": (losses.ProxyAnchorLoss, {"margin": 0.1, "alpha": 32.0}),
}
PAIR_LOSSES = {
    "contrastive": (losses.ContrastiveLoss, {"margin": 1.5}),
    "triplet all": (losses.TripletLoss, {"margin": 0.4, "mining": "all"}),
    "triplet semihard": (losses.TripletLoss, {"margin": 0.4, "mining": "semihard"}),
    "triplet hardest": (losses.TripletLoss, {"margin": 0.4, "mining": "hardest"}),
}
ALL = [*PROXY_LOSSES, *PAIR_LOSSES]


def make(name, classes=4, size=5):
    if name in PROXY_LOSSES:
        cls, arguments = PROXY_LOSSES[name]
        return cls(classes, size, **arguments).double()
    cls, arguments = PAIR_LOSSES[name]
    return cls(**arguments)


def batch(seed, n=9, size=5, classes=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, size, generator=generator, dtype=torch.float64)
    return x, torch.randint(classes, (n,), generator=generator)


def oracle(name, loss, x, y):
    labels = y.tolist()
    if name in PROXY_LOSSES:
        return getattr(oracles, name)(x, labels, loss.proxies, **PROXY_LOSSES[name][1])
    arguments = PAIR_LOSSES[name][1]
    if name == "contrastive":
        return oracles.contrastive(x, labels, **arguments)
    return oracles.triplet(x, labels, **arguments)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(4))
def test_value_and_gradient_equal_the_naive_loops(name, seed):
    x, y = batch(seed)
    loss = make(name)
    fast, slow = x.clone().requires_grad_(), x.clone().requires_grad_()
    value, expected = loss(fast, y), oracle(name, loss, slow, y)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(value, fast)
    (expected_gradient,) = torch.autograd.grad(expected, slow)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-7, atol=1e-9)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", ALL)
def test_gradcheck(name):
    x, y = batch(11, n=7)
    loss = make(name)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), x.requires_grad_())


@pytest.mark.parametrize("name", PROXY_LOSSES)
def test_gradcheck_of_the_proxies(name):
    x, y = batch(12, n=7)
    function = getattr(losses, name)
    proxies = make(name).proxies.detach().requires_grad_()
    arguments = PROXY_LOSSES[name][1]
    assert torch.autograd.gradcheck(lambda p: function(x, y, p, **arguments), proxies)


def wave(n, d, a, b, c, p):
    i, j = torch.meshgrid(torch.arange(n).double(), torch.arange(d).double(), indexing="ij")
    return torch.sin(a * i + b * j + c * i * j + p)


def test_proxy_anchor_golden_vector():
    """Values computed with the Proxy-Anchor authors' code, in float64."""
    proxies = wave(4, 5, 1.1, 0.9, 0.23, 0.3).requires_grad_()
    x = wave(6, 5, 0.7, 1.3, 0.11, 1.0).requires_grad_()
    y = torch.tensor([0, 0, 1, 2, 2, 2])  # class 3 is absent
    value = losses.proxy_anchor(x, y, proxies)
    value.backward()
    assert value.item() == pytest.approx(47.594654638, abs=5e-9)
    expected_x = [0.3940647, -0.5904696, -0.1357982, 0.0223255, -0.8492375]
    expected_p = [0.5981548, -0.3066822, -0.1262381, -0.0619481, -0.2085811]
    torch.testing.assert_close(x.grad[0], torch.tensor(expected_x).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(
        proxies.grad[3], torch.tensor(expected_p).double(), atol=1e-7, rtol=0
    )


@pytest.mark.parametrize(("classes", "expected"), [(100, 13.7), (98, 13.5), (11_318, 12.7)])
def test_proxy_anchor_starts_near_the_authors_value(classes, expected):
    """Random embeddings, D = 512, batch of 180; theirs is one random draw as well."""
    generator = torch.Generator().manual_seed(100)  # not the seed of the proxies
    x = torch.randn(180, 512, generator=generator)
    y = torch.randint(classes, (180,), generator=generator)
    assert losses.ProxyAnchorLoss(classes, 512)(x, y).item() == pytest.approx(expected, abs=0.5)


def test_proxy_anchor_gradient_by_the_papers_equation_6():
    x, y = batch(3, n=8)
    proxies = make("proxy_anchor").proxies.detach()
    alpha, delta = 8.0, 0.1
    s = torch.tensor(
        [[oracles.cosine(a, p) for p in proxies] for a in x], dtype=torch.float64
    ).requires_grad_()
    positive = torch.nn.functional.one_hot(y, 4).bool()
    pull = (1 + torch.where(positive, (-alpha * (s - delta)).exp(), 0).sum(0)).log()
    push = (1 + torch.where(~positive, (alpha * (s + delta)).exp(), 0).sum(0)).log()
    present = len(y.unique())
    value = pull.sum() / present + push.sum() / 4
    torch.testing.assert_close(
        losses.proxy_anchor(x, y, proxies, delta, alpha), value.detach(), rtol=1e-10, atol=0
    )
    value.backward()
    h_plus, h_minus = (-alpha * (s - delta)).exp(), (alpha * (s + delta)).exp()
    sum_plus = torch.where(positive, h_plus, 0).sum(0)
    sum_minus = torch.where(positive, 0, h_minus).sum(0)
    equation_6 = torch.where(
        positive,
        -alpha * h_plus / (1 + sum_plus) / present,
        alpha * h_minus / (1 + sum_minus) / 4,
    )
    torch.testing.assert_close(s.grad, equation_6.detach(), rtol=1e-9, atol=1e-12)


# --- pytorch-metric-learning, where it computes the same thing --------------------------------


def pml_with_proxies(cls, ours, **arguments):
    theirs = cls(num_classes=4, embedding_size=5, **arguments).double()
    with torch.no_grad():
        theirs.proxies.copy_(ours.proxies)
    return theirs


def test_proxy_anchor_agrees_with_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    x, y = batch(5)
    ours = make("proxy_anchor")
    theirs = pml_with_proxies(pml.ProxyAnchorLoss, ours, margin=0.1, alpha=32)
    torch.testing.assert_close(ours(x, y), theirs(x, y), rtol=1e-6, atol=1e-6)


def test_normalized_softmax_agrees_with_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    x, y = batch(5)
    ours = make("normalized_softmax")
    theirs = pml.NormalizedSoftmaxLoss(4, 5, temperature=0.1).double()
    with torch.no_grad():
        theirs.W.copy_(ours.proxies.T)
    torch.testing.assert_close(ours(x, y), theirs(x, y), rtol=1e-6, atol=1e-6)


def test_proxy_nca_differs_from_pytorch_metric_learnings_other_form():
    """Theirs keeps the positive proxy in the denominator, so it is larger and never negative."""
    from pytorch_metric_learning import losses as pml

    x, y = batch(5)
    ours = losses.ProxyNCALoss(4, 5, temperature=0.5).double()  # squared distance is 2 - 2s
    theirs = pml_with_proxies(pml.ProxyNCALoss, ours, softmax_scale=1)
    s = torch.stack([torch.stack([oracles.cosine(a, p) for p in ours.proxies]) for a in x])
    with_positive = torch.nn.functional.cross_entropy(2 * s, y)
    torch.testing.assert_close(theirs(x, y), with_positive, rtol=1e-5, atol=1e-5)
    assert ours(x, y) < theirs(x, y)


@pytest.mark.parametrize("mining", ["all", "semihard"])
def test_triplet_agrees_with_pytorch_metric_learning(mining):
    from pytorch_metric_learning import distances, miners
    from pytorch_metric_learning import losses as pml

    x, y = batch(6, n=20)
    plain = distances.LpDistance(normalize_embeddings=False)
    theirs = pml.TripletMarginLoss(margin=0.4, distance=plain)
    miner = miners.TripletMarginMiner(margin=0.4, type_of_triplets=mining, distance=plain)
    torch.testing.assert_close(
        losses.TripletLoss(0.4, mining)(x, y), theirs(x, y, miner(x, y)), rtol=1e-6, atol=1e-6
    )


# --- invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 12))
def test_order_of_the_batch_does_not_matter(name, seed, n):
    x, y = batch(seed, n=n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    loss = make(name)
    torch.testing.assert_close(loss(x, y), loss(x[order], y[order]), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rotating_the_space_does_not_matter(name, seed):
    x, y = batch(seed)
    rotation = torch.linalg.qr(batch(seed + 1, n=5)[0]).Q
    loss, turned = make(name), make(name)
    if name in PROXY_LOSSES:
        with torch.no_grad():
            turned.proxies.copy_(loss.proxies @ rotation)
    torch.testing.assert_close(loss(x, y), turned(x @ rotation, y), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", PROXY_LOSSES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_length_of_embeddings_does_not_matter_to_proxies(name, seed, scale):
    x, y = batch(seed)
    loss = make(name)
    torch.testing.assert_close(loss(x, y), loss(scale * x, y), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PAIR_LOSSES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), far=st.floats(-1e3, 1e3))
def test_moving_the_whole_batch_does_not_matter_to_pairs(name, seed, far):
    x, y = batch(seed)
    loss = make(name)
    torch.testing.assert_close(loss(x, y), loss(x + far, y), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_names_of_labels_do_not_matter_to_pairs(name):
    x, y = batch(1)
    torch.testing.assert_close(make(name)(x, y), make(name)(x, 1000 - 7 * y))


# --- degenerate batches -----------------------------------------------------------------------


def assert_finite(loss, x, y):
    x = x.clone().requires_grad_()
    value = loss(x, y)
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()
    return value.item()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(batch(0)[0], torch.zeros(9, dtype=torch.long), id="one class"),
        pytest.param(batch(0, n=4)[0], torch.arange(4), id="no positives"),
        pytest.param(batch(0, n=1)[0], torch.tensor([2]), id="one sample"),
        pytest.param(batch(0)[0][:1].repeat(9, 1), batch(0)[1], id="collapsed"),
        pytest.param(torch.zeros(9, 5, dtype=torch.float64), batch(0)[1], id="all zero"),
        pytest.param(1e4 * batch(0)[0], batch(0)[1], id="far apart"),
    ],
)
def test_degenerate_batches_are_finite(name, x, y):
    assert_finite(make(name), x, y)


@pytest.mark.parametrize("mining", ["all", "semihard", "hardest"])
@pytest.mark.parametrize("y", [torch.zeros(9, dtype=torch.long), torch.arange(9)])
def test_without_triplets_the_triplet_loss_is_zero(mining, y):
    assert assert_finite(losses.TripletLoss(0.2, mining), batch(0)[0], y) == 0


@pytest.mark.parametrize("mining", ["all", "hardest"])
def test_a_collapsed_batch_costs_exactly_the_margin(mining):
    x = torch.ones(8, 3)
    y = torch.arange(8) // 2
    assert losses.TripletLoss(0.3, mining)(x, y).item() == pytest.approx(0.3)


def test_duplicates_have_distance_zero_and_no_gradient():
    x = torch.full((2, 64), 0.3, requires_grad=True)
    losses.ContrastiveLoss(0.5)(x, torch.tensor([0, 0])).backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("zero_row", [False, True])
def test_half_precision_is_computed_in_float32(name, dtype, zero_row):
    x, y = batch(2)
    x = torch.nn.functional.normalize(x).to(dtype)
    if zero_row:
        x[0] = 0
    x.requires_grad_()
    loss = make(name).to(dtype)
    value = loss(x, y)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert x.grad.isfinite().all()
    if name in PROXY_LOSSES:
        assert loss.proxies.grad.isfinite().all()
    expected = loss.float()(x.detach().float(), y)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_autocast_changes_nothing(name):
    x, y = batch(2)
    loss = make(name).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(x.float(), y)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, loss(x.float(), y), rtol=1e-6, atol=1e-6)


def test_positives_and_negatives_beyond_float32_stay_finite():
    """e^{α(s+δ)} overflows float32 for α = 1000; log-sum-exp does not."""
    x, y = batch(2)
    value = losses.ProxyAnchorLoss(4, 5, alpha=1000.0)(x.float(), y)
    assert value.isfinite()


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), "empty"),
        (torch.zeros(3, 5, 1), torch.zeros(3, dtype=torch.long), "shape"),
        (torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, dtype=torch.long), "float"),
        (torch.zeros(3, 5), torch.zeros(4, dtype=torch.long), "one per row"),
        (torch.zeros(3, 5), torch.zeros(3), "integers"),
    ],
)
def test_bad_batches_are_named(name, x, y, message):
    with pytest.raises(ValueError, match=message):
        make(name).float()(x, y)


@pytest.mark.parametrize("name", ALL)
def test_arrays_are_refused(name):
    with pytest.raises(TypeError, match="tensors"):
        make(name)([[0.0]], [0])


@pytest.mark.parametrize("name", PROXY_LOSSES)
@pytest.mark.parametrize("y", [torch.tensor([1, 4]), torch.tensor([-1, 0])])
def test_labels_outside_the_proxies_are_refused(name, y):
    with pytest.raises(ValueError, match=r"0\.\.\.3.*renumber"):
        make(name)(torch.zeros(2, 5), y)


@pytest.mark.parametrize("name", PROXY_LOSSES)
def test_another_dimension_than_the_proxies_is_refused(name):
    with pytest.raises(ValueError, match="embedding_size"):
        make(name)(torch.zeros(2, 6), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: losses.ContrastiveLoss(margin=0),
        lambda: losses.TripletLoss(margin=-1),
        lambda: losses.TripletLoss(margin=float("nan")),
        lambda: losses.TripletLoss(mining="hard"),
        lambda: losses.NormalizedSoftmaxLoss(4, 5, temperature=0),
        lambda: losses.ProxyNCALoss(4, 5, temperature=-1),
        lambda: losses.ProxyAnchorLoss(4, 5, alpha=0),
        lambda: losses.ProxyAnchorLoss(4, 5, margin=float("inf")),
        lambda: losses.ProxyAnchorLoss(1, 5),
        lambda: losses.ProxyAnchorLoss(4, 0),
    ],
)
def test_impossible_settings_are_refused(build):
    with pytest.raises(ValueError, match="must be"):
        build()


# --- the modules ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROXY_LOSSES)
def test_proxies_are_a_seeded_parameter(name):
    cls, arguments = PROXY_LOSSES[name]
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = cls(7, 3, **arguments), cls(7, 3, **arguments), cls(7, 3, seed=1, **arguments)
    assert torch.equal(torch.get_rng_state(), before)  # the global generator is left alone
    assert isinstance(a.proxies, torch.nn.Parameter)
    assert a.proxies.shape == (7, 3)
    assert torch.equal(a.proxies, b.proxies)
    assert not torch.equal(a.proxies, c.proxies)


@pytest.mark.parametrize("name", ALL)
def test_hyperparameters_can_change_between_steps(name):
    x, y = batch(4)
    loss = make(name)
    before = loss(x, y)
    attribute = "temperature" if hasattr(loss, "temperature") else "margin"
    setattr(loss, attribute, 2 * getattr(loss, attribute))
    assert loss(x, y) != before


def test_ours_train_in_a_plain_torch_loop():
    x, y = batch(0, n=32)
    layer = torch.nn.Linear(5, 5).double()
    loss = make("proxy_anchor")
    optimizer = torch.optim.AdamW([*layer.parameters(), *loss.parameters()], lr=0.05)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(layer(x), y)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


def test_no_tensor_of_all_triplets_is_made():
    """N³ float32 numbers would be 4 GB here."""
    n = 1024
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    with Watch():
        losses.triplet(x, torch.arange(n) // 4, 0.2)
    assert largest <= 2 * n * n
