"""What an EmbeddingExplorer shows, on paper: the map, a clicked image, and what is near it."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dmlviz.plots.gallery import tile
from dmlviz.plots.style import (
    ANCHOR,
    BLACK,
    NEGATIVE,
    POSITIVE,
    QUIET,
    bare,
    class_edge,
    class_style,
)
from dmlviz.widgets.embedding_labels import Shades
from dmlviz.widgets.embedding_scene import Scene
from dmlviz.widgets.embedding_space import Found, Space

# The looks of a neighbour, by its mark: colour, line, sign.
LOOKS = ((NEGATIVE, (0, (4, 2)), "✗"), (POSITIVE, "-", "✓"), ("#707070", "-", ""))
SCORES = {"cosine": "cosine similarity", "euclidean": "Euclidean distance"}
SHORT = {"cosine": "cos", "euclidean": "distance"}


def explorer_figure(scene: Scene, row: int, k: int, t: int, colour: str) -> Figure:
    """The map of each space with the neighbours of one image, and their pictures beside it."""
    count = len(scene.spaces)
    figure = Figure(figsize=(8.8, 4.6) if count == 1 else (8.8, 7.4))
    for i, (space, found) in enumerate(zip(scene.spaces, scene.search(row, k, t), strict=True)):
        left, width = i / count + 0.01, 1 / count - 0.03
        if count == 1:
            places = (0.01, 0.14, 0.48, 0.73), (0.52, 0.03, 0.47, 0.84)
        else:
            places = (left, 0.44, width, 0.48), (left, 0.01, width, 0.33)
        space_ax, tiles = (figure.add_axes(place) for place in places)
        draw_map(space_ax, scene, space, t, colour, scene.shades(row))
        draw_neighbours(space_ax, scene, space, row, found, t)
        draw_pictures(tiles, scene, space, row, found, columns=4 if k < 12 else 6)
    epoch = f", epoch {scene.epochs[t]}" if len(scene.epochs) > 1 else ""
    figure.suptitle(f"{scene.words()}{epoch}", fontsize=10, y=0.985)
    return figure


def draw_map(
    ax: Axes, scene: Scene, space: Space, t: int, colour: str, shades: Shades | None
) -> None:
    """All points of one epoch, coloured by class, by correctness or by the continuous label."""
    bare(ax).set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
    words = ": ".join(filter(None, (space.name, space.how)))
    ax.set_title(textwrap.fill(words, 60), fontsize=8)
    if space.circle is not None:
        angle = np.linspace(0, 2 * np.pi, 200)
        ax.plot(np.cos(angle), np.sin(angle), color=QUIET, linewidth=0.8, zorder=0)
    xy = space.places[space.at(t)]
    size = float(np.clip(76 - 16 * np.log10(len(xy)), 5, 40))  # many points are small points

    def points(of: np.ndarray, **look: Any) -> None:
        light = {"edgecolors": "white", "linewidths": 0.3}
        ax.scatter(xy[of, 0], xy[of, 1], **{"s": size, **light, **look})

    if colour == "correct":
        right = space.right(t)
        points(right, color=POSITIVE, label=f"nearest of the same class: {right.mean():.1%}")
        points(~right, color=NEGATIVE, marker="X", label="of another class")
    elif scene.continuous is not None and shades is not None and colour == "label":
        known = ~np.isnan(shades.values)
        points(~known, color=QUIET, s=size / 2)
        points(known, color=scene.continuous.ramp(shades.parts()[known]))
        words = f"{shades.what}: {shades.low:.3g} to {shades.high:.3g}"
        ax.text(0.5, -0.03, words, transform=ax.transAxes, ha="center", va="top", fontsize=8)
    elif scene.labels is not None:
        y = scene.labels.numbers
        points(~np.isin(y, scene.coloured), color=QUIET, s=size / 2, alpha=0.6)
        for i, c in enumerate(scene.coloured):
            look = {"edgecolors": class_edge(i), **class_style(i), "marker": scene.markers[i]}
            points(y == c, label=_short(scene.labels.names[c], 24), **look)
    if space.proxy_places is not None:
        p = space.proxy_places[space.at(t)]
        ax.plot(p[:, 0], p[:, 1], "D", mfc="none", mec=BLACK, mew=1.2, label="proxy")
    if names := ax.get_legend_handles_labels()[1]:
        columns = 4 if max(map(len, names)) < 12 else 2
        place: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": 7, "borderpad": 0}
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), columnspacing=1, **place)


def draw_neighbours(ax: Axes, scene: Scene, space: Space, row: int, found: Found, t: int) -> None:
    """Lines from the clicked point to its neighbours in the embedding space."""
    xy = space.places[space.at(t)]
    for neighbour, mark in zip(found.rows, scene.marks(row, found.rows), strict=True):
        colour, line, _ = LOOKS[mark]
        (x0, y0), (x1, y1) = xy[row], xy[neighbour]
        ax.plot([x0, x1], [y0, y1], color=colour, linestyle=line, linewidth=1.3, zorder=4)
        ax.plot([x1], [y1], "o", mfc="none", mec=colour, markersize=8, mew=1.5, zorder=4)
    ax.plot(*xy[[row]].T, "*", color=ANCHOR, markersize=17, mec="white", mew=1.2, zorder=5)


def draw_pictures(
    ax: Axes, scene: Scene, space: Space, row: int, found: Found, columns: int
) -> None:
    """The clicked image, then its neighbours, nearest first, with their similarity or distance."""
    shades = scene.shades(row)
    looks = [(ANCHOR, "-", "★"), *(LOOKS[mark] for mark in scene.marks(row, found.rows))]
    digits = 4 if np.ptp(found.values) < 0.02 else 2  # of what differs little
    scores = ["clicked", *(f"{SHORT[space.metric]} {value:.{digits}f}" for value in found.values)]
    for i, (item, look, score) in enumerate(zip([row, *found.rows], looks, scores, strict=True)):
        x, y = i % columns, 1.38 * (i // columns)
        tile(ax, _picture(scene, int(item)), x, y, look[0], look[2])
        caption = _short(scene.caption(int(item), shades), 14)
        words: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 6.5, "linespacing": 1.1}
        ax.text(x + 0.45, y + 0.94, f"{score}\n{caption}", **words)
    rows = -(-len(scores) // columns)
    ax.set(xlim=(-0.05, columns - 0.05), ylim=(1.38 * rows, -0.05), aspect="equal", anchor="N")
    ax.axis("off")
    title = f"nearest in {space.vectors.shape[2]} dimensions, {SCORES[space.metric]}"
    ax.set_title(title, fontsize=9)


def _picture(scene: Scene, row: int) -> Image.Image:
    if scene.thumbnails is None:
        return Image.new("L", (8, 8), 235)
    return scene.thumbnails.image(row)


def _short(name: str, most: int) -> str:
    """Names of a family differ at their ends."""
    return name if len(name) <= most else f"…{name[-(most - 1) :]}"
