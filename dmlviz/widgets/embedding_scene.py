"""Scene: all that an EmbeddingExplorer shows, checked once, and put into words and bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dmlviz.plots import style
from dmlviz.plots.maps import chosen_classes
from dmlviz.widgets.embedding_inputs import Epochs, items_of, read_epochs, read_images
from dmlviz.widgets.embedding_labels import Continuous, Shades, read_labels
from dmlviz.widgets.embedding_space import Found, Space
from dmlviz.widgets.thumbnails import Thumbnails

WRONG, RIGHT, UNKNOWN = range(3)  # marks of neighbours
TRIED = 60  # images among which `telling_row` looks for one
RAMP = 64  # shades of a continuous label


class Scene:
    """One or two spaces of the same images, with their labels and pictures.

    The arguments are those of `EmbeddingExplorer`.

    Attributes:
        spaces: one per map.
        epochs: names of the T epochs.
        labels: classes, or None where there is only a continuous label.
        continuous: a continuous label, or None.
        coloured: which of `labels.names` are coloured, at most eight.
        markers: of the coloured classes; no diamonds where these are proxies.
        thumbnails: None without images.
        colours: what there is to colour by.
    """

    def __init__(
        self, embeddings: Any, images: Any, labels: Any, *, classes: Sequence[str] | None,
        values: Any, proxies: Any, other: Any, names: Sequence[str] | None, positions: Any,
        highlight: Sequence[int] | None, epochs: Sequence[Any] | None, metric: str,
        plane: str,
    ) -> None:  # fmt: skip
        read = [read_epochs("embeddings", embeddings)]
        read += [] if other is None else [read_epochs("other", other)]
        self.n = read[0].vectors.shape[1]
        self.epochs = _epoch_names(read, epochs)
        items = items_of(images, self.n, read[0].indices)
        picture = read_images(images, items)
        self.thumbnails = None if picture is None else Thumbnails(picture)
        self.labels, self.continuous = read_labels(labels, values, images, items, read[0], classes)
        self.coloured = self._coloured(highlight)
        self.colours = ["class", "correct"] if self.labels else []
        self.colours += ["label"] if self.continuous else []

        if plane not in ("classes", "points"):
            raise ValueError(f"plane must be classes or points, got {plane!r}")
        shown = self.coloured if plane == "classes" else []
        self.spaces = []
        for i, (title, r) in enumerate(zip(_titles(names, len(read)), read, strict=True)):
            places = positions if len(read) == 1 or positions is None else positions[i]
            own = proxies if i == 0 else None  # they are those of the first embedding
            self.spaces.append(Space(title, r.vectors, metric, self.labels, shown, own, places))
        taken = any(space.proxy_places is not None for space in self.spaces)
        self.markers = [m.replace("D", "<") if taken else m for m in style.CLASS_MARKERS]

    def search(self, row: int | None, k: int, t: int) -> list[Found]:
        """The neighbours of a row in each space."""
        if row is None:
            return []
        all_found = [space.neighbours([row], k, t) for space in self.spaces]
        return [Found(found.rows[0], found.values[0]) for found in all_found]

    def marks(self, row: int, rows: np.ndarray) -> np.ndarray:
        """Of each neighbour, whether it is of the same class."""
        if self.labels is None:
            return np.full(len(rows), UNKNOWN)
        y = self.labels.numbers
        return np.where(y[rows] == y[row], RIGHT, WRONG)

    def shades(self, row: int | None) -> Shades | None:
        """The continuous label as seen from the clicked image."""
        return None if self.continuous is None else self.continuous.seen_from(row)

    def caption(self, row: int, shades: Shades | None) -> str:
        """The class of an image, or its continuous label."""
        if self.labels is not None:
            return self.labels.names[self.labels.numbers[row]]
        return "" if shades is None else f"{shades.values[row]:.3g}"

    def telling_row(self, k: int, t: int) -> int:
        """An image with right and wrong neighbours, as evenly as there is one."""
        rows = np.unique(np.linspace(0, self.n - 1, TRIED).round().astype(int))
        if self.labels is None:
            return int(rows[len(rows) // 2])
        found = self.spaces[0].neighbours(rows, k, t).rows
        share = (self.labels.numbers[found] == self.labels.numbers[rows][:, None]).mean(axis=1)
        return int(rows[np.abs(share - 0.6).argmin()])

    def words(self) -> str:
        """What there is to see."""
        dimensions = " and ".join(str(s.vectors.shape[2]) for s in self.spaces)
        classes = f" of {len(self.labels.names):,} classes" if self.labels else ""
        return f"Map of {self.n:,} images{classes}, embedded in {dimensions} dimensions"

    # --- for the page: arrays as bytes, since lists of numbers are slow ---------------------------

    def for_page(self) -> dict[str, Any]:
        """What never changes."""
        return {
            "n": self.n,
            "words": self.words(),
            "epochs": self.epochs,
            "colours": self.colours,
            "images": self.thumbnails is not None,
            "metric": self.spaces[0].metric,
            "spaces": [space.for_page() for space in self.spaces],
            "labels": b"" if self.labels is None else self.labels.numbers.tobytes(),
            "classes": [] if self.labels is None else self.labels.names,
            "coloured": self.coloured,
            "style": {
                "classes": style.CLASS_COLORS,
                "markers": self.markers,
                "right": style.POSITIVE,
                "wrong": style.NEGATIVE,
                "anchor": style.ANCHOR,
                "quiet": style.QUIET,
                "ramp": b"" if self.continuous is None else _ramp(self.continuous),
            },
        }

    def found_for_page(self, row: int | None, t: int, found: Sequence[Found]) -> dict[str, Any]:
        """Neighbours, with what they are the neighbours of."""
        if row is None:
            return {}
        spaces = [
            {
                "rows": f.rows.astype(np.int32).tobytes(),
                "values": f.values.astype(np.float32).tobytes(),
                "marks": self.marks(row, f.rows).astype(np.uint8).tobytes(),
            }
            for f in found
        ]
        return {"row": row, "epoch": self.epochs[t], "spaces": spaces}

    def shades_for_page(self, row: int | None) -> dict[str, Any]:
        """The continuous label, row by row."""
        shades = self.shades(row)
        if shades is None:
            return {}
        values = shades.values.astype(np.float32).tobytes()
        return {"values": values, "low": shades.low, "high": shades.high, "what": shades.what}

    def correct_for_page(self, t: int) -> dict[str, Any]:
        """Whether each image's nearest is right, in each space."""
        right = [space.right(t) for space in self.spaces]
        return {"epoch": self.epochs[t], "right": [r.astype(np.uint8).tobytes() for r in right]}

    def _coloured(self, highlight: Sequence[int] | None) -> list[int]:
        if self.labels is None:
            return []
        values = self.labels.values
        chosen = chosen_classes(np.asarray(values), highlight)
        unknown = set(chosen) - set(values)
        if unknown:
            raise ValueError(f"highlight must be labels that there are, got {min(unknown)}")
        return [values.index(c) for c in chosen]


def _epoch_names(read: Sequence[Epochs], given: Sequence[Any] | None) -> list[Any]:
    longest = max(read, key=lambda r: len(r.names))
    for name, r in zip(("embeddings", "other"), read, strict=False):
        if r.vectors.shape[1] != read[0].vectors.shape[1]:
            n = read[0].vectors.shape[1]
            raise ValueError(f"other must be of the same {n} images, got {r.vectors.shape[1]}")
        if len(r.names) not in (1, len(longest.names)):
            raise ValueError(
                f"{name} must have one epoch or as many as the other map, {len(longest.names)}, "
                f"got {len(r.names)}"
            )
        items = [x.indices for x in (read[0], r) if x.indices is not None]
        if any((i != items[0]).any() for i in items):
            raise ValueError("other must be of the same images: its snapshots hold other ones")
    names = longest.names if given is None else list(given)
    names = [name.item() if isinstance(name, np.generic) else name for name in names]
    if len(names) != len(longest.names) or len(set(names)) < len(names):
        raise ValueError(f"epochs must be {len(longest.names)} different names, got {names}")
    return names


def _titles(names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return ["embeddings", "other"] if count == 2 else [""]
    titles = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(titles) != count:
        raise ValueError(f"names must be one per map ({count}), got {len(titles)}")
    return titles


def _ramp(continuous: Continuous) -> bytes:
    """`(RAMP, 3)` bytes, red, green and blue."""
    colours = continuous.ramp(np.linspace(0, 1, RAMP))[:, :3]
    return (colours * 255).round().astype(np.uint8).tobytes()
