"""dmlviz: learn, see and use deep metric learning.

The rooms of the house load on first use, so `import dmlviz` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("dmlviz")
__all__ = [
    "datasets",
    "evaluation",
    "losses",
    "methods",
    "models",
    "plots",
    "synthesis",
    "training",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"dmlviz.{name}")
    raise AttributeError(f"module 'dmlviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
