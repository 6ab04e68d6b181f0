"""Train as lesson 00 does, and save its epoch explorer as a moving picture for the README.

python tutorials/images/make_epochs.py
"""

import io
from pathlib import Path

from PIL import Image, ImageColor

from dmlviz import datasets, losses, methods, models, training, widgets
from dmlviz.plots.style import CLASS_COLORS, QUIET


def _palette() -> Image.Image:
    """The class colours, greys, and mixtures of each colour with white, for smooth edges."""
    named = [ImageColor.getrgb(c) for c in (*CLASS_COLORS, QUIET)]
    colours = [
        tuple(round(255 + share * (value - 255)) for value in colour)
        for colour in named
        for share in (1, 0.75, 0.5, 0.25)
    ]
    colours += [(grey, grey, grey) for grey in range(0, 256, 17)]
    image = Image.new("P", (1, 1))
    image.putpalette([value for colour in colours for value in colour])
    return image


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
    palette = _palette()
    frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    durations = [900, *[350] * (len(frames) - 2), 2500]
    place = Path(__file__).with_name("epochs.gif")
    frames[0].save(place, save_all=True, append_images=frames[1:], duration=durations, loop=0)


if __name__ == "__main__":
    main()
