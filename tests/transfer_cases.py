"""What the tests of embedding transfer share: losses with naive forms, batches, data, models."""

import copy

import torch

import oracles_transfer as oracles
from dmlviz import losses, methods, models, training

CASES = {  # the loss, its naive form, and the hyper-parameters of both
    "relaxed contrastive": (losses.RelaxedContrastiveLoss, oracles.relaxed_contrastive, (0.7, 1.2)),
    "relaxed multi-similarity, two views": (
        losses.RelaxedMultiSimilarityLoss,
        oracles.relaxed_multi_similarity,
        (0.7, 1.2, 0.9, 1.7, 2),
    ),
    "relaxed multi-similarity, one view": (
        losses.RelaxedMultiSimilarityLoss,
        oracles.relaxed_multi_similarity,
        (0.7, 1.2, 0.9, 1.7, 1),
    ),
    "rkd distance": (lambda: losses.RKDLoss(1, 0), oracles.rkd_distance, ()),
    "rkd angle": (lambda: losses.RKDLoss(0, 1), oracles.rkd_angle, ()),
    "pkt": (losses.PKTLoss, oracles.pkt, ()),
    "darkrank": (losses.DarkRankLoss, oracles.darkrank, (2.0, 2.5, 3)),
}
RELAXED = [name for name in CASES if name.startswith("relaxed")]
RKD = ["rkd distance", "rkd angle"]


def make(name):
    build, _, arguments = CASES[name]
    return build(*arguments)


def batch(seed, n=8, size=4, source_size=6):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(n, size, generator=generator, dtype=torch.float64)
    return target, torch.randn(n, source_size, generator=generator, dtype=torch.float64)


def maps(seed, n=2):
    """Maps of a target with the stages a and b, of a source with the stages x and y."""
    generator = torch.Generator().manual_seed(seed)

    def of(**shapes):
        return {
            name: torch.randn(n, *shape, generator=generator, dtype=torch.float64)
            for name, shape in shapes.items()
        }

    return of(a=(2, 3, 4), b=(3, 2, 1)), of(y=(5, 2, 1), x=(4, 3, 4))


STAGES = {"a": "x", "b": "y"}


def fitnet_loss():
    loss = losses.FitNetLoss(STAGES, [2, 3], [4, 5]).double()
    with torch.no_grad():
        for weight in loss.weights:
            weight.mul_(100)  # as large as the maps: their share of the loss must show
    return loss


class Pictures(torch.utils.data.Dataset):
    """Random pictures of a few classes; with `noise`, every view is another one."""

    name = "pictures"

    def __init__(self, n=16, classes=4, *, noise=0.3, labelled=True, channels=1, side=16):
        generator = torch.Generator().manual_seed(0)
        self.patterns = torch.randn(n, channels, side, side, generator=generator)
        self.noise, self.labelled = noise, labelled
        if labelled:
            self.targets = torch.arange(n) % classes
            self.classes = [f"class {c}" for c in range(classes)]

    def __len__(self):
        return len(self.patterns)

    def __getitem__(self, i):
        view = self.patterns[i]
        if self.noise:
            view = view + self.noise * torch.randn_like(view)
        return (view, int(self.targets[i])) if self.labelled else view


def net(backbone="convnet_small", seed=0, **options):
    return models.EmbeddingNet(backbone, 8, **{"in_channels": 1, "seed": seed} | options)


def trained(backbone="convnet_small", seed=1, **options):
    """A source that does not count as untrained."""
    source = net(backbone, seed, **options)
    with torch.no_grad():
        source.head.bias.fill_(0.1)
    return source


def transfer(loss=None, source=None, **options):
    return methods.EmbeddingTransfer(
        trained() if source is None else source, loss or losses.RelaxedContrastiveLoss(), **options
    )


def fit(method, model=None, train=None, **options):
    model = model or net(normalize=False)
    options = {"epochs": 1, "batch_size": 8, "progress": False} | options
    return training.fit(model, method, train or Pictures(), **options), model


def state(module):
    return copy.deepcopy(module.state_dict())


def assert_equal_states(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
