"""Structs of MATLAB files, which come in many shapes: an array of them, one alone, or nothing."""

from pathlib import Path
from typing import Any

import numpy as np


def load_variable(path: Path, name: str) -> Any:
    """The variable `name` of a MATLAB file: arrays without dimensions of one, structs as objects.

    Raises:
        ValueError: the file is damaged or has no such variable.
    """
    from scipy.io import loadmat

    try:
        return loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=[name])[name]
    except Exception as error:  # what a damaged file makes of the parser has no common type
        raise ValueError(
            f"{path} cannot be read as a MATLAB file with the variable {name!r} ({error!r}): "
            "get the file again"
        ) from error


def field(struct: Any, name: str) -> Any:
    """A field of a struct; where it has none, or is none, an empty array."""
    return getattr(struct, name, np.empty(0))


def structs(value: Any) -> list[Any]:
    """All structs in `value`, be it an array of them, one alone, or empty."""
    return [item for item in np.ravel(np.asarray(value, object)) if hasattr(item, "_fieldnames")]


def number(value: Any) -> float:
    """A number, alone or in an array; NaN where there is none."""
    items = np.ravel(np.asarray(value))
    return float(items[0]) if items.size and np.issubdtype(items.dtype, np.number) else np.nan
