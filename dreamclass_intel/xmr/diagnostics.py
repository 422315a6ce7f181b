"""The statistics behind the advice: correlation with time and with the neighbour, steps, skewness, seasons.

Each is a number that is close to standard normal for quiet data. Not here: thresholds and words (advice.py).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray


def lag_one(e: FloatArray, near: BoolArray) -> float:
    """The correlation of each value of `e` (shape [n]) with the next, over the steps `near` (shape [n - 1]); -1 to 1,
    which the estimate of a few steps could leave.
    """
    e = e - e.mean()
    total = float(e @ e)
    if not total or not near.any():
        return 0.0
    return max(-1.0, min(float((e[1:] * e[:-1])[near].mean()) * (e.size - 1) / total, 1.0))


def lag_one_moments(n: int) -> tuple[float, float]:
    """Mean and standard deviation of `lag_one` for n independent normal values (Moran 1948)."""
    return -1 / n, (n - 2) / (n * math.sqrt(n - 1))


def with_time(e: FloatArray, autocorrelation: float = 0.0) -> float:
    """Daniels' test for trend (1950): the rank correlation of `e` (shape [n]) with time, as a standard normal.

    Positive autocorrelation leaves n (1 - r) / (1 + r) independent points, so it deflates the result.
    """
    r = max(autocorrelation, 0.0)
    rho = _correlation(ranks(e), np.arange(e.size, dtype=np.float64))
    return rho * math.sqrt(e.size - 1) * math.sqrt((1 - r) / (1 + r))


def less_line(at: FloatArray, e: FloatArray) -> FloatArray:
    """What the least-squares line through `e` over `at` leaves (all of shape [n])."""
    centred = at - at.mean()
    return e - e.mean() - centred * (float(centred @ e) / float(centred @ centred))


def less_step(e: FloatArray, least: int) -> tuple[int, FloatArray]:
    """Where a single step with `least` points on each side fits `e` (shape [n]) best, and what it leaves."""
    n = e.size
    sums = np.cumsum(e - e.mean())
    cut = np.arange(least, n - least + 1)
    at = int(cut[np.argmax(sums[cut - 1] ** 2 / (cut * (n - cut)))])
    return at, np.concatenate([e[:at] - e[:at].mean(), e[at:] - e[at:].mean()])


def step_beats_line(stepped: FloatArray, line: FloatArray) -> bool:
    """Whether what a step leaves is smaller than what a line leaves (both of shape [n]), by the Bayesian
    information criterion: a step has one parameter more, its place.
    """
    n = line.size
    cost = [n * math.log(max(float(rest @ rest), 1e-300)) for rest in (stepped, line)]
    return cost[0] + math.log(n) < cost[1]


def by_group(e: FloatArray, group: IntArray) -> float:
    """Analysis of variance of the normal scores of `e` by `group` 0..k-1 (both of shape [n]): F, turned into a
    standard normal by Paulson's approximation (1942).
    """
    scores, counts = _normal_scores(e), np.bincount(group)
    n, k = e.size, counts.size
    means = np.bincount(group, scores) / counts
    within = float(((scores - means[group]) ** 2).sum()) / (n - k)
    between = float((counts * (means - scores.mean()) ** 2).sum()) / (k - 1)
    if not within:
        return math.inf if between else 0.0
    root, a, b = (between / within) ** (1 / 3), 2 / (9 * (k - 1)), 2 / (9 * (n - k))
    return ((1 - b) * root - (1 - a)) / math.sqrt(b * root * root + a)


def skewness(e: FloatArray) -> tuple[float, float]:
    """The skewness of `e` (shape [n], n >= 8) and D'Agostino's test of it (Biometrika 1970) as a standard normal."""
    n, e = e.size, e - e.mean()
    spread = float((e**2).mean())
    if not spread:
        return 0.0, 0.0
    skew = float((e**3).mean()) / spread**1.5
    y = skew * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    kurtosis = 3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w2 = math.sqrt(2 * (kurtosis - 1)) - 1
    return skew, math.asinh(y / math.sqrt(2 / (w2 - 1))) / math.sqrt(math.log(w2) / 2)


def ranks(e: FloatArray) -> FloatArray:
    """Ranks from 1, ties at their mean rank (shape [n])."""
    _, inverse, counts = np.unique(e, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _normal_scores(e: FloatArray) -> FloatArray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((rank - 0.375) / (e.size + 0.25)) for rank in ranks(e).tolist()])


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
