"""Runs one notebook in a fresh kernel: `python -m dmlviz.course.worker FOLDER`.

Reads `FOLDER/notebook.ipynb`, runs it to its end whatever its cells do, and writes
`FOLDER/report.json`: for every cell the error that ended it. It is a process of its own so that a
flood of output, too, can be ended with it: see `limits`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

TIMEOUT = "CellTimeoutError"


def work(folder: Path) -> None:
    """Run the notebook of this folder, and write the report."""
    task = json.loads((folder / "task.json").read_text())
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    report: dict[str, Any] = {"stopped": "", "cells": {}}

    def note(cell: Any, cell_index: int, execute_reply: Any) -> None:
        content = execute_reply["content"]
        words = {"error": "", "stderr": _on_stderr(cell)}
        if content["status"] == "error":
            words["error"] = _words(content["ename"], content["evalue"], task["cell_seconds"])
        report["cells"][str(cell_index)] = words
        cell.outputs = []  # nobody looks at them, and they may be many

    home = folder / "home"
    home.mkdir()
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=task["cell_seconds"],
        interrupt_on_timeout=True,
        error_on_timeout={"ename": TIMEOUT, "evalue": "", "traceback": []},
        iopub_timeout=10,
        raise_on_iopub_timeout=True,  # a cell that does not mind being interrupted
        allow_errors=True,
        resources={"metadata": {"path": str(home)}},
        store_widget_state=False,
        record_timing=False,
        on_cell_executed=note,
    )
    try:
        client.execute()
    except DeadKernelError:
        report["stopped"] = "it ended its own kernel"
    except CellTimeoutError:
        report["stopped"] = (
            f"a cell took longer than {task['cell_seconds']} seconds and could not be interrupted"
        )
    (folder / "report.json").write_text(json.dumps(report))


def _words(name: str, words: str, seconds: float) -> str:
    if name == TIMEOUT:
        return f"interrupted after {seconds:g} seconds"
    if name == "CheckFailed":  # it says all that there is to say
        return words[:4000]
    return f"{name}: {words}".strip(": ")[:4000]


def _on_stderr(cell: Any) -> bool:
    return any(o.output_type == "stream" and o.name == "stderr" for o in cell.outputs)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
