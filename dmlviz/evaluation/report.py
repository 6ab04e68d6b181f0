"""What an evaluation found, as an object that prints as a table."""

from dataclasses import dataclass


class _Table:
    """Prints `rows()` and `note()` as a table, in text and in a notebook."""

    def rows(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def note(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        width = max(12, *(len(name) + 2 for name, _ in self.rows()))
        return "\n".join(
            [*(f"{name:<{width}}{value:>8}" for name, value in self.rows()), self.note()]
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name, _ in self.rows())
        body = "".join(f"<td>{value}</td>" for _, value in self.rows())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody>"
            f"<caption style='caption-side:bottom'>{self.note()}</caption></table>"
        )


@dataclass(frozen=True)
class RetrievalReport(_Table):
    """Retrieval quality of one embedding; all shares in 0…1.

    Attributes:
        recall: `{k: Recall@k}`.
        map_at_r, r_precision: see `dmlviz.evaluation.retrieval`.
        nmi: normalised mutual information of k-means clusters, or None if it was not asked for.
        queries, gallery_size: how many images searched, and among how many.
        without_relevant: queries with no other image of their class; they count as misses.
        metric: "cosine" or "euclidean".
        protocol: "standard", or "inshop": the hit rule of In-shop Clothes.
    """

    recall: dict[int, float]
    map_at_r: float
    r_precision: float
    nmi: float | None
    queries: int
    gallery_size: int
    without_relevant: int
    metric: str
    protocol: str = "standard"

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, in per cent, ready to print."""
        shares = {f"Recall@{k}": share for k, share in self.recall.items()}
        shares |= {"MAP@R": self.map_at_r, "R-precision": self.r_precision}
        if self.nmi is not None:
            shares["NMI"] = self.nmi
        return [(name, f"{100 * share:.1f} %") for name, share in shares.items()]

    def note(self) -> str:
        """What was searched, and what to know about it."""
        text = f"{self.queries:,} queries, gallery of {self.gallery_size:,}, {self.metric}"
        if self.protocol != "standard":
            text += f", protocol {self.protocol!r}"
        if self.without_relevant:
            text += f"; {self.without_relevant:,} queries without a relevant image count as misses"
        return text


@dataclass(frozen=True)
class GradedReport(_Table):
    """Retrieval quality where labels are continuous.

    Attributes:
        ndcg: `{k: nDCG@k}` in 0…1, see `dmlviz.evaluation.graded`.
        mean_label_distance: `{k: mean label distance of the k nearest}`.
        unit: of label distances.
        queries, gallery_size: how many images searched, and among how many.
        metric: "cosine" or "euclidean".
    """

    ndcg: dict[int, float]
    mean_label_distance: dict[int, float]
    unit: str
    queries: int
    gallery_size: int
    metric: str

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, ready to print."""
        shares = [(f"nDCG@{k}", f"{100 * share:.1f} %") for k, share in self.ndcg.items()]
        distances = self.mean_label_distance.items()
        return shares + [(f"label distance@{k}", f"{r:.3g}") for k, r in distances]

    def note(self) -> str:
        """What was searched, and the unit."""
        where = f"{self.queries:,} queries, gallery of {self.gallery_size:,}, {self.metric}"
        return f"{where}; label distance in {self.unit}"
