"""Where data lives: the argument, then DMLVIZ_DATA, then the checkout's data/, then a cache."""

import os
from pathlib import Path

import dmlviz

PathLike = str | os.PathLike[str]


def data_root(root: PathLike | None = None) -> Path:
    """The folder that holds the data sets.

    Args:
        root: a folder to use as it is. If None: the environment variable DMLVIZ_DATA if set, else
            `data/` of a source checkout, else the user's cache folder.
    """
    if root is not None:
        return Path(root).expanduser()
    if os.environ.get("DMLVIZ_DATA"):
        return Path(os.environ["DMLVIZ_DATA"]).expanduser()
    checkout = Path(dmlviz.__file__).parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    import pooch

    return Path(pooch.os_cache("dmlviz"))
