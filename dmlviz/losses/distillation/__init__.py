"""Other ways to hand a source model's knowledge to a target: the baselines of embedding transfer.

`rkd`, `pkt` and `darkrank` compare embeddings; `attention` and `fitnet` compare feature maps;
`crd` compares features with a memory of all training images. A loss that needs more than two
batches of embeddings says so in two attributes, and `methods.EmbeddingTransfer` provides it:
`compares`, which output of the networks it takes ("embeddings", "features" or "maps"), and `needs`,
what else ("labels", "indices").
"""

from dmlviz.losses.distillation.attention import AttentionTransferLoss, attention_transfer
from dmlviz.losses.distillation.crd import CRDLoss
from dmlviz.losses.distillation.darkrank import DarkRankLoss, darkrank
from dmlviz.losses.distillation.fitnet import FitNetLoss
from dmlviz.losses.distillation.pkt import PKTLoss, pkt
from dmlviz.losses.distillation.rkd import RKDLoss, rkd_angle, rkd_distance

__all__ = [
    "AttentionTransferLoss",
    "CRDLoss",
    "DarkRankLoss",
    "FitNetLoss",
    "PKTLoss",
    "RKDLoss",
    "attention_transfer",
    "darkrank",
    "pkt",
    "rkd_angle",
    "rkd_distance",
]
