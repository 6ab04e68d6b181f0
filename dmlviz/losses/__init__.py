"""What a batch costs. One file per idea, each readable on its own.

`pairs` compares samples with each other, `proxies` compares them with one vector per class.
Every loss is an `nn.Module` called `loss(embeddings (N, D), labels (N,)) -> scalar`, as in
pytorch-metric-learning, and a function of plain tensors under the lower-case name.
"""

from dmlviz.losses.pairs import ContrastiveLoss, TripletLoss, contrastive, triplet
from dmlviz.losses.proxies import (
    NormalizedSoftmaxLoss,
    ProxyAnchorLoss,
    ProxyNCALoss,
    normalized_softmax,
    proxy_anchor,
    proxy_nca,
)

__all__ = [
    "ContrastiveLoss",
    "NormalizedSoftmaxLoss",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "TripletLoss",
    "contrastive",
    "normalized_softmax",
    "proxy_anchor",
    "proxy_nca",
    "triplet",
]
