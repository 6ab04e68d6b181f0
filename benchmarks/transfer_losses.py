"""The losses of transfer.py by their names in its tables, and the ablated relaxed contrastive."""

from typing import Any

from torch import Tensor, nn

from dmlviz import losses
from dmlviz.geometry import pairwise_distances

STAGES = ("block2", "block3", "block4")


def build(
    run: dict[str, Any], source: Any, target: Any, train: Any
) -> tuple[nn.Module, nn.Module | None]:
    """The loss of transfer, and the label loss that goes with it, or None."""
    name, seed = run["loss"], run["seed"]
    if name == "relaxed contrastive":
        numbers = {"sigma": run.get("sigma", 1.0), "delta": run.get("delta", 1.0)}
        if run.get("ablation") in ("hard labels", "no row mean", "row mean detached"):
            return AblatedRelaxedContrastive(run["ablation"]), None
        return losses.RelaxedContrastiveLoss(**numbers), None
    if name == "relaxed multi-similarity":
        return losses.RelaxedMultiSimilarityLoss(), None
    if name == "RKD":
        return losses.RKDLoss(), None
    if name == "PKT":
        return losses.PKTLoss(), None
    if name == "DarkRank":
        return losses.DarkRankLoss(), losses.TripletLoss(margin=0.2)
    proxy_anchor = losses.ProxyAnchorLoss(len(train.classes), target.embedding_size, seed=seed)
    if name == "attention":
        return losses.AttentionTransferLoss(STAGES), proxy_anchor
    if name == "FitNet":
        channels = [[net.stage_channels()[s] for s in STAGES] for net in (target, source)]
        return losses.FitNetLoss(STAGES, *channels, seed=seed), proxy_anchor
    features = target.head.in_features, source.head.in_features
    return losses.CRDLoss(*features, train.targets, negatives=512, seed=seed), proxy_anchor


class AblatedRelaxedContrastive(nn.Module):
    """Relaxed contrastive (sigma = delta = 1) with one part taken out.

    "hard labels": w_ij is 1 for the same class, else 0. "no row mean": distances as they are.
    "row mean detached": divided by the mean, which gets no gradient.
    """

    needs = ("labels",)

    def __init__(self, without: str) -> None:
        super().__init__()
        self.without = without

    def forward(self, target: Tensor, source: Tensor, labels: Tensor) -> Tensor:
        if self.without == "hard labels":
            w = (labels[:, None] == labels[None, :]).float()
            d = losses.relative_distances(target)
        else:
            w = losses.relaxed_labels(source)
            d = pairwise_distances(target)
            if self.without == "row mean detached":
                d = d / d.detach().mean(dim=1, keepdim=True)
        return (w * d.square() + (1 - w) * (1 - d).relu().square()).sum() / len(target)
