"""Arrays that are rendered once and then read from a file under the data root."""

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)


def cached(
    place: Path, shapes: Mapping[str, tuple[int, ...]], render: Callable[[], Arrays]
) -> Arrays:
    """The arrays of the cache file `place`, rendered and stored first where it holds none yet.

    Args:
        place: an .npz file; its name should change when the pictures do.
        shapes: the shape of each array; a file that holds other ones counts as damaged, and a
            damaged file is rendered again and replaced.
        render: makes the arrays, by the names in `shapes`.
    """
    try:
        return _read(place, shapes)
    except _UNREADABLE:
        pass  # no cache file yet, or a damaged one
    arrays = render()
    _store(place, arrays)
    return arrays


def _read(place: Path, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    with place.open("rb") as file, np.load(file) as stored:
        arrays = {name: stored[name] for name in shapes}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{place}: {name} has shape {arrays[name].shape}, expected {shape}")
    return arrays


def _store(place: Path, arrays: Arrays) -> None:
    """Write the file whole or not at all; a read-only data root only costs the cache."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        part.replace(place)
    except OSError:
        return
