"""Checkpoints: all a run needs to go on as if nothing had happened, whole or absent.

Random numbers need no place in them: every step starts from a state drawn from (seed, step,
process) alone, and so does the order of the pictures.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from helpers.files import TEMPORARY, StorageError, replace_file

KEPT = 2  # the newest and the one before it
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` steps.

    skipped: how many of them had a loss that was not finite, bad_in_row: how many of these are the
    last ones; digest: names the training data, to refuse going on with others; model, optimizer,
    scaler: their state dicts; average: that of the averaged weights, empty where none are kept.
    """

    step: int
    skipped: int
    digest: str
    model: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    bad_in_row: int = 0
    average: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, Any]:
        """The state dict to predict with: averaged weights where there are any."""
        return self.average or self.model


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Store a checkpoint in `folder` and delete all but the newest two.

    Raises StorageError when it cannot be written; former checkpoints are intact then.
    """
    path = folder / f"step_{checkpoint.step:08d}.pt"
    state = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    replace_file(path, lambda file: torch.save(state, file))
    for old in [*_all(folder)[:-KEPT], *folder.glob(f"*{TEMPORARY}")]:
        old.unlink(missing_ok=True)
    return path


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, on the CPU, or None when there is none at all.

    Only tensors and plain values are read, never code. Raises StorageError when all are damaged.
    """
    paths = _all(folder)
    for path in reversed(paths):
        try:
            with ZipFile(path) as archive:
                if archive.testzip() is not None:  # torch.load compares no checksums
                    raise BadZipFile("a checksum is wrong")
            return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # damaged bytes raise nearly anything
            reason = str(error).partition("\n")[0] or type(error).__name__
            logger.warning("%s cannot be read (%s); trying the one before it", path, reason)
    if paths:
        raise StorageError(
            f"no checkpoint in {folder} can be read: delete the folder to start anew"
        )
    return None


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"))
