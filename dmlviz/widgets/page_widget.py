"""PageWidget: what our widgets with code in the page have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anywidget
import traitlets
from matplotlib.figure import Figure

from dmlviz.widgets.view import as_png


class PageWidget(anywidget.AnyWidget):
    """An anywidget that says what went wrong, and leaves a picture where there is no kernel."""

    _message = traitlets.Unicode().tag(sync=True)  # an error, in words

    def static(self) -> Figure:
        """The widget as it stands, on paper."""
        raise NotImplementedError

    def _words(self) -> str:
        """What it shows, in words."""
        raise NotImplementedError

    def _failed(self) -> None:
        """Take back what an error has made wrong."""

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """JupyterLab hides the errors of callbacks: show them in words, and raise them as well."""
        try:
            yield
            self._message = ""
        except Exception as error:
            self._tell(error)
            self._failed()
            raise

    def _tell(self, error: Exception) -> None:
        self._message = f"{type(error).__name__}: {error}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and beside it a picture for readers without a kernel."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data["text/plain"] = self._words()
        try:
            data["image/png"] = as_png(self.static())
        except Exception as error:  # the live widget is there all the same
            self._tell(error)
        return data, metadata
