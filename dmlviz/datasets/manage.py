"""The data sets on this disk: which are here, how to get one, whether it is whole.

What `dmlviz data list | get | check` print; each returns the exit status of the command.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dmlviz.datasets import registry
from dmlviz.datasets.download import fetch_release
from dmlviz.datasets.real.source import NotOfficial, Source
from dmlviz.datasets.roots import PathLike, data_root

SAMPLE = 50  # images of a split that `check` decodes, spread over all of it
SHOWN = 10  # broken images that it names


def listing(root: PathLike | None = None) -> int:
    """Print a table of all data sets: name, what it is, whether it is here, size, licence."""
    place = data_root(root)
    rows = [("name", "what", "where", "download", "licence")]
    for name, what in registry.available().items():
        source = registry.source(name)
        if source is not None:
            here = "here" if source.is_in(place) else "not here"
            sizes = [d.size for d in source.downloads]
            size = " + ".join(sizes) if all(sizes) else "size not stated"
            rows.append((name, what, here, size or "by hand", source.licence))
        elif registry.is_rendered(name):
            here = "here" if (place / name).is_dir() else "at first use"
            rows.append((name, what, here, "none", "free to use"))
        else:
            rows.append((name, what, "yours", "none", "yours"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"data root: {place}")
    for row in rows:
        print("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip())
    return 0


def get(name: str, root: PathLike | None = None) -> int:
    """Download and unpack a data set, or render it; else say how to get it by hand.

    Args:
        name: of the data set.
        root: the data root; None: see `data_root`.

    Returns:
        0 when it is here, 1 when there is something left to do by hand.

    Raises:
        ValueError: an unknown name, a checksum that differs, a damaged or unsafe archive.
    """
    place, source = data_root(root), registry.source(name)
    if registry.is_rendered(name):
        for split in registry.loader(name).splits:
            print(registry.load(name, split, root=place))
        print(f"rendered into {place / name}")
        return 0
    if source is None:
        print(f"{name!r} has nothing to download: it is {registry.available()[name]}")
        return 1
    print(f"{name}: {registry.available()[name]}\nfrom {source.page}\nlicence: {source.licence}")
    folder = place / source.folder
    here = source.is_in(place)
    if here:
        print(f"{folder} is already here")
    try:
        with _warnings_as_lines():
            if source.downloads and (folder.is_dir() or not here):
                fetch_release(source, place)
    except RuntimeError as error:  # a download that failed
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped: dmlviz data get {name} goes on from here", file=sys.stderr)
        return 130
    if source.by_hand and (source.downloads or not here):
        print(f"by hand, into {folder}: {source.by_hand}")
        return 1
    for archive in source.archives if not here else ():
        print(f"{place / archive.file} is unpacked: delete it if you need the space")
    print(f"{name} is in {folder}; dmlviz data check {name} looks whether it is whole")
    return 0


def check(name: str, root: PathLike | None = None, *, every: bool = False) -> int:
    """Load every split, compare its size with the official one, and decode images.

    Args:
        name: of the data set.
        root: the data root; None: see `data_root`. For "folder": the folder.
        every: decode all images, not only a sample.

    Returns:
        0 when all can be read, even if the counts are not official; 1 when something is damaged.

    Raises:
        ValueError: an unknown name.
    """
    source = registry.source(name)
    official = [split for split, _, _ in source.official] if source else []
    damage: list[str] = []
    for split in registry.loader(name).splits:
        try:
            with _warnings_as_lines():
                dataset = registry.load(name, split, root=root)
        except (ValueError, OSError) as error:
            if official and split not in official and isinstance(error, ValueError):
                continue  # a "val" that exists only with an option
            if str(error) not in damage:  # a missing list is missing for every split
                print(f"{split}: {error}")
                damage.append(str(error))
            continue
        classes, images = len(getattr(dataset, "classes", ())), len(dataset)
        print(f"{split}: {_counts(classes, images)}{_official(source, split, classes, images)}")
        damage += _undecodable(dataset, every)
    print(f"{name}: {'damaged or missing, see above' if damage else 'everything can be read'}")
    return 1 if damage else 0


def _counts(classes: int, images: int) -> str:
    return f"{images:,} images" + (f" of {classes:,} classes" if classes else "")


def _official(source: Source | None, split: str, classes: int, images: int) -> str:
    for name, c, n in source.official if source else ():
        if name == split and (c, n) == (classes, images):
            return ", as published"
        if name == split:
            return (
                f"\nwarning: the published {split!r} split has {_counts(c, n)}: results on yours "
                "cannot be compared with published ones"
            )
    return ", no official counts known" if source else ""


def _undecodable(dataset: Any, every: bool) -> list[str]:
    """What is wrong with images that cannot be read; said as well."""
    from tqdm import tqdm

    n = len(dataset)
    count = n if every else min(n, SAMPLE)
    wrong = []
    # disable=None: no bar where the output is not a terminal
    for i in tqdm(range(count), desc=f"decoding {dataset.split}", leave=False, disable=None):
        try:
            dataset.image(i * n // count)
        except (ValueError, OSError) as error:
            wrong.append(str(error))
    print(f"  {count:,} of {n:,} images looked at, {len(wrong):,} cannot be read")
    for line in wrong[:SHOWN]:
        print(f"  {line}")
    if len(wrong) > SHOWN:
        print(f"  … and {len(wrong) - SHOWN:,} more")
    return wrong


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print warnings as a command does; of official counts `check` speaks itself."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", NotOfficial)
        yield
    for warning in caught:
        print(f"warning: {warning.message}")
