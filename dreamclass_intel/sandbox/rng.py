"""Randomness that is a pure function of (seed, day, stream name): what keeps the past fixed.

Lives here: named numpy streams and `Draw`, a cheap scalar front to one stream. No process parameters.
Python's own `hash()` is never used (it is salted per process); stream names are hashed with CRC-32.
"""

from __future__ import annotations

import bisect
import math
import zlib
from collections.abc import Sequence
from statistics import NormalDist
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
_NORMAL = NormalDist()
_CHUNK = 96
# Plastic-number constants of the two-dimensional additive (R2) low-discrepancy sequence.
R2_A = 0.7548776662466927
R2_B = 0.5698402909980532


def crc(text: str) -> int:
    """A stable 32-bit hash of a text."""
    return zlib.crc32(text.encode())


def stream(seed: int, day: int, name: str, *more: int) -> np.random.Generator:
    """The generator of one named stream of one day (`day` is a proleptic ordinal)."""
    entropy = [seed, day, crc(name), *more]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


class Weighted(Generic[T]):
    """A weighted table to pick from; weights need not sum to one."""

    __slots__ = ("cum", "items")

    def __init__(self, pairs: Sequence[tuple[T, float]]):
        self.items: tuple[T, ...] = tuple(value for value, _ in pairs)
        total = sum(weight for _, weight in pairs)
        acc, cum = 0.0, []
        for _, weight in pairs:
            acc += weight / total
            cum.append(acc)
        self.cum: list[float] = cum

    def at(self, u: float) -> T:
        """The item at quantile `u` of [0, 1)."""
        return self.items[min(bisect.bisect_right(self.cum, u), len(self.items) - 1)]


class Draw:
    """Scalar draws from one numpy stream, taken a chunk at a time (a numpy call per scalar is slow)."""

    __slots__ = ("_buffer", "_generator", "_next")

    def __init__(self, seed: int, day: int, name: str, *more: int):
        self._generator = stream(seed, day, name, *more)
        self._buffer: list[float] = []
        self._next = 0

    def u(self) -> float:
        """A uniform number in [0, 1)."""
        if self._next >= len(self._buffer):
            self._buffer = self._generator.random(_CHUNK).tolist()
            self._next = 0
        value = self._buffer[self._next]
        self._next += 1
        return value

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.u()

    def below(self, n: int) -> int:
        """A whole number in 0..n-1."""
        return int(self.u() * n)

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        return self.u() < p

    def one(self, items: Sequence[T]) -> T:
        """One of the items, all equally likely."""
        return items[int(self.u() * len(items))]

    def pick(self, table: Weighted[T]) -> T:
        """One item of a weighted table."""
        return table.at(self.u())

    def normal(self, mean: float = 0.0, sd: float = 1.0) -> float:
        """A normal draw."""
        return mean + sd * _NORMAL.inv_cdf(min(max(self.u(), 1e-12), 1 - 1e-12))

    def lognormal(self, median: float, sigma: float) -> float:
        """A log-normal draw with the given median."""
        return median * math.exp(sigma * self.normal())

    def expo(self, mean: float) -> float:
        """An exponential draw with the given mean."""
        return -mean * math.log1p(-self.u())

    def poisson(self, mean: float) -> int:
        """A Poisson draw by inversion (for small means)."""
        u, k = self.u(), 0
        p = acc = math.exp(-mean)
        while u > acc and k < 1000:
            k += 1
            p *= mean / k
            acc += p
        return k
