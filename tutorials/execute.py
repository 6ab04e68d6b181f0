"""Run notebooks and save them with their outputs, and without what should not be committed.

    python tutorials/execute.py tutorials/00_*.ipynb

Each notebook is timed, by the clock and in seconds of processor time, kernel included. A hash of
its code stays in its metadata: a test asks whether the outputs are of the code that stands there.

Dropped: widget state (a saved widget cannot move, and readers see the picture beside it), timing,
and the names of the local kernel. Progress bars are kept as their last line.
"""

import hashlib
import resource
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def hash_of_code(notebook: nbformat.NotebookNode) -> str:
    """Of all code cells, in order."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def execute(path: Path) -> tuple[float, float]:
    """Run one notebook from top to bottom and save it; returns the seconds, and those of CPU."""
    notebook = nbformat.read(path, as_version=4)
    start, cpu = time.perf_counter(), processor_time_of_kernels()
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    notebook.metadata = {
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
        "dmlviz": {"outputs_of": hash_of_code(notebook)},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"  # random ids would make every run a change
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return time.perf_counter() - start, processor_time_of_kernels() - cpu


def processor_time_of_kernels() -> float:
    """Seconds of processor time of all kernels that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    for name in sys.argv[1:]:
        clock, cpu = execute(Path(name))
        print(f"{name}: {clock:.0f} s, {cpu:.0f} s of processor time", flush=True)
