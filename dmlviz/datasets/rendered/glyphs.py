"""Glyphs: written characters of many scripts, rendered here, in no need of a download.

A class is a Unicode character. An image draws it in one of the twelve DejaVu faces that
matplotlib ships, turned, sheared, blurred, on a tinted ground with scraps of other characters
and noise. 200 training, 40 validation and 200 test classes, all different: as in the real
benchmarks, a model is judged on classes that it has never seen.

Rendering is seeded and takes a few seconds; the result is cached under the data root.
"""

import unicodedata
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dmlviz.datasets.base import ImageDataset, Transform, check_split
from dmlviz.datasets.rendered._cache import Arrays, cached
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import glyph

CLASS_LIST = Path(__file__).with_name("glyph_classes.tsv")
IMAGES_PER_CLASS = {"train": 30, "val": 20, "test": 20}
SIZE = 32
VERSION = 1  # part of the cache's file name: raise it when the pictures change

_CANVAS = 64  # templates are drawn at twice the final size and shrunk by averaging
_INK = 44  # longer side of a template's character


class Glyphs(ImageDataset):
    """The Glyphs data set: see the top of this file.

    Args:
        split: "train" (200 classes, 30 images each), "val" (40, 20) or "test" (200, 20).
        root: data root for the cache; None: see `datasets.roots.data_root`.
        transform: from a 32 x 32 grey PIL image to a float tensor; None: values in -1…1, on the
            training split with a random shift of up to three pixels.
    """

    name = "glyphs"
    splits = ("train", "val", "test")

    def __init__(
        self, split: str, root: PathLike | None = None, transform: Transform | None = None
    ) -> None:
        check_split(split, self.splits)
        self.characters = class_characters(split)
        self._pixels, targets = _cached(split, data_root(root))
        super().__init__(
            split,
            classes=[unicodedata.name(c) for c in self.characters],
            targets=torch.from_numpy(targets),
            transform=transform or glyph(train=split == "train"),
        )

    def image(self, index: int) -> Image.Image:
        return Image.fromarray(self._pixels[index])

    def export(self, folder: PathLike) -> Path:
        """Write the images as `folder/class/number.png`, the layout that "folder" loads."""
        counts = dict.fromkeys(range(len(self.classes)), 0)
        for i, target in enumerate(self.targets.tolist()):
            place = Path(folder) / f"{ord(self.characters[target]):04X} {self.classes[target]}"
            place.mkdir(parents=True, exist_ok=True)
            self.image(i).save(place / f"{counts[target]:03d}.png")
            counts[target] += 1
        return Path(folder)


def class_characters(split: str) -> list[str]:
    """The characters of a split, from the committed list."""
    rows = [line.split("\t") for line in CLASS_LIST.read_text(encoding="utf-8").splitlines()]
    return [chr(int(code[2:], 16)) for name, code, *_ in rows if name == split]


def font_paths() -> list[Path]:
    """The twelve DejaVu faces: sans, mono and serif, each regular, bold, slanted and both."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(p for p in fonts.glob("DejaVu*.ttf") if "Display" not in p.name)


def draw_templates(characters: list[str]) -> np.ndarray:
    """Each character in each face, centred at equal size: `(characters, 12, 64, 64)` bytes."""
    fonts = [ImageFont.truetype(str(path), 64) for path in font_paths()]
    templates = np.zeros((len(characters), len(fonts), _CANVAS, _CANVAS), np.uint8)
    for i, character in enumerate(characters):
        for j, font in enumerate(fonts):
            sheet = Image.new("L", (192, 192))
            ImageDraw.Draw(sheet).text((96, 96), character, 255, font=font, anchor="mm")
            ink = sheet.crop(sheet.getbbox())
            scale = _INK / max(ink.size)
            width, height = (max(1, round(side * scale)) for side in ink.size)
            tile = Image.new("L", (_CANVAS, _CANVAS))
            corner = ((_CANVAS - width) // 2, (_CANVAS - height) // 2)
            tile.paste(ink.resize((width, height), Image.Resampling.LANCZOS), corner)
            templates[i, j] = np.asarray(tile)
    return templates


def render(
    characters: list[str], images_per_class: int, seed: int | list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Render `images_per_class` pictures of each character.

    Returns:
        Images `(N, 32, 32)` bytes, and targets `(N,)`, the index of the character.
    """
    rng = np.random.default_rng(seed)
    templates = torch.from_numpy(draw_templates(characters))
    targets = np.repeat(np.arange(len(characters)), images_per_class)
    faces = rng.integers(templates.shape[1], size=len(targets))
    # Scraps of the same alphabet: three neighbours in pieces at the rim, told apart only by place.
    scraps = rng.integers(len(characters), size=(3, len(targets)))

    images = []
    for block in np.array_split(np.arange(len(targets)), max(1, len(targets) // 1000)):
        ink = _warp(templates[targets[block], faces[block]], *_pose(rng, len(block)))
        for scrap in scraps[:, block]:
            other = _warp(templates[scrap, faces[block]], *_pose(rng, len(block), at_rim=True))
            ink = torch.maximum(ink, 0.8 * other)
        images.append(_paint(ink, rng))
    return torch.cat(images).numpy(), targets


def _pose(
    rng: np.random.Generator, n: int, *, at_rim: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Random affine maps `(n, 2, 2)` and shifts `(n, 2)` in half image widths."""
    angle = rng.normal(0, 0.22, n)
    size = np.exp(rng.normal(0, 0.14, (n, 2))) * (0.9 if at_rim else 1.0)
    shear = rng.normal(0, 0.18, n)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1)
    bend = np.stack([np.ones(n), shear, np.zeros(n), np.ones(n)], 1)
    matrix = turn.reshape(n, 2, 2) @ bend.reshape(n, 2, 2) * size[:, None, :]
    if at_rim:
        around = rng.uniform(0, 2 * np.pi, n)
        shift = rng.uniform(1.25, 1.6, n)[:, None] * np.stack([np.cos(around), np.sin(around)], 1)
    else:
        shift = rng.normal(0, 0.1, (n, 2))
    return matrix, shift


def _warp(templates: Tensor, matrix: np.ndarray, shift: np.ndarray) -> Tensor:
    """Place each template by its affine map; `(n, 1, 32, 32)` ink in 0…1."""
    # grid_sample asks, for each pixel of the result, where it comes from: the inverse map.
    inverse = np.linalg.inv(matrix)
    back = -inverse @ shift[:, :, None]
    theta = torch.from_numpy(np.concatenate([inverse, back], axis=2)).float()
    grid = F.affine_grid(theta, [len(theta), 1, 2 * SIZE, 2 * SIZE], align_corners=False)
    placed = F.grid_sample(templates[:, None].float() / 255, grid, align_corners=False)
    return F.avg_pool2d(placed, 2)


def _paint(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur the ink, lay it on a tinted ground, add noise; `(n, 32, 32)` bytes."""
    n = len(ink)
    sigma = torch.from_numpy(rng.uniform(0.1, 1.1, n)).float()
    reach = torch.arange(-2, 3)
    kernel = torch.exp(-(reach**2) / (2 * sigma[:, None] ** 2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    rows = F.conv2d(ink.transpose(0, 1), kernel[:, None, :, None], padding=(2, 0), groups=n)
    blurred = F.conv2d(rows, kernel[:, None, None, :], padding=(0, 2), groups=n)[0]

    ground = rng.uniform(0.0, 0.35, (n, 1, 1)) + 0.12 * _slope(rng, n)
    contrast = rng.uniform(0.35, 0.65, (n, 1, 1))
    value = ground + contrast * blurred.numpy()
    value = np.where(rng.random((n, 1, 1)) < 0.5, value, 1 - value)  # light on dark, or dark on it
    value = value + rng.uniform(0.02, 0.10, (n, 1, 1)) * rng.normal(size=value.shape)
    return torch.from_numpy((value.clip(0, 1) * 255).round().astype(np.uint8))


def _slope(rng: np.random.Generator, n: int) -> np.ndarray:
    """A plane in -1…1 that rises in a random direction: light falling from one side."""
    angle = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    return (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)


def _cached(split: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """The split from its cache file, rendered first where there is none yet."""
    characters = class_characters(split)

    def rendered() -> Arrays:
        seed = [VERSION, Glyphs.splits.index(split)]
        images, targets = render(characters, IMAGES_PER_CLASS[split], seed)
        return {"images": images, "targets": targets}

    n = len(characters) * IMAGES_PER_CLASS[split]
    place = root / "glyphs" / f"v{VERSION}-{split}.npz"
    stored = cached(place, {"images": (n, SIZE, SIZE), "targets": (n,)}, rendered)
    return stored["images"], stored["targets"]
