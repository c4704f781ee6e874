"""The log of a run: a CSV with one row a step, in which no step ever stands twice."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers.files import StorageError, UserError, replace_file

Row = dict[str, float]
NOT_LOSSES = ("step", "epoch", "lr", "total", "grad_norm", "skipped")  # nor are times


class StepLog:
    """Appends rows to `path`, after dropping all rows of steps later than `last_step`.

    A killed run has logged steps its checkpoint knows nothing of, and perhaps half a line; they are
    done again, so they are forgotten first.
    """

    def __init__(self, path: Path, *, last_step: int) -> None:
        header, *rows = _whole_lines(path) or [""]
        kept = [row for row in rows if int(row.split(",")[0]) <= last_step]
        self._columns = header.split(",") if kept else []
        text = "".join(f"{line}\n" for line in ([header, *kept] if kept else []))
        replace_file(path, lambda file: file.write(text.encode()))
        self._path = path
        self._file = path.open("a", newline="")
        self.close = self._file.close

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row, `step` first. Times may be other ones than those of a former version.

        Raises StorageError when it cannot be written, UserError when its losses are not those of
        the rows before.
        """
        text = "" if self._columns else ",".join(row) + "\n"
        self._columns = self._columns or list(row)
        odd = {n for n in set(self._columns) ^ set(row) if not n.startswith("seconds_")}
        if odd:
            raise UserError(
                f"step {row['step']} has other losses than {self._path} has columns "
                f"({', '.join(sorted(odd))}): a model has to return the same losses at every step"
            )
        text += ",".join(_text(row.get(name, math.nan)) for name in self._columns) + "\n"
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def sync(self) -> None:
        """Bring all rows to the disk: called before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())


def is_loss(column: str) -> bool:
    """Whether a column of the log is a part of the loss; `total` is the sum of them."""
    return column not in NOT_LOSSES and not column.startswith("seconds_")


def read_log(path: Path) -> pd.DataFrame:
    """The log as a table: step, epoch, lr, the losses, total, grad_norm, skipped and seconds.

    Empty when nothing was logged yet; half a line at the end (a run under way, or killed) is left
    out.
    """
    lines = _whole_lines(path)
    return pd.read_csv(io.StringIO("\n".join(lines))) if lines else pd.DataFrame()


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def _whole_lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []
