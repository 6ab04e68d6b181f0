"""The data sets that exist, and how to load one by its name."""

import difflib
from importlib import import_module
from typing import Any

from dmlviz.datasets.base import Transform
from dmlviz.datasets.roots import PathLike

_SETS = {
    "glyphs": ("rendered.glyphs", "Glyphs", "characters of many scripts, rendered here"),
    "poses": ("rendered.poses", "Poses", "figures in all postures, rendered here"),
    "rooms": ("rendered.rooms", "Rooms", "rooms and their layouts, rendered here"),
    "scenes": ("rendered.scenes", "Scenes", "shapes with captions, rendered here"),
    "folder": ("folder", "Folder", "your own images, as root/class/image"),
    "cub": ("real.cub", "CUB", "CUB-200-2011: photographs of 200 kinds of birds"),
    "flickr8k": ("real.flickr8k", "Flickr8k", "photographs with five captions each"),
    "lsp": ("real.lsp", "LSP", "Leeds Sports Pose, extended: photographs of people"),
}


def available() -> dict[str, str]:
    """Name and one-line description of every data set.

    >>> sorted(available())
    ['cub', 'flickr8k', 'folder', 'glyphs', 'lsp', 'poses', 'rooms', 'scenes']
    """
    return {name: description for name, (_, _, description) in _SETS.items()}


def load(
    name: str,
    split: str,
    root: PathLike | None = None,
    transform: Transform | None = None,
    **options: Any,
) -> Any:
    """Load one split of a data set.

    Of sets with classes, "glyphs", "folder" and "cub", different splits have different classes: a
    model is tested on classes it never saw. Sets with continuous labels, "poses", "rooms",
    "scenes", "lsp" and "flickr8k", have the splits "query" and "gallery" in the place of "test".

    Args:
        name: one of `available()`.
        split: "train", "val" (held out of training), and "test", or "query" and "gallery".
        root: where the data lives; None: the environment variable DMLVIZ_DATA, else `data/` of a
            source checkout, else the user's cache folder. For "folder": the folder itself.
        transform: from a PIL image to a float tensor; None: the data set's default (its docstring
            says which). For pretrained backbones: `model.transforms(train=...)`.
        **options: what the data set's class takes beyond these.

    Returns:
        An `ImageDataset`, or a `ContinuousDataset`.

    Raises:
        ValueError: for an unknown name or split.
        FileNotFoundError: where the data is missing, with the way to get it.
    """
    return _loader(name)(split, root=root, transform=transform, **options)


def splits(name: str) -> tuple[str, ...]:
    """The splits of a data set.

    >>> splits("poses")
    ('train', 'val', 'query', 'gallery')
    """
    return getattr(_loader(name), "splits", ("train", "val", "test"))


def _loader(name: str) -> Any:
    if name not in _SETS:
        close = difflib.get_close_matches(name, _SETS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown data set {name!r}{hint}: there are {', '.join(_SETS)}")
    module, cls, _ = _SETS[name]
    return getattr(import_module(f"dmlviz.datasets.{module}"), cls)
