"""The commands `dmlviz train` and `dmlviz evaluate`: what they print and return."""

import shlex
import tomllib
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from dmlviz.training.recipe import load_recipe, recipes
from dmlviz.training.run import run
from dmlviz.training.saved import evaluate_checkpoint

INTERRUPTED = 130  # the exit status of what Ctrl-C ended


def train(options: Namespace, given: Sequence[str]) -> int:
    """`dmlviz train`; `given` are the arguments as typed, to say how to go on."""
    if options.list:
        for name in recipes():
            print(f"{name:<36} {load_recipe(name).about}")
        return 0
    if options.recipe is None:
        raise ValueError("RECIPE is missing: give the name of one, `dmlviz train --list` has them")
    result = run(
        options.recipe,
        data_root=options.data_root,
        output=options.output,
        select_on=options.select_on,
        resume=options.resume,
        device=options.device,
        workers=options.workers,
        seed=options.seed,
        settings=parse_settings(options.set),
        progress=not options.quiet,
    )
    if result.interrupted:
        again = given if options.resume else [*given, "--resume"]
        print(f"interrupted; go on where it stopped: dmlviz {shlex.join(again)}")
        return INTERRUPTED
    if options.quiet:
        print(result)
    print(f"written to {result.output}")
    return 0


def evaluate(options: Namespace) -> int:
    """`dmlviz evaluate`."""
    print(
        evaluate_checkpoint(
            options.checkpoint,
            data=options.data,
            data_root=options.data_root,
            split=options.split,
            device=options.device,
            workers=options.workers,
        )
    )
    return 0


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`["lr=1e-4", "loss.alpha=16"]` as a dictionary; values are TOML, or else words.

    >>> parse_settings(["lr=1e-4", "data=cub", "ks=[1, 10]"])
    {'lr': 0.0001, 'data': 'cub', 'ks': [1, 10]}
    """
    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not (key and sign):
            raise ValueError(f"--set takes NAME=VALUE, such as lr=1e-4, got {pair!r}")
        try:
            settings[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = value.strip()
    return settings
