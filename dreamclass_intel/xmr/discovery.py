"""A false-discovery budget over many charts: of the series that a window's list names, at most so large a share may
be there by chance.

Ten thousand unchanged series raise some eighty Wheeler signals in every window. Here each series gets a p-value in
each window (`shift_p_values`), and `discoveries` names the series whose p-values are too small together. Not here:
limits and rules of the single chart.

What the budget means. In each window, over the series tested in it, the expected share of unchanged series among
those named is at most `level` (Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal
Statistical Society B 57 (1995), 289-300). The tests of neighbouring windows share values, so the lists do too; the
union of several windows' lists has no such bound, only its sum (docs/xmr.md, section 7, has it measured). The p-values
are exact for normal, independent values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray
from dreamclass_intel.xmr.rules import Signal

SPAN = 4  # windows in the mean that is tested: what "found by the fourth window" needs
# A little below 5 %, so that all that four windows after a change name together stays below it too (measured).
LEVEL = 0.045


def shift_p_values(
    x: FloatArray, base: BoolArray, *, span: int = SPAN, autocorrelation: FloatArray | float = 0.0
) -> FloatArray:
    """How surprising the newest `span` judged windows are if nothing has changed: two-sided p-values, shape
    [series, time].

    Student's t of two samples with one variance: the mean of the last `span` judged windows against that of the
    baseline, with m + span - 2 degrees of freedom for m baseline points (Student 1908; as a moving average on a
    chart: Roberts, Technometrics 1 (1959), 239-250).
    x: shape [series, time]; NaN is missing or not judged, and stepped over.
    base: shape [series, time], the windows of the baseline; what follows the last of them is tested.
    autocorrelation: lag-1, of each series (shape [series]) or of all, at least 0 and below 1. The variances of both
        means are raised as an AR(1) with that coefficient would.
    NaN where there is no test: in and before the baseline, before the `span`-th judged window after it, at
    missing windows, and for baselines of fewer than 2 points or without variation.
    Raises ValueError for arguments that do not fit.
    """
    if x.ndim != 2 or base.shape != x.shape:
        raise ValueError(f"x and base must be two arrays of the same shape [series, time], not {x.shape}, {base.shape}")
    if span < 1:
        raise ValueError(f"span must be at least one window, not {span}")
    phi = np.broadcast_to(np.asarray(autocorrelation, dtype=np.float64), x.shape[:1])
    if not np.all((phi >= 0) & (phi < 1)):
        raise ValueError("autocorrelation must be at least 0 and below 1")
    out = np.full(x.shape, np.nan)
    if x.shape[1] < span:
        return out
    judged = ~np.isnan(x)
    z, m = _standardised(x, base & judged)
    places = np.arange(x.shape[1])
    after = judged & (places > np.where(base, places, -1).max(axis=1)[:, None]) & ~np.isnan(z)
    # Windows to test are moved to the front, so that the last `span` of them are neighbours.
    order = np.argsort(~after, axis=1, kind="stable")
    order = order[:, : max(span, int(after.sum(axis=1).max(initial=0)))]
    packed = np.where(np.take_along_axis(after, order, 1), np.take_along_axis(z, order, 1), np.nan)
    windows = sliding_window_view(packed, span, axis=1)
    mean, within = windows.mean(axis=-1), windows.var(axis=-1) * span
    long, short = _inflation(phi, m), _inflation(phi, np.full(m.shape, span))
    freedom = m + span - 2
    # What the two samples' sums of squares are on average, in variances: less than n - 1 each where correlated.
    expected = (m - long) + (span - short)
    variance = ((m - 1)[:, None] + within) / expected[:, None]
    t = mean / np.sqrt(variance * (long / m + short / span)[:, None])
    freedom = np.maximum(np.floor(freedom * (1 - phi**2) / (1 + phi**2)), 1).astype(np.int64)
    np.put_along_axis(out, order[:, span - 1 :], two_sided(t, freedom), axis=1)
    return out


def _standardised(x: FloatArray, base: BoolArray) -> tuple[FloatArray, IntArray]:
    """Distances from the baseline's mean in its standard deviations (NaN without one), and its points (1 or more)."""
    count = np.maximum(base.sum(axis=1), 1)
    inside = np.where(base, x, 0.0)
    mean = inside.sum(axis=1) / count
    away = x - mean[:, None]
    spread = np.sqrt((np.where(base, away, 0.0) ** 2).sum(axis=1) / np.maximum(count - 1, 1))
    # Round-off in the mean must not make a baseline of equal values one that varies.
    top, bottom = np.where(base, x, -np.inf).max(axis=1), np.where(base, x, np.inf).min(axis=1)
    spread[~(top > bottom)] = np.nan
    return away / spread[:, None], count


def _inflation(phi: FloatArray, n: IntArray) -> FloatArray:
    """Variance of the mean of n windows of an AR(1), over that of n independent ones."""
    return (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**n) / (n * (1 - phi) ** 2)


def common_autocorrelation(x: FloatArray, base: BoolArray) -> float:
    """Lag-1 autocorrelation of many baselines together: the mean over series, its small-sample bias taken off
    (Marriott and Pope, Biometrika 41 (1954), 390-402), not below 0. 0 where no series has 8 points.
    """
    judged = base & ~np.isnan(x)
    z, m = _standardised(x, judged)
    z = np.where(judged, z, 0.0)
    use = (m >= 8) & ~np.isnan(z).any(axis=1)
    if not use.any():
        return 0.0
    both = (judged[:, 1:] & judged[:, :-1]).sum(axis=1)
    found = (z[:, 1:] * z[:, :-1]).sum(axis=1) / (m - 1) * m / np.maximum(both + 1, 1)
    return float(np.clip(np.mean(((found + 1 / m) / (1 - 4 / m))[use]), 0.0, 0.95))


def two_sided(t: FloatArray, freedom: IntArray) -> FloatArray:
    """P(|T| > |t|) for Student's t, shape [series, k]; freedom: shape [series]. To about 1e-15, and never 0.

    The finite series for whole degrees of freedom: Abramowitz and Stegun, Handbook of Mathematical Functions
    (1964), 26.7.3 and 26.7.4.
    """
    out = np.empty(t.shape)
    for nu in np.unique(freedom).tolist():
        rows = freedom == nu
        theta = np.arctan(np.abs(t[rows]) / math.sqrt(nu))
        sine, cosine, odd = np.sin(theta), np.cos(theta), nu % 2
        series = np.ones(theta.shape)
        for j in range((nu - 2 - odd) // 2, 0, -1):
            series = 1 + series * cosine**2 * ((2 * j - 1 + odd) / (2 * j + odd))
        if odd:
            inside = 2 / math.pi * (theta + (sine * cosine * series if nu > 1 else 0.0))
        else:
            inside = sine * series
        out[rows] = np.maximum(1 - inside, 1e-16)
    return out


def discoveries(p: FloatArray, *, level: float = LEVEL, dependence: str = "positive") -> BoolArray:
    """The series named in each window, shape [series, time]: Benjamini and Hochberg's step-up over the p-values of
    that window (NaN: not tested, and not counted).

    level: the false-discovery rate of a window's list, between 0 and 1.
    dependence: "positive" holds for series that are independent, or positively dependent in the sense of Benjamini
        and Yekutieli, Annals of Statistics 29 (2001), 1165-1188; "any" for every dependence, at a threshold lower
        by the sum of 1/k.
    Raises ValueError for a level or a dependence that is neither, and for p-values outside 0 to 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    if dependence not in ("positive", "any"):
        raise ValueError(f"dependence must be positive or any, not {dependence!r}")
    if p.ndim != 2 or np.any((p < 0) | (p > 1)):
        raise ValueError("p must be of shape [series, time] and within 0 and 1")
    if not p.shape[0]:
        return np.zeros(p.shape, dtype=np.bool_)
    ranks = np.arange(1, p.shape[0] + 1)
    tested = (~np.isnan(p)).sum(axis=0)
    if dependence == "any":
        tested = tested * np.cumsum(1 / ranks)[np.maximum(tested, 1) - 1]
    ordered = np.sort(p, axis=0)  # NaN comes last
    with np.errstate(invalid="ignore", divide="ignore"):
        small = ordered <= level * ranks[:, None] / tested
    threshold = np.where(small, ordered, -1.0).max(axis=0)
    return p <= threshold


def within_budget(
    signals: Sequence[Sequence[Signal]], found: BoolArray, *, within: int = SPAN
) -> tuple[tuple[Signal, ...], ...]:
    """Of each series' signals those that the budget allows: its series is named in a window from the signal's
    start to `within - 1` windows after it became known.

    found: shape [series, time], from `discoveries`. Raises ValueError for another number of series.
    """
    if len(signals) != found.shape[0]:
        raise ValueError(f"signals of {len(signals)} series, discoveries of {found.shape[0]}")
    return tuple(
        tuple(s for s in own if named[s.start : s.known_at + within].any())
        for own, named in zip(signals, found, strict=True)
    )
