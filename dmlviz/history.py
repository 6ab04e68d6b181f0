"""What a training run leaves behind: figures by epoch, and snapshots of the embedding space."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Snapshot:
    """Embeddings of the same images at one moment of training.

    Attributes:
        epoch: after how many epochs; 0 is before training.
        embeddings: `(M, D)`.
        labels: `(M,)`, indices into `classes`.
        indices: `(M,)`, which items of the data set these are.
        classes: class names.
    """

    epoch: int
    embeddings: Tensor
    labels: Tensor
    indices: Tensor
    classes: list[str]


@dataclass
class History:
    """The record of a training run.

    `history["loss"]` is one figure over the epochs, for every key of `history.records[-1]`.

    Attributes:
        records: one dictionary per epoch, the first of the untrained model.
        snapshots: the embedding space at the evaluated epochs.
        best_epoch: the epoch with the best Recall@1 on the validation set; None without one.
        interrupted: training was stopped before its end.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    best_epoch: int | None = None
    interrupted: bool = False

    def __getitem__(self, key: str) -> list[Any]:
        if not any(key in record for record in self.records):
            known = sorted({name for record in self.records for name in record})
            raise KeyError(f"no figure {key!r} in this history, it has {', '.join(known)}")
        return [record.get(key) for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def columns(self) -> list[str]:
        """The figures that were recorded, in order."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def _table(self) -> list[list[str]]:
        return [[_show(name, r.get(name)) for name in self.columns()] for r in self.records]

    def __str__(self) -> str:
        columns = self.columns()
        widths = [max(9, len(name)) for name in columns]
        lines = [columns, *self._table()]
        return "\n".join(
            "  ".join(f"{c:>{w}}" for c, w in zip(line, widths, strict=True)) for line in lines
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self.columns())
        rows = "".join(
            "<tr>" + "".join(f"<td>{value}</td>" for value in row) + "</tr>"
            for row in self._table()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _show(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if "recall" in name:
        return f"{100 * value:.1f} %"
    if name == "seconds":
        return f"{value:.0f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
