"""Which segment moved: a signal's change of a total or of a ratio, split over the segments of the metric.

The windows of the signal are compared with the windows of its baseline; the contributions add up to the change. For
a ratio each contribution is in two parts, mix (the segment's share of the denominator changed) and rate (its own
ratio changed), by the symmetric form of Kitagawa (1955), "Components of a difference between two rates", J. Amer.
Statist. Assoc. 50(272):1168-1194: neither period is the reference, so that nothing is left over and swapping the
periods only changes signs.

How sure: intervals and p-values from a studentised bootstrap of whole windows, q-values over the segments after
Benjamini and Hochberg (1995), "Controlling the false discovery rate", J. R. Statist. Soc. B 57(1):289-300.
Windows are taken for independent and equally variable in both periods, and it is not counted that the windows were
chosen because they signal: on a false alarm the segment that made it stands out too. Not here: finding the signal
(rules.py), the wording (words.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray
from dreamclass_intel.xmr.rules import Signal
from dreamclass_intel.xmr.segments_parts import Period, null_statistics, split_change, standard_errors

if TYPE_CHECKING:
    from dreamclass_intel.xmr.chart import Chart

MINIMUM = 6  # baseline windows, as for limits
_NOISE = 1e-12  # a difference this small against its terms is float noise


@dataclass(frozen=True)
class Contribution:
    """One segment's part of the change, in the unit of the metric.

    `share` is its part of the whole change: shares sum to 1 but may be negative or above 1; None where the whole
    did not change. `mix` + `rate` = `contribution` (None for totals). `p` belongs to "this segment contributed
    nothing", `q` is `p` adjusted for the number of segments.
    """

    segment: str
    contribution: float
    share: float | None
    ci_low: float
    ci_high: float
    p: float
    q: float
    mix: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Attribution:
    """The change `after - before` split over segments, largest contribution first (ties as they were given).

    For a ratio `before` and `after` are sums of numerators over sums of denominators; for a total they are means a
    window. `windows` and `baseline` are the indices that were compared, without those that had no figures.
    """

    before: float
    after: float
    rows: tuple[Contribution, ...]
    windows: tuple[int, ...]
    baseline: tuple[int, ...]
    is_ratio: bool
    budget: float
    confidence: float

    @property
    def change(self) -> float:
        """What the contributions sum to."""
        return self.after - self.before

    @property
    def moved(self) -> tuple[Contribution, ...]:
        """The segments that stand out: at most a share of `budget` of them is expected to be there by chance."""
        return tuple(row for row in self.rows if row.q <= self.budget)

    @cached_property
    def sentence(self) -> str:
        """One plain sentence: who moved, by how much, and how sure that is."""
        return words.attribution(self)


def windows_of(chart: Chart, signal: Signal) -> tuple[list[int], list[int]]:
    """The windows to compare for a signal: its judged windows from start to end, and those of its limits' baseline
    that are not among them. Raises ValueError for limits that were given from outside (they have no windows).
    """
    limits = chart.segments[signal.segment].limits
    if limits is None or limits.base[0] >= limits.base[1]:
        raise ValueError("the signal's limits were given, not computed: name the baseline windows")
    windows = np.flatnonzero(chart.judged[signal.start : signal.end + 1]) + signal.start
    baseline = np.flatnonzero(chart.judged[slice(*limits.base)]) + limits.base[0]
    return windows.tolist(), np.setdiff1d(baseline, windows).tolist()


def attribute(
    segments: Sequence[str],
    values: Sequence[Sequence[float | None]] | FloatArray,
    windows: Sequence[int],
    baseline: Sequence[int],
    *,
    denominators: Sequence[Sequence[float | None]] | FloatArray | None = None,
    budget: float = 0.10,
    confidence: float = 0.95,
    resamples: int = 1999,
    seed: int = 20260101,
) -> Attribution:
    """Split the change from `baseline` to `windows` (indices; see `windows_of`) over the segments.

    values: shape [segments, n], the totals; with `denominators` (the same shape, not negative) the numerators of
        the ratio. None or NaN: the segment had nothing in that window. A window in which no segment has a figure
        (or all denominators are 0) is missing and left out.
    A segment that is new or vanished has no ratio in one of the periods: its whole effect is mix. Numerators of a
    period without any denominator of that segment are its rate effect.
    Raises ValueError for figures that do not fit: shapes, names given twice, infinite values, negative
    denominators, a denominator without its numerator, indices outside the series or in both periods, no window of
    the signal or fewer than six of the baseline left.
    """
    names = [str(name) for name in segments]
    x = _figures("values", values, names)
    weights = None if denominators is None else _figures("denominators", denominators, names, shape=x.shape)
    for name, figure in (("budget", budget), ("confidence", confidence)):
        if not 0 < figure < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {figure}")
    if resamples < 99:
        raise ValueError(f"resamples must be at least 99, not {resamples}")
    present = ~np.isnan(x)
    if weights is not None:
        if (orphans := np.argwhere((weights > 0) & ~present)).size:
            i, t = orphans[0]
            raise ValueError(f"segment {names[i]!r} has a denominator and no numerator in window {t}")
        if (negative := np.argwhere(weights < 0)).size:
            i, t = negative[0]
            raise ValueError(f"the denominator of segment {names[i]!r} in window {t} is negative")
        weights = np.nan_to_num(weights)
        usable = weights.sum(axis=0) > 0
    else:
        usable = present.any(axis=0)
    chosen = [_chosen(*given, usable) for given in (("baseline", baseline), ("windows", windows))]
    if both := set(chosen[0].tolist()) & set(chosen[1].tolist()):
        raise ValueError(f"window {min(both)} is in the baseline and in the signal")
    if chosen[0].size < MINIMUM:
        raise ValueError(f"{chosen[0].size} baseline windows with figures, {MINIMUM} are needed")
    if not chosen[1].size:
        raise ValueError("no window of the signal has figures")

    periods = [Period.of(np.nan_to_num(x), weights, at) for at in chosen]
    mix, rate = split_change(*periods)
    parts = mix + rate
    error, size = standard_errors(periods, weights is not None)
    still = error <= _NOISE * size
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(still, np.where(np.abs(parts) <= _NOISE * size, 0.0, np.inf), np.abs(parts) / error)
    draws = null_statistics(periods, weights is not None, resamples, seed)
    p = (1 + (draws >= t).sum(axis=0)) / (resamples + 1)
    critical = np.sort(draws, axis=0)[-max(1, math.floor((1 - confidence) * (resamples + 1)))]
    half = np.where(still, 0.0, critical * error)
    q = benjamini_hochberg(p)
    before, after = (float(period.part.sum()) for period in periods)
    change = after - before
    moved = abs(change) > _NOISE * float(size.sum())
    rows = [
        Contribution(
            segment=names[i],
            contribution=float(parts[i]),
            share=float(parts[i]) / change if moved else None,
            ci_low=float(parts[i] - half[i]),
            ci_high=float(parts[i] + half[i]),
            p=float(p[i]),
            q=float(q[i]),
            mix=None if weights is None else float(mix[i]),
            rate=None if weights is None else float(rate[i]),
        )
        for i in np.argsort(-np.abs(parts), kind="stable")
    ]
    used = [tuple(at.tolist()) for at in chosen]
    return Attribution(before, after, tuple(rows), used[1], used[0], weights is not None, budget, confidence)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """q-values of p-values, both of shape [m]: the smallest false discovery rate at which each would be found."""
    order = np.argsort(p, kind="stable")
    raw = p[order] * (p.size / np.arange(1, p.size + 1))
    q = np.empty_like(raw)
    q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q


def _chosen(name: str, given: Sequence[int], usable: BoolArray) -> IntArray:
    """The distinct indices of a period that have figures, ascending."""
    at = np.unique(np.asarray(list(given), dtype=np.int64))
    if at.size and not 0 <= at[0] <= at[-1] < usable.size:
        wrong = at[0] if at[0] < 0 else at[-1]
        raise ValueError(f"{name}: no window {wrong} in a series of {usable.size}")
    return at[usable[at]]


def _figures(
    name: str,
    given: Sequence[Sequence[float | None]] | FloatArray,
    segments: list[str],
    shape: tuple[int, ...] | None = None,
) -> FloatArray:
    """The figures as a fresh array of shape [segments, n]; ValueError naming what does not fit."""
    if not segments:
        raise ValueError("segments: at least one is needed")
    if len(set(segments)) < len(segments):
        twice = next(s for s in segments if segments.count(s) > 1)
        raise ValueError(f"segment {twice!r} is given twice")
    try:
        x = np.array([[math.nan if v is None else v for v in row] for row in given], dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers of shape [segments, windows]") from None
    if x.ndim != 2 or x.shape[0] != len(segments) or (shape is not None and x.shape != shape):
        wanted = shape or (len(segments), "n")
        raise ValueError(f"{name} must have the shape [{wanted[0]}, {wanted[1]}], not {list(x.shape)}")
    if (infinite := np.argwhere(np.isinf(x))).size:
        i, t = infinite[0]
        raise ValueError(f"{name} of segment {segments[i]!r} in window {t} are infinite")
    return x
