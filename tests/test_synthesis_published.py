"""Proxy Synthesis and MemVir: against loops over the rows, and a list of all past steps."""

import pytest
import torch

import oracles
from dmlviz import synthesis
from dmlviz.synthesis import proxy_synthesis
from synthesis_cases import LOSSES, C, D, batch


@pytest.fixture
def fixed_lambda(monkeypatch):
    monkeypatch.setattr(
        proxy_synthesis, "beta", lambda alpha, num, g: torch.tensor([0.3], dtype=torch.float64)
    )
    return 0.3


def unit(v):
    return v / v.square().sum().sqrt()


def naive_proxy_synthesis(x, y, p, lam, num, partner):
    """Rows and proxies of the new classes, one row after the other."""
    embeddings, proxies = [], []
    for i in range(num):
        others = [(i + k) % len(y) for k in range(1, len(y))]
        others = [j for j in others if y[j] != y[i]]
        if partner == "nearest":
            j = max(others, key=lambda j: oracles.cosine(x[i], x[j]).item())
        else:
            j = others[0]
        embeddings.append(unit(lam * unit(x[i]) + (1 - lam) * unit(x[j])))
        proxies.append(unit(lam * unit(p[y[i]]) + (1 - lam) * unit(p[y[j]])))
    return embeddings, proxies


# --- Proxy Synthesis --------------------------------------------------------------------------


@pytest.mark.parametrize("partner", ["next", "nearest"])
@pytest.mark.parametrize(("ratio", "num"), [(1.0, 12), (0.5, 6), (0.3, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_proxy_synthesis_equals_the_loops(fixed_lambda, partner, ratio, num, seed):
    x, y, p = batch(seed)
    novel = synthesis.ProxySynthesis(0.4, ratio, partner)(x, y, p)
    embeddings, proxies = naive_proxy_synthesis(x, y.tolist(), p, fixed_lambda, num, partner)
    torch.testing.assert_close(novel.embeddings, torch.stack(embeddings))
    torch.testing.assert_close(novel.proxies, torch.stack(proxies))
    assert novel.labels.tolist() == list(range(C, C + num))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_proxy_synthesis_and_their_gradients_equal_the_loops(fixed_lambda, name):
    x, y, p = batch(7)
    loss = LOSSES[name](C, D)
    value = loss.with_proxies(*synthesis.ProxySynthesis()(x, y, p).joined_to(x, y, p))
    embeddings, proxies = naive_proxy_synthesis(x, y.tolist(), p, fixed_lambda, 12, "next")
    settings = {k: getattr(loss, k) for k in ("temperature", "margin", "alpha") if hasattr(loss, k)}
    naive = {
        "normalised softmax": oracles.normalized_softmax,
        "proxy-nca": oracles.proxy_nca,
        "proxy-anchor": oracles.proxy_anchor,
    }[name]
    expected = naive(
        torch.stack([*x, *embeddings]),
        [*y.tolist(), *range(C, C + 12)],
        torch.stack([*p, *proxies]),
        **settings,
    )
    torch.testing.assert_close(value, expected)
    ours, theirs = (torch.autograd.grad(v, (x, p)) for v in (value, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def test_one_lambda_mixes_the_whole_batch_and_the_next_batch_has_another():
    """Every mixed row is the same share of the way from its row to the partner."""
    x, y, p = torch.eye(D)[:4], torch.arange(4), torch.eye(D)[:C]
    synthesizer = synthesis.ProxySynthesis()

    def shares():
        rows = synthesizer(x, y, p).embeddings[:, :4]
        i = torch.arange(4)
        return rows[i, i] / (rows[i, i] + rows[i, (i + 1) % 4])

    first, second = shares(), shares()
    torch.testing.assert_close(first, first[:1].expand(4))
    assert (first[0] - second[0]).abs() > 1e-4


def test_nothing_is_detached():
    x, y, p = batch()
    novel = synthesis.ProxySynthesis()(x, y, p)
    by_rows = torch.autograd.grad(novel.embeddings[:, 0].sum(), x, retain_graph=True)[0]
    assert (by_rows.abs().sum(dim=1) > 0).all()
    by_classes = torch.autograd.grad(novel.proxies[:, 0].sum(), p)[0]
    assert (by_classes.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("partner", ["next", "nearest"])
def test_one_different_row_is_everybodys_partner(fixed_lambda, partner):
    x, _, p = batch()
    y = torch.tensor([1] * 5 + [3] + [1] * 6)
    novel = synthesis.ProxySynthesis(partner=partner)(x, y, p)
    embeddings, _ = naive_proxy_synthesis(x, y.tolist(), p, fixed_lambda, 12, partner)
    torch.testing.assert_close(novel.embeddings, torch.stack(embeddings))


@pytest.mark.parametrize("partner", ["next", "nearest"])
@pytest.mark.parametrize(
    ("n", "ratio", "classes"), [(12, 1.0, 1), (1, 1.0, 1), (12, 0.0, 5)], ids=str
)
def test_without_partners_there_is_nothing_new(partner, n, ratio, classes):
    x, y, p = batch(n=n)
    novel = synthesis.ProxySynthesis(ratio=ratio, partner=partner)(x, y % classes, p)
    assert [tuple(t.shape) for t in novel] == [(0, D), (0,), (0, D)]
    assert novel.labels.dtype == torch.long


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha must be a positive number, got 0"),
        ({"ratio": 1.5}, "ratio must be in 0…1, a share of the batch, got 1.5"),
        ({"ratio": float("nan")}, "ratio must be in 0…1"),
        ({"partner": "hard"}, "partner must be one of next, nearest, got 'hard'"),
    ],
)
def test_impossible_settings_of_proxy_synthesis_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesis.ProxySynthesis(**arguments)


# --- MemVir -----------------------------------------------------------------------------------


def run(memvir, steps, training=True):
    """Steps of a training in which the proxies are written in place, and all that was seen."""
    memvir.train(training)
    p = batch(99)[2].detach()
    past, seen = [], []
    for t in range(steps):
        x, y, _ = batch(t, n=8 + t % 3)  # batches of different size
        p.add_(0.1)
        seen.append((x, y, memvir(x, y, p), list(past)))
        past.append((x.detach().clone(), y.clone(), p.clone()))
    return seen


@pytest.mark.parametrize(("apart", "num", "warmup"), [(1, 1, 0), (3, 2, 0), (2, 3, 4), (4, 1, 1)])
def test_memvir_equals_a_list_of_all_past_steps(apart, num, warmup):
    for t, (_, _, novel, past) in enumerate(run(synthesis.MemVir(apart, num, warmup), 14)):
        steps = [t - k * apart for k in range(1, num + 1)]
        steps = [s for s in steps if s >= warmup]
        assert len(novel.proxies) == C * len(steps)
        if not steps:
            assert [tuple(part.shape) for part in novel] == [(0, D), (0,), (0, D)]
            continue
        torch.testing.assert_close(novel.embeddings, torch.cat([past[s][0] for s in steps]))
        torch.testing.assert_close(novel.proxies, torch.cat([past[s][2] for s in steps]))
        labels = [past[s][1] + (k + 1) * C for k, s in enumerate(steps)]
        assert torch.equal(novel.labels, torch.cat(labels))
        # A virtual class's samples belong to its own old proxy.
        for row, label in zip(novel.embeddings, novel.labels, strict=True):
            k, c = divmod(int(label) - C, C)
            old_x, old_y, old_p = past[steps[k]]
            assert any(
                torch.equal(row, v) and int(w) == c for v, w in zip(old_x, old_y, strict=True)
            )
            assert torch.equal(novel.proxies[label - C], old_p[c])


def test_the_memory_is_detached_and_no_longer_than_needed():
    memvir = synthesis.MemVir(3, 2)
    seen = run(memvir, 12)
    assert len(memvir.memory) == 6
    x, y, novel, _ = seen[-1]
    assert not novel.embeddings.requires_grad
    assert not novel.proxies.requires_grad
    p = batch()[2]
    LOSSES["normalised softmax"](C, D).with_proxies(*novel.joined_to(x, y, p)).backward()
    assert x.grad.abs().sum() > 0
    assert p.grad.abs().sum() > 0
    assert all(earlier.grad is None for earlier, _, _, _ in seen[:-1])


def test_memvir_remembers_training_steps_only():
    memvir = synthesis.MemVir(1, 1)
    assert all(len(novel.proxies) == 0 for _, _, novel, _ in run(memvir, 5, training=False))
    run(memvir, 1)
    (_, _, first, _), (_, _, second, _) = run(memvir, 2, training=False)
    assert len(first.proxies) == C
    assert torch.equal(first.embeddings, second.embeddings)


def test_a_memory_of_another_space_is_refused():
    memvir = synthesis.MemVir(1, 1)
    memvir(torch.ones(2, 3), torch.tensor([0, 1]), torch.ones(2, 3))
    with pytest.raises(ValueError, match="dimension 3, the batch has 4: give each training run"):
        memvir(torch.ones(2, 4), torch.tensor([0, 1]), torch.ones(2, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "steps_apart must be a positive number, got 0"),
        ((1, 0), "num_virtual must be a positive number, got 0"),
        ((1, 1, -1), "warmup_steps must not be negative, got -1"),
    ],
)
def test_impossible_settings_of_memvir_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesis.MemVir(*arguments)
