"""The slope of a loss along one distance: in one go where the loss allows it, else one by one."""

import pytest
import torch
from pytorch_metric_learning import losses as pml

from dmlviz import losses
from dmlviz.plots.forces import configuration, forces, in_the_plane, owns_proxies, profile

LOSSES = [
    losses.ContrastiveLoss(),
    losses.TripletLoss(mining="all"),
    losses.TripletLoss(mining="semihard"),
    losses.NormalizedSoftmaxLoss(3, 2, temperature=0.2),
    losses.ProxyNCALoss(3, 2, temperature=0.2),
    losses.ProxyAnchorLoss(3, 2, alpha=4),
    pml.MultiSimilarityLoss(),  # chooses its pairs: cannot be batched
    pml.ProxyAnchorLoss(3, 2, alpha=4),
]


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_slopes_are_those_of_the_values(loss, positive):
    where = torch.linspace(0.15, 0.85, 8).double()
    values, slopes = profile(loss, where, positive=positive)
    assert values.shape == slopes.shape == (8,)
    assert not values.requires_grad
    assert not slopes.requires_grad
    step = 1e-6
    up, down = (profile(loss, where + t, positive=positive)[0] for t in (step, -step))
    torch.testing.assert_close(slopes, (up - down) / (2 * step), rtol=1e-4, atol=1e-5)


def test_one_position_alone_is_as_among_others():
    for loss in LOSSES:
        where = torch.tensor([0.3, 0.6, 0.9]).double()
        together = profile(loss, where, positive=True)
        for i in range(3):
            alone = profile(loss, where[i : i + 1], positive=True)
            for a, b in zip(alone, together, strict=True):
                torch.testing.assert_close(a[0], b[i])


def test_the_errors_of_a_loss_come_through():
    class Broken(torch.nn.Module):
        def forward(self, embeddings, labels):
            raise RuntimeError("out of luck")

    assert not owns_proxies(Broken())
    with pytest.raises(RuntimeError, match="out of luck"):
        profile(Broken(), torch.tensor([0.5]), positive=True)


def test_a_loss_of_many_classes_has_three_in_the_plane():
    x, y, proxies = configuration("mixed")
    for cls in (pml.ProxyNCALoss, pml.ProxyAnchorLoss, pml.SoftTripleLoss):
        many, three = (
            forces(in_the_plane(cls(n, d), proxies), x, y) for n, d in ((200, 64), (3, 2))
        )
        assert many[0] == pytest.approx(three[0])
        torch.testing.assert_close(many[1], three[1])


def test_several_centres_of_a_class_lie_in_a_fan_around_its_proxy():
    _, _, proxies = configuration()
    loss = pml.SubCenterArcFaceLoss(num_classes=200, embedding_size=64)
    centres = in_the_plane(loss, 2 * proxies).W.detach().T.unflatten(0, (3, 3))  # class, centre
    torch.testing.assert_close(centres[:, 1], proxies)
    unit = torch.nn.functional.normalize(centres, dim=2)
    cosine = (unit * proxies[:, None]).sum(dim=2)
    assert torch.rad2deg(cosine[:, [0, 2]].acos()).flatten().tolist() == pytest.approx(
        [19.8] * 6, abs=0.1
    )


def test_a_loss_that_gives_a_plain_zero_exerts_no_force():
    class Nothing(torch.nn.Module):
        def forward(self, embeddings, labels):
            return 0

    x, y, _ = configuration()
    value, force = forces(Nothing(), x, y)
    assert (value, force.abs().max().item()) == (0, 0)
    assert profile(Nothing(), torch.tensor([0.5, 0.7]), positive=True)[1].tolist() == [0, 0]
