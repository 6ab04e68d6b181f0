"""Runs one notebook in a fresh kernel: `python -m dmlviz.course.worker FOLDER`.

Reads `FOLDER/notebook.ipynb`, runs it to its end whatever its cells do, and writes line by line to
`FOLDER/report.jsonl` which cell begins, and what ended it: what is there stays there if the process
is ended. It is a process of its own so that a flood of output, too, can be ended with it: see
`limits`.
"""

import json
import sys
from pathlib import Path
from typing import Any

TIMEOUT = "CellTimeoutError"


def work(folder: Path) -> None:
    """Run the notebook of this folder, and write the report."""
    # With this package jsonschema builds a grammar of web addresses on import, which takes seconds
    # for each hand-in; no notebook needs it.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    limit = json.loads((folder / "task.json").read_text())["cell_seconds"]
    report = (folder / "report.jsonl").open("w", buffering=1, encoding="utf-8")

    def note(**words: Any) -> None:
        report.write(json.dumps(words) + "\n")

    def ended(cell: Any, cell_index: int, execute_reply: Any) -> None:
        content, error = execute_reply["content"], ""
        if content["status"] == "error":
            error = _words(content["ename"], content["evalue"], limit)
        note(ended=cell_index, error=error, stderr=_on_stderr(cell))
        cell.outputs = []  # nobody looks at them, and they may be many

    home = folder / "home"
    home.mkdir()
    client = NotebookClient(
        nbformat.read(folder / "notebook.ipynb", as_version=4),
        kernel_name="python3",
        timeout=limit,
        interrupt_on_timeout=True,
        error_on_timeout={"ename": TIMEOUT, "evalue": "", "traceback": []},
        iopub_timeout=5,
        raise_on_iopub_timeout=True,  # a cell that does not mind being interrupted
        allow_errors=True,
        resources={"metadata": {"path": str(home)}},
        store_widget_state=False,
        shutdown_kernel="immediate",  # a hand-in may take its time to say goodbye
        record_timing=False,
        on_cell_execute=lambda cell, cell_index: note(began=cell_index),
        on_cell_executed=ended,
    )
    try:
        client.execute()
    except DeadKernelError:
        note(stopped="it ended its own kernel")
    except CellTimeoutError:
        note(stopped=f"a cell took longer than {limit:g} seconds and could not be interrupted")
    else:
        note(stopped="")


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
