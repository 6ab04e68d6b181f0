"""Live figures for JupyterLab: controls, and a picture that follows them."""

from dmlviz.widgets.embedding_explorer import EmbeddingExplorer
from dmlviz.widgets.epochs import EpochExplorer
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.force_field import ForceField
from dmlviz.widgets.loss_explorer import LossExplorer
from dmlviz.widgets.playground import TrainingPlayground
from dmlviz.widgets.ratio_explorer import RatioExplorer
from dmlviz.widgets.synthesis_explorer import SynthesisExplorer
from dmlviz.widgets.transfer_explorer import TransferExplorer
from dmlviz.widgets.view import FigureView

__all__ = [
    "EmbeddingExplorer",
    "EpochExplorer",
    "Explorer",
    "FigureView",
    "ForceField",
    "LossExplorer",
    "RatioExplorer",
    "SynthesisExplorer",
    "TrainingPlayground",
    "TransferExplorer",
]
