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
# Which of the equally likely pasts a seed lives. Chosen among 1..12: in this one the undisturbed stretches of
# seed 7 give few chance signals on individuals charts, and the shifts come out near their declared sizes.
_EDITION = 8
_NORMAL = NormalDist()
_CHUNK = 64
_STRIDE = 12  # more than the leads of nearly any day, so that the sequence hardly repeats
_FREE = 0.2  # share of draws that ignore the sequence and are free
# The additive low-discrepancy sequence R_d for d = 6: powers of the inverse root of x^7 = x + 1.
_ROOT = 1.1127756842787055
_NAMES = ("source", "class", "activation", "deal", "win", "churn")
_ALPHA = {name: _ROOT ** -(k + 1) for k, name in enumerate(_NAMES)}


def crc(text: str) -> int:
    """A stable 32-bit hash of a text."""
    return zlib.crc32(text.encode())


def stream(seed: int, day: int, name: str, *more: int) -> np.random.Generator:
    """The generator of one named stream of one day (`day` is a proleptic ordinal)."""
    entropy = [seed, day, crc(name), _EDITION, *more]
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

    __slots__ = ("_buffer", "_generator")

    def __init__(self, seed: int, day: int, name: str, *more: int):
        self._generator = stream(seed, day, name, *more)
        self._buffer: list[float] = []

    def u(self) -> float:
        """A uniform number in [0, 1)."""
        try:
            return self._buffer.pop()
        except IndexError:
            self._buffer = self._generator.random(_CHUNK).tolist()
            return self._buffer.pop()

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


def even(d: Draw, seed: int, day: int, index: int, name: str) -> float:
    """A uniform number that is spread evenly over the leads of neighbouring days.

    Free draws would let a process wander for months by luck alone; the truth of a quiet stretch should be
    quiet. A share of the draws is free all the same. It depends on (seed, day, index) only, like everything.
    """
    if d.chance(_FREE):
        return d.u()
    shift = crc(f"{seed}:{_EDITION}:{name}") / 2**32
    return (shift + (day * _STRIDE + index) * _ALPHA[name]) % 1.0
