"""The arithmetic of segments.py: two periods, the split of their difference, its standard errors and what the
statistic does where nothing changed. Shapes are [segments] and [segments, windows]; nothing is checked here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dreamclass_intel.xmr.limits import FloatArray, IntArray


class Period(NamedTuple):
    """The windows of one period. `part` (shape [segments]) sums to the total of the period, `share` is each
    segment's of the denominator (0 for totals), `size` the summed denominator (for totals: the windows).
    """

    x: FloatArray  # [segments, m]
    weights: FloatArray  # [segments, m]
    window: FloatArray  # [m], what a window weighs
    part: FloatArray
    share: FloatArray
    size: float

    @classmethod
    def of(cls, x: FloatArray, weights: FloatArray | None, at: IntArray) -> Period:
        """The period of the windows `at`; weights None for totals, where every window weighs the same."""
        here = x[:, at]
        d = np.zeros_like(here) if weights is None else weights[:, at]
        window = np.ones(at.size) if weights is None else d.sum(axis=0)
        size = float(window.sum())
        return cls(here, d, window, here.sum(axis=1) / size, d.sum(axis=1) / size, size)


def split_change(before: Period, after: Period) -> tuple[FloatArray, FloatArray]:
    """Mix and rate effect of each segment; for totals all of it is "rate"."""
    s0, s1, c0, c1 = before.share, after.share, before.part, after.part
    r0, r1 = (c / np.where(s > 0, s, 1.0) for c, s in ((c0, s0), (c1, s1)))
    both = (s0 > 0) & (s1 > 0)
    level = (float(c0.sum()) + float(c1.sum())) / 2
    middle = np.where(both, (r0 + r1) / 2, np.where(s1 > 0, r1, r0))
    orphaned = np.where(s1 > 0, 0.0, c1) - np.where(s0 > 0, 0.0, c0)
    return (s1 - s0) * (middle - level), np.where(both, (r1 - r0) * (s0 + s1) / 2, orphaned)


def _residuals(periods: list[Period], is_ratio: bool) -> list[FloatArray]:
    """How one window moves the contributions: two arrays of shape [segments, m], for a window in the baseline and
    in the signal, over all windows whose period has another to compare with.

    First-order influence, (x - part w) - (d - share w) level, over the root of the window's weight w, so that
    windows of any size are equally variable (as in the I' chart); the level of the whole moves too.
    """
    before, after = periods
    level = (float(before.part.sum()) + float(after.part.sum())) / 2 if is_ratio else 0.0
    own, whole = [], []
    for period in periods:
        if period.window.size > 1:
            step = period.x - np.outer(period.part, period.window)
            drift = period.weights - np.outer(period.share, period.window)
            root = np.sqrt(period.window)
            own.append((step - drift * level) / root)
            whole.append(-np.outer(after.share - before.share, step.sum(axis=0)) / (2 * root))
    a, b = np.hstack(own), np.hstack(whole)
    freedom = a.shape[1] - len(own)
    return [sign * np.sqrt(a.shape[1] / freedom) for sign in (a - b, a + b)]


def standard_errors(periods: list[Period], is_ratio: bool) -> tuple[FloatArray, FloatArray]:
    """The standard error of each contribution, and the size of the terms it is made of."""
    variance = sum(
        np.mean(u**2, axis=1) / period.size for u, period in zip(_residuals(periods, is_ratio), periods, strict=True)
    )
    before, after = periods
    level = abs(float(before.part.sum())) + abs(float(after.part.sum()))
    size = np.abs(before.part) + np.abs(after.part) + (before.share + after.share) * level
    return np.sqrt(variance), size


def null_statistics(periods: list[Period], is_ratio: bool, resamples: int, seed: int) -> FloatArray:
    """|t| of each contribution where nothing changed, shape [resamples, segments].

    Each draw gives every window the residuals of a window drawn with replacement, all segments of it together,
    plus normal noise of the same variance: a smoothed bootstrap (Silverman and Young 1987, Biometrika 74(3):469-479),
    without which a signal of one window meets only the few residuals that were seen. Studentised, symmetric:
    Hall (1988), J. R. Statist. Soc. B 50(1):35-45.
    """
    rng = np.random.default_rng(seed)
    residuals = _residuals(periods, is_ratio)
    m = residuals[0].shape[1]
    squares = np.zeros((resamples, residuals[0].shape[0]))
    freedom = 0
    estimates = []
    for u, period in zip(residuals, periods, strict=True):
        k = period.window.size
        drawn = rng.integers(m, size=(resamples, k))
        noise = rng.standard_normal((resamples, k))
        root = np.sqrt(period.window)
        scale = np.sqrt(np.mean(u**2, axis=1))
        cells = drawn + m * np.arange(resamples)[:, None]

        def gathered(weight: FloatArray, cells: IntArray = cells) -> FloatArray:
            return np.bincount(cells.ravel(), weight.ravel(), resamples * m).astype(float).reshape(resamples, m)

        # e = (u[drawn] + scale noise) / sqrt(2): its sum weighted by the root, and its sum of squares
        total = gathered(np.broadcast_to(root, drawn.shape)) @ u.T + np.outer(noise @ root, scale)
        square = gathered(np.ones(drawn.shape)) @ (u**2).T + 2 * (gathered(noise) @ u.T) * scale
        square += np.outer((noise**2).sum(axis=1), scale**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares += (square - total**2 / period.size) / 2 / scale**2  # in units of each period's own variance
        estimates.append((total / math.sqrt(2) / period.size, scale))
        freedom += k - 1
    estimate = estimates[1][0] - estimates[0][0]
    variance = sum(scale**2 / period.size for (_, scale), period in zip(estimates, periods, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(estimate) / np.sqrt(squares / freedom * variance)
    return np.nan_to_num(t, nan=0.0)  # a segment without any variation
