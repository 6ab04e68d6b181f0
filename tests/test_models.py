from collections import OrderedDict

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.decomposition import PCA
from torch import nn

from dmlviz.models import BACKBONES, EmbeddingNet

TORCHVISION = sorted(BACKBONES.keys() - {"convnet", "convnet_small", "identity"})


def batch(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs_for(backbone, n=3):
    return batch(n, 3) if backbone == "identity" else batch(n, 3, 64, 64)


def with_typical_statistics(net):
    """Fit the batch norms to noise: with the initial statistics random features fade to zero."""
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    net.train()
    with torch.no_grad():
        net(batch(8, 3, 64, 64, seed=9))
    return net.eval()


@pytest.fixture(scope="module")
def mobilenet():
    torch.manual_seed(3)
    return with_typical_statistics(torchvision.models.mobilenet_v2(weights=None))


@pytest.fixture(scope="module")
def mobilenet_file(mobilenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.save(mobilenet.state_dict(), path)
    return path


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_every_backbone_maps_a_batch_to_points_of_length_one(backbone):
    model = EmbeddingNet(backbone, 5).eval()
    embeddings = model(inputs_for(backbone))
    assert embeddings.shape == (3, 5)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_features_are_what_the_head_sees(backbone):
    model = EmbeddingNet(backbone, 5, normalize=False).eval()
    images = inputs_for(backbone)
    features = model.features(images)
    assert features.shape == (3, model.backbone.out_channels)
    torch.testing.assert_close(model.head(features), model(images))


@pytest.mark.parametrize("backbone", ["convnet", "resnet18", "googlenet", "mobilenet_v2"])
@torch.no_grad()
def test_images_of_other_than_three_channels_are_possible(backbone):
    model = EmbeddingNet(backbone, 5, in_channels=2).eval()
    assert model(batch(2, 2, 64, 64)).shape == (2, 5)


@pytest.mark.parametrize("backbone", sorted(BACKBONES.keys() - {"identity"}))
@torch.no_grad()
def test_smallest_size_is_large_enough(backbone):
    model = EmbeddingNet(backbone, 5).eval()
    size = model.backbone.min_size
    assert model(batch(2, 3, size, size)).isfinite().all()


@pytest.mark.parametrize("backbone", ["convnet", "mobilenet_v2"])
def test_gradient_reaches_every_parameter(backbone):
    model = EmbeddingNet(backbone, 5)
    (model(inputs_for(backbone)) * batch(3, 5)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("backbone", ["convnet", "identity", "googlenet", "mobilenet_v2"])
def test_same_seed_gives_the_same_weights(backbone):
    first, second, other = (EmbeddingNet(backbone, 5, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_seed_also_decides_the_backbone():
    first, other = (EmbeddingNet("convnet", seed=s).backbone.state_dict() for s in (1, 2))
    assert not torch.equal(first["block1.0.weight"], other["block1.0.weight"])


@pytest.mark.parametrize("backbone", ["convnet", "resnet18", "googlenet", "mobilenet_v2"])
def test_building_leaves_the_global_random_state_alone(backbone):
    before = torch.get_rng_state()
    EmbeddingNet(backbone, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


@torch.no_grad()
def test_weights_of_a_file_give_the_features_of_torchvision(mobilenet, mobilenet_file):
    images = batch(3, 3, 64, 64)
    model = EmbeddingNet("mobilenet_v2", 5, weights=mobilenet_file, pooling="avg").eval()
    expected = mobilenet.features(images).mean(dim=(2, 3))
    assert expected.std() > 0.1  # so that the comparison means something
    torch.testing.assert_close(model.features(images), expected, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_googlenet_file_with_auxiliary_classifiers_gives_the_features_of_torchvision(tmp_path):
    torch.manual_seed(3)
    net = torchvision.models.googlenet(
        weights=None, init_weights=False, aux_logits=True, transform_input=True
    )
    net = with_typical_statistics(net)
    assert any(name.startswith("aux") for name in net.state_dict())
    torch.save(net.state_dict(), tmp_path / "googlenet.pth")
    model = EmbeddingNet("googlenet", 5, weights=tmp_path / "googlenet.pth").eval()
    net.fc = nn.Identity()
    images = batch(3, 3, 64, 64)
    expected = net(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.features(images), expected, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_random_googlenet_does_not_rescale_its_input():
    assert next(iter(EmbeddingNet("googlenet").backbone._modules)) == "conv1"


def test_path_of_weights_may_be_a_string(mobilenet, mobilenet_file):
    model = EmbeddingNet("mobilenet_v2", weights=str(mobilenet_file))
    assert torch.equal(model.backbone.features0[0].weight, mobilenet.features[0][0].weight)


@pytest.mark.parametrize("backbone", TORCHVISION)
def test_imagenet_asks_torchvision_for_its_first_weights(backbone, monkeypatch):
    def fake(**options):
        asked.append(options)
        options = {"init_weights": False} if backbone == "googlenet" else {}
        return original(weights=None, **options)

    asked, original = [], getattr(torchvision.models, backbone)
    monkeypatch.setattr(torchvision.models, backbone, fake)
    assert EmbeddingNet(backbone, weights="imagenet").pretrained
    assert asked == [{"weights": "IMAGENET1K_V1"}]


@pytest.mark.parametrize("backbone", TORCHVISION)
def test_torchvision_has_those_first_weights(backbone):
    assert torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"]


@torch.no_grad()
def test_imagenet_googlenet_rescales_its_input(monkeypatch):
    def fake(**_):
        return original(weights=None, init_weights=False, transform_input=True)

    original = torchvision.models.googlenet
    monkeypatch.setattr(torchvision.models, "googlenet", fake)
    model = EmbeddingNet("googlenet", weights="imagenet")
    assert next(iter(model.backbone._modules)) == "rescale"
    # ImageNet's normalisation of a grey value v becomes 2 v - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image = ((0.7 - mean) / std)[None, :, None, None].expand(1, 3, 4, 4)
    torch.testing.assert_close(model.backbone.rescale(image), torch.full((1, 3, 4, 4), 0.4))


def test_missing_file_of_weights_is_named_with_the_ways_out(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no file .*none\.pth.*"imagenet".*None'):
        EmbeddingNet("mobilenet_v2", weights=tmp_path / "none.pth")


def test_file_of_another_network_does_not_fit(mobilenet_file):
    with pytest.raises(ValueError, match=r"mobilenet\.pth does not fit torchvision's resnet18"):
        EmbeddingNet("resnet18", weights=mobilenet_file)


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_file_is_loaded_strictly(mobilenet, tmp_path, change):
    state = OrderedDict(mobilenet.state_dict())
    if change == "missing":
        del state["features.5.conv.0.0.weight"]
    else:
        name = "extra" if change == "unexpected" else "classifier.1.bias"
        state[name] = torch.zeros(3)
    torch.save(state, tmp_path / "changed.pth")
    with pytest.raises(ValueError, match="does not fit torchvision's mobilenet_v2"):
        EmbeddingNet("mobilenet_v2", weights=tmp_path / "changed.pth")


@pytest.mark.parametrize("backbone", ["convnet", "identity"])
def test_backbones_without_published_weights_say_so(backbone):
    with pytest.raises(ValueError, match=r"has no .*weights, use weights=None"):
        EmbeddingNet(backbone, weights="imagenet")


@pytest.mark.parametrize("channels", [1, 4])
def test_pretrained_weights_need_three_channels(mobilenet_file, channels):
    with pytest.raises(ValueError, match=f"in_channels={channels}: pretrained weights expect 3"):
        EmbeddingNet("mobilenet_v2", weights=mobilenet_file, in_channels=channels)


@torch.no_grad()
def test_poolings_are_mean_and_maximum_and_their_sum():
    images, pooled = batch(4, 3, 32, 32), {}
    for pooling in ("avg", "max", "avg+max"):
        model = EmbeddingNet("convnet", 5, pooling=pooling).eval()
        pooled[pooling] = model.features(images)
    maps = model.backbone(images)
    torch.testing.assert_close(pooled["avg"], maps.flatten(2).mean(dim=2))
    torch.testing.assert_close(pooled["max"], maps.flatten(2).amax(dim=2))
    torch.testing.assert_close(pooled["avg+max"], pooled["avg"] + pooled["max"])


@torch.no_grad()
def test_without_normalisation_only_the_length_differs():
    images = batch(4, 3, 32, 32)
    free = EmbeddingNet("convnet", 5, normalize=False).eval()(images)
    unit = EmbeddingNet("convnet", 5).eval()(images)
    assert not torch.allclose(free.norm(dim=1), torch.ones(4), atol=0.01)
    torch.testing.assert_close(free / free.norm(dim=1, keepdim=True), unit)


@torch.no_grad()
def test_identity_leaves_the_vectors_to_the_head():
    model = EmbeddingNet("identity", 5, in_channels=7)
    vectors = batch(4, 7)
    assert torch.equal(model.features(vectors), vectors)


def train_one_step(model):
    """The state before and after a step with a large learning rate."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    (model(batch(6, 3, 32, 32)) * batch(6, 5, seed=1)).sum().backward()
    optimizer.step()
    after = model.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}, set(before)


def batchnorm_names(model):
    norms = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    return {n for n in model.state_dict() if n.rpartition(".")[0] in norms}


@pytest.mark.parametrize("backbone", ["convnet", "mobilenet_v2"])
def test_frozen_batch_norms_stay_while_all_else_learns(backbone):
    model = EmbeddingNet(backbone, 5, freeze_batchnorm=True).train()
    changed, names = train_one_step(model)
    assert batchnorm_names(model)
    assert changed == names - batchnorm_names(model)


def test_batch_norms_learn_where_they_are_not_frozen():
    changed, names = train_one_step(EmbeddingNet("convnet", 5).train())
    assert changed == names


def test_frozen_batch_norms_stay_so_after_an_evaluation():
    model = EmbeddingNet("convnet", 5, freeze_batchnorm=True)
    model.eval()
    model.train()
    assert model.head.training
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))


@torch.no_grad()
def test_initialized_head_is_pca():
    model = EmbeddingNet("identity", 4, in_channels=9, normalize=False)
    # directions of clearly different spread, so that their order is certain
    features = batch(200, 9) * torch.arange(1, 10) ** 1.5 @ torch.linalg.qr(batch(9, 9)).Q + 3
    model.initialize_head(features)
    expected = PCA(4, svd_solver="full").fit_transform(features.double().numpy())
    embeddings = model(features).numpy()
    signs = np.sign((embeddings * expected).sum(axis=0))
    np.testing.assert_allclose(embeddings * signs, expected, rtol=0, atol=1e-3)


def test_initialized_head_can_still_learn():
    model = EmbeddingNet("identity", 4, in_channels=9)
    model.initialize_head(batch(20, 9).requires_grad_())
    assert all(p.requires_grad and p.is_leaf for p in model.head.parameters())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((20, 8), r"must have shape \(M, 9\), got \(20, 8\)"),
        ((20, 9, 1), r"must have shape \(M, 9\), got \(20, 9, 1\)"),
        ((3, 9), r"\(3, 9\) have fewer than embedding_size=4 directions: use more images"),
    ],
)
def test_features_that_do_not_fit_the_head_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingNet("identity", 4, in_channels=9).initialize_head(batch(*shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet"}, "backbone must be one of convnet, .*, got 'resnet'"),
        ({"pooling": "mean"}, "pooling must be one of avg, max, .*, got 'mean'"),
        ({"embedding_size": 0}, "must be at least 1, got 0 and 3"),
        ({"in_channels": 0}, "must be at least 1, got 64 and 0"),
    ],
)
def test_options_outside_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingNet(**options)


@pytest.mark.parametrize(
    ("backbone", "images", "message"),
    [
        ("convnet", batch(2, 1, 32, 32), "in_channels=3, got 1 channels: build it with"),
        ("identity", batch(2, 7), "in_channels=3, got 7 features: build it with in_channels=7"),
        ("convnet", batch(2, 3, 7, 32), "at least 8 x 8 pixels, got 7 x 32"),
        ("resnet18", batch(2, 3, 64, 31), "at least 32 x 32 pixels, got 64 x 31"),
        ("convnet", batch(3, 32, 32), r"height, width\), got torch.float32 of shape \(3, 32, 32"),
        ("convnet", batch(2, 3), r"height, width\), got torch.float32 of shape \(2, 3\)"),
        ("identity", batch(2, 3, 4, 4), r"features\), got torch.float32 of shape \(2, 3, 4, 4\)"),
        ("convnet", torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "float batch .*got torch.uint8"),
        ("identity", torch.zeros(2, 3, dtype=torch.long), "float batch .*got torch.int64"),
    ],
)
def test_images_that_the_backbone_cannot_take_are_refused(backbone, images, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingNet(backbone)(images)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    ("backbone", "size"), [("convnet", 64), ("resnet18", 224), ("mobilenet_v2", 224)]
)
def test_transform_of_a_random_network_gives_its_size_in_minus_one_to_one(backbone, size, train):
    transform = EmbeddingNet(backbone).transforms(train=train)
    for colour, value in (("white", 1.0), ("black", -1.0)):
        x = transform(Image.new("RGB", (300, 260), colour))
        torch.testing.assert_close(x, torch.full((3, size, size), value))


@pytest.mark.parametrize("train", [False, True])
def test_transform_of_a_pretrained_network_has_imagenet_normalisation(mobilenet_file, train):
    model = EmbeddingNet("mobilenet_v2", weights=mobilenet_file)
    x = model.transforms(train=train)(Image.new("L", (300, 260), 255))
    assert x.shape == (3, 224, 224)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(x.mean(dim=(1, 2)), expected)


@pytest.mark.parametrize("pretrained", [False, True])
def test_only_the_training_transform_draws_at_random(mobilenet_file, pretrained):
    noise = np.random.default_rng(0).integers(256, size=(90, 90, 3), dtype=np.uint8)
    model = EmbeddingNet("mobilenet_v2", weights=mobilenet_file if pretrained else None)
    still, moving = model.transforms(), model.transforms(train=True)
    image = Image.fromarray(noise)
    assert torch.equal(still(image), still(image))
    assert not torch.equal(moving(image), moving(image))


@torch.no_grad()
def test_what_the_transform_makes_the_model_takes():
    for backbone in ("convnet", "mobilenet_v2"):
        model = EmbeddingNet(backbone, 5).eval()
        assert model(model.transforms()(Image.new("L", (40, 30)))[None]).shape == (1, 5)


@pytest.mark.parametrize(("backbone", "channels"), [("identity", 9), ("convnet", 5)])
def test_networks_without_a_transform_of_their_own_say_what_to_use(backbone, channels):
    with pytest.raises(ValueError, match="use the data set's default"):
        EmbeddingNet(backbone, in_channels=channels).transforms()


def test_frozen_batch_norms_stay_without_a_call_of_train():
    model = EmbeddingNet("convnet", 5, freeze_batchnorm=True)
    assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2"])
def test_grey_model_takes_what_its_transform_makes(backbone):
    model = EmbeddingNet(backbone, 5, in_channels=1).eval()
    assert model(model.transforms()(Image.new("L", (40, 30)))[None]).shape == (1, 5)


@pytest.mark.parametrize("content", [b"", b"no weights", [1], torch.zeros(2)], ids=str)
def test_file_that_holds_no_weights_is_named(tmp_path, content):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"weights\.pth"):
        EmbeddingNet("mobilenet_v2", weights=path)
