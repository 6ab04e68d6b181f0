"""Training: `fit`, a plain loop, and `run`, a recipe from its data to its result."""

from dmlviz.training.fit import fit

__all__ = ["fit"]
