"""CRD: tell the source's features of this image from those of thousands of others.

Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, as in its authors' code
(with the settings of Kim et al., CVPR 2021). Features of both networks go through a linear layer
each to 128 numbers of length 1, v^t and v^s. A memory keeps such vectors of every training image
for both sides, as a running mean. For an image i the candidates are itself and K images of *other*
classes; with the candidates m_j of the other side's memory, and Z the mean of the first batch's
exponentials times M (the number of memory slots)::

    h_j = e^{v·m_j / T} / Z
    l_i = -log  h_i / (h_i + K/M)  -  Σ_{j≠i} log  (K/M) / (h_j + K/M)

The loss is the mean over the batch of the target's l (against the source's memory) plus the
source's (against the target's memory). The authors of embedding transfer add a Proxy-Anchor loss.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses._checks import as_labels, check_pair_of_batches, check_positive

EPSILON = 1e-7


class CRDLoss(nn.Module):
    """CRD as a module: `loss(target (N, A), source (N, B), indices)`, features of the networks.

    Each view of a training image has a memory slot of its own, so that one step never writes a slot
    twice: row i of the batch shows the image `indices[i]` and, the views being one after the other,
    the view i // (N / views).

    Args:
        target_size, source_size: A and B, the lengths of the feature vectors.
        labels: `(M,)` classes of all training images; negatives are of other classes.
        views: of each image in a batch.
        size: of the vectors that are compared.
        negatives: K.
        temperature: T.
        momentum: share of the old vector in the memory's running mean.
        seed: of layers, memory and draws.
    """

    compares, needs = "features", ("indices",)
    target_memory: Tensor
    source_memory: Tensor
    Z: Tensor
    by_class: Tensor
    class_size: Tensor
    class_start: Tensor

    def __init__(
        self,
        target_size: int,
        source_size: int,
        labels: Tensor,
        *,
        views: int = 2,
        size: int = 128,
        negatives: int = 4096,
        temperature: float = 0.07,
        momentum: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_positive(temperature=temperature, views=views, size=size, negatives=negatives)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in 0…1 (1 excluded), got {momentum}")
        labels = as_labels(labels)
        if len(labels.unique()) < 2:
            raise ValueError("labels must hold at least 2 classes: negatives are of other classes")
        self.images, self.views, self.negatives = len(labels), views, negatives
        self.temperature, self.momentum = temperature, momentum
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.target_layer = nn.Linear(target_size, size)
            self.source_layer = nn.Linear(source_size, size)
            bound = (3 / size) ** 0.5
            memory = torch.empty(2, self.images * views, size).uniform_(-bound, bound)
        self.register_buffer("target_memory", memory[0])
        self.register_buffer("source_memory", memory[1])
        self.register_buffer("Z", torch.zeros(2))  # of target and source; 0: no batch yet
        # Images in the order of their classes: what is not of a class is all but one interval.
        self.register_buffer("by_class", labels.argsort(stable=True))
        classes, counts = labels.unique(return_counts=True)
        number = torch.searchsorted(classes, labels)
        self.register_buffer("class_size", counts[number])
        self.register_buffer("class_start", (counts.cumsum(0) - counts)[number])

    @in_float32
    def forward(self, target: Tensor, source: Tensor, indices: Tensor) -> Tensor:
        check_pair_of_batches(target, source)
        if indices.is_floating_point() or not 0 <= indices.min() <= indices.max() < self.images:
            raise ValueError(
                f"indices must be integers in 0...{self.images - 1}, numbers of training images, "
                f"got {indices.dtype} {indices.flatten()[:8].tolist()}"
            )
        if indices.shape != (len(target),) or len(target) % self.views:
            raise ValueError(
                f"indices must have shape ({len(target)},), one training image per row, in "
                f"{self.views} views one after the other, got {tuple(indices.shape)}"
            )
        v_t = normalize(self.target_layer(target))
        v_s = normalize(self.source_layer(source.detach().to(target.dtype)))
        view = torch.arange(len(indices), device=indices.device) // (len(indices) // self.views)
        own = view * self.images + indices
        candidates = torch.cat([own[:, None], self._draw(indices, view)], dim=1)
        loss = self._contrast(0, v_t, self.source_memory[candidates])
        loss = loss + self._contrast(1, v_s, self.target_memory[candidates])
        self._remember(self.target_memory, own, v_t)
        self._remember(self.source_memory, own, v_s)
        return loss

    def _draw(self, indices: Tensor, view: Tensor) -> Tensor:
        """Slots of K images of other classes per row, in the row's view, with replacement."""
        size, start = self.class_size[indices][:, None], self.class_start[indices][:, None]
        share = torch.rand(len(indices), self.negatives, generator=self.generator).to(size.device)
        place = (share * (self.images - size)).long()
        place = place + torch.where(place >= start, size, 0)  # jump over the own class
        return self.by_class[place] + view[:, None] * self.images

    def _contrast(self, side: int, v: Tensor, memory: Tensor) -> Tensor:
        h = (torch.einsum("nd,nkd->nk", v, memory) / self.temperature).exp()
        if self.Z[side] == 0:
            self.Z[side] = h.detach().mean() * len(self.target_memory)
        h = h / self.Z[side].clone()  # the other side's Z may be written before the backward pass
        noise = self.negatives / len(self.target_memory)  # K/M
        right = (h[:, 0] / (h[:, 0] + noise + EPSILON)).log().sum()
        wrong = (noise / (h[:, 1:] + noise + EPSILON)).log().sum()
        return -(right + wrong) / len(v)

    @torch.no_grad()
    def _remember(self, memory: Tensor, own: Tensor, v: Tensor) -> None:
        mean = self.momentum * memory[own] + (1 - self.momentum) * v
        memory[own] = F.normalize(mean)

    def get_extra_state(self) -> Tensor:
        """What a checkpoint keeps beside the memories: where the draws of negatives stand."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state.cpu())

    def extra_repr(self) -> str:
        numbers = f"images={self.images}, views={self.views}, negatives={self.negatives}"
        return f"{numbers}, temperature={self.temperature}, momentum={self.momentum}"
