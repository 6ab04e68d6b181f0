"""Words of a moving picture, written by Pillow.

Matplotlib (3.11) renders a text letter by letter, 6 ms for a line: more than for all the points of
a small map. Pillow needs a twentieth of that, for the same font, size and place.
"""

from functools import lru_cache
from typing import Any, TypeGuard

from matplotlib.colors import to_rgb
from matplotlib.font_manager import findfont
from matplotlib.text import Annotation, Text
from PIL import Image, ImageDraw, ImageFont

LINE = 1.27  # between two baselines, of the size of the font; as matplotlib has it
_ANCHORS = {
    **{"left": "l", "center": "m", "right": "r"},
    **{"top": "a", "baseline": "s", "bottom": "d"},
}


def can_write(artist: Any) -> TypeGuard[Text]:
    """Whether it is text, upright and without formula, frame or effects."""
    if not isinstance(artist, Text):
        return False
    special = artist.get_bbox_patch() or artist.get_path_effects() or artist.get_rotation()
    return not special and "$" not in artist.get_text()


def write(image: Image.Image, text: Text) -> None:
    """Write `text` on a picture of its figure, where matplotlib would."""
    if not (text.get_visible() and text.get_text()):
        return
    figure: Any = text.get_figure(root=True)
    if isinstance(text, Annotation):
        text.update_positions(figure.canvas.get_renderer())
    x, up = text.get_transform().transform(text.get_unitless_position())
    size = text.get_fontsize() * figure.dpi / 72
    font = _font(findfont(text.get_fontproperties()), size)
    lines = text.get_text().split("\n")
    below = LINE * size * (len(lines) - 1)
    vertical, y = text.get_verticalalignment(), image.height - up
    y -= {"top": 0, "center": below / 2}.get(vertical, below)  # the last line has the baseline
    if vertical == "center":  # of the letters' own height, as in matplotlib
        top, bottom = font.getbbox(text.get_text(), anchor="ls")[1::2]
        vertical, y = "baseline", y - (top + bottom) / 2
    anchor = _ANCHORS[text.get_horizontalalignment()] + _ANCHORS[vertical]
    colour = tuple(round(255 * c) for c in to_rgb(text.get_color()))
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        pen.text((x, y + i * LINE * size), line, fill=colour, font=font, anchor=anchor)


@lru_cache(maxsize=64)
def _font(path: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
