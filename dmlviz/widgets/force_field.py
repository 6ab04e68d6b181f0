"""ForceField: drag points along the unit circle, and see how a loss would move them."""

import math
import threading
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from dmlviz.plots.forces import FAINT, force_field, forces, in_the_plane, owns_proxies
from dmlviz.plots.style import CLASS_COLORS, CLASS_MARKERS, MARKER_WORDS, QUIET
from dmlviz.widgets.browser_traits import STATIC, one_module
from dmlviz.widgets.force_inputs import Degrees, angles_of, points_at, read_field
from dmlviz.widgets.page_widget import PageWidget

LENGTH = 0.45  # of the longest arrow, in radii
STEP = 4.0  # degrees
NO_FORCE = 1e-12


class ForceField(PageWidget):
    """Points on the unit circle that can be dragged, and an arrow for the force on each.

    The force on a point x is -∂l/∂x; only its part along the circle moves the point, which is
    `force · t` with t = (-sin θ, cos θ) at the angle θ. The longest arrow always has the same
    length, the others are in proportion; where even the strongest force is below 0.001, there are
    none. Of a loss that owns proxies, these are hollow diamonds
    and can be dragged, too.

    Keys: Tab, or up and down, goes from point to point; left and right (or [ and ]) move it by 2°;
    Escape lets go. "step" moves all points (not the proxies) a little along their arrows, "let go"
    does so until they rest, "reset" puts all back.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning, called as
            `loss(embeddings, labels)`. It is not changed.
        embeddings: `(N, 2)`, of which only the direction counts; None: the twelve points of
            `plots.forces.configuration("mixed")`, with their labels and proxies.
        labels: `(N,)` integers; 0…C-1 where the loss owns proxies.
        proxies: `(C, 2)` directions, for a loss that owns proxies.

    Attributes, of which the first three may be set, and the first two be observed:
        angles: of the points, `(N,)`, in degrees counter-clockwise from the right, 0 ≤ θ < 360.
        proxy_angles: of the proxies, `(C,)`, likewise; empty without proxies.
        loss: another one of the same kind shows its forces at once.
        value: of the loss.
        force: on each point, `(N, 2)`.

    Raises:
        ValueError, TypeError: for input that does not fit; the words name the argument.

    >>> from dmlviz import losses
    >>> field = ForceField(losses.ContrastiveLoss(margin=0.5), [[1, 0], [0, 1]], [0, 0])
    >>> field.angles = (0, 60)
    >>> round(field.value, 3)
    0.5
    >>> field.step(size=10)
    10.0
    >>> field.angles
    (10.0, 50.0)
    """

    _esm = one_module("page.js", "sprites.js", "force_field_circle.js", "force_field.js")
    _css = (STATIC / "force_field.css").read_text(encoding="utf-8")

    angles = Degrees("_n").tag(sync=True)
    proxy_angles = Degrees("_c").tag(sync=True)
    _look = traitlets.Dict().tag(sync=True)  # what stays
    _arrows = traitlets.Dict().tag(sync=True)  # lengths along the circle, and the caption

    def __init__(
        self, loss: nn.Module, embeddings: Any = None, labels: Any = None, *, proxies: Any = None
    ) -> None:
        given = read_field(loss, embeddings, labels, proxies)
        self._loss, self.labels = loss, given.labels
        self._n, self._c = len(given.angles), len(given.proxy_angles)
        self._start = given.angles, given.proxy_angles
        self._lock = threading.RLock()  # a slider may move while a point is dragged
        look = {
            "labels": given.labels.tolist(), "classes": CLASS_COLORS, "markers": CLASS_MARKERS,
            "quiet": QUIET, "step": STEP, "key": self.key,
        }  # fmt: skip
        super().__init__(angles=given.angles, proxy_angles=given.proxy_angles, _look=look)

    @property
    def key(self) -> str:
        """What the marks are, in words."""
        classes = np.unique(self.labels.numpy()).tolist()
        marks = " ".join(dict.fromkeys(MARKER_WORDS[c % 8] for c in classes))
        some = {1: "one class", 2: "two classes", 3: "three classes"}
        images = f"{marks} images of {some.get(len(classes), f'{len(classes)} classes')}"
        proxy = "◇ proxy · " if self._c else ""
        return f"{proxy}{images} · no arrow: (almost) no force"

    @property
    def loss(self) -> nn.Module:
        return self._loss

    @loss.setter
    def loss(self, loss: nn.Module) -> None:
        if not isinstance(loss, nn.Module) or owns_proxies(loss) != bool(self._c):
            kind = "that owns proxies" if self._c else "without proxies"
            raise ValueError(f"loss must be one {kind}, like that before, got {loss!r}")
        self._loss = loss
        self._measure()

    def step(self, size: float = STEP) -> float:
        """Let all points move along their arrows, the one with the longest by `size` degrees.

        Proxies stay. Returns how far that was: 0 where no point feels a force.
        """
        if not (isinstance(size, int | float) and 0 < size < math.inf):
            raise ValueError(f"size must be a positive number of degrees, got {size!r}")
        if math.isnan(self.value):
            self._measure()  # and say again what is wrong
        along = self._along(torch.from_numpy(self.force))
        longest = along.abs().max().item()
        if longest < NO_FORCE:
            return 0.0
        self.angles = tuple(
            (torch.tensor(self.angles, dtype=along.dtype) + size / longest * along).tolist()
        )
        return float(size)

    def reset(self, embeddings: Any = None, proxies: Any = None) -> None:
        """Put all back where it was at first; or begin anew, at other places `(N, 2)`, `(C, 2)`."""
        angles, proxy_angles = self._start
        angles = angles if embeddings is None else angles_of("embeddings", embeddings)
        if proxies is not None and self._c:
            proxy_angles = angles_of("proxies", proxies)
        self.angles, self.proxy_angles = angles, proxy_angles
        self._start = self.angles, self.proxy_angles

    def sweep(self) -> int:
        """Move each point and each proxy by 120° and back, and take a step.

        Returns how many states were visited; what fails in any of them is raised.
        """
        before = self.angles
        for name in ("angles", "proxy_angles"):
            start = getattr(self, name)
            for i, angle in enumerate(start):
                setattr(self, name, (*start[:i], angle + 120, *start[i + 1 :]))
            setattr(self, name, start)
        self.step()
        self.angles = before
        return self._n + self._c + 1

    def draw(self, ax: Axes) -> Axes:
        """The field as it stands, on paper."""
        proxies = points_at(self.proxy_angles) if self._c else None
        force_field(self.loss, points_at(self.angles), self.labels, proxies=proxies, ax=ax)
        ax.set_title(self._arrows["caption"], fontsize=10)
        ax.set_xlabel(self.key.replace(" · no", "\nno"), fontsize=8.5)
        return ax

    def static(self) -> Figure:
        """A figure of the field as it stands."""
        figure = Figure(figsize=(4.2, 4.2), layout="constrained")
        self.draw(figure.add_subplot())
        return figure

    # --- forces -----------------------------------------------------------------------------------

    @traitlets.observe("angles", "proxy_angles")
    def _measure(self, _: Any = None) -> None:
        with self._lock, self._guard():
            proxies = points_at(self.proxy_angles)
            loss = in_the_plane(self.loss, proxies)
            value, force = forces(loss, points_at(self.angles), self.labels)
            if not (math.isfinite(value) and force.isfinite().all()):
                raise ValueError(f"the loss is {value:g} here, or its slope is not finite")
            self.value, self.force = value, force.numpy()
            along = self._along(force)
            longest = along.abs().max().item()
            lengths = along * (LENGTH / longest if longest > FAINT else 0.0)
            caption = f"loss {value:.3g}, longest arrow: force {longest:.3g}"
            self._arrows = {"along": lengths.tolist(), "caption": caption}

    def _along(self, force: Tensor) -> Tensor:
        """The forces `(N,)` counter-clockwise."""
        x = points_at(self.angles)
        return (force * torch.stack([-x[:, 1], x[:, 0]], dim=1)).sum(dim=1)

    # --- to and from the page ---------------------------------------------------------------------

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:
        """The page asks for a step at a time: the answer lets it ask again."""
        super()._handle_custom_msg(content, buffers)
        if content.get("type") == "reset":
            self.reset()
        elif content.get("type") == "step":
            moved = 0.0
            try:
                moved = self.step(content["size"])
            finally:
                self.send({"type": "stepped", "moved": moved})

    def _failed(self) -> None:
        self._arrows = {"along": [], "caption": ""}  # those of other places would be wrong
        self.value, self.force = math.nan, np.full((self._n, 2), math.nan)

    def _words(self) -> str:
        return f"Forces of {type(self.loss).__name__} on {self._n} points of a circle"
