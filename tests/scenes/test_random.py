"""Streams: the same key gives the same numbers for ever, another key others."""

import math

import numpy as np
import pytest

from helpers.scenes.random import stream

GOLDEN = [
    0.7062443796780803,
    0.9269974156760511,
    0.3130549784753248,
    0.7461821995321912,
    0.5039906630044648,
]
GOLDEN_INTEGERS = [606, 49, 207, 100]


def draws(*key, count=5):
    source = stream(*key)
    return [source.random() for _ in range(count)]


def test_first_numbers_never_change():
    assert draws(0, "train", 7) == GOLDEN
    source = stream(3)
    assert [source.integers(1000) for _ in range(4)] == GOLDEN_INTEGERS


def test_same_key_same_numbers():
    assert draws(5, "room", 2) == draws(5, "room", 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (2,)),
        ((0, 1), (0, "1")),
        ((0, "ab", "c"), (0, "a", "bc")),
        ((0, 1, 2), (0, 12)),
        ((0, "a/i1"), (0, "a", 1)),
    ],
)
def test_different_keys_differ(one, other):
    assert draws(*one) != draws(*other)


def test_numpy_integers_are_keys_like_python_ones():
    assert draws(0, np.int64(4)) == draws(0, 4)


def test_streams_do_not_disturb_each_other():
    first, second = stream(0, "a"), stream(0, "b")
    mixed = [value for _ in range(5) for value in (first.random(), second.random())]
    assert mixed[::2] == draws(0, "a")
    assert mixed[1::2] == draws(0, "b")


def test_ranges():
    source = stream(1)
    uniform = [source.uniform(-2, 3) for _ in range(2000)]
    assert -2 <= min(uniform) < -1.9 and 2.9 < max(uniform) < 3
    assert {source.integers(2, 5) for _ in range(100)} == {2, 3, 4}
    assert {source.integers(3) for _ in range(100)} == {0, 1, 2}
    assert {source.choice("xyz") for _ in range(100)} == set("xyz")
    share = sum(source.chance(0.2) for _ in range(5000)) / 5000
    assert share == pytest.approx(0.2, abs=0.03)


def test_uniform_numbers_fill_the_unit_interval_evenly():
    source = stream(2)
    counts = np.bincount([int(10 * source.random()) for _ in range(20000)], minlength=10)
    chi_squared = float(((counts - 2000) ** 2 / 2000).sum())
    assert len(counts) == 10 and chi_squared < 30


def test_normal_numbers_are_normal():
    source = stream(4)
    values = np.array([source.normal(2, 3) for _ in range(20000)])
    assert values.mean() == pytest.approx(2, abs=0.1)
    assert values.std() == pytest.approx(3, abs=0.1)
    within = float((np.abs(values - 2) < 3).mean())
    assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.015)


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match=r"integers\(3, 3\)"):
        stream(0).integers(3, 3)
