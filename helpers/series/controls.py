"""A picture with controls beside it: sliders and boxes in JupyterLab, the picture alone elsewhere.

Every small widget of the series is one of these: a function that draws a `Picture` from values, and
the ipywidgets controls that give the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from helpers.drawing_style import Picture
from helpers.training.progress import someone_watches

LABELS = {"description_width": "8em"}


class Controlled:
    """`draw(**values)` shown anew whenever one of the controls changes.

    controls: ipywidgets with a `value`, by the name of the argument they set. Where nobody watches
    (papermill, an exported page) the picture of the first values stands in the widget's place, and
    no widget is stored.
    """

    def __init__(
        self,
        draw: Callable[..., Picture],
        controls: Mapping[str, ipywidgets.Widget],
        *,
        beside: bool = False,
        width: int = 760,
    ) -> None:
        self.draw, self.controls = draw, dict(controls)
        self._still = draw(**self.values)
        mime, content = self._still.encoded()
        self.image = ipywidgets.Image(
            value=content, format=mime.removeprefix("image/"), layout={"max_width": f"{width}px"}
        )
        panel = ipywidgets.VBox(list(self.controls.values()))
        order = (self.image, panel) if beside else (panel, self.image)
        self.widget = (ipywidgets.HBox if beside else ipywidgets.VBox)(order)
        for control in self.controls.values():
            control.observe(self._redraw, names="value")

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    def _redraw(self, change: Any = None) -> None:
        self.image.value = self.draw(**self.values).encoded()[1]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = self._still.bundle()
        if not someone_watches():
            return still
        return {**self.widget._repr_mimebundle_(include=include, exclude=exclude), **still}


def choice(
    label: str, options: list[Any] | list[tuple[str, Any]], value: Any
) -> ipywidgets.Dropdown:
    """A list to choose one of."""
    return ipywidgets.Dropdown(options=options, value=value, description=label, style=LABELS)


def slider(
    label: str, value: float, *, low: float, high: float, step: float
) -> ipywidgets.IntSlider | ipywidgets.FloatSlider:
    """A slider that reports when it is let go; whole numbers where `step` is an int."""
    kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=label, continuous_update=False,
        style=LABELS, layout={"width": "30em"},
    )  # fmt: skip


def tick(label: str, value: bool) -> ipywidgets.Checkbox:
    """A box to tick."""
    return ipywidgets.Checkbox(value=value, description=label, indent=False)
