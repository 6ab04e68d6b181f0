"""The lists of a release: lines of words, below a header that names the columns."""

from pathlib import Path


def read_table(path: Path, header: str, *, above: int = 0) -> list[tuple[int, list[str]]]:
    """Read a list, and refuse one that is damaged or another list of the same name.

    Args:
        path: of the list.
        header: names of the columns, as the release has them.
        above: lines before the header.

    Returns:
        `(line number, words)` of each line below the header, as many words as there are columns.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the header differs, or a line has another number of words; with its number.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: unpack the archive again")
    lines = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    columns, found = header.split(), "".join(lines[above : above + 1])
    if found.split() != columns:
        raise ValueError(
            f"{path}, line {above + 1}: expected the header {header!r}, got {found!r}: "
            "this is the list of another data set, or damaged"
        )
    rows = []
    for number, line in enumerate(lines[above + 1 :], start=above + 2):
        words = line.split()
        if len(words) != len(columns):
            raise ValueError(
                f"{path}, line {number}: expected {header!r}, got {line!r}: the file is damaged, "
                "unpack the archive again"
            )
        rows.append((number, words))
    return rows
