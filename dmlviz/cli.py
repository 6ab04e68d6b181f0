"""The command line: `dmlviz doctor | lab | playground | demo | data`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dmlviz


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="dmlviz", description="Deep metric learning, made visible."
    )
    parser.add_argument("--version", action="version", version=f"dmlviz {dmlviz.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser("doctor", help="check that everything needed is here, with remedies")

    lab = commands.add_parser("lab", help="open the tutorials in JupyterLab")
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.add_argument("--port", type=int, help="port to listen on (default: 8888 or the next free)")

    play = commands.add_parser("playground", help="serve the training playground as a page")
    play.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    play.add_argument("--port", type=int, help="port to listen on (default: 8866 or the next free)")
    play.add_argument("--data-root", type=Path, help="where Glyphs is cached")

    demo = commands.add_parser("demo", help="train on Glyphs for about a minute, write a page")
    demo.add_argument("--output", type=Path, default=Path("dmlviz-demo.html"), help="the page")
    demo.add_argument("--epochs", type=int, default=10, help="passes over the training set")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--data-root", type=Path, help="where Glyphs is cached")

    _add_data(commands)

    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":
            from dmlviz.doctor import doctor

            return doctor()
        if options.command == "lab":
            return open_lab(no_browser=options.no_browser, port=options.port)
        if options.command == "playground":
            from dmlviz.serve import serve_playground

            return serve_playground(
                no_browser=options.no_browser, port=options.port, root=options.data_root
            )
        if options.command == "data":
            return _data(options)
        from dmlviz.demo import demo as run_demo

        run_demo(options.output, epochs=options.epochs, seed=options.seed, root=options.data_root)
        return 0
    except (ValueError, OSError) as error:
        print(f"dmlviz {options.command}: {error}", file=sys.stderr)
        return 1


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="list the data sets, get one, check one")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    every = actions.add_parser("list", help="all data sets: what, whether here, size, licence")
    get = actions.add_parser("get", help="download and unpack, or render, or say how by hand")
    check = actions.add_parser("check", help="load every split, compare with the official counts")
    for action in (get, check):
        action.add_argument("name", metavar="NAME", help="one of those that list prints")
    for action in (every, get, check):
        action.add_argument("--data-root", type=Path, help="where data sets live")
    check.add_argument("--all", action="store_true", help="decode all images, not a sample")


def _data(options: argparse.Namespace) -> int:
    from dmlviz.datasets import manage

    if options.action == "list":
        return manage.listing(options.data_root)
    if options.action == "get":
        return manage.get(options.name, options.data_root)
    return manage.check(options.name, options.data_root, every=options.all)


def open_lab(*, no_browser: bool, port: int | None) -> int:
    """Start JupyterLab on `tutorials/`; without a display, print its address instead."""
    folder = tutorials()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
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


if __name__ == "__main__":
    sys.exit(main())
