"""Trains one entry of the final project: `python -m dmlviz.course.entry FOLDER`.

Reads `FOLDER/task.json`, lets the entry train, and writes the embeddings of the test images to
`FOLDER/embeddings.npy`: what they are worth is found out elsewhere, by a process in which no code
of an entry ever ran. `FOLDER/report.json` says how long the training took, and what went wrong.
"""

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dmlviz import evaluation
from dmlviz.course.contest import Contest


def work(folder: Path) -> None:
    """Train, embed, and write both files."""
    task = json.loads((folder / "task.json").read_text())
    report: dict[str, Any] = {"seconds": None, "reason": ""}
    torch.set_num_threads(1)  # of all entries alike: the time limit means the same to each
    try:
        train, test = Contest(**task["contest"]).sets(task["seed"])
        fit = runpy.run_path(task["file"], run_name="entry").get("fit")
        if not callable(fit):
            raise TypeError("the file has no function fit(train, seed)")
        start = time.perf_counter()
        model = fit(train, task["seed"])
        report["seconds"] = time.perf_counter() - start
        if not isinstance(model, nn.Module):
            raise TypeError(f"fit must return a torch.nn.Module, it returned {type(model)}")
        embeddings, _ = evaluation.embed(model, test)
        np.save(folder / "embeddings.npy", embeddings.numpy())
    except BaseException as error:  # sys.exit() in an entry, too
        report["reason"] = f"{type(error).__name__}: {error}"[:300]
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
