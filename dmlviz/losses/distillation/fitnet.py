"""FitNet: predict the source's feature maps from the target's.

Romero et al.: FitNets: Hints for Thin Deep Nets, ICLR 2015, as in the code of Kim et al. (CVPR
2021). A 1 x 1 convolution r without bias takes the target's channels to the source's; the loss is
the mean squared error, summed over the stages::

    L = Σ_stages mean( (r(A^t) - A^s)² )

The authors add a Proxy-Anchor loss, here `EmbeddingTransfer(…, label_loss=ProxyAnchorLoss(…))`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.geometry import in_float32
from dmlviz.losses.distillation._maps import Maps, Stages, paired, stage_pairs


class FitNetLoss(nn.Module):
    """FitNet as a module: `loss(target_maps, source_maps)`, maps by stage name.

    Args:
        stages: names that both networks have, or `{target's name: source's name}`.
        target_channels, source_channels: of each stage, in the same order; for the library's
            models `model.stage_channels()` tells them.
        seed: of the random start, uniform in ±0.005 as in the authors' code.
    """

    compares = "maps"

    def __init__(
        self,
        stages: Stages,
        target_channels: Sequence[int],
        source_channels: Sequence[int],
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.stages = stage_pairs(stages)
        if not len(self.stages) == len(target_channels) == len(source_channels):
            raise ValueError(
                "stages, target_channels and source_channels must be equally long, got "
                f"{len(self.stages)}, {len(target_channels)} and {len(source_channels)}"
            )
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList(
            (torch.rand(b, a, generator=generator) - 0.5) * 0.01
            for a, b in zip(target_channels, source_channels, strict=True)
        )

    def forward(self, target: Maps, source: Maps) -> Tensor:
        maps = paired(self.stages, target, source)
        terms = [fitnet(a, b, w) for (a, b), w in zip(maps, self.weights, strict=True)]
        return sum(terms[1:], terms[0])

    def extra_repr(self) -> str:
        return f"stages={dict(self.stages)}"


@in_float32
def fitnet(target: Tensor, source: Tensor, weight: Tensor) -> Tensor:
    """The term of one stage: target `(N, A, H, W)`, source `(N, B, H, W)`, weight `(B, A)`."""
    if weight.shape != (source.shape[1], target.shape[1]):
        raise ValueError(
            f"FitNetLoss was made for {weight.shape[1]} channels of the target and "
            f"{weight.shape[0]} of the source, got {target.shape[1]} and {source.shape[1]}"
        )
    return F.mse_loss(F.conv2d(target, weight[:, :, None, None]), source.detach().to(target.dtype))
