"""Learning without labels: two views of one image belong together, those of others do not."""

from typing import Any

import torch
from torch import Tensor, nn

from dmlviz.datasets.views import Views
from dmlviz.losses import normalized_softmax
from dmlviz.losses._checks import check_positive
from dmlviz.methods.method import Method


class SelfSupervised(Method):
    """The contrastive objective of two views (InfoNCE), in both directions.

    It is the normalised softmax with the *other view of each image as its proxy*: image i's first
    view x_i is to be nearer to its second x'_i than to the second view of any other image of the
    batch, and the other way round::

        L = 1/2N Σ_i ( -log e^{s(x_i,x'_i)/T} / Σ_j e^{s(x_i,x'_j)/T}
                       -log e^{s(x'_i,x_i)/T} / Σ_j e^{s(x'_i,x_j)/T} )

    (van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding, arXiv
    1807.03748, eq. 4, symmetric as in later work. SimCLR adds the images' own views as negatives.)
    What the views have in common is all that can be learned, so the data set's transform decides.

    Args:
        temperature: T > 0.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        self.temperature = temperature

    def dataset(self, train: Any) -> Views:
        return Views(train, 2)

    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, _, _ = batch
        if len(images) < 2:
            raise ValueError("a batch of one image has no others to be told from: use batch_size=2")
        first, second = model(torch.cat([images[:, 0], images[:, 1]])).chunk(2)
        itself = torch.arange(len(first), device=first.device)
        there = normalized_softmax(first, itself, second, self.temperature)
        return (there + normalized_softmax(second, itself, first, self.temperature)) / 2
