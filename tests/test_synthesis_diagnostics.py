"""Diagnostics: figures that are known beforehand, and a table that says them."""

import pytest
import torch

from dmlviz import synthesis
from dmlviz.geometry import normalize
from synthesis_cases import gaussians, gen


class Gaussian(synthesis.NovelClassGenerator):
    """Class vector plus noise, as `gaussians` makes real vectors; `spread` times as wide."""

    def __init__(self, spread=0.1, centre=None):
        super().__init__(16, 16)
        self.spread, self.centre = spread, centre

    def forward(self, class_vectors, noise=None, *, random=None):
        z = torch.randn(len(class_vectors), 16, generator=random) if noise is None else noise
        c = class_vectors if self.centre is None else self.centre.expand(len(class_vectors), 16)
        return normalize(c + self.spread * torch.linspace(0.3, 1.6, 16) * z)


def diagnose(generator):
    x, y, p = gaussians()
    return synthesis.diagnose(generator, x, y, p, synthesis.Mixtures()(p, 6, gen(1)))


def test_a_perfect_generator_is_healthy():
    found = diagnose(Gaussian())
    assert found.real_accuracy == 1
    assert found.spread_ratio == pytest.approx(1, abs=0.15)
    assert found.distance_ratio == pytest.approx(0.9, abs=0.3)
    assert found.offset_distance_ratio == pytest.approx(1, abs=0.3)
    assert found.nearest_real_class.shape == (6,)
    assert found.noise_use > 0.1


def test_a_collapsed_generator_does_not_use_its_noise():
    found = diagnose(Gaussian(spread=0))
    assert found.real_accuracy == 1
    assert found.offset_distance_ratio > 5
    assert found.noise_use == pytest.approx(0, abs=1e-10)
    assert found.spread_ratio == pytest.approx(0, abs=1e-10)


def test_a_wide_generator_spreads_too_much():
    found = diagnose(Gaussian(spread=0.3))
    assert 3 < found.spread_ratio < 9
    assert found.offset_distance_ratio > 5


def test_a_generator_that_ignores_its_class_misses_it():
    _, _, p = gaussians()
    found = diagnose(Gaussian(centre=p[:1]))
    assert found.real_accuracy == pytest.approx(0.1, abs=0.02)
    assert found.distance_ratio > 5


def test_nearest_proxy_accuracy_counts():
    p = torch.eye(3)
    x = torch.tensor([[5.0, 1, 0], [0, 0.1, 0], [1, 0, 2], [0, 1, 3]])
    assert synthesis.nearest_proxy_accuracy(x, torch.tensor([0, 1, 0, 2]), p) == 0.75


def test_spread_is_the_unbiased_variance_within_classes():
    x, y, _ = gaussians(classes=4, per_class=6)
    loops = [sum((v - x[y == c].mean(0)).square().sum() for v in x[y == c]) / 5 for c in range(4)]
    expected = (sum(loops) / 4).item()
    assert synthesis.diagnostics._spread("x", x, y) == pytest.approx(expected, rel=1e-5)
    # Classes of one sample have none; names of labels and lengths of vectors do not matter.
    more, labels = torch.cat([3 * x, x[:1]]), torch.cat([7 * y - 3, torch.tensor([99])])
    assert synthesis.spread_ratio(more, labels, x, y) == pytest.approx(1, rel=1e-5)


def test_spread_ratio_of_twice_the_deviation_is_four():
    x, y, _ = gaussians(per_class=400, spread=0.01)
    wider, _, _ = gaussians(per_class=400, spread=0.02)
    assert synthesis.spread_ratio(wider, y, x, y) == pytest.approx(4, rel=0.05)


def test_distance_ratio_is_one_for_other_samples_of_the_same_classes():
    x, _, p = gaussians(classes=2, per_class=300)
    y = torch.randint(2, (600,), generator=gen(4))  # class counts are random, too
    noise = 0.1 * torch.linspace(0.3, 1.6, 16) * torch.randn(600, 16, generator=gen(9))
    assert 0.5 < synthesis.distance_ratio(x, normalize(p[y] + noise)) < 1.6
    assert synthesis.distance_ratio(x, -x) > 20
    one, again, other = (synthesis.distance_ratio(x, -x, seed=seed) for seed in (0, 0, 1))
    assert one == again != other


def test_fewer_generated_than_real_vectors_are_compared_with_as_few():
    x, _, _ = gaussians(classes=2, per_class=100)
    assert synthesis.distance_ratio(x, x[torch.randperm(200, generator=gen())[:20]]) < 2


def test_nearest_real_class_knows_copies():
    p = torch.eye(3)
    c = torch.tensor([[2.0, 0, 0], [1, 1, 0], [-1, -1, -1]])
    torch.testing.assert_close(
        synthesis.nearest_real_class(c, p), torch.tensor([1, 2**-0.5, -(3**-0.5)])
    )


def test_noise_use_is_the_variance_over_the_noise():
    class Straight(Gaussian):
        def forward(self, class_vectors, noise=None, *, random=None):
            z = torch.randn(len(class_vectors), 16, generator=random)
            return torch.where(z[:, :1] > 0, torch.eye(16)[:1], torch.eye(16)[1:2])

    # Two orthogonal unit vectors, each half of the time: variance 2 · ¼ in total.
    value = synthesis.noise_use(Straight(), torch.eye(16), samples=500)
    assert value == pytest.approx(0.5, rel=0.02)


def test_nothing_keeps_a_graph_and_half_precision_works():
    x, y, p = gaussians()
    generator = synthesis.NovelClassGenerator(16, 4)
    found = synthesis.diagnose(generator, x.half(), y, p.half().requires_grad_(), p[:3].half())
    assert not found.nearest_real_class.requires_grad
    assert found.nearest_real_class.dtype == torch.float32
    assert isinstance(found.noise_use, float)


def test_a_diagnosis_is_reproducible_and_prints_as_a_table():
    found, again = diagnose(Gaussian()), diagnose(Gaussian())
    assert str(found) == str(again)
    lines = str(found).splitlines()
    assert len(lines) == 8
    assert len({line.rfind("  ") for line in lines}) == 1  # columns stand below each other
    assert lines[0].split() == ["found", "healthy"]
    assert "100.0%" in lines[1]
    assert f"{found.spread_ratio:.2f}" in lines[3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, p: synthesis.nearest_proxy_accuracy(x, y + 99, p), "labels must lie in"),
        (lambda x, y, p: synthesis.spread_ratio(x[:2], y[:1], x, y), "labels must have shape"),
        (
            lambda x, y, p: synthesis.spread_ratio(x, torch.arange(len(x)), x, y),
            "no class of the generated vectors has two",
        ),
        (
            lambda x, y, p: synthesis.spread_ratio(x, y, torch.ones_like(x), y),
            "the real vectors of each class coincide",
        ),
        (lambda x, y, p: synthesis.distance_ratio(x[:1], x), "takes two real vectors"),
        (lambda x, y, p: synthesis.distance_ratio(x, x, splits=0), "splits=1 or more"),
        (
            lambda x, y, p: synthesis.distance_ratio(torch.ones_like(x), x),
            "all real vectors coincide",
        ),
        (lambda x, y, p: synthesis.distance_ratio(x, x[0]), "generated must be floats"),
        (lambda x, y, p: synthesis.nearest_real_class(p[0], p), "class_vectors must be floats"),
        (
            lambda x, y, p: synthesis.noise_use(Gaussian(), p, samples=1),
            "samples must be at least 2",
        ),
        (lambda x, y, p: synthesis.noise_use(Gaussian(), p[:0]), "class_vectors is empty"),
        (
            lambda x, y, p: synthesis.diagnose(Gaussian(), x, y - 1, p, p),
            r"labels must lie in 0\.\.\.9",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*gaussians())
