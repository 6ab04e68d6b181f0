"""From the instructor's notebook to the student's: no solutions, no hidden tests, no outputs."""

import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dmlviz.course import nbgraded

SEED = re.compile(r"^SEED = (\d+)", re.MULTILINE)


def assignments(folder: Path) -> dict[str, Path]:
    """`{name: the instructor's notebook}` of all assignments in `tutorials/assignments`."""
    found = {path.stem: path for path in sorted((folder / "instructor").glob("[0-9]*.ipynb"))}
    if not found:
        raise FileNotFoundError(f"no instructor's notebooks in {folder / 'instructor'}")
    return found


def released(instructor: NotebookNode) -> NotebookNode:
    """The student's copy, made by nbgrader's own steps, in the order of its own command.

    The same input gives the same output, bit by bit.
    """
    nbgraded.require()
    with nbgraded.quiet():
        from nbgrader import preprocessors as step

        notebook = nbformat.from_dict(instructor)
        notebook.metadata.pop("dmlviz", None)  # of which code the outputs are: the copy has none
        resources: dict[str, Any] = {}
        for make in (
            step.LockCells,
            step.ClearSolutions,
            step.ClearOutput,
            step.CheckCellMetadata,
            step.ComputeChecksums,
            step.ClearHiddenTests,
            step.ClearMarkScheme,
            step.ComputeChecksums,
            step.CheckCellMetadata,
        ):
            notebook, resources = make().preprocess(notebook, resources)
    return notebook


def with_seed(notebook: NotebookNode, seed: int | None) -> NotebookNode:
    """The same assignment with other data, shapes and numbers: one constant is set.

    Args:
        notebook: an instructor's notebook.
        seed: what `SEED` becomes; None leaves it.
    """
    if seed is None:
        return notebook
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if nbgraded.is_seed(cell):
            cell.source = SEED.sub(f"SEED = {seed}", cell.source)
    return notebook


def seed_of(source: str) -> int | None:
    """The constant that a cell sets, if it does."""
    found = SEED.search(source)
    return int(found[1]) if found else None


def write_released(folder: Path, *, to: Path | None = None, seed: int | None = None) -> list[Path]:
    """Write the student's copy of every assignment; returns the files.

    Args:
        folder: `tutorials/assignments`.
        to: where the copies go; None: into `folder`.
        seed: see `with_seed`.
    """
    written = []
    for name, path in assignments(folder).items():
        notebook = released(with_seed(nbgraded.load(path), seed))
        target = (to or folder) / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        written.append(target)
    return written
