"""Thumbnails: small pictures of a data set's images, made when they are first asked for."""

import io
from collections.abc import Iterable
from functools import lru_cache

from PIL import Image

from dmlviz.widgets.embedding_inputs import Picture

SIDE = 128  # pixels of the longer side, at most
SMALL = 64  # up to this side a picture is sent as it is, pixel by pixel
KEPT = 4000  # pictures: about 20 MB


class Thumbnails:
    """Row → picture, as PNG (small ones, exact) or JPEG (photographs).

    Args:
        picture: from a row to its PIL image.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.encoded = lru_cache(KEPT)(self._encode)

    def image(self, row: int) -> Image.Image:
        """The picture in RGB, at most `SIDE` pixels wide and high."""
        image = self.picture(row).convert("RGB")
        image.thumbnail((SIDE, SIDE))
        return image

    def batch(self, rows: Iterable[int]) -> tuple[dict[int, bytes], Exception | None]:
        """The pictures of these rows, and the last error: a broken file hides no other."""
        pictures, failure = {}, None
        for row in rows:
            try:
                pictures[row] = self.encoded(row)
            except Exception as error:
                failure = error
        return pictures, failure

    def _encode(self, row: int) -> bytes:
        image, buffer = self.image(row), io.BytesIO()
        if max(image.size) <= SMALL:
            image.save(buffer, "PNG", compress_level=1)
        else:
            image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()
