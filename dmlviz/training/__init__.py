"""Training: `fit`, a plain loop, and `run`, a recipe from its data to its result."""

from dmlviz.training.checkpoint import read_checkpoint
from dmlviz.training.fit import fit
from dmlviz.training.recipe import Published, Recipe, load_recipe, recipes
from dmlviz.training.run import Result, run
from dmlviz.training.saved import evaluate_checkpoint, load_model

__all__ = [
    "Published",
    "Recipe",
    "Result",
    "evaluate_checkpoint",
    "fit",
    "load_model",
    "load_recipe",
    "read_checkpoint",
    "recipes",
    "run",
]
