"""The command line: `dmlviz doctor | lab | playground | demo | data | train | evaluate | course`.

Each command is a function that adds its arguments, and one that runs it and imports what it needs.
"""

import argparse
import sys
from argparse import Namespace
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
    for add in (_add_doctor, _add_lab, _add_playground, _add_demo, _add_data, _add_train,
                _add_evaluate, _add_course):  # fmt: skip
        add(commands)
    options = parser.parse_args(arguments)
    options.typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, ArithmeticError, OSError) as error:
        print(f"dmlviz {options.command}: {error}", file=sys.stderr)
        return 1


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="check that all is here, with remedies")
    doctor.set_defaults(run=_doctor)


def _doctor(_: Namespace) -> int:
    from dmlviz.doctor import doctor

    return doctor()


def _add_lab(commands: Any) -> None:
    lab = commands.add_parser("lab", help="open the tutorials in JupyterLab")
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.add_argument("--port", type=int, help="port to listen on (default: 8888 or the next free)")
    lab.set_defaults(run=_lab)


def _lab(options: Namespace) -> int:
    from dmlviz.serve.lab import open_lab

    return open_lab(no_browser=options.no_browser, port=options.port)


def _add_playground(commands: Any) -> None:
    play = commands.add_parser("playground", help="serve the training playground as a page")
    play.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    play.add_argument("--port", type=int, help="port to listen on (default: 8866 or the next free)")
    play.add_argument("--data-root", type=Path, help="where Glyphs is cached")
    play.set_defaults(run=_playground)


def _playground(options: Namespace) -> int:
    from dmlviz.serve.page import serve_playground

    return serve_playground(
        no_browser=options.no_browser, port=options.port, root=options.data_root
    )


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="train on Glyphs for about a minute, write a page")
    demo.add_argument("--output", type=Path, default=Path("dmlviz-demo.html"), help="the page")
    demo.add_argument("--epochs", type=int, default=10, help="passes over the training set")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--data-root", type=Path, help="where Glyphs is cached")
    demo.set_defaults(run=_demo)


def _demo(options: Namespace) -> int:
    from dmlviz.demo import demo

    demo(options.output, epochs=options.epochs, seed=options.seed, root=options.data_root)
    return 0


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
    data.set_defaults(run=_data)


def _data(options: Namespace) -> int:
    from dmlviz.datasets import manage

    if options.action == "list":
        return manage.listing(options.data_root)
    if options.action == "get":
        return manage.get(options.name, options.data_root)
    return manage.check(options.name, options.data_root, every=options.all)


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train by a recipe, and write the result")
    train.add_argument("recipe", nargs="?", help="its name (see --list), or a .toml file")
    train.add_argument("--list", action="store_true", help="print the recipes, train nothing")
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="change a value of the recipe, such as lr=1e-4 or loss.alpha=16; may be repeated",
    )  # fmt: skip
    train.add_argument("--output", type=Path, help="folder for checkpoint.pt and result.json")
    train.add_argument("--resume", action="store_true", help="go on where it stopped")
    train.add_argument(
        "--select-on", choices=("val", "test", "last"), default="val",
        help="choose the epoch on held-out training classes (the default), on the test classes as "
        "most papers do, or take the last",
    )  # fmt: skip
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--quiet", action="store_true", help="print the result only")
    _add_place(train)
    train.set_defaults(run=_train)


def _train(options: Namespace) -> int:
    from dmlviz.training import commands

    return commands.train(options, options.typed)


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="measure the model of a checkpoint")
    evaluate.add_argument("checkpoint", type=Path, help="the file, or the folder of a run")
    evaluate.add_argument("--data", help="another data set than the recipe's")
    evaluate.add_argument("--split", default="test", help="which split (default: test)")
    _add_place(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _evaluate(options: Namespace) -> int:
    from dmlviz.training import commands

    return commands.evaluate(options)


def _add_course(commands: Any) -> None:
    course = commands.add_parser("course", help="homework: hand it out, check it, grade a class")
    actions = course.add_subparsers(dest="action", required=True, metavar="ACTION")
    release = actions.add_parser("release", help="write the students' copies of the assignments")
    release.add_argument("--to", type=Path, help="folder for them (default: tutorials/assignments)")
    check = actions.add_parser("check", help="a student's own copy: which visible checks pass")
    check.add_argument("file", type=Path, metavar="FILE", help="the notebook")
    grade = actions.add_parser("grade", help="a folder of hand-ins: a table, a page for each")
    grade.add_argument("folder", type=Path, metavar="FOLDER", help="NAME.ipynb or NAME/*.ipynb")
    grade.add_argument("--csv", type=Path, required=True, help="the table to write")
    grade.add_argument("--feedback", type=Path, help="folder for the pages (default: CSV-feedback)")
    grade.add_argument("--assignment", help="its name (default: the one that the cells belong to)")
    rank = actions.add_parser("rank", help="the project's leaderboard: a folder of entries")
    rank.add_argument("folder", type=Path, metavar="FOLDER", help="one NAME.py for each entry")
    rank.add_argument("--csv", type=Path, required=True, help="the table of scores to write")
    rank.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="draw the classes")
    rank.add_argument("--seconds", type=float, default=300, help="limit of one training (300)")
    rank.add_argument("--memory", type=float, default=4, help="limit of one training, GB (4)")
    for action in (release, grade):
        action.add_argument("--seed", type=int, help="other data, shapes and expected numbers")
    for action in (check, grade):
        action.add_argument("--cell-seconds", type=float, default=120, help="limit of a cell (120)")
        action.add_argument("--seconds", type=float, default=900, help="limit of a notebook (900)")
        action.add_argument("--memory", type=float, default=4, help="limit of a notebook, GB (4)")
    course.set_defaults(run=_course)


def _course(options: Namespace) -> int:
    from dmlviz.course import commands
    from dmlviz.serve import lab

    action = {"release": commands.release, "check": commands.check, "grade": commands.grade,
              "rank": commands.rank}  # fmt: skip
    return action[options.action](options, lab.tutorials() / "assignments")


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where the data is, and what computes."""
    parser.add_argument("--data-root", type=Path, help="where the data sets are")
    parser.add_argument("--device", help='"cpu" or "cuda" (default: a GPU if there is one)')
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")


if __name__ == "__main__":
    sys.exit(main())
