"""Whether the files that a list names are there: all at once, and before any is needed."""

from collections.abc import Sequence
from pathlib import Path


def check_files(paths: Sequence[Path], remedy: str) -> None:
    """Raise FileNotFoundError, with their number and the first of them, where files are missing.

    Args:
        paths: of the files; an empty file counts as missing.
        remedy: what to do about it, in words.
    """
    missing = [path for path in paths if not path.is_file() or path.stat().st_size == 0]
    if missing:
        raise FileNotFoundError(
            f"{len(missing):,} of {len(paths):,} images are missing or empty, such as "
            f"{missing[0]}: {remedy}"
        )
