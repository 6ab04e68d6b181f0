"""EmbeddingExplorer: a map of the embedding space that answers the mouse, image by image."""

from collections.abc import Iterable, Sequence
from typing import Any

import traitlets
from matplotlib.figure import Figure

from dmlviz.widgets.browser_traits import STATIC, OneOf, Rows, Whole, one_module, whole
from dmlviz.widgets.embedding_figure import explorer_figure
from dmlviz.widgets.embedding_scene import Scene
from dmlviz.widgets.embedding_space import Found
from dmlviz.widgets.page_widget import PageWidget

MOST_NEIGHBOURS, FEW = 24, 6
STATE = ("selected", "selection", "epoch", "colour", "k")
LOOK_FOR = "Look for: are the neighbours of a point near it on the map, too? "
OF_CLASSES = "Where one is of another class (✗), does it look alike to you?"
OF_LABELS = "Do they have labels like its own?"


class EmbeddingExplorer(PageWidget):
    """Hover a point to see its image, click it to see its neighbours, draw around some.

    The map is flat, the embedding space is not: neighbours are searched in the space, in all its
    D dimensions, and shown on the map as lines and below it as images: blue, solid and ✓ for the
    same class; vermilion, dashed and ✗ for another. Drag to move, wheel to zoom, Shift + drag to
    draw a lasso. Keys, on the focused map: arrows go to the next point in that direction (with
    Shift they move the map), Enter clicks, + and - zoom, 0 shows all, Escape clears.

    Args:
        embeddings: `(N, D)`; `(T, N, D)` or a list of T matrices for a scrubber over T epochs; a
            `History`, a `Snapshot` or a list of them, which bring labels and epochs.
        images: a data set with `.image(i)` (snapshots know which items are theirs), a list of PIL
            images, bytes `(N, height, width[, 3])`; None: no images.
        labels: `(N,)` integers, classes; or floats, a continuous label to colour by. None: those
            of the snapshots or of the data set; where that is one of continuous labels, colour
            is the label distance to the clicked image.
        classes: names, by label; None: those of the data set, or numbers.
        values: `(N,)` floats to colour by, beside the classes; NaN where unknown.
        proxies: `(C, D)` of the last epoch, or `(T, C, D)`; proxy c belongs to label c.
        other: another embedding of the same images, in any form of `embeddings`: before and
            after, source and target. A second map, which shares hover, click and lasso.
        names: titles of the maps.
        positions: a map made elsewhere, `(N, 2)` or `(T, N, 2)`, for instance by `plots.project`;
            with `other` a pair. None: the embedding itself if D is 2, else a joint PCA, one plane
            for all epochs.
        plane: whether PCA is of the means of the coloured "classes", or of all "points".
        highlight: labels to colour, at most eight; None: all, or eight spread over them.
        epochs: their T names; None: those of the snapshots, or 0, 1, ….
        metric: "cosine" or "euclidean".
        k: how many neighbours.
        height: of a map, in pixels.
        look_for: one line that says what to look for; None: a general one.

    Attributes, of which the first five follow the mouse and may be set and observed, for instance
    by `explorer.observe(function, "selection")`:
        selected: row of the clicked image, or None.
        selection: rows in the lasso, ascending.
        epoch: one of `epochs`.
        colour: one of `colours`: "class", "correct" (is the nearest neighbour of the same
            class?), "label" (the continuous one), as far as there are such labels.
        k: how many neighbours, 1…24.
        found: per map the neighbours of `selected`: `.rows (k,)` and `.values (k,)`, their cosine
            similarities or Euclidean distances.

    Raises:
        ValueError, TypeError: for input that does not fit; the words name the argument.

    >>> import numpy as np
    >>> explorer = EmbeddingExplorer(np.eye(4), labels=[0, 0, 1, 1], k=2)
    >>> explorer.selected = 3
    >>> len(explorer.found[0].rows)
    2
    """

    _esm = one_module(
        "page.js", "sprites.js", "point_index.js", "scatter.js", "gestures.js", "thumbnails.js",
        "tiles.js", "legend.js", "toolbar.js", "scene.js", "embedding_explorer.js",
    )  # fmt: skip
    _css = (STATIC / "embedding_explorer.css").read_text(encoding="utf-8")

    selected = Whole(0, "_last", or_none=True).tag(sync=True)
    selection = Rows("_last")
    epoch = OneOf("epochs").tag(sync=True)
    colour = OneOf("colours").tag(sync=True)
    k = Whole(1, "_most").tag(sync=True)
    _scene = traitlets.Dict().tag(sync=True)  # what stays
    _found = traitlets.Dict().tag(sync=True)  # the neighbours of `selected`
    _shades = traitlets.Dict().tag(sync=True)  # the continuous label, row by row
    _correct = traitlets.Dict().tag(sync=True)  # whether the nearest is right, row by row

    def __init__(
        self, embeddings: Any, images: Any = None, labels: Any = None, *,
        classes: Sequence[str] | None = None, values: Any = None, proxies: Any = None,
        other: Any = None, names: Sequence[str] | None = None, positions: Any = None,
        highlight: Sequence[int] | None = None, epochs: Sequence[Any] | None = None,
        metric: str = "cosine", plane: str = "classes", k: int | None = None, height: int = 420,
        look_for: str | None = None,
    ) -> None:  # fmt: skip
        self.scene = Scene(
            embeddings, images, labels, classes=classes, values=values, proxies=proxies,
            other=other, names=names, positions=positions, highlight=highlight, epochs=epochs,
            metric=metric, plane=plane,
        )  # fmt: skip
        self.epochs, self.colours = self.scene.epochs, self.scene.colours
        self._last, self._most = self.scene.n - 1, min(MOST_NEIGHBOURS, self.scene.n - 1)
        self.found: list[Found] = []
        look_for = look_for or LOOK_FOR + (OF_CLASSES if self.scene.labels else OF_LABELS)
        page = {"height": int(height), "look_for": look_for, "most": self._most}
        super().__init__(
            selected=None, selection=[], epoch=self.epochs[-1], colour=self.colours[0],
            k=min(FEW, self._most) if k is None else k, _scene=self.scene.for_page() | page,
        )  # fmt: skip

    def static(self, row: int | None = None) -> Figure:
        """The map as it stands, one clicked image with its neighbours, and their pictures.

        Args:
            row: which image; None: the clicked one, else one that tells a story.
        """
        row = self.selected if row is None else whole("row", row, 0, self._last)
        row = self.scene.telling_row(self.k, self._t) if row is None else row
        return explorer_figure(self.scene, row, self.k, self._t, self.colour)

    def sweep(self) -> int:
        """Go through clicks, epochs, colours, k's and lassos, and back.

        Returns how many states were visited; what fails in any of them is raised.
        """
        before = {name: getattr(self, name) for name in STATE}
        rows = [0, self.scene.n // 2, self._last]
        moves: list[tuple[str, Any]] = [("selected", row) for row in rows]
        moves += [("epoch", e) for e in self.epochs] + [("colour", c) for c in self.colours]
        moves += [("k", k) for k in sorted({1, (1 + self._most) // 2, self._most})]
        moves += [("selection", rows), ("selection", []), ("selected", None)]
        for name, value in moves:
            setattr(self, name, value)
            near = [row for found in self.found for row in found.rows.tolist()]
            self._send_thumbnails({*self.selection, *near})
        for name, value in before.items():
            setattr(self, name, value)
        return len(moves)

    @property
    def _t(self) -> int:
        return self.epochs.index(self.epoch)

    @traitlets.observe("selected", "k", "epoch")
    def _search(self, _: Any) -> None:
        with self._guard():
            self.found = self.scene.search(self.selected, self.k, self._t)
            self._shades = self.scene.shades_for_page(self.selected)  # first: it captions the found
            self._found = self.scene.found_for_page(self.selected, self._t, self.found)

    @traitlets.observe("colour", "epoch")
    def _judge(self, _: Any) -> None:
        if self.colour == "correct":
            with self._guard():
                self._correct = self.scene.correct_for_page(self._t)

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:
        """The page asks for thumbnails, a batch at a time: the answer lets it ask again."""
        super()._handle_custom_msg(content, buffers)
        if content.get("type") == "thumbnails":
            with self._guard():
                self._send_thumbnails(content["rows"], content.get("lane"))

    def _send_thumbnails(self, wanted: Iterable[int], lane: Any = None) -> None:
        if self.scene.thumbnails is None:
            return
        asked = [whole("rows", row, 0, self._last) for row in wanted]
        pictures, failure = self.scene.thumbnails.batch(asked)
        sizes = [size for _, size in pictures.values()]
        rows = {"asked": asked, "rows": [*pictures], "sizes": sizes}
        answer = {"type": "thumbnails", "lane": lane, **rows}
        self.send(answer, [data for data, _ in pictures.values()])
        if failure:
            raise failure

    def _words(self) -> str:
        return self.scene.words()
