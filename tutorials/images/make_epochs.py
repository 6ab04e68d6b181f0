"""Train as lesson 00 does, and save its epoch explorer as a moving picture for the README.

python tutorials/images/make_epochs.py
"""

import io

from moving import save
from PIL import Image

from dmlviz import datasets, losses, methods, models, training, widgets


def main() -> None:
    train, test = datasets.load("glyphs", "train"), datasets.load("glyphs", "test")
    model = models.EmbeddingNet("convnet", embedding_size=64, in_channels=1)
    loss = losses.ProxyAnchorLoss(num_classes=len(train.classes), embedding_size=64)
    history = training.fit(
        model, methods.Supervised(loss), train, test, epochs=10, lr=1e-3, proxy_lr_multiplier=10
    )
    explorer = widgets.EpochExplorer(history)
    frames = []
    for i in range(len(history.snapshots)):
        explorer.update(epoch=i)
        frames.append(Image.open(io.BytesIO(explorer.view.png())).convert("RGB"))
    save("epochs.gif", frames, milliseconds=350)


if __name__ == "__main__":
    main()
