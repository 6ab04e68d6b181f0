"""The data sets that exist, and how to load one by its name."""

import difflib
from importlib import import_module
from types import ModuleType
from typing import Any

from dmlviz.datasets.base import Transform
from dmlviz.datasets.real.source import Source
from dmlviz.datasets.roots import PathLike

_SETS = {
    "glyphs": ("rendered.glyphs", "Glyphs", "characters of many scripts, rendered here"),
    "poses": ("rendered.poses", "Poses", "figures in all postures, rendered here"),
    "rooms": ("rendered.rooms", "Rooms", "rooms and their layouts, rendered here"),
    "scenes": ("rendered.scenes", "Scenes", "shapes with captions, rendered here"),
    "folder": ("folder", "Folder", "your own images, as root/class/image"),
    "cub": ("real.cub", "CUB", "CUB-200-2011: photographs of 200 kinds of birds"),
    "cars": ("real.cars", "Cars", "Cars-196: photographs of 196 models of cars"),
    "sop": ("real.sop", "SOP", "Stanford Online Products: photographs of 22,634 things for sale"),
    "inshop": ("real.inshop", "InShop", "In-shop Clothes: photographs of 7,982 pieces of clothing"),
    "omniglot": ("real.omniglot", "Omniglot", "handwritten characters of 50 alphabets"),
    "coco": ("real.coco", "COCO", "MS-COCO: photographs with five captions or more each"),
    "flickr8k": ("real.flickr8k", "Flickr8k", "photographs with five captions each"),
    "lsp": ("real.lsp", "LSP", "Leeds Sports Pose, extended: photographs of people"),
    "lsun": ("real.lsun", "LSUN", "LSUN room layout: photographs of rooms and their layouts"),
    "mpii": ("real.mpii", "MPII", "MPII Human Pose: people in frames of videos"),
}


def available() -> dict[str, str]:
    """Name and one-line description of every data set.

    >>> print(*sorted(available()))
    cars coco cub flickr8k folder glyphs inshop lsp lsun mpii omniglot poses rooms scenes sop
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

    Of sets with classes, "glyphs", "folder", "cub", "cars", "sop", "inshop" and "omniglot",
    different splits have different classes: a model is tested on classes it never saw. Sets with
    continuous labels, "poses", "rooms", "scenes", "lsp", "mpii", "lsun", "flickr8k" and "coco",
    have the splits "query" and "gallery" in the place of "test"; and so has "inshop", with the same
    classes in both.

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
    return loader(name)(split, root=root, transform=transform, **options)


def splits(name: str) -> tuple[str, ...]:
    """The splits of a data set.

    >>> splits("poses")
    ('train', 'val', 'query', 'gallery')
    """
    return getattr(loader(name), "splits", ("train", "val", "test"))


def loader(name: str) -> Any:
    """The class that loads a data set; ValueError for an unknown name."""
    module, cls = _module(name)
    return getattr(module, cls)


def source(name: str) -> Source | None:
    """Where a data set comes from; None for those rendered here, and for your own folders."""
    return getattr(_module(name)[0], "SOURCE", None)


def is_rendered(name: str) -> bool:
    """Whether a data set is rendered here."""
    return _module(name)[0].__name__.startswith("dmlviz.datasets.rendered.")


def _module(name: str) -> tuple[ModuleType, str]:
    """The module of a data set, and the name of its class."""
    if name not in _SETS:
        close = difflib.get_close_matches(name, _SETS, n=1, cutoff=0.65)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown data set {name!r}{hint}: there are {', '.join(_SETS)}")
    module, cls, _ = _SETS[name]
    return import_module(f"dmlviz.datasets.{module}"), cls
