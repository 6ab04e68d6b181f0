"""How good an embedding is, on classes or labels that training never saw."""

from dmlviz.evaluation.clustering import normalized_mutual_information
from dmlviz.evaluation.evaluate import embed, evaluate
from dmlviz.evaluation.graded import mean_label_distance, ndcg
from dmlviz.evaluation.index import nearest_neighbors
from dmlviz.evaluation.label_errors import label_disagreement
from dmlviz.evaluation.probe import linear_probe
from dmlviz.evaluation.report import GradedReport, RetrievalReport
from dmlviz.evaluation.retrieval import recall_at_k, retrieval_metrics

__all__ = [
    "GradedReport",
    "RetrievalReport",
    "embed",
    "evaluate",
    "label_disagreement",
    "linear_probe",
    "mean_label_distance",
    "ndcg",
    "nearest_neighbors",
    "normalized_mutual_information",
    "recall_at_k",
    "retrieval_metrics",
]
