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
    """Evaluates, keeps the history, and remembers the best model.

    Args:
        model: what is watched.
        test, val: sets to measure on, or None.
        ks: the K's of Recall@K.
        snapshot_size: see `training.fit`.
        workers: processes that load images.
        gallery: what the images of `test` search; None: each other.
        select_on: "val" or "test", the set whose best epoch is remembered.
    """

    def __init__(
        self,
        model: nn.Module,
        test: Dataset[Any] | None,
        val: Dataset[Any] | None,
        ks: tuple[int, ...],
        snapshot_size: int,
        workers: int,
        *,
        gallery: Dataset[Any] | None = None,
        select_on: str = "val",
    ) -> None:
        self.model, self.ks, self.workers = model, ks, workers
        self.sets = {name: s for name, s in (("val", val), ("test", test)) if s is not None}
        self.galleries = {} if gallery is None else {"test": gallery}
        self.select_on, self.snapshot_size = select_on, snapshot_size
        self.history = History()
        self.best = -1.0
        self._label_distances = {
            name: dataset.label_distances(other=self.galleries.get(name))  # type: ignore[arg-type]
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
        score = record.get(f"{self.select_on}_{self.first(self.select_on)}", -1.0)
        if score > self.best:
            self.best, self.history.best_epoch = score, epoch
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def first(self, name: str) -> str:
        """The figure that a set is judged by: Recall@K for the smallest K, or nDCG."""
        return "ndcg@100" if name in self._label_distances else f"recall@{min(self.ks)}"

    def _figures(self, name: str, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        metric = natural_metric(self.model)
        gx, gy = None, None
        if name in self.galleries:
            gx, gy = embed(self.model, self.galleries[name], workers=self.workers)
        if name not in self._label_distances:
            recall = recall_at_k(x, y, self.ks, metric, gallery=gx, gallery_labels=gy)
            return {f"recall@{k}": share for k, share in recall.items()}
        r = self._label_distances[name]
        last = min(100, r.shape[1] - (gx is None))  # a small set has no hundred neighbours
        near = mean_label_distance(x, r, [10], gallery=gx, metric=metric)[10]
        return {
            "ndcg@100": ndcg(x, r, [last], gallery=gx, metric=metric)[last],
            "mean_label_distance@10": near,
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

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain values and tensors, for a checkpoint."""
        return {
            "records": [dict(record) for record in self.history.records],
            "snapshots": [vars(snapshot) for snapshot in self.history.snapshots],
            "best_epoch": self.history.best_epoch,
            "best": self.best,
            "best_state": self.best_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Be as the watch was that `state` was taken from; its clock goes on, too."""
        self.history.records[:] = state["records"]
        self.history.snapshots[:] = [Snapshot(**snapshot) for snapshot in state["snapshots"]]
        self.history.best_epoch = state["best_epoch"]
        self.best, self.best_state = state["best"], state["best_state"]
        self.start = time.perf_counter() - self.history.records[-1]["seconds"]

    def restore_best(self) -> None:
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
