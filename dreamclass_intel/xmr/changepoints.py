"""Where the level of a series moved: the statistics behind a rebaseline proposal.

Pure functions of arrays, with the two calibrated tables. All of them take the judged values of one segment, oldest
first, without gaps (shape [n]). Not here: what makes a proposal of a statistic (proposals.py).

A split is written as k: the windows before it are x[:k], the new level is x[k:].
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray

MINIMUM = 12  # windows of a level before it can be accepted; also the shortest level a split may leave
OPENS = 8  # windows at the new level that open a proposal
HORIZON = 120  # a look after each window goes back this far

# What the largest split statistic of an in-control series passes with a probability of 1 %, by the number of windows.
# Made by benchmarks/calibrate_xmr_proposals.py (seed 20261123, 100,000 series a cell).
# REVIEW: one look at the whole series, 12 windows on both sides.
# fmt: off
REVIEW = {
    24: 2.481, 28: 2.768, 32: 2.903, 40: 3.055, 48: 3.129, 60: 3.232, 80: 3.298,
    100: 3.366, 120: 3.414, 160: 3.449, 240: 3.536, 360: 3.579, 500: 3.624, 1000: 3.699,
}
# fmt: on
# WATCH: a look after every window up to 120, 12 windows before and 8 after: 1 % for all looks together.
# fmt: off
WATCH = {
    20: 3.116, 22: 3.293, 24: 3.41, 26: 3.477, 28: 3.525, 30: 3.576, 33: 3.66, 36: 3.709, 40: 3.752,
    44: 3.816, 48: 3.869, 54: 3.912, 60: 3.963, 70: 3.99, 80: 4.03, 100: 4.07, 120: 4.114,
}
# fmt: on


def split_threshold(n: int, *, watch: bool = False) -> float:
    """What the split statistic of n windows must pass: interpolated in log n, the last entry beyond the table."""
    table = WATCH if watch else REVIEW
    return float(np.interp(math.log(n), [math.log(k) for k in table], list(table.values())))


@lru_cache(maxsize=512)
def _scores_of(n: int) -> FloatArray:
    """Van der Waerden scores by doubled rank (mid-ranks are halves), shape [2n + 1]."""
    quantile = NormalDist().inv_cdf
    return np.array([0.0, 0.0, *(quantile(rank / (2 * (n + 1))) for rank in range(2, 2 * n + 1))])


def normal_scores(x: FloatArray) -> FloatArray:
    """Normal quantile of rank / (n + 1), shape [n]; ties share the score of their mid-rank (van der Waerden 1952)."""
    _, inverse, count = np.unique(x, return_inverse=True, return_counts=True)
    doubled = 2 * np.cumsum(count) - count + 1
    return _scores_of(x.size)[doubled][inverse]


def split_statistics(x: FloatArray, before: int, after: int) -> FloatArray:
    """The split statistic of every k from `before` to n - `after` (shape [n - after - before + 1], none where it is
    too short): the standardised sum of normal scores up to k.

    Under exchangeability it has mean 0 and variance 1 for each k (permutation variance, so ties are taken into
    account); positive where the new level is higher. A constant series gives zeros.
    """
    n = x.size
    k = np.arange(before, n - after + 1)
    scores = normal_scores(x)
    scores -= scores.mean()
    total = float(scores @ scores)
    if not k.size or total <= 0:
        return np.zeros(k.size)
    statistics: FloatArray = -np.cumsum(scores)[k - 1] / np.sqrt(total * k * (n - k) / (n * (n - 1.0)))
    return statistics


def mann_whitney(old: FloatArray, new: FloatArray) -> float:
    """z of the Mann-Whitney rank sum, mid-ranks, variance corrected for ties; positive where `new` is higher; 0 where
    all are tied.
    """
    n, m = old.size, new.size
    _, inverse, count = np.unique(np.concatenate([old, new]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[inverse]
    total = n + m
    ties = float((count.astype(float) ** 3 - count).sum())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    excess = float(ranks[n:].sum()) - m * (total + 1) / 2
    return excess / math.sqrt(variance) if variance > 0 else 0.0


def clipped(x: FloatArray) -> tuple[FloatArray, float]:
    """The series with spikes cut to 2.5 sigma from the running median of nine, so that single windows make no level,
    and that sigma. The median is taken off first, for the sake of precision.

    Sigma is the median moving range over 0.9539 (the mean one over 1.1284 where the median is 0): a shift enters it
    once.
    """
    x = x - np.median(x)
    steps = np.abs(np.diff(x))
    sigma = float(np.median(steps)) / 0.9538725524 or float(steps.mean()) * math.sqrt(math.pi) / 2
    padded = np.pad(x, 4, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1)
    return np.clip(x, middle - 2.5 * sigma, middle + 2.5 * sigma), sigma


def partition(y: FloatArray, minimum: int, penalty: float) -> list[int]:
    """The edges [0, k1, ..., n] of the levels that leave the least squares plus `penalty` for each split.

    Exact, by optimal partitioning (Jackson et al. 2005, IEEE Signal Processing Letters 12, 105-108); no level is
    shorter than `minimum`. Cost O(n^2), one numpy pass for each window.
    """
    n = y.size
    sums = np.concatenate([[0.0], np.cumsum(y)])
    best = np.full(n + 1, np.inf)  # least cost up to here, without the sum of all squares, which no split changes
    best[0] = -penalty
    origin = [0] * (n + 1)
    lengths = np.arange(n, 0, -1.0)
    for stop in range(minimum, n + 1):
        start = stop - minimum + 1  # levels may start before it
        cost = best[:start] - (sums[stop] - sums[:start]) ** 2 / lengths[n - stop : n - stop + start]
        at = int(cost.argmin())
        origin[stop], best[stop] = at, cost[at] + penalty
    edges = [n]
    while edges[-1] > 0:
        edges.append(origin[edges[-1]])
    return edges[::-1]


def residuals(y: FloatArray, edges: list[int]) -> FloatArray:
    """What remains of y without the mean of each level."""
    rest = y.copy()
    for start, stop in pairwise(edges):
        rest[start:stop] -= rest[start:stop].mean()
    return rest


_NEAR = 1 - 0.02 * np.abs(np.arange(-3, 4))  # falls a little, so that certainty names its window


class Scatter(NamedTuple):
    """Routine variation around the levels: `sigma` of one window, `autocorrelation` at lag 1 (bias taken off), and the
    factor `inflation` = (1 + phi) / (1 - phi) by which it widens the variance of a mean, 1 where phi is not above its
    own noise 1 / sqrt(n).
    """

    sigma: float
    autocorrelation: float
    inflation: float


def scatter(rest: FloatArray, adjacent: BoolArray, parameters: int) -> Scatter:
    """The scatter of residuals (shape [n]); `adjacent` (shape [n - 1]) says which follow each other without a gap,
    `parameters` how many figures were fitted.

    Phi + (1 + parameters) / n: the estimate's small-sample bias (Kendall 1954, Biometrika 41; one for each level).
    Inflation of an AR(1): Bartlett 1946, JRSS Supplement 8.
    """
    n = rest.size
    total = float(rest @ rest)
    if total <= 0 or n <= parameters:
        return Scatter(0.0, 0.0, 1.0)
    steps = int(np.count_nonzero(adjacent))
    product = float((rest[1:] * rest[:-1])[adjacent].sum()) * n / max(steps + 1, 1)
    raw = product / total + (1 + parameters) / n
    phi = min(raw, 0.9) if raw > 1 / math.sqrt(n) else 0.0
    return Scatter(math.sqrt(total / (n - parameters)), raw, (1 + phi) / (1 - phi))


def locate(y: FloatArray, before: int, after: int, inflation: float) -> tuple[int, int, int]:
    """The split of y into two levels: the k around which seven windows hold the most probability (`_NEAR`), and the
    2.5 % and 97.5 % points of k.

    Normal likelihood with the variance of the best fit (times the inflation), every k from `before` to n - `after`
    alike likely beforehand. The densest stretch lies closer to the truth than the single most likely k.
    """
    n = y.size
    k = np.arange(before, n - after + 1)
    y = y - y.mean()
    gain = np.cumsum(y)[k - 1] ** 2 * n / (k * (n - k))
    variance = max(float(y @ y - gain.max()) / max(n - 2, 1), 1e-12 * float(gain.max()), 5e-324) * inflation
    chance = np.exp((gain - gain.max()) / (2 * variance))
    chance /= chance.sum()
    near = np.convolve(chance, _NEAR)[3 : 3 + k.size]
    first, last = np.searchsorted(np.cumsum(chance), (0.025, 0.975))
    return int(k[near.argmax()]), int(k[first]), int(k[min(last, k.size - 1)])


def standing(old: FloatArray, new: FloatArray, sigma: float) -> float:
    """How far, in standard errors, two levels stay apart when each loses its most telling stretch: up to eight windows
    in a row, all but four of a short level. A pulse loses all it has; negative where the sides change places.
    """
    direction = 1.0 if new.mean() >= old.mean() else -1.0
    least = math.inf
    for level, other, sign in ((new, old, direction), (old, new, -direction)):
        cut = min(8, level.size - 4)
        sums = np.cumsum(np.concatenate([[0.0], sign * level]))
        rest = (sums[-1] - (sums[cut:] - sums[:-cut]).max()) / (level.size - cut)
        error = sigma * math.sqrt(1 / (level.size - cut) + 1 / other.size)
        distance = rest - sign * other.mean()
        least = min(least, distance / error if error > 0 else math.copysign(math.inf, distance))
    return float(least)


def mann_kendall(x: FloatArray) -> float:
    """z of the Mann-Kendall test of trend (Kendall 1975), variance corrected for ties; positive where x rises."""
    n = x.size
    _, count = np.unique(x, return_counts=True)
    total = float(np.sign(x[None, :] - x[:, None])[np.triu_indices(n, 1)].sum())
    ties = float((count * (count - 1.0) * (2 * count + 5)).sum())
    variance = (n * (n - 1.0) * (2 * n + 5) - ties) / 18
    return total / math.sqrt(variance) if variance > 0 else 0.0


class Line(NamedTuple):
    """A straight line through y by least squares: rise a window, its standard error, and what remains."""

    slope: float
    error: float
    rest: FloatArray


def line_through(y: FloatArray, positions: IntArray) -> Line:
    """The line through y at `positions` (both of shape [n])."""
    time = positions - positions.mean()
    spread = float(time @ time)
    slope = float(time @ y) / spread
    rest = y - y.mean() - slope * time
    return Line(slope, math.sqrt(float(rest @ rest) / (y.size - 2) / spread), rest)


def longest_run(flags: BoolArray) -> tuple[int, int]:
    """The longest unbroken run of True, and the one still open at the end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths.max(initial=0)), int(lengths[-1]) if flags.size and flags[-1] else 0
