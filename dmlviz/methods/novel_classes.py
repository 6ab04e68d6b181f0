"""Training with novel classes: a proxy loss on the union of a batch and what a synthesizer adds.

With the batch's embeddings x and labels y, the loss J and its proxies P, and novel embeddings v of
the classes C+k with proxies c̃ (see `dmlviz.synthesis`), a step minimises::

    (1 - w) · J(x, y; P)  +  w · J( {x} ∪ {v},  {y} ∪ {C+k};  [P; c̃] )  +  L_own

With w = 1, as Proxy Synthesis and MemVir have it, that is the loss of the union. L_own trains what
the synthesizer itself learns, such as a generator, and nothing else; where there is nothing to
train it is left out.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dmlviz.losses._checks import check_not_negative
from dmlviz.methods.supervised import Supervised
from dmlviz.synthesis import ProxySynthesis, Synthesizer


class NovelClasses(Supervised):
    """Train with a proxy loss on real classes and on those that `synthesizer` makes.

    Where it makes none, the loss is exactly that of `Supervised(loss)`. The network is evaluated
    alone: novel classes exist in training only.

    Args:
        loss: a loss with proxies: `NormalizedSoftmaxLoss`, `ProxyNCALoss` or `ProxyAnchorLoss`.
        synthesizer: what makes the novel classes; None: `synthesis.ProxySynthesis()`, which of the
            published ways does best in `benchmarks/results/novel_classes.md`.
        samples_per_class: images of a class per batch; None: random batches.
        warmup_steps: training steps at the start that train with the loss alone, so that proxies
            mean something before novel classes are made of them.
        weight: w, in 0…1: how much the union counts.

    Raises:
        TypeError: for a loss without proxies, or what is no synthesizer.
        ValueError: for a weight or a number of steps that cannot be.
    """

    def __init__(
        self,
        loss: nn.Module,
        synthesizer: Synthesizer | None = None,
        *,
        samples_per_class: int | None = None,
        warmup_steps: int = 0,
        weight: float = 1.0,
    ) -> None:
        if not (hasattr(loss, "with_proxies") and hasattr(loss, "proxies")):
            raise TypeError(
                f"novel classes join a loss by their proxies, but {type(loss).__name__} has none "
                "to add them to: use NormalizedSoftmaxLoss, ProxyNCALoss or ProxyAnchorLoss of "
                "dmlviz.losses"
            )
        synthesizer = ProxySynthesis() if synthesizer is None else synthesizer
        if not isinstance(synthesizer, Synthesizer):
            raise TypeError(
                "synthesizer must be a Synthesizer such as synthesis.ProxySynthesis(), got "
                f"{type(synthesizer).__name__}"
            )
        check_not_negative(warmup_steps=warmup_steps)
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must be in 0…1, got {weight}")
        super().__init__(loss, samples_per_class=samples_per_class)
        self.loss: Any
        self.synthesizer = synthesizer
        self.warmup_steps, self.steps, self.weight = warmup_steps, 0, weight

    def forward(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, labels = batch
        x = model(images)
        warming_up = self.steps < self.warmup_steps
        self.steps += self.training
        if warming_up:
            return self.loss(x, labels)
        novel = self.synthesizer(x, labels, self.loss.proxies)
        if len(novel.proxies) == 0:
            return self.loss(x, labels)
        loss = self.loss.with_proxies(*novel.joined_to(x, labels, self.loss.proxies))
        if self.weight < 1:
            loss = (1 - self.weight) * self.loss(x, labels) + self.weight * loss
        own = self.synthesizer.own_loss(x, labels, self.loss.proxies, self.loss)
        return loss if own is None else loss + own

    def get_extra_state(self) -> Tensor:
        """What a checkpoint keeps beside the parameters: how many steps the warm-up has had."""
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps = int(state)

    def proxies(self) -> list[nn.Parameter]:
        """Those of the loss and of novel classes that learn, but not a generator's weights."""
        return [
            p for p in [*self.loss.parameters(), *self.synthesizer.proxies()] if p.requires_grad
        ]
