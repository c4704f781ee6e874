"""The rows of the paper's tables as configs, what was measured of them, and how it is checked."""
