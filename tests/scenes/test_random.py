"""Streams: the same key gives the same numbers for ever, another key others."""

from __future__ import annotations

import pytest

from helpers.scenes.random import stream


def draws(*key) -> list[float]:
    source = stream(*key)
    return [source.random() for _ in range(5)]


def test_first_numbers_never_change():
    source = stream(0, "train", 7)
    assert [source.random() for _ in range(2)] == [0.7062443796780803, 0.9269974156760511]
    source = stream(3)
    assert [source.integers(1000) for _ in range(4)] == [606, 49, 207, 100]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (2,)),
        ((0, 1), (0, "1")),
        ((0, "ab", "c"), (0, "a", "bc")),
        ((0, "a/i1"), (0, "a", 1)),
    ],
)
def test_different_keys_differ(one, other):
    assert draws(*one) == draws(*one) != draws(*other)


def test_ranges_and_weights():
    source = stream(1)
    uniform = [source.uniform(-2, 3) for _ in range(2000)]
    assert -2 <= min(uniform) < -1.9 and 2.9 < max(uniform) < 3
    assert {source.integers(2, 5) for _ in range(100)} == {2, 3, 4}
    assert {source.choice("xyz") for _ in range(100)} == set("xyz")
    picked = [source.weighted({"often": 0.8, "never": 0.0, "seldom": 0.2}) for _ in range(5000)]
    assert picked.count("never") == 0
    assert picked.count("seldom") / 5000 == pytest.approx(0.2, abs=0.03)
