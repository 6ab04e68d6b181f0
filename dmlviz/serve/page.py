"""The training playground as a page of its own, served to this machine alone."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nbformat

from dmlviz.serve import PROMPT

PAGE = """\
from dmlviz import datasets, losses, widgets

methods = {
    "triplet, semi-hard": losses.TripletLoss(0.2, mining="semihard"),
    "normalised softmax": losses.NormalizedSoftmaxLoss(3, 2),
    "Proxy-NCA": losses.ProxyNCALoss(3, 2),
    "Proxy-Anchor": losses.ProxyAnchorLoss(3, 2),
}
others = dict(reversed(methods.items()))  # begin with two different ones
widgets.TrainingPlayground(datasets.load("glyphs", "train", %r), methods, others)
"""


def serve_playground(
    *, no_browser: bool = False, port: int | None = None, root: Path | None = None
) -> int:
    """Run Voila on the playground until Ctrl-C; returns its exit status.

    The server listens on the loopback address only and asks for the token in the address that it
    prints: whoever can send it code to run is the one who started it.

    Args:
        no_browser: print the address, open nothing.
        port: to listen on; None: 8866 or the next free.
        root: where Glyphs is cached.

    Raises:
        ValueError: if Voila is not installed.
    """
    if find_spec("voila") is None:
        raise ValueError("the page needs Voila: pip install -e '.[page]' in the repository")
    with tempfile.TemporaryDirectory(prefix="dmlviz-playground-") as folder:
        notebook = Path(folder) / "playground.ipynb"
        nbformat.write(page(root), notebook)
        command = [sys.executable, "-m", "voila", str(notebook), "--token", "--Voila.ip=127.0.0.1"]
        command += [f"--Voila.{PROMPT}"]
        command += ["--no-browser"] if no_browser else []
        command += [f"--port={port}"] if port is not None else []
        try:
            return subprocess.call(command, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        except KeyboardInterrupt:
            return 0


def page(root: Path | None = None) -> nbformat.NotebookNode:
    """The notebook that the page shows."""
    cells = [
        nbformat.v4.new_markdown_cell(
            "# Two networks learn what is alike\n\n"
            "Both start alike and see the same batches. Choose a method for each, press *play*, "
            "and move the sliders while they train."
        ),
        nbformat.v4.new_code_cell(PAGE % (None if root is None else str(root))),
    ]
    return nbformat.v4.new_notebook(cells=cells)
