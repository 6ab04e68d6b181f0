"""Static figures: data in, Axes out."""

from dmlviz.plots.continuous import label_gallery, log_ratio_scatter, ndcg_curves
from dmlviz.plots.curves import recall_curves, training_curves
from dmlviz.plots.distances import pair_distances
from dmlviz.plots.forces import force_field, loss_profile
from dmlviz.plots.gallery import retrieval_gallery
from dmlviz.plots.maps import embedding_map
from dmlviz.plots.projection import project
from dmlviz.plots.relations import class_order, class_relations
from dmlviz.plots.synthesis import novel_map
from dmlviz.plots.transfer import (
    relative_distance_scatter,
    relaxed_label_curves,
    relaxed_label_map,
    transfer_forces,
)

__all__ = [
    "class_order",
    "class_relations",
    "embedding_map",
    "force_field",
    "label_gallery",
    "log_ratio_scatter",
    "loss_profile",
    "ndcg_curves",
    "novel_map",
    "pair_distances",
    "project",
    "recall_curves",
    "relative_distance_scatter",
    "relaxed_label_curves",
    "relaxed_label_map",
    "retrieval_gallery",
    "training_curves",
    "transfer_forces",
]
