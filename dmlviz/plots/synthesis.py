"""Novel classes on a map: where they lie among the real ones.

Only directions count to the losses that novel classes join, so all vectors are scaled to length 1.
What is real is filled, what is synthetic is hollow; class vectors (proxies, c̃) are diamonds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from dmlviz.geometry import normalize
from dmlviz.plots.forces import circle
from dmlviz.plots.layout import square
from dmlviz.plots.maps import chosen_classes
from dmlviz.plots.projection import as_rows, pca_plane, project
from dmlviz.plots.style import BLACK, QUIET, bare, class_style, ink, new_axes
from dmlviz.synthesis import Novel

MOST = 7  # classes in colour: the eighth colour is black, which is the novel classes'
NOVEL, GREY = "h", "#707070"


def novel_map(
    embeddings: Any, labels: Any, proxies: Any, novel: Novel, *, generated: Any = None,
    generated_labels: Any = None, classes: Sequence[str] | None = None,
    novel_name: str = "generated, of a novel class", highlight: Sequence[int] | None = None,
    method: str = "pca", seed: int = 0,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """One map of real embeddings, generated ones, novel classes, and all class vectors.

    Filled: real embeddings, a few classes in colour and the others in grey, and their proxies as
    diamonds. Hollow: generated embeddings of real classes in the class's colour; in black those of
    novel classes, each with a line to its class vector, a hollow diamond. Two-dimensional
    embeddings are drawn as they are, on the unit circle, generated ones a little outside of it.

    Args:
        embeddings: `(N, D)` real ones.
        labels: `(N,)`, in 0…C-1.
        proxies: `(C, D)`.
        novel: what a synthesizer returned for these proxies.
        generated: `(M, D)` generated embeddings of real classes, or None.
        generated_labels: `(M,)`, in 0…C-1, or None.
        classes: names of the real classes for the legend.
        novel_name: what the legend calls the embeddings of novel classes, which need not come from
            a generator.
        highlight: labels to colour, at most seven; None: up to seven, spread over the labels.
        method: "pca" (the plane in which what is in colour differs most), "tsne" or "umap".
        seed: of t-SNE and UMAP.
        ax: Axes to draw on; None: a new figure.
    """
    p = as_rows("proxies", proxies)
    c, d = p.shape
    x, y = _of_classes("embeddings", embeddings, labels, (0, c), d)
    if not isinstance(novel, Novel):
        raise TypeError(f"novel must be a Novel, as a synthesizer returns it, got {type(novel)}")
    c_new = as_rows("novel.proxies", novel.proxies, d)
    v, k = _of_classes("novel.embeddings", novel.embeddings, novel.labels, (c, c + len(c_new)), d)
    if (generated is None) != (generated_labels is None):
        raise ValueError("generated and generated_labels go together: give both or neither")
    if generated is None:
        generated, generated_labels = x[:0], y[:0]
    s, y_s = _of_classes("generated", generated, generated_labels, (0, c), d)
    if classes is not None and len(classes) < c:
        raise ValueError(f"classes must name all {c} real classes, got {len(classes)} names")
    if highlight is not None and not (set(highlight) <= set(range(c)) and len(highlight) <= MOST):
        raise ValueError(f"highlight at most {MOST} of 0...{c - 1}, got {list(highlight)}")
    parts = [normalize(t) for t in (x, p, s, v, c_new)]
    chosen = chosen_classes(y, highlight)[:MOST]
    if method == "pca" and d != 2 and (chosen or len(v)):
        coloured = [parts[0][np.isin(y, chosen)], parts[1][chosen], *parts[3:]]
        mean, plane = pca_plane(torch.cat(coloured))
        xy = (torch.cat(parts).numpy() - mean) @ plane.T
    else:
        xy = project(torch.cat(parts), method, seed=seed)
    x_xy, p_xy, s_xy, v_xy, c_xy = np.split(xy, np.cumsum([len(t) for t in parts])[:-1])
    ax = new_axes(ax, (5.6, 7.0))
    if d == 2:
        circle(ax).set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
        s_xy, v_xy = 1.08 * s_xy, 1.08 * v_xy  # what is hollow would hide what is filled
        how = "the embedding itself"
    else:
        bare(ax).set(**square(xy), aspect="equal")
        how = {"pca": "PCA of what is in colour", "tsne": "t-SNE", "umap": "UMAP"}[method]
        how += f" ({d} dimensions)"
    ax.set_title(f"{how}: {c} real classes, {len(c_new)} novel", fontsize=10)

    filled: dict[str, Any] = {"mec": "white", "mew": 0.5}
    hollow: dict[str, Any] = {"mfc": "none", "mew": 1.3}
    for i, label in enumerate([None, *chosen]):  # None: all others
        of = [~np.isin(t, chosen) if label is None else t == label for t in (y, y_s, np.arange(c))]
        style = class_style(i - 1) if i else {"color": QUIET, "marker": "o"}
        marker = style["marker"].replace("D", "<")  # diamonds are class vectors
        look, over = (style["color"], marker), int(i > 0)
        name = "other classes" if label is None else (classes or range(c))[label]
        _points(ax, x_xy[of[0]], *look, 4 + over, 1 + over, label=name, **filled)
        _points(ax, s_xy[of[1]], *look, 6 + over, 2 + over, **hollow)
        _points(ax, p_xy[of[2]], look[0], "D", 6 + 4 * over, 3 + 3 * over, mec=BLACK, mew=0.6)
    _spokes(ax, c_xy[k - c], v_xy)
    _points(ax, v_xy, ink(), NOVEL, 7, 5, **hollow)
    _points(ax, c_xy, ink(), "D", 10, 6, **hollow)
    none = xy[:0]
    _points(ax, none, QUIET, "D", 7, 0, label="proxy of a real class", mec=BLACK, mew=0.6)
    if len(s):
        _points(ax, none, GREY, "o", 7, 0, label="generated, of a real class", **hollow)
    if len(c_new):
        _points(ax, none, ink(), NOVEL, 7, 0, label=novel_name, **hollow)
        _points(ax, none, ink(), "D", 8, 0, label="class vector of a novel class", **hollow)
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0)}
    ax.legend(ncols=2, frameon=False, fontsize=8, **place)
    ax.set_anchor("N")
    return ax


def _of_classes(
    name: str, vectors: Any, labels: Any, within: tuple[int, int], size: int
) -> tuple[Tensor, np.ndarray]:
    """Vectors and their labels, which must lie in a range."""
    x, y = as_rows(name, vectors, size), torch.as_tensor(labels).cpu()
    if y.shape != (len(x),) or y.is_floating_point():
        got = f"{y.dtype} of shape {tuple(y.shape)}"
        raise ValueError(f"labels of {name} must be {len(x)} integers, got {got}")
    low, high = within
    if len(y) and not low <= int(y.min()) <= int(y.max()) < high:
        got = f"{int(y.min())}...{int(y.max())}"
        raise ValueError(f"labels of {name} must lie in {low}...{high - 1}, got {got}")
    return x, y.numpy()


def _points(
    ax: Axes, xy: np.ndarray, colour: str, marker: str, size: float, zorder: int, **look: Any
) -> None:
    if len(xy) or zorder == 0:  # 0: what is only an entry of the legend
        ax.plot(*xy.T, marker, color=colour, markersize=size, zorder=zorder, **look)


def _spokes(ax: Axes, start: np.ndarray, end: np.ndarray) -> None:
    """A faint line from each novel class vector to each of its embeddings."""
    gap = np.full(len(end), np.nan)
    path = [np.stack([start[:, i], end[:, i], gap], axis=1).ravel() for i in (0, 1)]
    ax.plot(*path, color=QUIET, linewidth=0.7, zorder=4)
