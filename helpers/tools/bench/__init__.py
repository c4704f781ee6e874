"""The fast paths timed against what others offer: `python -m helpers bench`."""
