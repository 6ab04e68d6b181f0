"""A trained network leaves the library: as a program by torch.export, as weights by safetensors."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from dmlviz import models

NETWORKS = [("convnet", 1, 32), ("mobilenet_v2", 3, 64)]


def trained(backbone, channels):
    """Not quite: but with batch norms that have seen data, so that the two modes differ."""
    model = models.EmbeddingNet(backbone, 16, in_channels=channels, pooling="avg+max")
    with torch.no_grad():
        model(torch.rand(4, channels, 64, 64, generator=torch.Generator().manual_seed(0)))
    return model.eval()


def contiguous(model):
    return copy.deepcopy(model).to(memory_format=torch.contiguous_format)


@pytest.mark.parametrize(("backbone", "channels", "side"), NETWORKS)
def test_an_exported_network_gives_the_same_embeddings_of_any_batch(
    tmp_path, backbone, channels, side
):
    model = trained(backbone, channels)
    example = torch.zeros(2, channels, side, side)
    shapes = {"images": {0: torch.export.Dim("batch")}}
    program = torch.export.export(contiguous(model), (example,), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "network.pt2")
    network = torch.export.load(tmp_path / "network.pt2").module()
    for n in (1, 2, 5):
        images = torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(n))
        assert_close(network(images), model(images))
    with pytest.raises(AssertionError, match="size"):  # one size of images, as exported
        network(torch.zeros(2, channels, side + 32, side + 32))


@pytest.mark.parametrize(("backbone", "channels", "side"), NETWORKS)
def test_weights_go_through_safetensors(tmp_path, backbone, channels, side):
    model = trained(backbone, channels)
    save_file(contiguous(model).state_dict(), tmp_path / "weights.safetensors")
    other = models.EmbeddingNet(backbone, 16, in_channels=channels, pooling="avg+max", seed=1)
    images = torch.rand(3, channels, side, side, generator=torch.Generator().manual_seed(3))
    assert not torch.allclose(other.eval()(images), model(images))
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert_close(other(images), model(images))
