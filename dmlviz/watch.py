"""Watch a model while it trains: evaluate, keep the history, and remember the best epoch."""

import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from dmlviz.evaluation import embed, recall_at_k
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
        self.best_state: dict[str, Any] | None = None
        self.start = time.perf_counter()

    def look(self, epoch: int, loss: float | None, lr: float, *, measure: bool = True) -> None:
        record: dict[str, Any] = {"epoch": epoch, "loss": loss, "lr": lr}
        record["seconds"] = time.perf_counter() - self.start
        for name, dataset in self.sets.items() if measure else ():
            x, y = embed(self.model, dataset, workers=self.workers)
            recall = recall_at_k(x, y, self.ks, natural_metric(self.model))
            record |= {f"{name}_recall@{k}": share for k, share in recall.items()}
            if name == list(self.sets)[-1] and self.snapshot_size:
                self.history.snapshots.append(self._snapshot(epoch, x, y, dataset))
        self.history.records.append(record)
        first = f"val_recall@{min(self.ks)}"
        if record.get(first, -1.0) > self.best:
            self.best, self.history.best_epoch = record[first], epoch
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def _snapshot(self, epoch: int, x: torch.Tensor, y: torch.Tensor, dataset: Any) -> Snapshot:
        size = min(self.snapshot_size, len(x))
        rows = torch.linspace(0, len(x) - 1, size).round().long()
        classes = getattr(dataset, "classes", [str(c) for c in range(int(y.max()) + 1)])
        return Snapshot(epoch, x[rows], y[rows], rows, list(classes))

    def summary(self) -> dict[str, str]:
        last = self.history.records[-1]
        shown = {"loss": f"{last['loss']:.3f}"}
        k = min(self.ks)
        for name in self.sets:
            if f"{name}_recall@{k}" in last:
                shown[f"{name} R@{k}"] = f"{100 * last[f'{name}_recall@{k}']:.1f} %"
        return shown

    def restore_best(self) -> None:
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
