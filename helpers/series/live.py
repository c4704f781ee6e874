"""Curves and predictions that grow while a notebook trains, for the person who watches.

Nothing is drawn where nobody watches (papermill, a plain shell, a test): the log of the run has it
all, and `figures.loss_curves` draws the finished curve.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.data.index import InstanceIndex
from helpers.drawing import grid
from helpers.drawing_style import Picture
from helpers.series.figures import loss_curves
from helpers.series.panels import truth_and_prediction
from helpers.training.progress import someone_watches

if TYPE_CHECKING:
    from helpers.runs import Preview

SCORE = 0.3  # predictions below it are not shown: an early model finds too much


class LiveCurve:
    """Callback for a training loop: `LiveCurve("quick")(row)` with one row of its log.

    A row maps names to numbers; it must hold `step`, `lr` and `total`. The picture is renewed in
    place at most every `seconds`; `close()`, or the end of a `with` block however it comes, removes
    it, and that of `preview`. Wherever nobody watches (`watched` says so), calls cost nothing.
    """

    def __init__(self, title: str, *, seconds: float = 3.0) -> None:
        self.title = title
        self.seconds = seconds
        self.rows: list[Mapping[str, float]] = []
        self._handles: dict[str, Any] = {}
        self._drawn = 0.0
        self.watched = someone_watches()

    def __enter__(self) -> LiveCurve:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, row: Mapping[str, float]) -> None:
        if not self.watched:
            return
        self.rows.append(dict(row))
        if len(self.rows) > 1 and time.monotonic() - self._drawn >= self.seconds:
            self._show("curves", loss_curves(pd.DataFrame(self.rows), title=self.title))
            self._drawn = time.monotonic()

    def preview(self) -> Preview | None:
        """For `get_or_train`: early predictions below the curves; None where nobody watches."""
        from helpers.runs import Preview

        return Preview(self.look) if self.watched else None

    def look(self, step: int, index: InstanceIndex, results: Sequence[Mapping[str, Any]]) -> None:
        """Show the pictures of `index`, each with its truth and with these COCO results."""
        panels = truth_and_prediction(index, results, range(len(index)), score=SCORE)
        panels[1::2] = [replace(p, title=f"step {step}: {p.title}") for p in panels[1::2]]
        alt = f"{self.title}: truth and predictions of {len(index)} pictures after step {step}"
        self._show("look", grid(panels, columns=min(len(panels), 6), alt=alt, cell=2.2))

    def close(self) -> None:
        """Take the live pictures away; the finished curve follows in its own cell."""
        for handle in self._handles.values():
            handle.update({"text/plain": ""}, raw=True)
        self._handles = {}

    def _show(self, place: str, picture: Picture) -> None:
        from IPython.display import DisplayHandle

        if place in self._handles:
            self._handles[place].update(picture.bundle(), raw=True)
        else:
            self._handles[place] = DisplayHandle()
            self._handles[place].display(picture.bundle(), raw=True)
