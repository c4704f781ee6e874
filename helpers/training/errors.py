"""The one error of training that is more than a message."""

from __future__ import annotations

from helpers.files import UserError


class NonFiniteError(UserError):
    """Losses or gradients were not finite too often in a row."""
