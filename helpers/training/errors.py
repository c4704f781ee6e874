"""What can go wrong in training and be mended by the user."""

from __future__ import annotations


class TrainingError(ValueError):
    """Training cannot start or go on; the message says why and how to mend it."""


class NonFiniteError(TrainingError):
    """Losses or gradients were not finite too often in a row."""


class RunBusyError(TrainingError):
    """Another process is at work in the same run folder."""


class StorageError(OSError):
    """Something could not be written or read back; what was stored before is intact."""
