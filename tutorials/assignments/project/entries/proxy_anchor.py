"""Proxy-Anchor: lesson 02. The entry to beat."""

from dmlviz import losses, methods, models, training


def fit(train, seed):
    model = models.EmbeddingNet("convnet_small", embedding_size=64, in_channels=1, seed=seed)
    loss = losses.ProxyAnchorLoss(len(train.classes), 64, seed=seed)
    settings = {"epochs": 12, "lr": 5e-3, "proxy_lr_multiplier": 1}
    training.fit(model, methods.Supervised(loss), train, seed=seed, progress=False, **settings)
    return model
