"""Networks that map an image to a point of the embedding space."""

from dmlviz.models.backbones import BACKBONES
from dmlviz.models.embedding_net import EmbeddingNet

__all__ = ["BACKBONES", "EmbeddingNet"]
