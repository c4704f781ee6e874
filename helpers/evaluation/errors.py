"""The one error of this room."""


class EvaluationError(ValueError):
    """Results that can not be scored; the message says which, why, and how to mend them."""
