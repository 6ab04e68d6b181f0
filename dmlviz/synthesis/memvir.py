"""MemVir: the classes of earlier training steps join the batch as classes of their own.

Ko, Gu, Kim: Learning with Memory-based Virtual Classes for Deep Metric Learning, ICCV 2021 (arXiv
2103.16940), as in its authors' code. A queue keeps the embeddings, labels and proxies of past
training steps, detached. At step t the snapshots of the steps t-m, t-2m … t-Nm join the batch, m
steps apart, as many as there are so far; class y of the k-th snapshot is the virtual class kC+y::

    J( x_t, x_{t-m}, …, x_{t-Nm};  y_t, C + y_{t-m}, …, NC + y_{t-Nm};
       [P_t, P_{t-m}, …, P_{t-Nm}] )

So the number of classes grows from C to (N+1)·C while the queue fills. The network has moved on
since, so a virtual class is an older picture of a real one, and the real classes are asked to be
told from it. Only the real samples and proxies get a gradient.

The authors' code leaves M steps *between* two snapshots: their M is our m - 1. Their Proxy-NCA
keeps the positive proxy in the denominator, ours does not (see `losses.proxies`).
"""

from collections import deque
from typing import Any

import torch
from torch import Tensor

from dmlviz.geometry import in_float32
from dmlviz.losses._checks import check_not_negative, check_positive, check_proxies
from dmlviz.synthesis.novel import Novel, Synthesizer, no_novel


class MemVir(Synthesizer):
    """Virtual classes from a memory of past steps: see the top of this file.

    The memory grows by training steps only. It holds N·m batches and copies of the proxies, which
    for very many classes is a lot: N·m·C·D floats; so does the `state_dict`, which must hold it for
    a training run to go on where it stopped.

    Args:
        steps_apart: m ≥ 1, training steps between a snapshot and the next.
        num_virtual: N ≥ 1, how many snapshots join a batch once the memory is full.
        warmup_steps: training steps at the start that leave no snapshot.
    """

    def __init__(self, steps_apart: int, num_virtual: int, warmup_steps: int = 0) -> None:
        super().__init__()
        check_positive(steps_apart=steps_apart, num_virtual=num_virtual)
        check_not_negative(warmup_steps=warmup_steps)
        self.steps_apart, self.num_virtual = steps_apart, num_virtual
        self.warmup_steps, self.steps = warmup_steps, 0
        self.memory: deque[Novel] = deque(maxlen=steps_apart * num_virtual)

    @in_float32
    def forward(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Novel:
        check_proxies(embeddings, labels, proxies)
        if self.memory and self.memory[-1].proxies.shape[1] != proxies.shape[1]:
            raise ValueError(
                f"the memory holds vectors of dimension {self.memory[-1].proxies.shape[1]}, the "
                f"batch has {proxies.shape[1]}: give each training run a MemVir of its own"
            )
        virtual = self._virtual(embeddings, proxies)
        if self.training:
            self.steps += 1
            if self.steps > self.warmup_steps:
                # The optimiser writes into the proxies, so they are copied.
                snapshot = Novel(embeddings.detach(), labels.long(), proxies.detach().clone())
                self.memory.append(snapshot)
        return virtual

    def _virtual(self, embeddings: Tensor, proxies: Tensor) -> Novel:
        """The snapshots of m, 2m … steps ago, their labels moved on behind all others'."""
        ages = range(self.steps_apart, len(self.memory) + 1, self.steps_apart)
        snapshots = [self.memory[-age] for age in ages]
        if not snapshots:
            return no_novel(embeddings, proxies)
        offset, labels = len(proxies), []
        for snapshot in snapshots:
            labels.append(snapshot.labels + offset)
            offset += len(snapshot.proxies)
        return Novel(
            torch.cat([snapshot.embeddings for snapshot in snapshots]),
            torch.cat(labels),
            torch.cat([snapshot.proxies for snapshot in snapshots]),
        )

    def get_extra_state(self) -> Any:
        """The memory, and how many steps it has seen."""
        memory = [list(snapshot) for snapshot in self.memory]
        return {"random": super().get_extra_state(), "steps": self.steps, "memory": memory}

    def set_extra_state(self, state: Any) -> None:
        super().set_extra_state(state["random"])
        self.steps = state["steps"]
        self.memory.clear()
        self.memory.extend(Novel(*snapshot) for snapshot in state["memory"])

    def extra_repr(self) -> str:
        return (
            f"steps_apart={self.steps_apart}, num_virtual={self.num_virtual}, "
            f"warmup_steps={self.warmup_steps}"
        )
