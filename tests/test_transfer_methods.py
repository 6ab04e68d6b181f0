"""Embedding transfer and learning without labels: what the methods do with models and data."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import oracles_transfer as oracles
from dmlviz import datasets, evaluation, losses, methods
from dmlviz.datasets.views import one_after_the_other
from transfer_cases import Pictures, assert_equal_states, fit, net, state, trained, transfer


def first_batch(method, train, size=8):
    loader = torch.utils.data.DataLoader(method.dataset(train), batch_size=size)
    return next(iter(loader))


# --- views ------------------------------------------------------------------------------------


def test_views_are_copies_of_one_image_with_its_label_and_index():
    plain, noisy = Pictures(noise=0), Pictures()
    for i in (0, 5):
        views, label, index = datasets.Views(plain, 3)[i]
        assert torch.equal(views, plain[i][0].expand(3, -1, -1, -1))
        assert (label, index) == (i % 4, i)
        views, _, _ = datasets.Views(noisy)[i]
        assert views.shape == (2, 1, 16, 16)
        assert not torch.equal(views[0], views[1])
    assert len(datasets.Views(plain, 3)) == 16


def test_views_of_unlabelled_images_have_the_label_minus_one():
    views, label, index = datasets.Views(Pictures(labelled=False), 2)[3]
    assert views.shape == (2, 1, 16, 16)
    assert (label, index) == (-1, 3)


@pytest.mark.parametrize("views", [0, -1])
def test_at_least_one_view_is_needed(views):
    with pytest.raises(ValueError, match=f"views must be at least 1, got {views}"):
        datasets.Views(Pictures(), views)


def test_all_first_views_come_before_all_second_ones():
    number = torch.tensor([[10, 11, 12], [20, 21, 22]])  # image 1, 2; view 0, 1, 2
    images, labels, indices = one_after_the_other(
        number[:, :, None, None, None].float(), torch.tensor([7, 8]), torch.tensor([1, 2])
    )
    assert images.flatten().tolist() == [10, 20, 11, 21, 12, 22]
    assert labels.tolist() == [7, 8] * 3
    assert indices.tolist() == [1, 2] * 3


# --- the source -------------------------------------------------------------------------------


def test_the_source_is_a_frozen_copy_that_training_leaves_alone():
    given = trained().train()
    before = state(given)
    method = transfer(source=given)
    assert method.source is not given
    assert not any(p.requires_grad for p in method.source.parameters())
    assert method.train() is method
    assert method.training
    assert not any(m.training for m in method.source.modules())
    _, model = fit(method, epochs=2)
    assert_equal_states(state(method.source), before)  # batch norms' statistics included
    assert not any(m.training for m in method.source.modules())
    assert all(p.grad is None for p in method.source.parameters())
    # What the user has given is as it was, and still trainable.
    assert_equal_states(state(given), before)
    assert all(p.requires_grad for p in given.parameters())
    assert all(m.training for m in given.modules())
    assert not torch.equal(model.head.weight, net(normalize=False).head.weight)


def test_a_model_may_learn_from_its_own_past():
    model = trained()
    before = state(model)
    method = transfer(source=model)
    fit(method, model)
    assert_equal_states(state(method.source), before)
    assert not torch.equal(model.head.weight, before["head.weight"])


@pytest.mark.parametrize(
    "loss", [losses.PKTLoss(), losses.AttentionTransferLoss(["block1"])], ids=["embeddings", "maps"]
)
def test_source_and_target_see_the_same_views_in_the_same_order(loss):
    seen = {}
    method, model, train = transfer(loss), net(), Pictures()
    for name, module in (("source", method.source), ("target", model)):
        module.backbone.block1.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.setdefault(name, []).append(inputs[0])
        )
    batch = first_batch(method, train)
    method(model, batch)
    assert len(seen["source"]) == len(seen["target"]) == 1
    assert torch.equal(seen["source"][0], seen["target"][0])
    views = batch[0]
    assert views.shape == (8, 2, 1, 16, 16)
    assert torch.equal(seen["target"][0], torch.cat([views[:, 0], views[:, 1]]))


def test_a_loss_gets_what_it_compares_and_needs():
    got = {}

    class Curious(nn.Module):
        compares, needs = "features", ("indices", "labels")

        def forward(self, target, source, *, labels, indices):
            got.update(target=target, source=source, labels=labels, indices=indices)
            return target.sum()

    method, model, train = transfer(Curious()), net("convnet").eval(), Pictures()
    batch = first_batch(method, train)
    method(model, batch)
    images = torch.cat([batch[0][:, 0], batch[0][:, 1]])
    torch.testing.assert_close(got["target"], model.features(images))
    torch.testing.assert_close(got["source"], method.source.features(images))
    assert got["target"].requires_grad
    assert not got["source"].requires_grad
    assert got["labels"].tolist() == [0, 1, 2, 3] * 4
    assert got["indices"].tolist() == list(range(8)) * 2


def test_label_loss_is_added_to_the_weighted_loss():
    label_loss = losses.ProxyAnchorLoss(4, 8)
    method = transfer(losses.RelaxedContrastiveLoss(), label_loss=label_loss, weight=3.0)
    model = net().eval()
    batch = first_batch(method, Pictures())
    images, labels, _ = one_after_the_other(*batch)
    target, source = model(images), method.source(images)
    transferred = losses.relaxed_contrastive(target, source)
    assert transferred > 1  # so that its weight shows
    expected = 3 * transferred + label_loss(target, labels)
    torch.testing.assert_close(method(model, batch), expected)
    with pytest.raises(ValueError, match="weight must not be negative"):
        transfer(weight=-1.0)


# --- what is trained, and how fast ------------------------------------------------------------


def test_proxies_learn_at_their_own_rate_and_what_the_loss_learns_at_the_networks(monkeypatch):
    rates, adamw = {}, torch.optim.AdamW

    def spy(groups, **options):
        rates.update({id(p): group["lr"] for group in groups for p in group["params"]})
        return adamw(groups, **options)

    monkeypatch.setattr(torch.optim, "AdamW", spy)
    loss = losses.FitNetLoss(["block1", "block2"], [8, 16], [8, 16])
    label_loss = losses.ProxyAnchorLoss(4, 8)
    method = transfer(loss, label_loss=label_loss)
    assert [id(p) for p in method.proxies()] == [id(label_loss.proxies)]
    before = state(method)
    _, model = fit(method, lr=1e-3, proxy_lr_multiplier=50)
    expected = {id(p): 1e-3 for p in [*model.parameters(), *loss.weights]}
    assert rates == expected | {id(label_loss.proxies): pytest.approx(0.05)}
    moved = {name for name, value in method.state_dict().items() if (value != before[name]).any()}
    assert moved == {"loss.weights.0", "loss.weights.1", "label_loss.proxies"}


def test_without_label_loss_there_are_no_proxies():
    assert transfer(losses.FitNetLoss(["block1"], [8], [8])).proxies() == []


def test_samples_per_class_balances_the_batches():
    train = Pictures(24)
    for batch in transfer(samples_per_class=2).batch_sampler(train, 8, seed=0):
        assert train.targets[batch].bincount().tolist() == [2] * 4
    random = transfer().batch_sampler(train, 8, seed=0)
    assert sorted(i for batch in random for i in batch) == list(range(24))


def all_losses():
    small, large = net().stage_channels(), net("convnet").stage_channels()
    stages = list(small)
    return [
        losses.RelaxedContrastiveLoss(),
        losses.RelaxedMultiSimilarityLoss(),
        losses.RKDLoss(),
        losses.PKTLoss(),
        losses.DarkRankLoss(),
        losses.AttentionTransferLoss(stages),
        losses.FitNetLoss(stages, list(small.values()), list(large.values())),
        losses.CRDLoss(64, 256, Pictures().targets, negatives=16),
    ]


@pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: type(loss).__name__)
def test_every_loss_trains_a_small_network_from_a_large_one(loss):
    loss_before = state(loss)
    target = net(normalize=False)
    before = state(target)
    method = transfer(loss, trained("convnet"))
    history, _ = fit(method, target, epochs=1)  # two steps; fit stops where a loss is not finite
    assert history["loss"][1] > 0
    for name, value in target.named_parameters():
        assert value.isfinite().all()
        moves = not name.startswith("head") or getattr(loss, "compares", "") == ""
        assert torch.equal(value, before[name]) != moves, name
    for name, value in loss.named_parameters():
        assert not torch.equal(value, loss_before[name]), name


def test_the_same_seed_gives_the_same_history():
    def once(seed):
        history, model = fit(transfer(), seed=seed, epochs=2)
        return history["loss"], model.head.weight.detach()

    (first, a), (second, b), (other, _) = once(0), once(0), once(1)
    assert first == second
    assert torch.equal(a, b)
    assert first != other


# --- learning ---------------------------------------------------------------------------------


def blobs(classes=24, per_class=8, seed=0):
    """A centre per class in 8 dimensions, and large noise in 8 more."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(classes).repeat_interleave(per_class)
    centres = torch.randn(classes, 8, generator=generator)
    x = torch.cat([centres[y], 2 * torch.randn(len(y), 8, generator=generator)], dim=1)
    x = x + 0.1 * torch.randn(x.shape, generator=generator)
    names = [f"blob {seed} {c}" for c in range(classes)]
    return datasets.Features(
        x, SimpleNamespace(targets=y, split="train", name="blobs", classes=names)
    )


def knowing():
    """A source that looks at the first 8 dimensions alone."""
    source = trained("identity", in_channels=16)
    with torch.no_grad():
        source.head.weight.copy_(torch.eye(8, 16))
    return source


def test_relaxed_contrastive_hands_the_sources_distances_to_the_target():
    train, test = blobs(), blobs(seed=1)
    method = transfer(source=knowing(), views=1)
    target = net("identity", in_channels=16, normalize=False)

    @torch.no_grad()
    def error():
        """Mean |d - δ(1 - w)| over the pairs that the source finds alike."""
        w = losses.relaxed_labels(method.source(train.features))
        d = losses.relative_distances(target(train.features))
        return (d - (1 - w))[w > 0.5].abs().mean().item()

    before = error()
    history, _ = fit(method, target, train, test=test, epochs=20, batch_size=64, lr=3e-2)
    ours = history["test_recall@1"]
    theirs = evaluation.evaluate(method.source, test, nmi=False).recall[1]
    assert ours[0] < theirs - 0.5
    assert ours[-1] > theirs - 0.1
    assert error() < 0.6 * before


class Scenes(torch.utils.data.Dataset):
    """Glyphs of 16 numbers among 16 numbers of clutter, which every view draws anew."""

    def __init__(self, classes, seed, labelled):
        generator = torch.Generator().manual_seed(seed)
        self.glyphs = torch.randn(classes, 16, generator=generator)
        self.labelled = labelled

    def __len__(self):
        return 4 * len(self.glyphs)

    def __getitem__(self, i):
        glyph = self.glyphs[i // 4] + 0.2 * torch.randn(16)
        x = torch.cat([glyph, 2 * torch.randn(16)])
        return (x, i // 4) if self.labelled else x


@pytest.mark.parametrize("labelled", [True, False])
def test_self_supervision_learns_without_labels_to_ignore_what_views_do_not_share(labelled):
    model = net("identity", in_channels=32)
    history, _ = fit(
        methods.SelfSupervised(), model, Scenes(32, 0, labelled), test=Scenes(24, 1, True),
        epochs=15, batch_size=64, lr=3e-2, schedule="constant", eval_every=15,
    )  # fmt: skip
    recall = history["test_recall@1"]
    assert recall[0] < 0.4
    assert recall[-1] > 0.9


def test_unlabelled_images_are_enough_for_transfer():
    history, model = fit(transfer(), train=Pictures(labelled=False))
    assert history["loss"][1] > 0
    assert not torch.equal(model.head.weight, net(normalize=False).head.weight)


# --- self-supervision -------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_self_supervision_equals_the_naive_loops(temperature):
    method, model = methods.SelfSupervised(temperature), net().double().eval()
    views, labels, indices = first_batch(method, Pictures(), size=5)
    assert views.shape == (5, 2, 1, 16, 16)
    value = method(model, (views.double(), labels, indices))
    first, second = model(views[:, 0].double()), model(views[:, 1].double())
    expected = oracles.contrastive_of_two_views(first, second, temperature)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
def test_self_supervision_refuses_impossible_temperatures(temperature):
    with pytest.raises(ValueError, match="temperature must be a positive number"):
        methods.SelfSupervised(temperature)
