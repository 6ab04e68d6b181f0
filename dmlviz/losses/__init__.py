"""What a batch costs. One file per idea, each readable on its own.

`pairs` compares samples with each other, `proxies` compares them with one vector per class. Both
are called `loss(embeddings (N, D), labels (N,)) -> scalar`, as in pytorch-metric-learning.
`relaxed` and `distillation` compare a target with a source model:
`loss(target (N, D), source (N, E)) -> scalar`. `ratios` learns from continuous labels:
`loss(embeddings (N, D), label_distances (N, N)) -> scalar`. Each loss is an `nn.Module`, and a
function of plain tensors under the lower-case name.
"""

from dmlviz.losses.distillation import (
    AttentionTransferLoss,
    CRDLoss,
    DarkRankLoss,
    FitNetLoss,
    PKTLoss,
    RKDLoss,
    attention_transfer,
    darkrank,
    pkt,
    rkd_angle,
    rkd_distance,
)
from dmlviz.losses.pairs import ContrastiveLoss, TripletLoss, contrastive, triplet
from dmlviz.losses.proxies import (
    NormalizedSoftmaxLoss,
    ProxyAnchorLoss,
    ProxyNCALoss,
    normalized_softmax,
    proxy_anchor,
    proxy_nca,
)
from dmlviz.losses.ratios import (
    BinaryTripletLoss,
    DenseTripletLoss,
    LogRatioLoss,
    binary_triplet,
    dense_triplet,
    log_ratio,
)
from dmlviz.losses.relaxed import (
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relative_distances,
    relaxed_contrastive,
    relaxed_labels,
    relaxed_multi_similarity,
)

__all__ = [
    "AttentionTransferLoss",
    "BinaryTripletLoss",
    "CRDLoss",
    "ContrastiveLoss",
    "DarkRankLoss",
    "DenseTripletLoss",
    "FitNetLoss",
    "LogRatioLoss",
    "NormalizedSoftmaxLoss",
    "PKTLoss",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "RKDLoss",
    "RelaxedContrastiveLoss",
    "RelaxedMultiSimilarityLoss",
    "TripletLoss",
    "attention_transfer",
    "binary_triplet",
    "contrastive",
    "darkrank",
    "dense_triplet",
    "log_ratio",
    "normalized_softmax",
    "pkt",
    "proxy_anchor",
    "proxy_nca",
    "relative_distances",
    "relaxed_contrastive",
    "relaxed_labels",
    "relaxed_multi_similarity",
    "rkd_angle",
    "rkd_distance",
    "triplet",
]
