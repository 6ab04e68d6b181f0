"""Small moving pictures: one palette, so that a frame holds only what has changed."""

from pathlib import Path

from PIL import Image, ImageColor

from dmlviz.plots.style import CLASS_COLORS, QUIET


def save(name: str, frames: list[Image.Image], *, milliseconds: int) -> None:
    """Write an endless GIF beside this file, its first and last frame shown for longer."""
    colours = palette()
    few = [f.quantize(palette=colours, dither=Image.Dither.NONE) for f in frames]
    durations = [900, *[milliseconds] * (len(few) - 2), 2500]
    place = Path(__file__).with_name(name)
    few[0].save(place, save_all=True, append_images=few[1:], duration=durations, loop=0)


def palette() -> Image.Image:
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
