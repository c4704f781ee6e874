"""Streams: the same key gives the same numbers for ever, another key others."""

from __future__ import annotations

from helpers.scenes.random import stream


def test_first_numbers_never_change():
    source = stream(0, "train", 7)
    assert [source.random() for _ in range(2)] == [0.7062443796780803, 0.9269974156760511]
    source = stream(3)
    assert [source.integers(1000) for _ in range(4)] == [606, 49, 207, 100]
