"""How one step turns a batch into a loss, which parameters train, which sampler it wants."""

from dmlviz.methods.continuous_labels import ContinuousLabels
from dmlviz.methods.embedding_transfer import EmbeddingTransfer
from dmlviz.methods.method import Method
from dmlviz.methods.novel_classes import NovelClasses
from dmlviz.methods.self_supervised import SelfSupervised
from dmlviz.methods.supervised import Supervised

__all__ = [
    "ContinuousLabels",
    "EmbeddingTransfer",
    "Method",
    "NovelClasses",
    "SelfSupervised",
    "Supervised",
]
