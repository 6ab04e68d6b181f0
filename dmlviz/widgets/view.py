"""A matplotlib figure as a live picture: drawn off-screen, pushed to an `ipywidgets.Image`.

Only the artists that move are drawn anew; axes, ticks and labels come from a saved background
("blitting"), which is several times faster than drawing the whole figure; words that change are
written last, see `words.py`. No pyplot: a widget's callbacks may run on another thread than the
notebook's cell, and pyplot would mix their figures up.
"""

import base64
import io
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dmlviz.widgets.words import can_write, write

# A sixth of a PNG's time. Colours at full resolution: thin lines and small text stay crisp.
LIVE: dict[str, Any] = {"quality": 92, "subsampling": 0}


def as_png(figure: Figure) -> str:
    """A whole figure as a notebook keeps pictures: PNG in base64."""
    figure.savefig(buffer := io.BytesIO(), format="png", dpi=100)
    return base64.b64encode(buffer.getvalue()).decode()


class NamedImage(ipywidgets.Image):
    """An image whose `tooltip` is its name for those who cannot see it.

    ipywidgets (8.1) has no alt text. The page makes a tooltip the image's `title`, which is a name,
    but first it looks at a description, which its own `Image` lacks.
    """

    description = traitlets.Unicode(read_only=True).tag(sync=True)


class FigureView:
    """Shows `figure` in `.image`; `show()` after the moving artists have changed.

    Args:
        figure: a `matplotlib.figure.Figure` made without pyplot.
        moving: the artists that change; everything else is drawn once.
        alt: what the picture shows, in words.
    """

    def __init__(self, figure: Figure, moving: Sequence[Artist], alt: str) -> None:
        self.figure, self.moving = figure, list(moving)
        self.canvas = FigureCanvasAgg(figure)
        self.image = NamedImage(format="jpeg", tooltip=alt)
        self.image.layout.max_width = "100%"
        self.alt = alt
        self._background: object | None = None
        self._lock = threading.RLock()
        for artist in self.moving:
            artist.set_animated(True)

    def show(self) -> None:
        """Draw the moving artists where they are now, and send the picture."""
        with self._lock:
            self.image.value = self._encoded("jpeg", **LIVE)

    def refresh(self) -> None:
        """Draw what stays anew the next time: the axes have changed."""
        with self._lock:
            self._background = None

    def png(self) -> bytes:
        """The picture as it is now."""
        with self._lock:
            return self._encoded("png", compress_level=1)

    def mimebundle(self, widget: ipywidgets.Widget) -> dict[str, Any]:
        """What a notebook shows of `widget`: itself, or this picture where it cannot live."""
        bundle = dict(widget._repr_mimebundle_())
        bundle["image/png"] = base64.b64encode(self.png()).decode()
        bundle["text/plain"] = self.alt
        return bundle

    def pixels(self) -> np.ndarray:
        """The picture as it is now, `(height, width, 3)` bytes."""
        with self._lock:
            return np.asarray(self._drawn())

    def _drawn(self) -> Image.Image:
        if self._background is None:
            self.canvas.draw()
            self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._background)
        for artist in self.moving:
            if artist.axes is not None and not can_write(artist):
                artist.axes.draw_artist(artist)
        size = self.canvas.get_width_height()
        picture = Image.frombuffer("RGBA", size, self.canvas.buffer_rgba()).convert("RGB")
        for artist in self.moving:
            if can_write(artist):
                write(picture, artist)
        return picture

    def _encoded(self, format: str, **settings: Any) -> bytes:
        self._drawn().save(buffer := io.BytesIO(), format, **settings)
        return buffer.getvalue()
