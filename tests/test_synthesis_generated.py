"""Generated classes and carried offsets: whose gradient reaches what, and that they learn."""

import pytest
import torch

from dmlviz import synthesis
from dmlviz.geometry import normalize
from dmlviz.synthesis import carried
from synthesis_cases import LOSSES, C, D, batch, gaussians, gen, generated

MAKERS = {
    "mixtures": lambda: synthesis.Mixtures(),
    "extrapolations": lambda: synthesis.Extrapolations(),
    "free": lambda: synthesis.FreeClasses(7, D),
}


def united(synthesizer, loss, x, y, p):
    return loss.with_proxies(*synthesizer(x, y, p).joined_to(x, y, p))


# --- who learns from what ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("maker", MAKERS)
def test_the_embedding_loss_never_updates_the_generator(loss, maker):
    x, y, p = batch()
    synthesizer = generated(MAKERS[maker]())
    united(synthesizer, LOSSES[loss](C, D), x, y, p).backward()
    assert all(weight.grad is None for weight in synthesizer.generator.parameters())
    assert x.grad.abs().sum() > 0
    assert p.grad.abs().sum() > 0
    if maker == "free":
        assert synthesizer.maker.vectors.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("maker", MAKERS)
def test_the_generators_loss_never_updates_anything_else(loss, maker):
    x, y, p = batch()
    synthesizer, base = generated(MAKERS[maker](), novel_divergence=1.0), LOSSES[loss](C, D)
    synthesizer.own_loss(x, y, p, base).backward()
    assert x.grad is None
    assert p.grad is None
    assert base.proxies.grad is None
    assert maker != "free" or synthesizer.maker.vectors.grad is None
    for weight in synthesizer.generator.parameters():
        assert weight.grad.abs().sum() > 0


def test_the_generator_is_as_it_was_after_samples_were_drawn_of_it():
    x, y, p = batch()
    synthesizer = generated()
    before = {k: v.clone() for k, v in synthesizer.generator.state_dict().items()}
    synthesizer(x, y, p)
    assert all(weight.requires_grad for weight in synthesizer.generator.parameters())
    for name, weight in synthesizer.generator.state_dict().items():
        assert torch.equal(weight, before[name])


@pytest.mark.parametrize("maker", ["mixtures", "extrapolations"])
def test_novel_classes_pull_the_real_proxies_along_unless_detached(maker):
    x, y, p = batch()
    novel = generated(MAKERS[maker]())(x, y, p)
    for part in (novel.embeddings, novel.proxies):
        (gradient,) = torch.autograd.grad(part[:, 0].sum(), p, retain_graph=True)
        assert gradient.abs().sum() > 0
    detached = generated(MAKERS[maker](), detach=True)(x, y, p)
    assert not detached.embeddings.requires_grad
    assert not detached.proxies.requires_grad
    for one, other in zip(novel, detached, strict=True):
        assert torch.equal(one, other)  # the same classes, as constants


@pytest.mark.parametrize("samples", [1, 3])
def test_each_class_has_as_many_samples_as_asked_for_and_they_are_of_their_class(samples):
    x, y, p = batch()
    synthesizer = generated(num_novel=6, samples_per_class=samples)
    novel = synthesizer(x, y, p)
    assert novel.labels.tolist() == [C + k for k in range(6) for _ in range(samples)]
    # Without its residual the generator returns its condition: the class vector of each label.
    with torch.no_grad():
        synthesizer.generator.residual[-1].weight.zero_()
        synthesizer.generator.residual[-1].bias.zero_()
    novel = synthesizer(x, y, p)
    torch.testing.assert_close(novel.embeddings, novel.proxies[novel.labels - C])


def test_free_classes_are_proxies_and_weights_of_a_generator_are_not():
    assert generated().proxies() == []
    free = synthesis.FreeClasses(7, D)
    assert [id(v) for v in generated(free).proxies()] == [id(free.vectors)]


# --- the own loss -----------------------------------------------------------------------------


class Recorder:
    """A divergence, and a loss, that remember what they are asked."""

    def __init__(self):
        self.pairs, self.unions = [], []

    def divergence(self, x, y):
        self.pairs.append((x, y))
        return (x.mean(0) - y.mean(0)).square().sum()

    def with_proxies(self, embeddings, labels, proxies):
        self.unions.append((embeddings, labels, proxies))
        return embeddings.square().sum()


def test_the_own_loss_is_the_formula():
    x, y, p = batch()
    recorder = Recorder()
    synthesizer = generated(
        loss_weight=0.7, divergence_weight=3.0, novel_divergence=0.5,
        divergence=recorder.divergence,
    )  # fmt: skip
    value = synthesizer.own_loss(x, y, p, recorder)
    ((embeddings, labels, proxies),) = recorder.unions
    s, v = embeddings[:12], embeddings[12:]
    assert len(v) == 12  # 4 classes, 3 samples each
    assert torch.equal(labels[:12], y)
    assert labels[12:].tolist() == [C + k for k in range(4) for _ in range(3)]
    assert torch.equal(proxies[:C], normalize(p))
    assert proxies.shape == (C + 4, D)
    x_unit, p_y = normalize(x), normalize(p)[y]
    expected = [(x_unit, s), (x_unit - p_y, s - p_y), (x_unit, v)]
    terms = []
    for (a, b), (c, d) in zip(recorder.pairs, expected, strict=True):
        torch.testing.assert_close(a, c)
        torch.testing.assert_close(b, d)
        terms.append((a.mean(0) - b.mean(0)).square().sum())
    loss = embeddings.square().sum()
    torch.testing.assert_close(value, 0.7 * loss + 3 * (terms[0] + terms[1] + 0.5 * terms[2]))
    # Without a weight the third is not even computed.
    recorder = Recorder()
    generated(divergence=recorder.divergence).own_loss(x, y, p, recorder)
    assert len(recorder.pairs) == 2


def test_the_default_divergence_is_sliced_wasserstein_times_the_dimension():
    x, y, p = batch()
    directions = gen(5)

    def by_hand(a, b):
        return D * synthesis.sliced_wasserstein(a, b, generator=directions)

    values = []
    for divergence in (None, by_hand):
        synthesizer = generated(loss_weight=0, divergence=divergence, seed=2)
        synthesizer(x, y, p)
        synthesizer.random.set_state(gen(5).get_state())
        if divergence is not None:  # directions follow the class vectors and both noises
            synthesizer.maker(p, 4, directions)
            torch.randn(12, 3, generator=directions)
            torch.randn(12, 3, generator=directions)
        values.append(synthesizer.own_loss(x, y, p, LOSSES["proxy-nca"](C, D)))
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_generator_learns_the_classes_and_their_spread(loss):
    """Frozen Gaussian classes; from a start that misses their spread to samples like real ones."""
    x, y, p = gaussians()
    generator = synthesis.NovelClassGenerator(16, 8)
    synthesizer = synthesis.GeneratedClasses(generator, synthesis.Mixtures(), 10)
    base = LOSSES[loss](10, 16)
    novel = synthesis.Mixtures()(p, 10, gen(1))
    before = synthesis.diagnose(generator, x, y, p, novel)
    optimizer = torch.optim.Adam(generator.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        synthesizer.own_loss(x, y, p, base).backward()
        optimizer.step()
    after = synthesis.diagnose(generator, x, y, p, novel)
    assert before.spread_ratio < 0.4
    assert before.offset_distance_ratio > 5 * after.offset_distance_ratio
    assert after.real_accuracy > 0.95
    assert 0.5 < after.spread_ratio < 2
    assert after.distance_ratio < 2
    assert after.offset_distance_ratio < 2
    assert after.noise_use > 0.4 * (x - p[y]).var(dim=0).sum()
    assert (after.nearest_real_class < 1 - 1e-6).any()


# --- none at all, bad settings ----------------------------------------------------------------


def test_no_novel_classes_means_none_and_no_own_loss():
    x, y, p = batch()
    synthesizer = generated(num_novel=0)
    assert [tuple(t.shape) for t in synthesizer(x, y, p)] == [(0, D), (0,), (0, D)]
    assert synthesizer.own_loss(x, y, p, LOSSES["proxy-nca"](C, D)) is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_novel": -1}, ValueError, "num_novel must not be negative, got -1"),
        ({"samples_per_class": 0}, ValueError, "samples_per_class must be at least 1, got 0"),
        ({"loss_weight": -1}, ValueError, "loss_weight must not be negative"),
        ({"divergence_weight": float("nan")}, ValueError, "divergence_weight must not be negative"),
        ({"novel_divergence": -1}, ValueError, "novel_divergence must not be negative"),
        ({"maker": "mixtures"}, TypeError, "maker must make class vectors.*got str"),
    ],
)
def test_impossible_settings_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        generated(**options)


def test_another_generator_than_ours_is_refused():
    with pytest.raises(TypeError, match="generator must be a NovelClassGenerator, got Linear"):
        synthesis.GeneratedClasses(torch.nn.Linear(2, 2), synthesis.Mixtures(), 1)


def test_a_generator_of_another_dimension_is_refused():
    x, y, p = batch()
    generator = synthesis.NovelClassGenerator(9, 3)
    with pytest.raises(ValueError, match=f"embedding_size={D}"):
        synthesis.GeneratedClasses(generator, synthesis.Mixtures(), 1)(x, y, p)


# --- carried offsets --------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", ["random", "hard"])
@pytest.mark.parametrize("seed", range(3))
def test_carried_offsets_equal_the_loops(monkeypatch, pairs, seed):
    lam = [0.2, 0.5, 0.9, 1.0]
    drawn, original = [], carried.draw_pairs

    def draw(*arguments):
        drawn.append(original(*arguments))
        return drawn[-1]

    monkeypatch.setattr(carried, "draw_pairs", draw)
    monkeypatch.setattr(
        carried, "beta", lambda alpha, num, g: torch.tensor(lam, dtype=torch.float64)
    )
    x, y, p = batch(seed, n=11)
    y[y == 2] = 4  # class 2 is not in the batch
    present = [0, 1, 3, 4]
    novel = synthesis.CarriedOffsets(4, pairs=pairs, seed=seed)(x, y, p)
    ((i, j),) = drawn
    x_unit, p_unit = normalize(x), normalize(p)
    embeddings, labels = [], []
    for k in range(4):
        a, b = present[i[k]], present[j[k]]
        assert a != b
        if pairs == "hard":
            near = max((c for c in present if c != a), key=lambda c: p_unit[a] @ p_unit[c])
            assert b == near
        c = lam[k] * p_unit[a] + (1 - lam[k]) * p_unit[b]
        c = c / c.norm()
        torch.testing.assert_close(novel.proxies[k], c)
        for row in range(11):
            if y[row] in (a, b):
                v = c + x_unit[row] - p_unit[y[row]]
                embeddings.append(v / v.norm())
                labels.append(C + k)
    assert novel.labels.tolist() == labels
    torch.testing.assert_close(novel.embeddings, torch.stack(embeddings))


def test_carried_offsets_reach_the_images_and_the_proxies():
    x, y, p = batch()
    novel = synthesis.CarriedOffsets(8)(x, y, p)
    by_rows, by_classes = torch.autograd.grad(novel.embeddings[:, 0].sum(), (x, p))
    assert by_rows.abs().sum() > 0
    assert by_classes.abs().sum() > 0
    assert synthesis.CarriedOffsets(8).own_loss(x, y, p, LOSSES["proxy-nca"](C, D)) is None


@pytest.mark.parametrize(("num", "classes"), [(0, 5), (4, 1)])
def test_without_two_classes_nothing_is_carried(num, classes):
    x, y, p = batch()
    novel = synthesis.CarriedOffsets(num)(x, y % classes, p)
    assert [tuple(t.shape) for t in novel] == [(0, D), (0,), (0, D)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_novel": -1}, "num_novel must not be negative, got -1"),
        ({"num_novel": 2, "alpha": 0}, "alpha must be a positive number, got 0"),
        ({"num_novel": 2, "pairs": "near"}, "pairs must be one of random, hard, got 'near'"),
    ],
)
def test_impossible_carried_offsets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesis.CarriedOffsets(**arguments)
