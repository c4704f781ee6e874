"""A stand-in for detectron2, for tests where the real library is not installed.

Names, signatures, types and defaults are those of release 0.6, as far as this project uses them;
the names and shapes of weights are those that detectron2 wrote into the golden files. The answers
are our own models': this proves the plumbing and no number.
"""
