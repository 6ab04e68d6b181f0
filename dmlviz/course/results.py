"""What a student gets: the points, the reasons, and a row in the table of the class."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dmlviz.course.marking import Mark


@dataclass(frozen=True)
class Result:
    """One student's result.

    Args:
        student: the name of the file or folder.
        assignment: its name.
        marks: one for each graded cell.
        reason: why it was refused or ended, and what the teacher should know; or empty.
        failed: the grader itself failed on it: a person must look.
    """

    student: str
    assignment: str
    marks: list[Mark] = field(default_factory=list)
    reason: str = ""
    failed: bool = False

    @property
    def total(self) -> float:
        """The points so far; those that a person gives come on top."""
        return sum(mark.earned or 0 for mark in self.marks)

    @property
    def automatic(self) -> float:
        """The points that are decided already, had everything been right."""
        return sum(mark.most for mark in self.marks if mark.earned is not None)

    @property
    def open(self) -> float:
        """The points that a person has yet to decide on."""
        return sum(mark.most for mark in self.marks if mark.earned is None)


def write_table(results: Iterable[Result], path: Path) -> Iterator[Result]:
    """Write the CSV row by row as the results come, and hand them on.

    What is graded is not lost if something stops. `open` are the points that a person gives; the
    cells of a row in which they belong are empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for number, result in enumerate(results):
            if number == 0:
                names = [mark.name for mark in result.marks]
                writer.writerow(["student", *names, "total", "open", "reason"])
            earned = [number_or_blank(mark.earned) for mark in result.marks]
            total, left = (None, None) if result.failed else (result.total, result.open)
            sums = [number_or_blank(total), number_or_blank(left)]
            writer.writerow([as_text(result.student), *earned, *sums, as_text(result.reason)])
            file.flush()
            yield result


def number_or_blank(points: float | None) -> str:
    """Points as they stand in a table.

    >>> number_or_blank(8.0), number_or_blank(None)
    ('8', '')
    """
    return "" if points is None else f"{points:g}"


def as_text(text: str) -> str:
    """Text that a spreadsheet does not take for a formula.

    >>> as_text("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
