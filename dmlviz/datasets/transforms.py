"""From a PIL image to the float tensor that a network takes.

`glyph`, `glyph_views` and `rgb` need torch alone and are fast; `photo` is the papers' recipe, built
from torchvision.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


class glyph:
    """Grey values as `(1, H, W)` in -1…1; with `train`, shifted by up to `shift` pixels.

    Args:
        train: shift at random.
        shift: by up to so many pixels each way, the rim continued outwards.
        size: side of the square that the image is resized to; None: as it is.
        invert: exchange light and dark, which makes ink on paper bright on black.
    """

    def __init__(
        self, *, train: bool = False, shift: int = 3, size: int | None = None, invert: bool = False
    ) -> None:
        self.shift = shift if train else 0
        self.size, self.invert = size, invert

    def __call__(self, image: Image.Image) -> Tensor:
        if self.size is not None:  # grey first: black and white alone cannot be interpolated
            size = (self.size, self.size)
            image = image.convert("L").resize(size, Image.Resampling.BILINEAR)
        x = _grey(image)
        return _shifted(-x if self.invert else x, self.shift)

    def __repr__(self) -> str:
        return f"glyph(shift={self.shift}, size={self.size}, invert={self.invert})"


class glyph_views:
    """Strong random views of a grey image, `(1, H, W)`: for learning without labels.

    Turned, sheared, scaled and shifted (its rim continued outwards), light and dark exchanged in
    half of the cases, contrast and brightness changed, noise added. What is left in common between
    two views is the shape.
    """

    def __call__(self, image: Image.Image) -> Tensor:
        x = _grey(image)
        angle, shear = 0.25 * torch.randn(2)
        scale, shift = torch.exp(0.15 * torch.randn(2)), 0.12 * torch.randn(2, 1)
        turn = torch.stack([angle.cos(), -angle.sin() + shear, angle.sin(), angle.cos()]).reshape(
            2, 2
        )
        theta = torch.cat([turn * scale, shift], dim=1)[None]
        grid = F.affine_grid(theta, [1, *x.shape], align_corners=False)
        x = F.grid_sample(x[None], grid, padding_mode="border", align_corners=False)[0]
        sign, contrast, brightness, noise = torch.rand(4)
        x = x * (0.6 + 0.8 * contrast) * (1 if sign < 0.5 else -1) + (brightness - 0.5)
        return x + 0.2 * noise * torch.randn_like(x)

    def __repr__(self) -> str:
        return "glyph_views()"


class rgb:
    """An image as `(3, H, W)` in -1…1.

    Args:
        size: side of the square that the image is resized to; None: as it is.
        shift: move it by up to so many pixels, at random, its rim continued outwards.
    """

    def __init__(self, size: int | None = None, *, shift: int = 0) -> None:
        self.size, self.shift = size, shift

    def __call__(self, image: Image.Image) -> Tensor:
        image = image.convert("RGB")
        if self.size is not None:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1
        return _shifted(x, self.shift)

    def __repr__(self) -> str:
        return f"rgb(size={self.size}, shift={self.shift})"


def _shifted(x: Tensor, shift: int) -> Tensor:
    """`x` moved by up to `shift` pixels each way, at random, its rim continued outwards."""
    if not shift:
        return x
    padded = F.pad(x[None], [shift] * 4, mode="replicate")[0]
    dy, dx = torch.randint(2 * shift + 1, (2,)).tolist()
    return padded[:, dy : dy + x.shape[1], dx : dx + x.shape[2]]


def _grey(image: Image.Image) -> Tensor:
    """Grey values as `(1, H, W)` in -1…1."""
    return torch.from_numpy(np.array(image.convert("L")))[None].float() / 127.5 - 1


def photo(
    size: int = 224,
    *,
    train: bool = False,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
) -> Callable[[Image.Image], Tensor]:
    """The recipe of the Proxy-Anchor authors' code for photographs.

    Training: a random crop of 8 to 100 % of the area, resized to `size`, flipped in half of the
    cases. Otherwise: shorter side to `size` x 256/224, centre crop. Both are normalised.

    Args:
        size: side of the square result, in pixels.
        train: augment.
        mean, std: per channel, ImageNet's by default; of one channel: the image becomes grey.
    """
    from torchvision.transforms import v2

    if train:
        geometry = [v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()]
    else:
        geometry = [v2.Resize(round(size * 256 / 224), antialias=True), v2.CenterCrop(size)]
    return v2.Compose(
        [
            v2.RGB() if len(mean) == 3 else v2.Grayscale(),
            *geometry,
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(mean), list(std)),
        ]
    )
