"""What can go wrong in this room, told in one sentence that says how to mend it."""


class ModelError(ValueError):
    """A model cannot be built, or was given input it cannot work with."""


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit the model it is loaded into."""
