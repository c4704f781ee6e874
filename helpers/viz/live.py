"""A loss curve that grows while a notebook trains, for the person who watches it.

Nothing is drawn where nobody watches (papermill, a plain shell, a test): the log of the run has it
all, and `figures.loss_curves` draws the finished curve.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.viz.figures import loss_curves


class LiveCurve:
    """Callback for a training loop: `LiveCurve("quick")(row)` with one row of its log.

    A row maps names to numbers; it must hold `step` and `total`. The picture is renewed in place at
    most every `seconds`; `close()` removes it. Wherever nobody watches (`watched` says so), calls
    cost nothing.
    """

    def __init__(self, title: str, *, seconds: float = 3.0) -> None:
        self.title = title
        self.seconds = seconds
        self.rows: list[Mapping[str, float]] = []
        self._handle: Any = None
        self._drawn = 0.0
        self.watched = someone_watches()

    def __call__(self, row: Mapping[str, float]) -> None:
        if not self.watched:
            return
        self.rows.append(dict(row))
        if len(self.rows) > 1 and time.monotonic() - self._drawn >= self.seconds:
            self._draw()
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Take the live picture away; the finished curve follows in its own cell."""
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)
            self._handle = None

    def _draw(self) -> None:
        from IPython.display import DisplayHandle

        bundle = loss_curves(pd.DataFrame(self.rows), title=self.title).bundle()
        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(bundle, raw=True)
        else:
            self._handle.update(bundle, raw=True)


def someone_watches() -> bool:
    """Whether the running cell was sent by a front end with a person before it.

    Such a front end (JupyterLab, Notebook, VS Code) offers to answer `input()`; papermill,
    nbconvert and a plain interpreter do not.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))
