"""What embedding transfer refuses, what it warns of, and what it looks at: traces of networks."""

import pytest
import torch
import torchvision
from torch import nn

from dmlviz import losses, methods
from transfer_cases import Pictures, assert_equal_states, fit, net, state, trained, transfer


def check(method, train, model=None):
    """Warnings are errors here, so that this passes only where there are none."""
    method.check(train, model or net())


# --- source and target ------------------------------------------------------------------------


def test_an_untrained_source_warns():
    for train in (Pictures(), Pictures(labelled=False)):
        with pytest.warns(UserWarning, match=r"source is untrained.*initialize_head"):
            check(transfer(source=net()), train)
    with pytest.warns(UserWarning, match="source is untrained"):
        fit(transfer(source=net()))


def test_a_source_that_has_learned_or_starts_as_pca_does_not_warn():
    source = net()
    fit(methods.Supervised(losses.ProxyAnchorLoss(4, 8)), source)
    check(transfer(source=source), Pictures())
    source = net()
    source.initialize_head(source.features(torch.randn(20, 1, 16, 16)))
    check(transfer(source=source), Pictures())


def test_any_module_may_be_the_source_of_embeddings():
    source = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    check(transfer(source=source), Pictures())
    target = nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
    history, _ = fit(transfer(source=source), target)
    assert history["loss"][1] > 0


@pytest.mark.parametrize(
    "loss",
    [losses.AttentionTransferLoss(["block1"]), losses.CRDLoss(256, 64, Pictures().targets)],
    ids=["maps", "features"],
)
def test_maps_and_features_need_an_embedding_net(loss, request):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(256, 8))
    compares = request.node.callspec.id
    message = f"compares {compares} needs an EmbeddingNet.*got Sequential"
    with pytest.raises(TypeError, match=message):
        fit(transfer(loss), plain)
    with pytest.raises(TypeError, match=message):
        fit(transfer(loss, plain))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.save(torchvision.models.mobilenet_v2(weights=None).state_dict(), path)
    return trained("mobilenet_v2", in_channels=3, weights=path)


def test_pixels_that_only_one_of_both_expects_warn(pretrained):
    photos = Pictures(channels=3, side=224, n=4)
    random = net("mobilenet_v2", in_channels=3)
    message = r"the source ImageNet's mean and deviation, the target values in -1…1.*transform="
    with pytest.warns(UserWarning, match=message):
        check(transfer(source=pretrained), photos, random)
    message = "the source values in -1…1, the target ImageNet's mean and deviation"
    with pytest.warns(UserWarning, match=message):
        check(transfer(source=trained(in_channels=3)), photos, pretrained)
    check(transfer(source=pretrained), photos, pretrained)


def test_images_of_another_size_than_the_sources_warn(pretrained):
    small = Pictures(channels=3, side=64, n=4)
    with pytest.warns(UserWarning, match=r"64 pixels wide, the source was trained on 224.*transfo"):
        check(transfer(source=pretrained), small, pretrained)
    # A source without pretrained weights has no size of its own.
    check(transfer(source=trained("mobilenet_v2", in_channels=3)), small, net(in_channels=3))


def test_source_and_target_must_take_the_same_channels():
    message = "source takes in_channels=3, the target 1.*build them alike"
    with pytest.raises(ValueError, match=message):
        check(transfer(source=trained(in_channels=3)), Pictures(channels=3))


# --- data -------------------------------------------------------------------------------------


class Repeating(Pictures):
    """A random transform, the first three results of which happen to be the same."""

    calls = 0

    def __getitem__(self, i):
        self.calls += 1
        image, label = super().__getitem__(i)
        return (image.flip(-1) if self.calls > 3 and self.calls % 2 else image), label


def test_views_that_are_all_the_same_warn():
    for train in (Pictures(noise=0), Pictures(noise=0, labelled=False)):
        with pytest.warns(UserWarning, match="views=2.*same view every time.*random transform"):
            check(transfer(), train)
        check(transfer(views=1), train)
        check(transfer(), Pictures(labelled=train.labelled))


def test_views_that_are_the_same_by_chance_do_not_warn():
    """A flip leaves half of all pairs of views alike, Glyphs' random shift one in 49."""
    check(transfer(), Repeating(noise=0))


def test_checks_leave_the_random_state_alone_and_do_not_depend_on_it():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for train in (Pictures(), Pictures(labelled=False)):
        check(transfer(), train)
    assert torch.equal(torch.get_rng_state(), before)


def test_unlabelled_images_have_no_use_for_label_loss_or_samples_per_class():
    for options in ({"label_loss": losses.TripletLoss()}, {"samples_per_class": 2}):
        with pytest.raises(ValueError, match="label_loss and samples_per_class need labels"):
            fit(transfer(**options), train=Pictures(labelled=False))


def test_a_loss_that_needs_labels_refuses_unlabelled_images():
    class Labelled(nn.Module):
        needs = ("labels",)

        def forward(self, target, source, *, labels):
            return target.square().mean()

    with pytest.raises(ValueError, match="labels"):
        fit(transfer(Labelled()), train=Pictures(labelled=False))


def test_a_label_loss_for_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"num_classes=5.*4 classes"):
        fit(transfer(label_loss=losses.ProxyAnchorLoss(5, 8)))


def test_crd_must_remember_this_training_set():
    loss = losses.CRDLoss(64, 64, torch.arange(15) % 4, negatives=4)
    with pytest.raises(ValueError, match=r"remembers 15 training images.*has 16.*train\.targets"):
        fit(transfer(loss))


@pytest.mark.parametrize(
    "loss",
    [
        losses.RelaxedMultiSimilarityLoss(views=1),
        losses.CRDLoss(64, 64, Pictures().targets, views=1),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_loss_and_method_must_agree_on_the_views(loss):
    with pytest.raises(ValueError, match=r"made for views=1, the method for views=2.*the same"):
        transfer(loss)
    assert transfer(loss, views=1).views == 1


@pytest.mark.parametrize("views", [0, -1])
def test_at_least_one_view_is_needed(views):
    with pytest.raises(ValueError, match=f"views must be at least 1, got {views}"):
        fit(transfer(views=views))


# --- training ---------------------------------------------------------------------------------


def test_warm_up_needs_something_that_trains():
    """The head alone trains in warm-up, and maps come before it."""
    method = transfer(losses.AttentionTransferLoss(["block1"]))
    with pytest.raises(ValueError, match="warmup_epochs"):
        fit(method, warmup_epochs=1)


def test_warm_up_trains_the_head_by_what_compares_embeddings():
    model = net(normalize=False)
    before = state(model)
    fit(transfer(), model, warmup_epochs=1)
    moved = {name for name, value in model.named_parameters() if (value != before[name]).any()}
    assert moved == {"head.weight", "head.bias"}


def test_one_image_has_nothing_to_be_told_from_without_labels():
    with pytest.raises(ValueError, match="batch"):
        fit(methods.SelfSupervised(), batch_size=1)


# --- what a network makes on its way ----------------------------------------------------------


@pytest.mark.parametrize("normalize", [True, False])
def test_trace_shows_what_forward_and_features_do(normalize):
    model, images = net("convnet", normalize=normalize).eval(), torch.randn(3, 1, 16, 16)
    trace = model.trace(images)
    assert torch.equal(trace.embeddings, model(images))
    assert torch.equal(trace.features, model.features(images))
    shapes = {name: tuple(x.shape) for name, x in trace.maps.items()}
    assert shapes == {
        "block1": (3, 32, 8, 8),
        "block2": (3, 64, 4, 4),
        "block3": (3, 128, 2, 2),
        "block4": (3, 256, 2, 2),
    }
    assert torch.equal(trace.maps["block4"].mean(dim=(2, 3)), trace.features)


def test_stage_channels_leave_the_network_as_it_was():
    model = net("convnet", in_channels=2)
    before = state(model)
    channels = model.stage_channels()
    assert channels == {"block1": 32, "block2": 64, "block3": 128, "block4": 256}
    assert model.training
    assert_equal_states(state(model), before)
    assert net("identity", in_channels=5).eval().stage_channels() == {"features": 5}
    with pytest.raises(ValueError, match="in_channels=2"):
        model.trace(torch.zeros(1, 1, 16, 16))
