"""The log of a run: a CSV with one row a step, in which no step ever stands twice."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers.files import StorageError, UserError, replace_file

Row = dict[str, float]


class StepLog:
    """Appends rows to `path`, after dropping all rows of steps later than `last_step`.

    A killed run has logged steps its checkpoint knows nothing of, and perhaps half a line; they are
    done again, so they are forgotten first. Columns are those of the first row; times that a later
    version takes beside them are left out.
    """

    def __init__(self, path: Path, *, last_step: int) -> None:
        columns, rows = _whole_rows(path)
        kept = [row for row in rows if int(row[0]) <= last_step]
        self.columns = columns if kept else []
        lines = [columns, *kept] if kept else []
        text = "".join(",".join(line) + "\n" for line in lines)
        replace_file(path, lambda file: file.write(text.encode()) and None)
        self._path = path
        self._file = path.open("a", newline="")
        self.close = self._file.close

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row, `step` first.

        Raises StorageError when it cannot be written, UserError when its losses are not those of
        the rows before.
        """
        lines = [] if self.columns else [list(row)]
        self.columns = self.columns or list(row)
        odd = set(self.columns) ^ {n for n in row if n in self.columns or n[:8] != "seconds_"}
        if odd:
            raise UserError(
                f"step {row['step']} has other losses than {self._path} has columns "
                f"({', '.join(sorted(odd))}): a model has to return the same losses at every step"
            )
        lines.append([_text(row[name]) for name in self.columns])
        try:
            csv.writer(self._file, lineterminator="\n").writerows(lines)
            self._file.flush()
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def sync(self) -> None:
        """Bring all rows to the disk: called before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())


def read_log(path: Path) -> pd.DataFrame:
    """The log as a table: step, epoch, lr, the losses, total, grad_norm, skipped and seconds.

    Empty when nothing was logged yet; half a line at the end (a run under way, or killed) is left
    out.
    """
    columns, rows = _whole_rows(path)
    text = "\n".join(",".join(line) for line in [columns, *rows])
    return pd.read_csv(io.StringIO(text)) if columns else pd.DataFrame()


def _whole_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    text = path.read_text() if path.exists() else ""
    lines = [line.split(",") for line in text.split("\n")[:-1]]
    columns = lines[0] if lines else []
    return columns, [line for line in lines[1:] if len(line) == len(columns)]


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"
