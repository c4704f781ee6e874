"""The one error of this room."""


class PredictionError(ValueError):
    """A picture, or a folder of predictions, that can not be used; the message names the remedy."""
