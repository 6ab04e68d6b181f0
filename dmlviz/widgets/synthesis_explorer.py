"""SynthesisExplorer: mix two classes, turn the noise, and see what a generator makes of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import ImageOps

from dmlviz.geometry import cosine_similarity, normalize
from dmlviz.losses._checks import check_proxies
from dmlviz.plots.projection import as_points, pca_plane
from dmlviz.plots.style import BLACK, GREEN, ORANGE, PURPLE, QUIET, bare
from dmlviz.synthesis import NovelClassGenerator
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.view import FigureView

SAMPLES, NEAREST, MOST_CLASSES, PIXELS = 24, 6, 12, 96
FIRST, SECOND, OTHER = range(3)  # the roles of classes, and how each looks
LOOKS = ((ORANGE, "o", "first class"), (GREEN, "s", "second class"), (PURPLE, "^", "another"))
PATH = torch.linspace(-0.5, 1.5, 41)[:, None]


class State(NamedTuple):
    """What is generated, where it lies on the map, and what is nearest to it.

    `vectors (S, D)` are the samples, of which number 0 is the star; `roles (S,)` says whether the
    proxy nearest to each is that of the first class, the second or another, and `shares (3,)` how
    many of each there are; the path is that of the class vector over all mixes, and `novelty` its
    cosine to the nearest proxy. `rows`, `classes` and `cosines` are of the real embeddings nearest
    to the star (of the proxies where there are no images).
    """

    first: int
    second: int
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


class SynthesisExplorer(Explorer):
    """A trained generator, asked for a class between two real ones, or beyond them.

    The class vector is c̃ ∝ (1 - mix) p̂_first + mix p̂_second. Samples are v = G(c̃, noise · z) with
    z = cos(2π turn) z₀ + sin(2π turn) z₁, z₀ and z₁ drawn once: at every turn z is as normal as
    they are, and moves with the slider. Left: a fixed map, what is synthetic hollow. Right: the
    real images (without a data set the proxies) nearest to one sample, the star, in the embedding
    space and not on the map.

    Args:
        generator: trained.
        embeddings: `(N, D)` real ones.
        labels: `(N,)`, in 0…C-1.
        proxies: `(C, D)`.
        dataset: has `.image(i)` for row i, and `.classes`; None: no images.
        classes: names; None: those of the data set, or numbers.
        choose: classes to choose from, 2 to 12; None: twelve spread over those with embeddings.
        seed: of z₀ and z₁.
    """

    def __init__(
        self, generator: NovelClassGenerator, embeddings: Any, labels: Any, proxies: Any,
        dataset: Any = None, *, classes: Sequence[str] | None = None,
        choose: Sequence[int] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        if not isinstance(generator, NovelClassGenerator):
            raise TypeError(f"generator must be a NovelClassGenerator, got {type(generator)}")
        x, p = (torch.from_numpy(as_points(t).copy()) for t in (embeddings, proxies))
        self.labels = torch.as_tensor(labels).cpu()
        check_proxies(x, self.labels, p)
        if dataset is not None and len(dataset) != len(x):
            raise ValueError(f"embeddings must be those of {len(dataset)} images, got {len(x)}")
        names: Any = classes or getattr(dataset, "classes", range(len(p)))
        self.classes = [str(name) for name in names]
        if len(self.classes) < len(p):
            raise ValueError(f"classes must name all {len(p)}, got {len(self.classes)} names")
        self.generator, self.dataset = generator, dataset
        self.embeddings, self.proxies = normalize(x), normalize(p)
        self._real = (self.embeddings, self.labels)  # what is searched, and its classes
        if dataset is None:
            self._real = (self.proxies, torch.arange(len(p)))
        self.picture = lru_cache(500)(self._picture)  # decoding a photograph takes a while
        random = torch.Generator().manual_seed(seed)
        self._z = torch.randn(2, SAMPLES, generator.noise_size, generator=random)  # z₀, z₁
        present = self.labels.unique().tolist()
        spread = np.linspace(0, len(present) - 1, min(MOST_CLASSES, len(present))).round()
        choices = [present[int(i)] for i in spread] if choose is None else list(choose)
        if not 2 <= len(choices) <= MOST_CLASSES or not set(choices) <= set(present):
            raise ValueError(f"choose must be 2 to {MOST_CLASSES} labels, got {choices}")
        of = torch.isin(self.labels, torch.tensor(choices))  # the map shows these best
        self._mean, self._plane = pca_plane(torch.cat([self.embeddings[of], self.proxies[choices]]))
        options: dict[str, Any] = {"options": [(self.classes[c], c) for c in choices]}
        controls: dict[str, Any] = {}
        for name, c in zip(("first", "second"), choices, strict=False):
            controls[name] = ipywidgets.Dropdown(value=c, description=name, **options)
        ranges = {"mix": (0.5, -0.5, 1.5), "noise": (1.0, 0.0, 2.0), "turn": (0.0, 0.0, 1.0)}
        for name, (start, low, high) in ranges.items():
            limits = {"min": low, "max": high, "step": 0.02}
            controls[name] = ipywidgets.FloatSlider(start, description=name, **limits)
        look_for = (
            "Look for: at which mix do the samples change sides, and are any of neither class? "
            "What is left of them at noise 0, and what becomes of them at 2?"
        )
        super().__init__(controls, self._build_view(), look_for)
        self.widget.children[0].layout.flex_flow = "row wrap"  # five controls are too wide

    @torch.no_grad()
    def compute(  # type: ignore[override]
        self, *, first: int, second: int, mix: float, noise: float, turn: float
    ) -> State:
        p, (a, b) = self.proxies, self.proxies[[first, second], None]
        c, path = (normalize((1 - m) * a + m * b) for m in (mix, PATH))  # c̃
        angle = torch.tensor(2 * torch.pi * turn)
        z = noise * (angle.cos() * self._z[0] + angle.sin() * self._z[1])
        device = next(self.generator.parameters()).device
        v = self.generator(c.expand(SAMPLES, -1).to(device), z.to(device)).cpu()
        owner = cosine_similarity(v, p).argmax(dim=1)
        roles = torch.where(owner == second, SECOND, OTHER).masked_fill(owner == first, FIRST)
        real, y = self._real
        cosines, rows = cosine_similarity(v[:1], real)[0].topk(min(NEAREST, len(real)))
        return State(
            first, second, v.numpy(), self.project(c), self.project(v), self.project(path),
            roles.numpy(), roles.bincount(minlength=3).numpy() / SAMPLES,
            cosine_similarity(c, p).max().item(), rows.numpy(), y[rows].numpy(), cosines.numpy(),
        )  # fmt: skip

    def draw(self, state: State) -> None:
        self._map.move(state)
        self._nearest.move(state)

    def static(self) -> Figure:
        """The first class, half-way, and the second class."""
        figure = Figure(figsize=(9.6, 5.8))
        a, b = (self.classes[self.params[name]] for name in ("first", "second"))
        figure.suptitle(f"● first class: {a}     ■ second class: {b}", fontsize=10)
        for left, mix in ((0.01, 0.0), (0.343, 0.5), (0.676, 1.0)):
            state = self.compute(**self.params | {"mix": mix})
            space = _Map(figure.add_axes((left, 0.36, 0.315, 0.45)), self)
            space.ax.set_title(f"mix {mix:g}", fontsize=10, pad=30)
            space.move(state)
            _Nearest(figure.add_axes((left, 0.03, 0.315, 0.32)), self).move(state)
        return figure

    def project(self, vectors: torch.Tensor) -> np.ndarray:
        """Places on the map."""
        return (vectors.numpy() - self._mean) @ self._plane.T

    def _picture(self, row: int) -> np.ndarray:
        return np.asarray(ImageOps.fit(self.dataset.image(row).convert("RGB"), (PIXELS, PIXELS)))

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(8.6, 4.4), dpi=100)
        self._map = _Map(figure.add_axes((0.01, 0.15, 0.42, 0.72)), self)
        self._nearest = _Nearest(figure.add_axes((0.47, 0.04, 0.52, 0.83)), self)
        nearest = "proxies" if self.dataset is None else "real images"
        self._nearest.ax.set_title(f"{nearest} nearest to the star, and the cosine", fontsize=9)
        look: dict[str, Any] = {"loc": "lower left", "ncols": 2, "fontsize": 8, "frameon": False}
        figure.legend(*self._map.ax.get_legend_handles_labels(), columnspacing=1.2, **look)
        artists = [*self._map.artists, *self._nearest.artists]
        return FigureView(figure, artists, "Generated embeddings of a mixed class, on a map")


class _Map:
    """Real embeddings of the two classes in colour; what is generated, hollow; its shares."""

    def __init__(self, ax: Axes, explorer: SynthesisExplorer) -> None:
        self.ax, self.y = ax, explorer.labels.numpy()
        self.xy, self.p_xy = map(explorer.project, (explorer.embeddings, explorer.proxies))
        ends = np.concatenate([self.xy, self.p_xy])
        middle, reach = (ends.min(axis=0) + ends.max(axis=0)) / 2, 0.6 * np.ptp(ends, axis=0).max()
        limits = middle[:, None] + np.array([-1, 1]) * (reach or 1.0)
        bare(ax).set(xlim=limits[0], ylim=limits[1], aspect="equal")

        def line(marker: str, colour: str, size: float, xy: Any = ((), ()), **look: Any) -> Any:
            return ax.plot(*xy, marker, color=colour, markersize=size, **look)[0]

        line("o", QUIET, 2.5, self.xy.T, mew=0, alpha=0.6)
        filled, hollow = {"mec": "white", "mew": 0.4}, {"mfc": "none", "mew": 1.5}
        self.real = [line(m, c, 5, label=name, **filled) for c, m, name in LOOKS[:OTHER]]
        self.path = line(":", BLACK, 1, linewidth=1)
        self.proxies = [line("D", c, 9, mec=BLACK) for c, _, _ in LOOKS[:OTHER]]
        self.samples = [line(m, c, 8, **hollow) for c, m, _ in LOOKS]
        self.samples[OTHER].set_label("generated; form and colour: nearest proxy")
        self.vector = line("D", BLACK, 11, label="class vector of the mix", **hollow)
        self.star = line("*", BLACK, 18, **hollow)
        words: dict[str, Any] = {"transform": ax.transAxes, "va": "center", "fontsize": 8}
        ax.text(0, 1.11, "nearest proxy:", **words)
        ax.text(0.12, 1.04, "is the cosine of ◇ to its nearest proxy", **words)
        self.figures = [ax.text(0, 1.04, "", **words)]
        for x, (colour, marker, _) in zip((0.38, 0.58, 0.78), LOOKS, strict=True):
            line(marker, colour, 6, ([x], [1.11]), transform=ax.transAxes, clip_on=False, **hollow)
            self.figures.append(ax.text(x + 0.03, 1.11, "", **words))
        self.artists: list[Any] = [*self.real, self.path, *self.proxies, *self.samples]
        self.artists += [self.vector, self.star, *self.figures]

    def move(self, state: State) -> None:
        for i, c in enumerate((state.first, state.second)):
            self.real[i].set_data(*self.xy[self.y == c].T)
            self.proxies[i].set_data(*self.p_xy[[c]].T)
        self.path.set_data(*state.path_xy.T)
        for role, samples in enumerate(self.samples):
            samples.set_data(*state.samples_xy[state.roles == role].T)
        self.vector.set_data(*state.class_xy.T)
        self.star.set_data(*state.samples_xy[:1].T)
        figures = (f"{state.novelty:.2f}", *(f"{100 * share:.0f} %" for share in state.shares))
        for text, figure in zip(self.figures, figures, strict=True):
            text.set_text(figure)


class _Nearest:
    """What is nearest to the star: real images framed as their classes look, or bars."""

    def __init__(self, ax: Axes, explorer: SynthesisExplorer) -> None:
        self.ax, self.explorer, n = ax, explorer, min(NEAREST, len(explorer._real[0]))
        ax.axis("off")
        self.images: list[Any] = []
        self.boxes: list[Any] = []
        if explorer.dataset is None:
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
            ax.set(xlim=(-0.05, 3.25), ylim=(2.4, -0.05))
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
            name = self.explorer.classes[c] if role == OTHER or not self.images else ""
            name = name if len(name) < 14 else "…" + name[-12:]  # where names of a family differ
            self.words[i].set_text(f"{cosine:.2f} {name}")
            if self.images:
                self.images[i].set_data(self.explorer.picture(int(state.rows[i])))
            else:
                self.boxes[i].set(width=cosine, facecolor=colour)
