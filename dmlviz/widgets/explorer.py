"""What every widget is: controls, a pure `compute`, a `draw`, and a picture.

Moving a control calls `compute(**params)` and draws its result.
"""

import html
from abc import ABC, abstractmethod
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from dmlviz.widgets.controls import Controlled
from dmlviz.widgets.view import FigureView


class Explorer(Controlled, ABC):
    """Base of the widgets: subclasses give controls, a view, `compute` and `draw`.

    Args:
        controls: widgets with a `.value`, by parameter name.
        view: the picture.
        look_for: one line that says what to look for.
        extra: widgets beside the controls.
        beside: a widget at the left of the picture.
    """

    def __init__(
        self, controls: dict[str, Any], view: FigureView, look_for: str,
        extra: tuple[Any, ...] = (), beside: ipywidgets.DOMWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.controls, self.view = controls, view
        hint = ipywidgets.HTML(f"<i>{html.escape(look_for)}</i>")
        row = ipywidgets.HBox([*controls.values(), *extra])
        picture = view.image
        if beside is not None:
            picture = ipywidgets.HBox([beside, view.image])
            picture.layout.flex_flow = "row wrap"
        self.widget = ipywidgets.VBox([row, picture, hint, self.message])
        for control in controls.values():
            control.observe(self._changed, "value")
        self._redraw()

    @abstractmethod
    def compute(self, **params: Any) -> Any:
        """What the picture shows for these parameters; touches nothing."""

    @abstractmethod
    def draw(self, state: Any) -> None:
        """Move the artists to this state."""

    @abstractmethod
    def static(self) -> Figure:
        """Small multiples that tell the same story on paper."""

    def _changed(self, _: Any) -> None:
        self._redraw()

    def _redraw(self) -> None:
        self._guard(lambda: self.draw(self.compute(**self.params)))
        self.view.show()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and beside it the picture for readers without a kernel."""
        return self.view.mimebundle(self.widget)
