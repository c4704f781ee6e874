"""Training progress: a bar for a person who watches, plain lines for a file, TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm.auto import tqdm

from helpers.files import UserError
from helpers.training.log import Row, is_loss

LINES = 20  # in a whole run that nobody watches


def someone_watches() -> bool:
    """Whether the running cell was sent by an interactive front end.

    Such a front end (JupyterLab, Notebook, VS Code) offers to answer `input()`; papermill,
    nbconvert and a plain interpreter do not.
    """
    from IPython import get_ipython  # slow to import

    kernel = getattr(get_ipython(), "kernel", None)
    request = kernel.get_parent("shell") if kernel is not None else None
    return bool(request and request.get("content", {}).get("allow_stdin", False))


class ProgressBar:
    """Shows each row of the log: on a terminal or in a watched notebook as a bar.

    Elsewhere (papermill, a job's log file) as a line at every twentieth of the way.
    """

    def __init__(self, total: int, *, done: int, shown: bool = True) -> None:
        watched = shown and (sys.stderr.isatty() or someone_watches())
        self._total, self._lines = total, shown and not watched
        self._bar = tqdm(total=total, initial=done, unit="step", disable=not watched)

    def __enter__(self) -> ProgressBar:
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


class TensorBoard:
    """The log once more, for TensorBoard, which has to be installed: else UserError.

    What earlier files in `folder` say of steps later than `after` is forgotten: a killed run had
    logged some that are done again.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "TensorBoard is asked for and not installed: `pip install tensorboard`, or do "
                "without (--tensorboard, tensorboard=True); log.csv holds the same numbers"
            ) from error
        self._writer = SummaryWriter(folder, purge_step=after + 1)
        self.close = self._writer.close

    def __call__(self, row: Row) -> None:
        """Add the row of a step: losses, times and the rest, in groups."""
        for name, value in row.items():
            if name not in ("step", "epoch"):
                self._writer.add_scalar(_tag(name), value, row["step"])


def _tag(name: str) -> str:
    """TensorBoard groups by what stands before the slash."""
    if name.startswith("seconds_"):
        return name.replace("_", "/", 1)
    return f"loss/{name}" if name == "total" or is_loss(name) else name


def _summary(row: Row) -> str:
    parts = " ".join(f"{name} {value:.3g}" for name, value in row.items() if is_loss(name))
    return f"loss {row['total']:.3g} ({parts}), lr {row['lr']:.2g}"
