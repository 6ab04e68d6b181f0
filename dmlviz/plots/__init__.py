"""Static figures: data in, Axes out."""

from dmlviz.plots.continuous import label_gallery, log_ratio_scatter, ndcg_curves
from dmlviz.plots.curves import recall_curves, training_curves
from dmlviz.plots.distances import pair_distances
from dmlviz.plots.epochs import epoch_maps, project_epochs
from dmlviz.plots.forces import force_field, loss_profile
from dmlviz.plots.gallery import retrieval_gallery
from dmlviz.plots.landscape import loss_landscape
from dmlviz.plots.maps import embedding_map
from dmlviz.plots.neighbors import neighbor_map
from dmlviz.plots.projection import project
from dmlviz.plots.races import race
from dmlviz.plots.relations import class_order, class_relations
from dmlviz.plots.similarity import similarity_matrix
from dmlviz.plots.spectrum import singular_values
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
    "epoch_maps",
    "force_field",
    "label_gallery",
    "log_ratio_scatter",
    "loss_landscape",
    "loss_profile",
    "ndcg_curves",
    "neighbor_map",
    "novel_map",
    "pair_distances",
    "project",
    "project_epochs",
    "race",
    "recall_curves",
    "relative_distance_scatter",
    "relaxed_label_curves",
    "relaxed_label_map",
    "retrieval_gallery",
    "similarity_matrix",
    "singular_values",
    "training_curves",
    "transfer_forces",
]
