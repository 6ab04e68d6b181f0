"""Watch a model while it trains: evaluate, keep the history, and remember the best epoch."""

import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from dmlviz.datasets import ContinuousDataset
from dmlviz.evaluation import embed, mean_label_distance, ndcg, recall_at_k
from dmlviz.evaluation.evaluate import natural_metric
from dmlviz.history import History, Snapshot


class Watch:
    """Evaluates, keeps the history, and remembers the best model."""

    def __init__(
        self,
        model: nn.Module,
        test: Dataset[Any] | None,
        val: Dataset[Any] | None,
        ks: tuple[int, ...],
        snapshot_size: int,
        workers: int,
    ) -> None:
        self.model, self.ks, self.workers = model, ks, workers
        self.sets = {name: s for name, s in (("val", val), ("test", test)) if s is not None}
        self.snapshot_size = snapshot_size
        self.history = History()
        self.best = -1.0
        self._label_distances = {
            name: dataset.label_distances()
            for name, dataset in self.sets.items()
            if isinstance(dataset, ContinuousDataset)
        }
        self.best_state: dict[str, Any] | None = None
        self.start = time.perf_counter()

    def look(self, epoch: int, loss: float | None, lr: float, *, measure: bool = True) -> None:
        record: dict[str, Any] = {"epoch": epoch, "loss": loss, "lr": lr}
        record["seconds"] = time.perf_counter() - self.start
        for name, dataset in self.sets.items() if measure else ():
            x, y = embed(self.model, dataset, workers=self.workers)
            record |= {f"{name}_{figure}": v for figure, v in self._figures(name, x, y).items()}
            if name == list(self.sets)[-1] and self.snapshot_size:
                self.history.snapshots.append(self._snapshot(epoch, x, y, dataset))
        self.history.records.append(record)
        score = record.get(f"val_{self.first('val')}", -1.0)
        if score > self.best:
            self.best, self.history.best_epoch = score, epoch
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def first(self, name: str) -> str:
        """The figure that a set is judged by: Recall@K for the smallest K, or nDCG."""
        return "ndcg@100" if name in self._label_distances else f"recall@{min(self.ks)}"

    def _figures(self, name: str, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        metric = natural_metric(self.model)
        if name not in self._label_distances:
            recall = recall_at_k(x, y, self.ks, metric)
            return {f"recall@{k}": share for k, share in recall.items()}
        r = self._label_distances[name]
        last = min(100, len(x) - 1)  # a small set has no hundred neighbours
        return {
            "ndcg@100": ndcg(x, r, [last], metric=metric)[last],
            "mean_label_distance@10": mean_label_distance(x, r, [10], metric=metric)[10],
        }

    def _snapshot(self, epoch: int, x: torch.Tensor, y: torch.Tensor, dataset: Any) -> Snapshot:
        size = min(self.snapshot_size, len(x))
        rows = torch.linspace(0, len(x) - 1, size).round().long()
        classes = getattr(dataset, "classes", [str(c) for c in range(int(y.max()) + 1)])
        return Snapshot(epoch, x[rows], y[rows], rows, list(classes))

    def summary(self) -> dict[str, str]:
        last = self.history.records[-1]
        shown = {"loss": f"{last['loss']:.3f}"}
        for name in self.sets:
            figure = f"{name}_{self.first(name)}"
            if figure in last:
                shown[figure.replace("_recall", " R").replace("_ndcg", " nDCG")] = (
                    f"{100 * last[figure]:.1f} %"
                )
        return shown

    def restore_best(self) -> None:
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
