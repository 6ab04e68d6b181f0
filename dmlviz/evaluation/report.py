"""What an evaluation found, as an object that prints as a table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RetrievalReport:
    """Retrieval quality of one embedding; all shares in 0…1.

    Attributes:
        recall: `{k: Recall@k}`.
        map_at_r, r_precision: see `dmlviz.evaluation.retrieval`.
        nmi: normalised mutual information of k-means clusters, or None if it was not asked for.
        queries, gallery_size: how many images searched, and among how many.
        without_relevant: queries with no other image of their class; they count as misses.
        metric: "cosine" or "euclidean".
    """

    recall: dict[int, float]
    map_at_r: float
    r_precision: float
    nmi: float | None
    queries: int
    gallery_size: int
    without_relevant: int
    metric: str

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
        if self.without_relevant:
            text += f"; {self.without_relevant:,} queries without a relevant image count as misses"
        return text

    def __str__(self) -> str:
        return "\n".join([*(f"{name:<12}{value:>8}" for name, value in self.rows()), self.note()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name, _ in self.rows())
        body = "".join(f"<td>{value}</td>" for _, value in self.rows())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody>"
            f"<caption style='caption-side:bottom'>{self.note()}</caption></table>"
        )
