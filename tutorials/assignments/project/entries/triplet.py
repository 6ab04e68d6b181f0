"""All active triplets: lesson 01."""

from dmlviz import losses, methods, models, training


def fit(train, seed):
    model = models.EmbeddingNet("convnet_small", embedding_size=64, in_channels=1, seed=seed)
    method = methods.Supervised(losses.TripletLoss(0.2, mining="all"))
    training.fit(model, method, train, epochs=12, lr=3e-3, seed=seed, progress=False)
    return model
