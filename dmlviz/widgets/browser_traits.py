"""Traits that a page and Python share: checked in words, and rows of numbers sent as bytes.

traitlets' own types raise a TraitError, which is neither a ValueError nor a TypeError, and says
little about what would do.
"""

import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import TraitType

STATIC = Path(__file__).with_name("static")


class OneOf(TraitType[Any, Any]):
    """One of what the widget's attribute `options` lists."""

    def __init__(self, options: str) -> None:
        super().__init__()
        self.options = options

    def validate(self, obj: Any, value: Any) -> Any:
        options: Sequence[Any] = getattr(obj, self.options)
        if value not in options:
            listed = ", ".join(map(str, options))
            raise ValueError(f"{self.name} must be one of {listed}, got {value!r}")
        return options[options.index(value)]


class Whole(TraitType[int, Any]):
    """A whole number from `low` to what the widget's attribute `high` says."""

    def __init__(self, low: int, high: str, *, or_none: bool = False) -> None:
        super().__init__(allow_none=or_none)
        self.low, self.high = low, high

    def validate(self, obj: Any, value: Any) -> int:
        return whole(self.name, value, self.low, getattr(obj, self.high))


class Rows(TraitType[list[int], Any]):
    """Row numbers, ascending, each once, up to what the widget's attribute `high` says."""

    def __init__(self, high: str) -> None:
        super().__init__()
        self.high = high
        self.tag(sync=True, to_json=_to_bytes, from_json=_from_bytes)

    def validate(self, obj: Any, value: Any) -> list[int]:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise TypeError(f"{self.name} must be row numbers, got {value!r}")
        return sorted({whole(self.name, row, 0, getattr(obj, self.high)) for row in value})


def whole(name: str | None, value: Any, low: int, high: int) -> int:
    """The number as an `int`, if it is whole and within its limits."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from error
    if not low <= number <= high:
        raise ValueError(f"{name} must be in {low}…{high}, got {number}")
    return number


def _to_bytes(rows: Any, _: Any) -> bytes:
    return np.asarray(rows, dtype=np.int32).tobytes()


def _from_bytes(data: Any, _: Any) -> list[int]:
    return np.frombuffer(data, np.int32).tolist()


def one_module(*names: str) -> str:
    """Several ES modules of `static/` as one; the last is what the page renders.

    A widget's code travels as one text without an address, so there is nothing that its relative
    imports could be relative to. In the files they are there for people and their editors.
    """
    text = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)
    text = re.sub(r'^import .* from "\./.*";\n', "", text, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)
