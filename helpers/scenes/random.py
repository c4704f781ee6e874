"""Random numbers that stay the same: one Philox stream per purpose, our own transforms.

numpy promises the raw bits of a bit generator across its versions, but not the values of
`Generator.uniform`, `.normal` and the like. So only raw bits are taken from it here, and every
distribution is made from them by hand.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Stream:
    """An endless sequence of random numbers; two streams of one key give the same numbers."""

    def __init__(self, key: bytes) -> None:
        self._bits = np.random.Philox(key=np.frombuffer(key, dtype="<u8").astype(np.uint64))

    def _raw(self) -> int:
        return int(self._bits.random_raw())

    def random(self) -> float:
        """A float in [0, 1), a multiple of 2**-53."""
        return (self._raw() >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self.random()

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def integers(self, low: int, high: int | None = None) -> int:
        """An integer in [low, high), or in [0, low) when `high` is left out."""
        start, stop = (0, low) if high is None else (low, high)
        return start + ((self._raw() * (stop - start)) >> 64)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.integers(len(options))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, with probability proportional to its weight."""
        left = self.random() * sum(weights.values())
        for option, weight in weights.items():
            left -= weight
            if left < 0:
                return option
        return option

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """A normally distributed float (Box and Muller's transform, one value of the pair)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.random()))
        return mean + deviation * radius * math.cos(math.tau * self.random())


def stream(seed: int, *key: int | str) -> Stream:
    """The stream of one purpose, as in `stream(config.seed, "train", room, "layout")`.

    Streams of different keys have nothing to do with each other, so drawing one number more in
    one place changes nothing elsewhere. Integers and strings are told apart: 1 is not "1".
    """
    words = [f"s{len(k)}:{k}" if isinstance(k, str) else f"i{operator.index(k)}" for k in key]
    text = "/".join([f"i{operator.index(seed)}", *words])
    return Stream(hashlib.blake2b(text.encode(), digest_size=16).digest())
