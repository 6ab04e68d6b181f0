"""Omniglot: handwritten characters of 50 alphabets, each drawn by 20 people (Lake, Salakhutdinov,
Tenenbaum: Human-level concept learning through probabilistic program induction, Science 2015).

The authors' own division goes by alphabets: the 964 characters of the 30 "background" alphabets
train, the 659 of the 20 "evaluation" ones test. It has no validation part. Where one is held out
it should be whole alphabets, since the characters of one alphabet look alike: single characters
held out would be easier to tell from what training saw than those of the test.

A drawing is stored as 105 x 105 pixels, black ink on white. All of them take 9 MB, and are kept in
memory as they are in their files; so the zip archives need not be unpacked.
"""

import zlib
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch
from PIL import Image

from dmlviz.datasets.base import ImageDataset, Transform, check_split
from dmlviz.datasets.real.photographs import hold_out, is_whole
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.roots import PathLike, data_root
from dmlviz.datasets.transforms import glyph

FOLDER = "omniglot-py"  # torchvision's name for it, so that both find the same files
PARTS = {"train": "images_background", "val": "images_background", "test": "images_evaluation"}
SIZE = 32
_ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
SOURCE = Source(
    folder=FOLDER,
    page="https://github.com/brendenlake/omniglot",
    licence="see its authors' terms",
    downloads=(  # addresses and checksums as in torchvision.datasets.Omniglot
        Download(
            f"{_ADDRESS}/images_background.zip",
            "md5:68d2efa1b9178cc56df9314c21c6e718",
        ),
        Download(
            f"{_ADDRESS}/images_evaluation.zip",
            "md5:6b91aef0f799c5bb55b94e3f2daec811",
        ),
    ),
    official=(("train", 964, 19280), ("test", 659, 13180)),
)


class Omniglot(ImageDataset):
    """Omniglot by characters: see the top of this file.

    Args:
        split: "train" (the background alphabets), "test" (the evaluation alphabets), or "val" (see
            `val_alphabets`).
        root: the folder that holds `omniglot-py/`, or that folder itself; in it
            `images_background/` and `images_evaluation/`, or their zip archives.
        transform: from a 105 x 105 grey PIL image, black on white, to a float tensor; None:
            `(1, 32, 32)` in -1…1, white ink on black, on the training split with a random shift of
            up to three pixels.
        val_alphabets: hold so many of the last training alphabets out as "val"; by default there
            is no "val".

    Attributes:
        classes: such as "Tagalog/character07".
        alphabets: `alphabets[target]` is that of a class.
        drawings: files of the images, such as "Tagalog/character07/0906_12.png".

    Raises:
        FileNotFoundError: the data is missing.
        ValueError: it is damaged, or the split does not exist.
    """

    name = "omniglot"
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: PathLike | None = None,
        transform: Transform | None = None,
        *,
        val_alphabets: int = 0,
    ) -> None:
        check_split(split, self.splits)
        whole = is_whole("Omniglot", split, val_alphabets, "val_alphabets", 5)
        self.folder = _find(data_root(root), PARTS[split])
        files = _read(self.folder, PARTS[split])
        alphabets = sorted({_parts(file)[0] for file in files})
        if split != "test":
            alphabets = hold_out(alphabets, split, val_alphabets, "val_alphabets")
        self.drawings = sorted((f for f in files if _parts(f)[0] in alphabets), key=_parts)
        self._files = [files[drawing] for drawing in self.drawings]
        characters = [drawing.rsplit("/", 1)[0] for drawing in self.drawings]
        classes = list(dict.fromkeys(characters))
        position = {character: i for i, character in enumerate(classes)}
        self.alphabets = [character.split("/")[0] for character in classes]
        super().__init__(
            split,
            classes=classes,
            targets=torch.tensor([position[character] for character in characters]),
            transform=transform or glyph(train=split == "train", size=SIZE, invert=True),
        )
        if whole:
            SOURCE.compare("Omniglot", split, len(self.classes), len(self), stacklevel=3)

    def image(self, index: int) -> Image.Image:
        try:
            with Image.open(BytesIO(self._files[index])) as image:
                return image.convert("L")
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(
                f"the drawing {self.drawings[index]} in {self.folder} cannot be decoded ({error}): "
                "unpack or download the archive again"
            ) from error


def _parts(file: str) -> tuple[str, ...]:
    """Alphabet, character and drawing."""
    return tuple(file.split("/"))


def _find(root: Path, part: str) -> Path:
    """The folder with the part of a split, unpacked or as a zip archive."""
    for folder in (root / FOLDER, root):
        if (folder / part).is_dir() or (folder / f"{part}.zip").is_file():
            return folder
    if (root / FOLDER).is_dir():
        raise FileNotFoundError(
            f"{root / FOLDER} has neither {part}/ nor {part}.zip: download {_ADDRESS}/{part}.zip "
            "to it"
        )
    raise FileNotFoundError(
        f"no {FOLDER} in {root}: download {' and '.join(d.url for d in SOURCE.downloads)} to "
        f"{root / FOLDER} (they need not be unpacked), or pass root= (or set DMLVIZ_DATA to) the "
        f"folder that holds {FOLDER}/"
    )


def _read(folder: Path, part: str) -> dict[str, bytes]:
    """Content of each drawing, by alphabet/character/drawing."""
    place = folder / part
    if place.is_dir():
        paths = place.glob("*/*/[!.]*.png")
        files = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
    else:
        place = folder / f"{part}.zip"
        try:
            with ZipFile(place) as archive:
                names = [Path(n) for n in archive.namelist()]
                names = [n for n in names if n.match(f"{part}/*/*/[!.]*.png") and len(n.parts) == 4]
                files = {"/".join(n.parts[1:]): archive.read(n.as_posix()) for n in names}
        except (BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(
                f"{place} is damaged or cut short ({error}): download {_ADDRESS}/{part}.zip again"
            ) from error
    empty = [file for file, content in files.items() if not content]
    if empty or not files:
        what = f"{len(empty)} empty drawings, such as {empty[0]}" if empty else "no drawings"
        raise ValueError(
            f"{place} holds {what}, expected alphabet/character/drawing.png: unpack or download "
            "the archive again"
        )
    return files
