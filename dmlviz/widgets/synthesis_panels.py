"""What SynthesisExplorer draws: a map of generated vectors, and the real ones nearest to one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy

from dmlviz.plots.style import BLACK, BLUE, ORANGE, PURPLE, QUIET, bare

FIRST, SECOND, OTHER = range(3)  # the roles of classes, and how each looks
LOOKS = ((BLUE, "o", "first class"), (ORANGE, "s", "second class"), (PURPLE, "^", "another"))
SAMPLES = 24  # generated at a time
MARKS_AT = (72, 116, 160)  # points from the left, in the line that counts them


class State(NamedTuple):
    """What is generated, where it lies on the map, and what is nearest to it.

    `vectors (S, D)` are the samples, of which number 0 is the star; `roles (S,)` says whether the
    proxy nearest to each is that of the first class, the second or another, and `shares (3,)` how
    many of each there are; the path is that of the class vector over all mixes, and `novelty` its
    cosine to the nearest proxy; `mix` is the share of the second class in it. `rows`, `classes` and
    `cosines` are of the real embeddings nearest to the star (of the proxies where there are no
    images).
    """

    first: int
    second: int
    mix: float
    vectors: np.ndarray
    class_xy: np.ndarray
    samples_xy: np.ndarray
    path_xy: np.ndarray
    roles: np.ndarray
    shares: np.ndarray
    novelty: float
    rows: np.ndarray
    classes: np.ndarray
    cosines: np.ndarray


class SynthesisMap:
    """Real embeddings of the two classes in colour; what is generated, hollow; its shares."""

    def __init__(self, ax: Axes, xy: np.ndarray, p_xy: np.ndarray, y: np.ndarray) -> None:
        self.ax, self.xy, self.p_xy, self.y = ax, xy, p_xy, y
        ends = np.concatenate([self.xy, self.p_xy])
        middle, reach = (ends.min(axis=0) + ends.max(axis=0)) / 2, 0.6 * np.ptp(ends, axis=0).max()
        limits = middle[:, None] + np.array([-1, 1]) * (reach or 1.0)
        bare(ax).set(xlim=limits[0], ylim=limits[1], aspect="equal")

        def line(marker: str, colour: str, size: float, xy: Any = ((), ()), **look: Any) -> Any:
            return ax.plot(*xy, marker, color=colour, markersize=size, **look)[0]

        line("o", QUIET, 2.5, self.xy.T, mew=0, alpha=0.6)
        filled, hollow = {"mec": "white", "mew": 0.4}, {"mfc": "none", "mew": 1.5}
        self.real = [line(m, c, 5, **filled) for c, m, _ in LOOKS[:OTHER]]
        self.path = line(":", BLACK, 1, linewidth=1)
        self.proxies = [line("D", c, 9, mec=BLACK) for c, _, _ in LOOKS[:OTHER]]
        self.samples = [line(m, c, 8, **hollow) for c, m, _ in LOOKS]
        self.vector = line("D", BLACK, 11, **hollow)
        self.star = line("*", BLACK, 18, **hollow)
        self.figures = [self._above(0, 8), *(self._above(x + 7, 34) for x in MARKS_AT)]
        self.mix = self._above(0, 21)
        self._above(0, 34).set_text(f"{SAMPLES} generated:")
        for x, (colour, marker, _) in zip(MARKS_AT, LOOKS, strict=True):
            figure: Any = ax.figure
            place = offset_copy(ax.transAxes, figure, x, 34, units="points")
            line(marker, colour, 6, ([0], [1]), transform=place, clip_on=False, **hollow)
        self.artists: list[Any] = [*self.real, self.path, *self.proxies, *self.samples]
        self.artists += [self.vector, self.star, *self.figures, self.mix]

    def _above(self, x: float, y: float) -> Any:
        """Words above the map, so many points from its upper left corner."""
        words: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        return self.ax.annotate("", (0, 1), (x, y), va="center", fontsize=8, **words)

    def key(self) -> dict[Any, str]:
        """Every mark, and what it is; a tuple of marks where they differ by class."""
        return {
            tuple(self.real): "real image: first, second class",
            tuple(self.proxies): "their proxies",
            tuple(self.samples): "generated; nearest proxy: first, second, another",
            self.vector: "the mix, asked for",
            self.path: "path of the mix",
            self.star: "one generated, chosen",
        }

    def move(self, state: State) -> None:
        for i, c in enumerate((state.first, state.second)):
            self.real[i].set_data(*self.xy[self.y == c].T)
            self.proxies[i].set_data(*self.p_xy[[c]].T)
        self.path.set_data(*state.path_xy.T)
        for role, samples in enumerate(self.samples):
            samples.set_data(*state.samples_xy[state.roles == role].T)
        self.vector.set_data(*state.class_xy.T)
        self.mix.set_text(f"mix ◇: {in_words(state.mix)}")
        self.star.set_data(*state.samples_xy[:1].T)
        novelty = f"cosine of ◇ to its nearest proxy: {state.novelty:.2f}"
        figures = (novelty, *(f"{100 * share:.0f} %" for share in state.shares))
        for text, figure in zip(self.figures, figures, strict=True):
            text.set_text(figure)


def in_words(mix: float) -> str:
    """How much of each class is in the mix."""
    return f"{1 - mix:.2f} first {'+' if mix >= 0 else '-'} {abs(mix):.2f} second"


class NearestReal:
    """What is nearest to the star: real images framed as their classes look, or bars."""

    def __init__(
        self, ax: Axes, n: int, classes: Sequence[str],
        picture: Callable[[int], np.ndarray] | None, names: bool = True,
    ) -> None:  # fmt: skip
        self.ax, self.classes, self.picture, self.names = ax, classes, picture, names
        ax.axis("off")
        self.images: list[Any] = []
        self.boxes: list[Any] = []
        if picture is None:
            ax.axvline(0, color=BLACK, linewidth=0.8)
            ax.set(xlim=(-2.6, 1.05), ylim=(n - 0.4, -0.6))
            self.boxes += ax.barh(range(n), np.zeros(n), height=0.5)
            places = [(-2.5, float(i)) for i in range(n)]
        else:
            corners = [(1.1 * (i % 3), 1.25 * (i // 3)) for i in range(n)]
            for x, y in corners:
                place: dict[str, Any] = {"extent": (x, x + 1, y + 1, y), "interpolation": "nearest"}
                self.images.append(ax.imshow(np.zeros((1, 1, 3)), **place))
                self.boxes.append(ax.add_patch(Rectangle((x, y), 1, 1, fill=False, linewidth=3)))
            places = [(x + 0.08, y + 1.12) for x, y in corners]
            ax.set(xlim=(-0.05, 3.25), ylim=(2.5, -0.05))
        self.signs = [ax.plot(*xy, markersize=6)[0] for xy in places]
        words: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
        self.words = [ax.annotate("", xy, fontsize=8, **words) for xy in places]
        self.artists: list[Any] = [*self.images, *self.boxes, *self.signs, *self.words]

    def move(self, state: State) -> None:
        for i, (c, cosine) in enumerate(zip(state.classes, state.cosines, strict=True)):
            role = FIRST if c == state.first else SECOND if c == state.second else OTHER
            colour, marker, _ = LOOKS[role]
            self.signs[i].set(color=colour, marker=marker)
            self.boxes[i].set_edgecolor(colour)
            name = self.classes[c] if role == OTHER or self.picture is None else ""
            name = name if self.names else ""  # where images stand too close for words
            name = name if len(name) < 14 else "…" + name[-12:]  # where names of a family differ
            self.words[i].set_text(f"{cosine:.2f} {name}")
            if self.picture is not None:
                self.images[i].set_data(self.picture(int(state.rows[i])))
            else:
                self.boxes[i].set(width=cosine, facecolor=colour)
