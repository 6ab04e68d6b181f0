"""Thumbnails: small pictures of a data set's images, made when they are first asked for."""

import io
from collections.abc import Iterable
from functools import lru_cache

from PIL import Image

from dmlviz.widgets.embedding_inputs import Picture

SIDE = 128  # pixels of the longer side, at most
SMALL = 64  # up to this side a picture is sent as it is: there is nothing to decode
KEPT = 4000  # pictures: at most 50 MB

# The picture's bytes, and its width and height if these are plain RGB; of a JPEG None.
Thumbnail = tuple[bytes, list[int] | None]


class Thumbnails:
    """Row → picture, as its pixels (small ones) or JPEG (photographs).

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

    def batch(self, rows: Iterable[int]) -> tuple[dict[int, Thumbnail], Exception | None]:
        """The pictures of these rows, and the last error: a broken file hides no other."""
        pictures, failure = {}, None
        for row in rows:
            try:
                pictures[row] = self.encoded(row)
            except Exception as error:
                failure = error
        return pictures, failure

    def _encode(self, row: int) -> Thumbnail:
        image = self.image(row)
        if max(image.size) <= SMALL:
            return image.tobytes(), list(image.size)
        image.save(buffer := io.BytesIO(), "JPEG", quality=85)
        return buffer.getvalue(), None
