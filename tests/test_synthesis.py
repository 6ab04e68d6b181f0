"""Novel classes: what every synthesizer keeps to, the makers of class vectors, the generator."""

import math

import pytest
import torch

from dmlviz import synthesis
from dmlviz.geometry import normalize
from synthesis_cases import LOSSES, SYNTHESIZERS, C, D, batch, gen, generated

MAKERS = {
    "free": synthesis.FreeClasses(9, D),
    "mixtures": synthesis.Mixtures(),
    "mixtures, hard": synthesis.Mixtures(1.0, "hard"),
    "extrapolations": synthesis.Extrapolations(),
    "extrapolations, hard": synthesis.Extrapolations(0.1, 1.0, "hard"),
}


# --- what every synthesizer keeps to ----------------------------------------------------------


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_novel_classes_are_numbered_behind_the_real_ones(name):
    x, y, p = batch()
    novel = SYNTHESIZERS[name]()(x, y, p)
    k = len(novel.proxies)
    assert k > 0
    assert novel.proxies.shape == (k, D)
    assert novel.embeddings.shape == (len(novel.labels), D)
    assert novel.labels.unique().tolist() == list(range(C, C + k))  # each has a sample
    ones = torch.ones(len(novel.labels), dtype=x.dtype)
    torch.testing.assert_close(novel.embeddings.norm(dim=1), ones)
    torch.testing.assert_close(novel.proxies.norm(dim=1), ones[:1].expand(k))


def test_the_union_has_the_novel_classes_last():
    x, y, p = batch()
    novel = synthesis.CarriedOffsets(3)(x, y, p)
    embeddings, labels, proxies = novel.joined_to(x, y, p)
    assert torch.equal(embeddings, torch.cat([x, novel.embeddings]))
    assert torch.equal(labels, torch.cat([y, novel.labels]))
    assert torch.equal(proxies, torch.cat([p, novel.proxies]))
    assert len(proxies) == C + 3


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_a_seed_fixes_what_is_made_and_the_global_random_state_is_left_alone(name):
    x, y, p = batch()
    before = torch.get_rng_state()
    first, again, other = (SYNTHESIZERS[name](seed) for seed in (3, 3, 4))
    a, b, c = (s(x, y, p) for s in (first, again, other))
    assert all(torch.equal(one, two) for one, two in zip(a, b, strict=True))
    assert not torch.equal(a.proxies, c.proxies)
    assert not torch.equal(a.proxies, first(x, y, p).proxies)  # the next batch gets others
    loss = LOSSES["proxy-nca"](C, D)
    first, again = (SYNTHESIZERS[name](3) for _ in range(2))
    own = [s.own_loss(x, y, p, loss) for s in (first, again)]
    assert own[0] == own[1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [*SYNTHESIZERS, "memvir"])
def test_half_precision_is_computed_in_float32(name):
    x, y, p = batch()
    make = SYNTHESIZERS.get(name, lambda: synthesis.MemVir(1, 1))
    half, full = make(), make()
    for _ in range(2):  # MemVir has nothing to say at first
        novel = half(x.half(), y, p.half())
        expected = full(x.half().float(), y, p.half().float())
    assert novel.embeddings.dtype == novel.proxies.dtype == torch.float32
    for ours, theirs in zip(novel, expected, strict=True):
        assert torch.equal(ours, theirs)
    loss = LOSSES["proxy-anchor"](C, D)
    union = novel.joined_to(x.half(), y, p.half())
    value = loss.with_proxies(*union)
    own = half.own_loss(x.half(), y, p.half(), loss)
    value = value if own is None else value + own
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()
    assert p.grad.isfinite().all()


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_zero_rows_and_equal_vectors_are_finite(name):
    x, y, p = batch()
    for change in (lambda t: torch.zeros_like(t), lambda t: torch.ones_like(t)):
        x0, p0 = change(x).requires_grad_(), change(p).requires_grad_()
        synthesizer = SYNTHESIZERS[name]()
        novel = synthesizer(x0, y, p0)
        loss = LOSSES["proxy-anchor"](C, D)
        value = loss.with_proxies(*novel.joined_to(x0, y, p0))
        own = synthesizer.own_loss(x0, y, p0, loss)
        (value if own is None else value + own).backward()
        assert value.isfinite()
        assert x0.grad.isfinite().all()
        assert p0.grad.isfinite().all()
        for weight in synthesizer.parameters():
            assert weight.grad is None or weight.grad.isfinite().all()


@pytest.mark.parametrize("name", [*SYNTHESIZERS, "memvir"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [[0.0]]}, TypeError, "embeddings and labels must be torch tensors"),
        ({"x": torch.zeros(0, D), "y": torch.zeros(0).long()}, ValueError, "embeddings is empty"),
        ({"y": torch.zeros(3).long()}, ValueError, r"labels must have shape \(12,\)"),
        ({"y": torch.full((12,), C)}, ValueError, r"labels must lie in 0\.\.\.4"),
        ({"p": torch.zeros(C, D + 1)}, ValueError, r"proxies must have shape \(C, 6\)"),
    ],
)
def test_bad_batches_are_named(name, change, error, message):
    x, y, p = batch()
    arguments = {"x": x, "y": y, "p": p} | change
    synthesizer = synthesis.MemVir(1, 1) if name == "memvir" else SYNTHESIZERS[name]()
    with pytest.raises(error, match=message):
        synthesizer(*arguments.values())
    if name.startswith("generated"):
        with pytest.raises(error, match=message):
            synthesizer.own_loss(*arguments.values(), LOSSES["proxy-nca"](C, D))


# --- class vectors ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("num", [0, 1, 9])
def test_makers_give_as_many_unit_vectors_as_asked_for(name, num):
    _, _, p = batch()
    a, b, c = (MAKERS[name](p, num, gen(seed)) for seed in (0, 0, 1))
    assert a.shape == (num, D)
    torch.testing.assert_close(a.norm(dim=1), torch.ones(num, dtype=a.dtype))
    assert torch.equal(a, b)
    if num == 9:
        assert not torch.equal(a, c)


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "free"])
def test_class_vectors_made_of_proxies_hand_their_gradient_on(name):
    _, _, p = batch()
    c = MAKERS[name](p, 4, gen())
    (c * torch.randn(4, D, generator=gen(), dtype=c.dtype)).sum().backward()
    assert p.grad.abs().sum() > 0
    torch.testing.assert_close(c, MAKERS[name](7 * p.detach(), 4, gen()))  # only directions count


def angle(a, b):
    return torch.acos((a * b).sum(-1).clamp(-1, 1))


def pairs_of(maker, p, num, seed):
    """The pairs that a maker draws first of all."""
    draw = synthesis.hard_pairs if maker.pairs == "hard" else synthesis.random_pairs
    first = p if maker.pairs == "hard" else num
    return draw(first, num if maker.pairs == "hard" else len(p), gen(seed))


@pytest.mark.parametrize("name", ["mixtures", "mixtures, hard"])
def test_mixtures_lie_on_the_arc_between_two_classes(name):
    _, _, p = batch()
    maker = MAKERS[name]
    c, p = maker(p, 20, gen(2)), normalize(p)
    i, j = pairs_of(maker, p, 20, 2)
    torch.testing.assert_close(angle(p[i], c) + angle(c, p[j]), angle(p[i], p[j]))


@pytest.mark.parametrize("name", ["extrapolations", "extrapolations, hard"])
def test_extrapolations_lie_beyond_a_class_on_the_same_great_circle(name):
    _, _, p = batch()
    maker = MAKERS[name]
    c, p = maker(p, 20, gen(2)), normalize(p)
    i, j = pairs_of(maker, p, 20, 2)
    torch.testing.assert_close(angle(c, p[i]) + angle(p[i], p[j]), angle(c, p[j]))
    nearest, farthest = (normalize(p[i] + t * (p[i] - p[j])) for t in (maker.low, maker.high))
    assert (angle(c, p[i]) > angle(nearest, p[i])).all()
    assert (angle(c, p[i]) < angle(farthest, p[i])).all()


def test_alpha_sets_how_near_mixtures_are_to_real_classes():
    p = torch.eye(2)

    def share_of_the_smaller(alpha):
        c = synthesis.Mixtures(alpha)(p, 4000, gen())
        lam = c[:, 0] / c.sum(dim=1)
        assert lam.mean().item() == pytest.approx(0.5, abs=0.03)
        # Var λ of Beta(α, α) is 1/(4(2α+1)).
        assert lam.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)

    for alpha in (0.4, 1.0, 20.0):
        share_of_the_smaller(alpha)


def test_extrapolation_by_zero_is_a_copy():
    _, _, p = batch()
    c = synthesis.Extrapolations(0, 0)(p, 10, gen())
    i, _ = synthesis.random_pairs(10, C, gen())
    torch.testing.assert_close(c, normalize(p)[i])


def test_free_classes_are_parameters_of_their_own():
    _, _, p = batch(dtype=torch.float32)
    free = synthesis.FreeClasses(9, D, seed=1)
    c = free(p, 4, gen())
    rows = [int((normalize(free.vectors) - v).square().sum(1).argmin()) for v in c]
    assert len(set(rows)) == 4  # no vector twice
    assert torch.equal(c, normalize(free.vectors)[rows])
    assert torch.equal(c, free(torch.zeros(2, D), 4, gen()))  # whatever the real ones are
    c[:, 0].sum().backward()
    assert p.grad is None
    used = free.vectors.grad.abs().sum(dim=1) > 0
    assert used.nonzero().flatten().tolist() == sorted(rows)
    assert torch.equal(free.vectors, synthesis.FreeClasses(9, D, seed=1).vectors)
    assert not torch.equal(free.vectors, synthesis.FreeClasses(9, D, seed=2).vectors)


def test_random_pairs_are_all_pairs_of_different_classes_equally_often():
    i, j = synthesis.random_pairs(6000, 3, gen())
    assert (i != j).all()
    counts = torch.bincount(3 * i + j, minlength=9).reshape(3, 3)
    assert counts.diagonal().sum() == 0
    others = counts[~torch.eye(3, dtype=torch.bool)].double()
    assert ((others / 1000 - 1).abs() < 0.12).all()


def test_hard_pairs_take_the_nearest_other_class():
    _, _, p = batch()
    i, j = synthesis.hard_pairs(p, 50, gen())
    assert i.unique().tolist() == list(range(C))
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        cosines = [
            -math.inf if c == a else torch.cosine_similarity(p[a], p[c], dim=0).item()
            for c in range(C)
        ]
        assert b == cosines.index(max(cosines))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: synthesis.Mixtures(alpha=0), "alpha must be a positive number, got 0"),
        (lambda: synthesis.Mixtures(pairs="nearest"), "pairs must be one of random, hard"),
        (lambda: synthesis.Extrapolations(low=-0.1), "low must not be negative"),
        (lambda: synthesis.Extrapolations(0.5, 0.2), "low must not exceed high"),
        (lambda: synthesis.Extrapolations(pairs=""), "pairs must be one of random, hard"),
        (lambda: synthesis.FreeClasses(0, D), "num_novel and embedding_size must be at least 1"),
        (lambda: synthesis.FreeClasses(3, 0), "num_novel and embedding_size must be at least 1"),
        (
            lambda: synthesis.FreeClasses(3, D)(torch.zeros(C, D), 4, gen()),
            "4 novel classes were asked for, but FreeClasses holds 3: build it with num_novel=4",
        ),
        (
            lambda: synthesis.FreeClasses(3, D)(torch.zeros(C, 2), 2, gen()),
            r"proxies must have shape \(C, 6\)",
        ),
        (
            lambda: synthesis.Mixtures()(torch.zeros(C), 2, gen()),
            r"proxies must be floats of shape \(C, D\)",
        ),
        (
            lambda: synthesis.Extrapolations()(torch.zeros(C, D).long(), 2, gen()),
            r"proxies must be floats of shape \(C, D\)",
        ),
        (
            lambda: synthesis.Mixtures()(torch.ones(1, D), 2, gen()),
            "a pair needs at least 2 classes, got 1",
        ),
        (lambda: synthesis.random_pairs(2, 1, gen()), "a pair needs at least 2 classes, got 1"),
        (lambda: synthesis.random_pairs(-1, 3, gen()), "num must not be negative, got -1"),
        (lambda: synthesis.hard_pairs(torch.ones(1, D), 2, gen()), "at least 2 classes, got 1"),
    ],
)
def test_impossible_class_vectors_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# --- the generator ----------------------------------------------------------------------------


def test_the_generator_uses_the_class_and_the_noise():
    generator = synthesis.NovelClassGenerator(D, 3)
    c = torch.randn(8, D, generator=gen())
    z = torch.randn(8, 3, generator=gen(1))
    v = generator(c, z)
    assert v.shape == (8, D)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(8))
    assert (generator(c, z + 1) - v).abs().amax(dim=1).min() > 1e-3
    # The residual, too, depends on the class: other classes move otherwise under the same noise.
    residual = generator.residual(torch.cat([normalize(c), z[:1].expand(8, 3)], dim=1))
    assert torch.cdist(residual, residual).fill_diagonal_(1).min() > 1e-3
    torch.testing.assert_close(generator(5 * c, z), v)  # only directions of classes count
    torch.testing.assert_close(v, normalize(normalize(c) + generator.residual(
        torch.cat([normalize(c), z], dim=1)
    )))  # fmt: skip


def test_a_sample_does_not_depend_on_the_others_of_the_batch():
    generator = synthesis.NovelClassGenerator(D, 3)
    c, z = torch.randn(8, D, generator=gen()), torch.randn(8, 3, generator=gen(1))
    torch.testing.assert_close(generator(c, z)[:1], generator(c[:1], z[:1]))


def test_noise_is_drawn_from_the_generator_that_is_given_or_the_global_one():
    generator = synthesis.NovelClassGenerator(D, 3)
    c = torch.ones(400, D)
    a, b, other = (generator(c, random=gen(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, other)
    torch.testing.assert_close(a, generator(c, torch.randn(400, 3, generator=gen())))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = generator(c)
        assert not torch.equal(first, generator(c))
        torch.manual_seed(0)
        assert torch.equal(first, generator(c))


def test_generators_are_seeded_and_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    a, b, c = (synthesis.NovelClassGenerator(D, 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [next(g.parameters()) for g in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    wide = synthesis.NovelClassGenerator(D, 3, hidden_size=40)
    assert [m.out_features for m in wide.residual if hasattr(m, "out_features")] == [40, 40, D]


def test_generators_keep_float64_and_widen_float16():
    generator = synthesis.NovelClassGenerator(D, 3)
    assert generator(torch.ones(2, D).double()).dtype == torch.float64
    assert generator(torch.ones(2, D).half()).dtype == torch.float32


def test_a_labelled_generator_looks_class_vectors_up():
    generator = synthesis.NovelClassGenerator(D, 3)
    loss = LOSSES["proxy-anchor"](C, D)
    labelled = synthesis.LabelledGenerator(loss.proxies, generator)
    y, z = torch.tensor([3, 0, 3]), torch.randn(3, 3, generator=gen())
    assert torch.equal(labelled(y, z), generator(loss.proxies[y], z))
    assert torch.equal(labelled(y, random=gen()), generator(loss.proxies[y], random=gen()))
    before = labelled(y, z)
    with torch.no_grad():
        loss.proxies.add_(torch.randn(C, D, generator=gen()))
    assert not torch.equal(labelled(y, z), before)  # it follows the loss's proxies
    fixed = synthesis.LabelledGenerator(torch.ones(C, D), generator)
    assert "class_vectors" not in dict(fixed.named_parameters())
    assert "class_vectors" in fixed.state_dict()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: g([[0.0]]), TypeError, "class_vectors must be torch tensors"),
        (lambda g: g(torch.zeros(D)), ValueError, r"class_vectors must be floats of shape \(N, D"),
        (lambda g: g(torch.zeros(0, D)), ValueError, "class_vectors is empty"),
        (lambda g: g(torch.zeros(2, 9)), ValueError, r"shape \(N, 6\).*embedding_size=9"),
        (
            lambda g: g(torch.zeros(2, D), torch.zeros(3, 3)),
            ValueError,
            r"noise must have shape \(2, 3\), got \(3, 3\)",
        ),
        (lambda g: g(torch.zeros(2, D), 0.0), TypeError, "noise must be torch tensors"),
        (
            lambda g: synthesis.LabelledGenerator(torch.zeros(C, D), g)(torch.tensor([0, C])),
            ValueError,
            r"labels must lie in 0\.\.\.4 \(one class vector per label\), got 0\.\.\.5",
        ),
        (
            lambda g: synthesis.LabelledGenerator(torch.zeros(C, D), g)(torch.tensor([0.5])),
            ValueError,
            "labels must be integers",
        ),
        (lambda g: synthesis.LabelledGenerator(torch.zeros(C), g), ValueError, "class_vectors"),
        (lambda g: synthesis.LabelledGenerator(None, g), TypeError, "class_vectors"),
        (lambda g: synthesis.NovelClassGenerator(0, 3), ValueError, "must be at least 1, got 0, 3"),
        (lambda g: synthesis.NovelClassGenerator(D, 0), ValueError, "must be at least 1, got 6, 0"),
        (lambda g: synthesis.NovelClassGenerator(D, 3, 0), ValueError, "must be at least 1"),
    ],
)
def test_bad_input_of_generators_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(synthesis.NovelClassGenerator(D, 3))


def test_settings_show_in_the_repr():
    assert "noise_size=3" in repr(synthesis.NovelClassGenerator(D, 3))
    assert "alpha=0.4, ratio=1.0, partner='next'" in repr(synthesis.ProxySynthesis())
    assert "steps_apart=2, num_virtual=3" in repr(synthesis.MemVir(2, 3))
    assert "num_novel=4, alpha=0.4, pairs='random'" in repr(synthesis.CarriedOffsets(4))
    assert "maker=Mixtures(alpha=0.4, pairs='random')" in repr(generated())
    assert "FreeClasses(num_novel=7" in repr(generated(synthesis.FreeClasses(7, D)))
