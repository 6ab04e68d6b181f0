"""A race of several trainings: one figure over the epochs or the time, a line for each runner."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dmlviz.plots.style import CLASS_MARKERS, LINE_STYLES, class_color, new_axes, plain


def race(
    histories: Mapping[str, Any],
    *,
    figure: str | None = None,
    against: str = "epoch",
    ax: Axes | None = None,
) -> Axes:
    """How several trainings come along, and their order at the end, written beside the lines.

    Args:
        histories: `{name: history}`; or `{name: [history, …]}`, one for each seed: the line is
            their mean, the band goes from the lowest to the highest.
        figure: what is recorded in them all, as "test_recall@1"; None: the first Recall@K or nDCG
            on test classes, else on validation classes.
        against: "epoch", or "seconds" for what is best in a given time.
        ax: Axes to draw on; None: a new figure.
    """
    runs = {k: list(h) if isinstance(h, (list, tuple)) else [h] for k, h in histories.items()}
    if not runs or not all(runs.values()):
        raise ValueError("histories must hold at least one history for every name")
    if against not in ("epoch", "seconds"):
        raise ValueError(f"against must be epoch or seconds, got {against!r}")
    figure = figure or _common_figure(runs)
    ax = plain(new_axes(ax, (6.4, 4.2)))
    ends = []
    for i, (name, seeds) in enumerate(runs.items()):
        x, y = _lines(name, seeds, figure, against)
        colour, mean = class_color(i), y.mean(axis=0)
        style: dict[str, Any] = {"linestyle": LINE_STYLES[i % 4], "marker": CLASS_MARKERS[i % 8]}
        ax.plot(x, mean, color=colour, markersize=4, label=name, **style)
        if len(seeds) > 1:
            ax.fill_between(x, y.min(axis=0), y.max(axis=0), color=colour, alpha=0.18, lw=0)
        ends.append((float(mean[-1]), float(x[-1]), name, colour))
    share = "recall" in figure or "ndcg" in figure
    if share:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel=against, ylabel=figure.replace("_", " ").replace("recall@", "Recall@"))
    _standings(ax, sorted(ends, reverse=share), share)
    return ax


def _standings(ax: Axes, ends: list[tuple[float, float, str, str]], share: bool) -> None:
    """Place, name and figure at the right of each line, first come first, none over another."""
    bottom, top = ax.get_ylim()
    gap, right = 0.06 * (top - bottom), max(end for _, end, _, _ in ends)
    heights = np.array([value for value, *_ in ends])
    order = np.argsort(-heights, kind="stable")  # from the top down
    for above, below in pairwise(order):
        heights[below] = min(heights[below], heights[above] - gap)
    heights += max(0.0, bottom - heights.min())  # none below the axis
    for i, (value, end, name, colour) in enumerate(ends):
        shown = f"{100 * value:.1f} %" if share else f"{value:.4g}"
        ax.annotate(
            f"{i + 1}. {name} {shown}",
            (end, value),
            (right + 0.04 * np.ptp(ax.get_xlim()), heights[i]),
            va="center",
            fontsize=9,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8},
        )


def _common_figure(runs: dict[str, list[Any]]) -> str:
    columns = next(iter(runs.values()))[0].columns()
    scores = [c for c in columns if "recall@" in c or "ndcg@" in c]
    if not scores:
        raise ValueError("histories have no Recall@K and no nDCG: call fit with test= or val=")
    return min(scores, key=lambda name: not name.startswith("test_"))


def _lines(name: str, seeds: list[Any], figure: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    """Where `(P,)`, and the figure of every seed there `(S, P)`."""
    points = [
        [(r["epoch"], r[against], r[figure]) for r in h.records if r.get(figure) is not None]
        for h in seeds
    ]
    if not all(points):
        known = ", ".join(seeds[0].columns())
        raise ValueError(f"figure {figure!r} is not recorded in {name!r}, which has {known}")
    epochs = [[epoch for epoch, _, _ in line] for line in points]
    if any(e != epochs[0] for e in epochs):
        raise ValueError(f"the histories of {name!r} must be recorded at the same epochs")
    table = np.array(points, dtype=float)
    return table[:, :, 1].mean(axis=0), table[:, :, 2]
