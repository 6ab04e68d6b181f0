"""The singular-value spectrum: how many dimensions of its space an embedding uses.

Centred embeddings X `(N, D)` have singular values σ_1 ≥ … ≥ σ_D; σ_k / √N is the standard deviation
along the k-th principal axis. A space that is used well has a spectrum that falls slowly; where it
breaks off, the remaining dimensions are empty (*dimensional collapse*: Jing, Vincent, LeCun, Tian,
ICLR 2022); where all of it is near 0, the images share one point. The **effective rank** is one
number for it (Roy, Vetterli, EUSIPCO 2007)::

    exp( -Σ_k p_k log p_k ),   p_k = σ_k / Σ_j σ_j
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dmlviz.plots.projection import as_points
from dmlviz.plots.style import LINE_STYLES, class_color, new_axes, plain

NOTHING = 1e-4  # of the largest: what is smaller counts as an empty dimension


def spread(embeddings: Any) -> np.ndarray:
    """The standard deviation along each principal axis, largest first, `(D,)`.

    >>> spread([[1.0, 0.0, 5.0], [-1.0, 0.0, 5.0]]).tolist()
    [1.0, 0.0, 0.0]
    """
    x = as_points(getattr(embeddings, "embeddings", embeddings)).astype(np.float64)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) / np.sqrt(len(x))
    return np.pad(values, (0, x.shape[1] - len(values)))


def effective_rank(values: np.ndarray) -> float:
    """The effective rank of a spectrum: d for d equal values, 0 for a single point.

    >>> round(effective_rank(np.array([2.0, 2.0, 2.0, 0.0])), 6)
    3.0
    """
    if values.max() < 1e-7:
        return 0.0
    p = values[values > 0] / values.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def singular_values(embeddings: Any, *, ax: Axes | None = None) -> Axes:
    """The singular-value spectrum of one or more embeddings, on a logarithmic axis.

    What falls below a ten-thousandth of the largest value of all is drawn there: nothing is left.

    Args:
        embeddings: `(N, D)` or a `Snapshot`, or `{name: such}` to compare.
        ax: Axes to draw on; None: a new figure.
    """
    named = embeddings if isinstance(embeddings, Mapping) else {"": embeddings}
    if not named:
        raise ValueError("embeddings must hold at least one embedding, got an empty mapping")
    spectra = {name: spread(x) for name, x in named.items()}
    floor = NOTHING * (max(values[0] for values in spectra.values()) or 1.0)
    ax = plain(new_axes(ax))
    for i, (name, values) in enumerate(spectra.items()):
        text = f"effective rank {effective_rank(values):.1f} of {len(values)}"
        ax.plot(
            np.arange(1, len(values) + 1),
            values.clip(floor),
            color=class_color(i),
            linestyle=LINE_STYLES[i % 4],
            marker="os^Dv"[i % 5],
            markersize=3,
            label=f"{name}: {text}" if name else text,
        )
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.8 * floor)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="principal axis k", ylabel="σₖ / √N, spread along axis k")
    ax.legend(frameon=False, fontsize=9)
    return ax
