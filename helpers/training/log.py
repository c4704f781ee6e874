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
    done again, so they are forgotten first. Columns are those of the first row; times that a
    younger version takes beside them are left out.
    """

    def __init__(self, path: Path, *, last_step: int) -> None:
        self.columns, rows = _whole_rows(path)
        kept = [row for row in rows if int(row[0]) <= last_step]
        lines = [self.columns, *kept] if kept else []
        text = "".join(",".join(line) + "\n" for line in lines)
        replace_file(path, lambda file: file.write(text.encode()) and None)
        self.columns = self.columns if kept else []
        self._path = path
        self._file = path.open("a", newline="")

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row, `step` first. Raises StorageError when it cannot be written."""
        writer = csv.writer(self._file, lineterminator="\n")
        try:
            if not self.columns:
                self.columns = list(row)
                writer.writerow(self.columns)
            self._check(row)
            writer.writerow([_text(row[name]) for name in self.columns])
            self._file.flush()
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def sync(self) -> None:
        """Bring all rows to the disk: called before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _check(self, row: Mapping[str, float]) -> None:
        younger = {name for name in row if name.startswith("seconds_")}
        odd = sorted((set(row) ^ set(self.columns)) - younger)
        if odd:
            raise UserError(
                f"step {row['step']} has other losses than {self._path} has columns "
                f"({', '.join(odd)}): a model has to return the same losses at every step"
            )


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
    if not lines:
        return [], []
    return lines[0], [line for line in lines[1:] if len(line) == len(lines[0])]


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"
