"""One look, and fixed meanings: the same colour says the same thing in every picture.

Okabe and Ito's eight colours keep apart for colour-blind readers; a second cue (marker, line
style, sign) stands beside every colour. Data first, `ax=None` last, the Axes returned: no function
of `dmlviz.plots` touches global settings.

Every new figure has a solid ground, so that it stays readable on a dark page: matplotlib's white,
or that of the user's own style, whose ink its words follow.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

POSITIVE, NEGATIVE, ANCHOR = BLUE, VERMILION, BLACK  # same class, other class, the query
QUIET = "#B8B8B8"  # what is there, but not the point

CLASS_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, BLACK)
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
MARKER_WORDS = "●■▲◆▼✚✖⬟"  # the same marks, for a line of text
LINE_STYLES = ("-", "--", "-.", ":")


def new_axes(
    ax: Axes | None, size: tuple[float, float] = (5.6, 4.2), layout: Any = "compressed"
) -> Axes:
    """The given Axes, or those of a new figure."""
    if ax is not None:
        return ax
    figure, ax = plt.subplots(figsize=size, layout=layout)
    ground = "white" if sum(to_rgb(ink())) < 1.5 else BLACK
    for patch in (figure.patch, ax.patch):  # some notebooks ask for transparent figures
        if to_rgba(patch.get_facecolor())[3] < 1:
            patch.set_facecolor(ground)
    return ax


def ink() -> str:
    """The colour of words and neutral lines: black, or what the user's own style says."""
    return str(to_hex(plt.rcParams["text.color"]))


def plain(ax: Axes, *, grid: str | None = "y") -> Axes:
    """Fewer lines: no top and right spine, a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        look: dict[str, Any] = {"axis": grid, "color": QUIET, "alpha": 0.4, "linewidth": 0.8}
        ax.grid(**look)
        ax.set_axisbelow(True)
    return ax


def bare(ax: Axes) -> Axes:
    """No ticks: the axes of a projection have no meaning of their own."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_color("#D0D0D0")
    return ax


def class_color(i: int) -> str:
    """Colour of the i-th class or curve."""
    color = CLASS_COLORS[i % 8]
    return ink() if color == BLACK else color


def class_style(i: int) -> dict[str, Any]:
    """Colour and marker of the i-th highlighted class."""
    return {"color": class_color(i), "marker": CLASS_MARKERS[i % 8]}


def class_edge(i: int) -> str:
    """Colour of a marker's edge: dark around yellow and amber, which a white page swallows."""
    return "#404040" if CLASS_COLORS[i % 8] in (ORANGE, YELLOW) else "white"
