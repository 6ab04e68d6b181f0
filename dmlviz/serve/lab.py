"""JupyterLab on the tutorials."""

import os
import subprocess
import sys
from pathlib import Path

import dmlviz
from dmlviz.serve import PROMPT


def open_lab(*, no_browser: bool, port: int | None) -> int:
    """Start JupyterLab on `tutorials/`; without a display, print its address instead."""
    folder = tutorials()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command.append(f"--ServerApp.{PROMPT}")
    # Of the checks for news and updates a classroom wants none.
    command.append("--LabApp.news_url=")
    headless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if no_browser or headless:
        command.append("--no-browser")
    if port is not None:
        command.append(f"--port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 0


def tutorials() -> Path:
    """The folder of the tutorials: in the source checkout, or below the current folder."""
    for base in (Path(dmlviz.__file__).parents[1], Path.cwd()):
        if (base / "tutorials").is_dir():
            return base / "tutorials"
    raise FileNotFoundError(
        "no tutorials/ found: run this in a clone of the dmlviz repository, which holds them"
    )
