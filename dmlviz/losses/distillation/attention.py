"""Attention transfer: look where the source looks.

Zagoruyko, Komodakis: Paying More Attention to Attention, ICLR 2017, as in the code of Kim et al.
(CVPR 2021). A feature map A of C channels has the attention, at each position, of its mean squared
activation; flattened to a vector and scaled to length 1, it is compared by the mean squared
difference, summed over the stages::

    q = vec(1/C Σ_c A_c²),    L = Σ_stages mean( (q^t/||q^t|| - q^s/||q^s||)² )

The authors add a Proxy-Anchor loss, here `EmbeddingTransfer(…, label_loss=ProxyAnchorLoss(…))`.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses.distillation._maps import Maps, Stages, check_maps, paired, stage_pairs


@in_float32
def attention_transfer(target: Tensor, source: Tensor) -> Tensor:
    """The term of one stage: target `(N, C, H, W)`, source `(N, B, H, W)` (gets no gradient)."""
    check_maps(target, source)
    return F.mse_loss(_attention(target), _attention(source.detach()).to(target.dtype))


def _attention(maps: Tensor) -> Tensor:
    return normalize(maps.square().mean(dim=1).flatten(1))


class AttentionTransferLoss(nn.Module):
    """Attention transfer as a module: `loss(target_maps, source_maps)`, maps by stage name.

    Args:
        stages: names that both networks have, or `{target's name: source's name}`.
    """

    compares = "maps"

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.stages = stage_pairs(stages)

    def forward(self, target: Maps, source: Maps) -> Tensor:
        terms = [attention_transfer(a, b) for a, b in paired(self.stages, target, source)]
        return sum(terms[1:], terms[0])

    def extra_repr(self) -> str:
        return f"stages={dict(self.stages)}"
