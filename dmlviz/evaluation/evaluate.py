"""From a model and a data set to embeddings, and to a report."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dmlviz.datasets.base import collate
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.evaluation.graded import mean_label_distance, ndcg
from dmlviz.evaluation.report import GradedReport
from dmlviz.evaluation.retrieval import check_protocol, retrieval_metrics


@torch.no_grad()
def embed(
    model: nn.Module,
    dataset: Dataset[Any],
    *,
    features: bool = False,
    batch_size: int = 256,
    workers: int = 0,
) -> tuple[Tensor, Tensor]:
    """Embed a whole data set, in order, with the model in evaluation mode.

    Args:
        model: any module from images to vectors.
        dataset: items `(image, label)`.
        features: take `model.features`, what an `EmbeddingNet`'s head sees, instead of its output.
        batch_size, workers: of the loader.

    Returns:
        Embeddings `(N, D)` and labels `(N,)`, both on the CPU.
    """
    function: Any = model.features if features else model
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    loader = DataLoader(
        dataset, batch_size=batch_size, num_workers=workers, collate_fn=collate, shuffle=False
    )
    training = model.training
    model.eval()
    try:
        outputs, labels = [], []
        for images, targets in loader:
            outputs.append(function(images.to(device)).float().cpu())
            labels.append(targets)
    finally:
        model.train(training)
    if not outputs:
        raise ValueError("dataset is empty: there is nothing to embed")
    return torch.cat(outputs), torch.cat(labels)


def evaluate(
    model: nn.Module,
    dataset: Dataset[Any],
    *,
    gallery: Dataset[Any] | None = None,
    ks: Iterable[int] | None = None,
    metric: str | None = None,
    protocol: str = "standard",
    nmi: bool = True,
    batch_size: int = 256,
    workers: int = 0,
) -> Any:
    """Embed `dataset` and measure retrieval in it (or in `gallery`).

    Args:
        model: any module from images to vectors.
        dataset: the queries, items `(image, label)`, or a `ContinuousDataset`.
        gallery: what is searched; None: the queries search each other.
        ks: the K's; None: 1, 2, 4, 8 for classes (`retrieval_metrics`), and for continuous labels
            10 and 100 for nDCG, 1 and 10 for the mean label distance.
        nmi: see `retrieval_metrics`; continuous labels have none.
        metric: "cosine" or "euclidean"; None: Euclidean for an `EmbeddingNet` that does not
            normalise its output, cosine otherwise.
        protocol: "inshop" for the hit rule of In-shop Clothes, see `recall_at_k`; classes only.
        batch_size, workers: of the loader.

    Returns:
        A `RetrievalReport`, or a `GradedReport` for a `ContinuousDataset`.
    """
    check_protocol(protocol)  # before the work
    if protocol != "standard" and isinstance(dataset, ContinuousDataset):
        raise ValueError(
            f"protocol {protocol!r} is a rule for classes, but {dataset!r} has continuous labels: "
            "leave it out"
        )
    x, y = embed(model, dataset, batch_size=batch_size, workers=workers)
    gx, gy = (
        (None, None)
        if gallery is None
        else embed(model, gallery, batch_size=batch_size, workers=workers)
    )
    metric = metric or natural_metric(model)
    if isinstance(dataset, ContinuousDataset):
        r = dataset.label_distances(other=gallery)  # type: ignore[arg-type]
        most = r.shape[1] - (gallery is None)
        near, far = (ks, ks) if ks is not None else ((1, 10), (10, 100))
        return GradedReport(
            ndcg(x, r, [k for k in far if k <= most], gallery=gx, metric=metric),
            mean_label_distance(x, r, [k for k in near if k <= most], gallery=gx, metric=metric),
            unit=dataset.unit,
            queries=r.shape[0],
            gallery_size=r.shape[1],
            metric=metric,
        )
    ks = (1, 2, 4, 8) if ks is None else ks
    return retrieval_metrics(
        x, y, ks, metric, gallery=gx, gallery_labels=gy, protocol=protocol, nmi=nmi
    )


def natural_metric(model: nn.Module) -> str:
    """ "euclidean" for a model that says it does not normalise its output, else "cosine"."""
    return "cosine" if getattr(model, "normalize", True) else "euclidean"
