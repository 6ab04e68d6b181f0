"""SynthesisExplorer: mix two classes, turn the noise, and see what a generator makes of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from PIL import ImageOps

from dmlviz.geometry import cosine_similarity, normalize
from dmlviz.losses._checks import check_proxies
from dmlviz.plots.projection import as_points, pca_plane
from dmlviz.synthesis import NovelClassGenerator
from dmlviz.widgets.explorer import Explorer
from dmlviz.widgets.synthesis_panels import (
    FIRST,
    OTHER,
    SAMPLES,
    SECOND,
    NearestReal,
    State,
    SynthesisMap,
)
from dmlviz.widgets.view import FigureView

NEAREST, MOST_CLASSES, PIXELS = 6, 12, 96
PATH = torch.linspace(-0.5, 1.5, 41)[:, None]


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
        numbers = [f"class {c}" for c in range(len(p))]
        names: Any = classes or getattr(dataset, "classes", numbers)
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
            first, second, mix, v.numpy(), self.project(c), self.project(v), self.project(path),
            roles.numpy(), roles.bincount(minlength=3).numpy() / SAMPLES,
            cosine_similarity(c, p).max().item(), rows.numpy(), y[rows].numpy(), cosines.numpy(),
        )  # fmt: skip

    def draw(self, state: State) -> None:
        self._map.move(state)
        self._nearest.move(state)

    def static(self) -> Figure:
        """The first class, half-way, and the second class."""
        figure = Figure(figsize=(9.6, 6.4))
        a, b = (self.classes[self.params[name]] for name in ("first", "second"))
        for left, mix in ((0.01, 0.0), (0.343, 0.5), (0.676, 1.0)):
            state = self.compute(**self.params | {"mix": mix})
            space = self._new_map(figure.add_axes((left, 0.38, 0.315, 0.42)))
            space.ax.set_title(f"mix {mix:g}", fontsize=10, pad=44)
            space.move(state)
            ax = figure.add_axes((left, 0.08, 0.315, 0.26))
            self._new_nearest(ax, names=self.dataset is None).move(state)
        words: dict[str, Any] = {"loc": "upper center", "fontsize": 10, "frameon": False}
        names = [f"first class: {a}", f"second class: {b}"]
        figure.legend(space.real, names, ncols=2, markerscale=1.6, **words)
        _legend(figure, space)
        return figure

    def project(self, vectors: torch.Tensor) -> np.ndarray:
        """Places on the map."""
        return (vectors.numpy() - self._mean) @ self._plane.T

    def _picture(self, row: int) -> np.ndarray:
        return np.asarray(ImageOps.fit(self.dataset.image(row).convert("RGB"), (PIXELS, PIXELS)))

    def _new_map(self, ax: Axes) -> SynthesisMap:
        xy, p_xy = self.project(self.embeddings), self.project(self.proxies)
        return SynthesisMap(ax, xy, p_xy, self.labels.numpy())

    def _new_nearest(self, ax: Axes, names: bool = True) -> NearestReal:
        n = min(NEAREST, len(self._real[0]))
        nearest = "proxies" if self.dataset is None else "real images"
        ax.set_title(f"{nearest} nearest to the star, and the cosine", fontsize=8)
        picture = None if self.dataset is None else self.picture
        return NearestReal(ax, n, self.classes, picture, names)

    def _build_view(self) -> FigureView:
        figure = Figure(figsize=(8.6, 4.8), dpi=100)
        self._map = self._new_map(figure.add_axes((0.01, 0.11, 0.42, 0.74)))
        self._nearest = self._new_nearest(figure.add_axes((0.47, 0.11, 0.52, 0.82)))
        _legend(figure, self._map)
        artists = [*self._map.artists, *self._nearest.artists]
        return FigureView(figure, artists, "Generated embeddings of a mixed class, on a map")


def _legend(figure: Figure, space: SynthesisMap) -> None:
    key = space.key()
    look: dict[str, Any] = {"loc": "lower center", "ncols": 3, "fontsize": 8, "frameon": False}
    each = {tuple: HandlerTuple(ndivide=None, pad=0.6)}
    figure.legend(
        [*key], [*key.values()], handler_map=each, columnspacing=1.5, markerscale=0.8, **look
    )
