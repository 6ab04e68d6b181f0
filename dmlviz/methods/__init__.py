"""How one step turns a batch into a loss, which parameters train, which sampler it wants."""

from dmlviz.methods.method import Method
from dmlviz.methods.supervised import Supervised

__all__ = ["Method", "Supervised"]
