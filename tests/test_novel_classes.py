"""The method: base loss without novel classes, union with them, training through `fit`."""

import pytest
import torch
from torch import nn

from dmlviz import losses, methods, synthesis
from synthesis_cases import (
    LOSSES,
    SYNTHESIZERS,
    C,
    D,
    batch,
    blobs,
    fit,
    generated,
    head,
    noisy_blobs,
)


class Embeddings(nn.Module):
    """A model that is its own embeddings."""

    def __init__(self, x):
        super().__init__()
        self.x = nn.Parameter(x.detach().clone())

    def forward(self, images):
        return self.x


def step(method, seed=0):
    """The loss of one batch, and the gradients of embeddings and proxies."""
    x, y, _ = batch(seed, dtype=torch.float32)
    model = Embeddings(x)
    value = method(model, (x, y))
    value.backward()
    gradient = method.loss.proxies.grad
    method.loss.proxies.grad = None
    return value.detach(), model.x.grad, gradient


def nothing():
    return {
        "generated": generated(num_novel=0),
        "carried": synthesis.CarriedOffsets(0),
        "proxy synthesis": synthesis.ProxySynthesis(ratio=0),
        "memvir in its first step": synthesis.MemVir(1, 1),
    }


def weights(*modules):
    return [v.clone() for m in modules for v in m.state_dict().values()]


# --- without novel classes, the base loss -----------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", nothing())
def test_without_novel_classes_the_loss_is_the_base_loss_bit_for_bit(loss, name):
    novel = methods.NovelClasses(LOSSES[loss](C, D), nothing()[name])
    base = methods.Supervised(LOSSES[loss](C, D))
    for ours, theirs in zip(step(novel), step(base), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["generated", "carried", "proxy synthesis"])
def test_without_novel_classes_training_ends_in_the_same_weights(loss, name):
    ours, theirs = head(), head()
    novel = methods.NovelClasses(LOSSES[loss](C, D), nothing()[name])
    base = methods.Supervised(LOSSES[loss](C, D))
    a, b = fit(novel, ours), fit(base, theirs)
    assert a["loss"] == b["loss"]
    for x, y in zip(weights(ours, novel.loss), weights(theirs, base.loss), strict=True):
        assert torch.equal(x, y)


def test_a_batch_without_novel_classes_leaves_out_the_own_loss_too():
    class Idle(synthesis.CarriedOffsets):
        def own_loss(self, embeddings, labels, proxies, loss):
            return torch.ones(())

    idle, busy = (methods.NovelClasses(losses.ProxyAnchorLoss(C, D), Idle(n)) for n in (0, 4))
    base = methods.Supervised(losses.ProxyAnchorLoss(C, D))
    assert torch.equal(step(idle)[0], step(base)[0])
    assert step(busy)[0] > 1


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_warm_up_is_the_base_loss_and_counts_training_steps(name):
    method = methods.NovelClasses(
        losses.ProxyAnchorLoss(C, D), SYNTHESIZERS[name](), warmup_steps=2
    )
    base = methods.Supervised(losses.ProxyAnchorLoss(C, D))
    method.eval()
    for _ in range(3):
        assert torch.equal(step(method)[0], step(base)[0])  # evaluation is no step
    method.train()
    for _ in range(2):
        for ours, theirs in zip(step(method), step(base), strict=True):
            assert torch.equal(ours, theirs)
    assert not torch.equal(step(method)[0], step(base)[0])
    method.eval()
    assert not torch.equal(step(method)[0], step(base)[0])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_mixes_the_loss_of_the_batch_and_that_of_the_union(loss):
    def value(weight):
        base = LOSSES[loss](C, D)
        return step(methods.NovelClasses(base, synthesis.ProxySynthesis(), weight=weight))

    alone, union, mixed = value(0.0), value(1.0), value(0.25)
    for a, b, c in zip(alone, union, mixed, strict=True):
        torch.testing.assert_close(c, 0.75 * a + 0.25 * b)
    torch.testing.assert_close(alone[0], step(methods.Supervised(LOSSES[loss](C, D)))[0])


# --- with them --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_the_loss_is_that_of_the_union_plus_the_own_one(loss, name):
    base, synthesizer = LOSSES[loss](C, D), SYNTHESIZERS[name](1)
    value, by_x, by_p = step(methods.NovelClasses(base, SYNTHESIZERS[name](1)))
    value2, _, _ = step(methods.NovelClasses(base, SYNTHESIZERS[name](2)))
    assert value != value2
    x, y, _ = batch(dtype=torch.float32)
    x = x.detach().requires_grad_()
    p = base.proxies.detach().requires_grad_()
    novel = synthesizer(x, y, p)
    expected = base.with_proxies(
        torch.cat([x, novel.embeddings]),
        torch.cat([y, novel.labels]),
        torch.cat([p, novel.proxies]),
    )
    own = synthesizer.own_loss(x, y, p, base)
    torch.testing.assert_close(value, (expected if own is None else expected + own).detach())
    expected.backward()  # the own loss reaches neither of the two
    torch.testing.assert_close(by_x, x.grad)
    torch.testing.assert_close(by_p, p.grad)


def test_both_losses_train_what_is_theirs_in_one_step():
    method = methods.NovelClasses(
        losses.ProxyAnchorLoss(C, D), generated(synthesis.FreeClasses(7, D))
    )
    x, y, _ = batch(dtype=torch.float32)
    method(Embeddings(x), (x, y)).backward()
    for name, weight in method.named_parameters():
        assert weight.grad is not None, name


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_fit_trains_and_repeats_itself(name):
    results = []
    for seed in (0, 0, 1):
        method = methods.NovelClasses(losses.ProxyAnchorLoss(C, D), SYNTHESIZERS[name](seed))
        start = weights(method.synthesizer)
        model = head()
        history = fit(method, model)
        assert history["loss"][-1] > 0
        moved = [
            not torch.equal(a, b) for a, b in zip(start, weights(method.synthesizer), strict=True)
        ]
        assert all(moved)  # the generator's weights, and free class vectors
        results.append(weights(model, method))
    assert all(torch.equal(a, b) for a, b in zip(results[0], results[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(results[0], results[2], strict=True))


def test_fit_trains_with_memvir():
    memvir = synthesis.MemVir(2, 2)
    history = fit(methods.NovelClasses(losses.NormalizedSoftmaxLoss(C, D), memvir), head())
    assert len(memvir.memory) == 4  # of 2 epochs of 2 batches
    assert history["loss"][-1] > 0


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_training_with_novel_classes_learns_to_ignore_the_noise(name):
    method = methods.NovelClasses(losses.ProxyAnchorLoss(24, D, alpha=8), SYNTHESIZERS[name]())
    history = fit(
        method, head(in_channels=16), noisy_blobs(), test=noisy_blobs(seed=1), epochs=15,
        batch_size=32, lr=3e-2, proxy_lr_multiplier=1.0, eval_every=15,
    )  # fmt: skip
    before, *_, after = history["test_recall@1"]  # of classes that training never saw
    assert before < 0.5
    assert after > before + 0.2


# --- who learns at which rate, which batches --------------------------------------------------


def test_proxies_are_those_of_the_loss_and_free_classes_but_no_generators():
    loss, free = losses.ProxyAnchorLoss(C, D), synthesis.FreeClasses(7, D)
    for synthesizer, expected in (
        (synthesis.ProxySynthesis(), [loss.proxies]),
        (generated(), [loss.proxies]),
        (generated(free), [loss.proxies, free.vectors]),
    ):
        method = methods.NovelClasses(loss, synthesizer)
        assert [id(v) for v in method.proxies()] == [id(v) for v in expected]
    free.vectors.requires_grad_(False)
    assert [id(v) for v in method.proxies()] == [id(loss.proxies)]


def test_the_generator_learns_at_the_networks_rate_and_proxies_at_their_own():
    def moved(multiplier):
        free = synthesis.FreeClasses(7, D)
        method = methods.NovelClasses(losses.ProxyAnchorLoss(C, D), generated(free))
        before = [free.vectors.clone(), next(method.synthesizer.generator.parameters()).clone()]
        fit(method, head(), epochs=1, lr=1e-4, proxy_lr_multiplier=multiplier)
        after = [free.vectors, next(method.synthesizer.generator.parameters())]
        return [(a - b).abs().max().item() for a, b in zip(after, before, strict=True)]

    slow, fast = moved(1), moved(100)
    assert fast[0] > 50 * slow[0]
    assert fast[1] < 2 * slow[1]


def test_batches_are_random_or_balanced():
    train = blobs()
    loss, synthesizer = losses.ProxyAnchorLoss(C, D), synthesis.ProxySynthesis()
    random = methods.NovelClasses(loss, synthesizer).batch_sampler(train, 16, seed=0)
    base = methods.Supervised(loss).batch_sampler(train, 16, seed=0)
    assert list(random) == list(base)
    method = methods.NovelClasses(loss, synthesizer, samples_per_class=4)
    for rows in method.batch_sampler(train, 16, seed=0):
        assert sorted(train.targets[rows].bincount(minlength=C).tolist()) == [0, 4, 4, 4, 4]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_half_precision_embeddings_give_a_finite_float32_loss(name, dtype):
    method = methods.NovelClasses(losses.ProxyAnchorLoss(C, D), SYNTHESIZERS[name]())
    x, y, _ = batch(dtype=torch.float32)
    model = Embeddings(x.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = method(model, (x, y))
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert model.x.grad.isfinite().all()
    for weight in method.parameters():
        assert weight.grad.isfinite().all()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "synthesizer", "message"),
    [
        (losses.ContrastiveLoss(), synthesis.ProxySynthesis(), "ContrastiveLoss has none.*Proxy"),
        (None, synthesis.ProxySynthesis(), "NoneType has none to add them to"),
        (losses.ProxyAnchorLoss(C, D), synthesis.Mixtures(), "must be a Synthesizer.*Mixtures"),
    ],
)
def test_losses_without_proxies_and_other_synthesizers_are_refused(loss, synthesizer, message):
    with pytest.raises(TypeError, match=message):
        methods.NovelClasses(loss, synthesizer)


def test_proxy_synthesis_is_the_default():
    made = methods.NovelClasses(losses.ProxyAnchorLoss(C, D)).synthesizer
    assert isinstance(made, synthesis.ProxySynthesis)


def test_a_negative_warm_up_and_a_weight_above_one_are_refused():
    with pytest.raises(ValueError, match=r"weight must be in 0…1, got 1\.5"):
        methods.NovelClasses(losses.ProxyAnchorLoss(C, D), synthesis.ProxySynthesis(), weight=1.5)
    with pytest.raises(ValueError, match="warmup_steps must not be negative, got -1"):
        methods.NovelClasses(
            losses.ProxyAnchorLoss(C, D), synthesis.ProxySynthesis(), warmup_steps=-1
        )


def test_a_loss_for_another_number_of_classes_is_refused():
    method = methods.NovelClasses(losses.ProxyAnchorLoss(C + 1, D), synthesis.ProxySynthesis())
    with pytest.raises(ValueError, match=r"num_classes=6.*5 classes"):
        fit(method, head())


# --- with_proxies -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_with_its_own_proxies_is_itself_and_with_others_another(name):
    loss = LOSSES[name](C, D)
    x, y, _ = batch(dtype=torch.float32)
    assert torch.equal(loss(x, y), loss.with_proxies(x, y, loss.proxies))
    other = torch.randn(C + 3, D, generator=torch.Generator().manual_seed(8))
    value = loss.with_proxies(x, y + 3, other)
    assert value != loss(x, y)
    with torch.no_grad():
        bigger = LOSSES[name](C + 3, D)
        bigger.proxies.copy_(other)
    assert torch.equal(value, bigger(x, y + 3).detach())
