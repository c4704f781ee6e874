"""How far a training is: a bar for a person who watches, plain lines for a file."""

from __future__ import annotations

import sys

from tqdm.auto import tqdm

from helpers.training.log import Row
from helpers.watching import someone_watches

LINES = 20  # in a whole run that nobody watches


class Progress:
    """Shows each row of the log: on a terminal or in a watched notebook as a bar.

    Elsewhere (papermill, a job's log file) as a line at every twentieth of the way.
    """

    def __init__(self, total: int, *, done: int, shown: bool = True) -> None:
        watched = shown and (sys.stderr.isatty() or someone_watches())
        self._total, self._lines = total, shown and not watched
        self._bar = tqdm(total=total, initial=done, unit="step", disable=not watched)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def __call__(self, row: Row) -> None:
        """Show the row of a step."""
        self._bar.set_postfix_str(_summary(row), refresh=False)
        self._bar.update()
        step, total = row["step"], self._total
        if self._lines and step * LINES // total > (step - 1) * LINES // total:
            seconds = row["seconds_data"] + row["seconds_step"]
            tqdm.write(f"step {step} of {total}: {_summary(row)}, {seconds:.2g} s a step")


def _summary(row: Row) -> str:
    names = list(row)[list(row).index("lr") + 1 : list(row).index("total")]
    parts = " ".join(f"{name} {row[name]:.3g}" for name in names)
    return f"loss {row['total']:.3g} ({parts}), lr {row['lr']:.2g}"
