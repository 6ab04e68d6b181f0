"""A network with random weights: what the architecture alone is worth."""

from dmlviz import models


def fit(train, seed):
    return models.EmbeddingNet("convnet_small", embedding_size=64, in_channels=1, seed=seed)
