"""Curves: Recall@K, and how training went."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dmlviz.plots.style import CLASS_MARKERS, LINE_STYLES, QUIET, class_color, new_axes, plain


def recall_curves(reports: Mapping[str, Any] | Any, *, ax: Axes | None = None) -> Axes:
    """Recall@K against K, one curve per report.

    Args:
        reports: `{name: report}` with reports of `evaluation.evaluate` or dictionaries
            `{k: recall}`; or a single report.
        ax: Axes to draw on; None: a new figure.
    """
    if hasattr(reports, "recall"):
        reports = {"": reports}
    ax = plain(new_axes(ax))
    ticks: set[int] = set()
    for i, (name, report) in enumerate(reports.items()):
        recall = dict(sorted(getattr(report, "recall", report).items()))
        ticks |= recall.keys()
        style: dict[str, Any] = {"marker": CLASS_MARKERS[i % 8], "linestyle": LINE_STYLES[i % 4]}
        ax.plot(list(recall), list(recall.values()), color=class_color(i), label=name, **style)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sorted(ticks), [str(k) for k in sorted(ticks)])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set(xlabel="K", ylabel="Recall@K", ylim=(0, 1.02))
    if any(reports):
        ax.legend(frameon=False, fontsize=9)
    return ax


def training_curves(history: Any, *, k: int | None = None, ax: Axes | None = None) -> Axes:
    """Recall@K on unseen classes over the epochs, and the training loss behind it in grey.

    Args:
        history: of `training.fit`.
        k: which Recall@K; None: the smallest that was recorded.
        ax: Axes to draw on; None: a new figure. The loss has an axis of its own, on the right.
    """
    recorded = [name for name in history.columns() if "recall@" in name]
    if not recorded:
        raise ValueError("history has no Recall@K: call fit with test= or val=")
    k = k or min(int(name.split("@")[1]) for name in recorded)
    ax = plain(new_axes(ax))
    names = {"val": "validation classes", "test": "test classes"}
    for i, (name, text) in enumerate(names.items()):
        key = f"{name}_recall@{k}"
        if key not in recorded:
            continue
        points = [(r["epoch"], r[key]) for r in history.records if key in r]
        ax.plot(*zip(*points, strict=True), color=class_color(i), marker="os"[i], label=text)
        if name == "val" and history.best_epoch is not None:
            best = dict(points)[history.best_epoch]
            ax.annotate("best", (history.best_epoch, best), (0, 7), textcoords="offset points")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=f"Recall@{k}", ylim=(0, 1.02))

    losses = [(r["epoch"], r["loss"]) for r in history.records if r["loss"] is not None]
    if losses:
        right = ax.twinx()
        right.plot(*zip(*losses, strict=True), color=QUIET, linestyle="--", zorder=0)
        ax.plot([], [], color=QUIET, linestyle="--", label="training loss (right)")
        right.set_ylabel("training loss", color="#707070")
        right.spines[["top", "left"]].set_visible(False)
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    ax.legend(**place, ncols=3, frameon=False, fontsize=9)  # above: two scales leave no free corner
    return ax
