"""Which chart a series asks for: tests of what makes most false alarms, each with its statistic and threshold.

On business series not the rules but the shape of the data makes most false alarms: autocorrelation, skew, a
season, rates whose limits are too narrow. `advise` tests one stretch without dividers and says in words what
it found and what would fit. A trend is tested first and taken out, else it would pass for autocorrelation; so
is a single step. On quiet normal data each test warns falsely in about 1 % of series (autocorrelation: 2.5 %, it
does most harm), all together in less than 6 %; the tests of this module measure it. Nothing is decided here: a
chart is what its caller asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from dreamclass_intel.xmr import diagnostics
from dreamclass_intel.xmr.adjust import Adjustment, Season, seasonal_factors
from dreamclass_intel.xmr.kinds import KINDS
from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray

Topic = Literal[
    "too_few",
    "constant",
    "denominators",
    "rare_events",
    "dispersion",
    "trend",
    "shift",
    "season",
    "autocorrelation",
    "skew",
]

FEWEST, TRIAL = 6, 12  # points: no limits below the first, trial limits below the second
RARE = 2.0  # events a window
UNEQUAL = 0.25  # of the mean denominator
_TWO_SIDED = NormalDist().inv_cdf(0.995)  # 2.576, the 1 % level
_ONE_SIDED = NormalDist().inv_cdf(0.99)  # 2.326
_ALIKE = NormalDist().inv_cdf(0.98)  # 2.054, for positive autocorrelation
_SKEWED = 2.2  # simulated for 1 %: the furthest point is left out, so 2.576 would warn in .3 %
_STEP = 4  # points at least on each side of a step

# Share of quiet series with a signal of Wheeler's X rules, limits from all points, by lag-1 correlation (AR(1),
# simulated): for 26 and for 52 windows.
_FALSE = {-0.3: (0.03, 0.07), 0.0: (0.11, 0.27), 0.2: (0.27, 0.56), 0.4: (0.53, 0.86), 0.6: (0.79, 0.98)}


@dataclass(frozen=True)
class Advice:
    """One warning: what was found, in words; the `statistic` and the `threshold` it passed; the `source` of the
    test; and what to ask for instead ("" where no other chart helps).
    """

    topic: Topic
    words: str
    statistic: float
    threshold: float
    source: str
    suggests: str = ""


class _Points(NamedTuple):
    """The values that are there: `positions`, `x` and `sizes` (None without denominators), of shape [n]; `near`
    (shape [n - 1]) says which of them follow each other.
    """

    positions: IntArray
    x: FloatArray
    sizes: FloatArray | None
    near: BoolArray


def advise(
    values: Sequence[float | None] | FloatArray,
    denominators: Sequence[float | None] | FloatArray | None = None,
    *,
    chart: str = "xmr",
    trend: bool = False,
    season: Season | None = None,
    period: int | None = None,
    bridge: bool = False,
    first: int = 0,
) -> tuple[Advice, ...]:
    """What a reader of this chart should be warned of, the most basic first; () where the chart fits.

    values, denominators: shape [n], one stretch without dividers; None or NaN is a missing window. With
        denominators an xmr chart is asked whether they vary too much for it.
    chart, trend, season: what the chart allows for already; this is taken out and not warned of.
    period: a season to test for, in windows; needs two full ones.
    first: the index of values[0] in the series (for seasons, and where an index is named).
    Below 12 points only their number, constancy and rarity can be judged. Raises ValueError for an unknown chart, a
    chart without the denominators it needs, and a period below 2.
    """
    if chart not in KINDS:
        raise ValueError(f"chart must be one of {', '.join(KINDS)}, not {chart!r}")
    if KINDS[chart].weighted and denominators is None:
        raise ValueError(f"chart {chart!r} needs denominators")
    if period is not None and period < 2:
        raise ValueError(f"a season has at least 2 windows, not {period}")
    points = _points(values, denominators, bridge, first)
    found = list(_basics(points, chart))
    topics = {advice.topic for advice in found}
    if points.x.size >= TRIAL and "constant" not in topics:
        e = _standardised(points, chart)
        rare = "rare_events" in topics
        found += [] if rare else _dispersion(points, e, chart)
        # The other tests do not depend on the unit, and squares of very large or small figures are not figures.
        e = np.ldexp(e, -math.frexp(float(np.abs(e).max()))[1])
        moved, e = _moved(points, e, trend, season)
        found += moved
        if period is not None and (season is None or season.length != period):
            waves, e = _season(points.positions, e, period)
            found += waves
        found += _autocorrelation(points, e)
        if not rare and chart in ("xmr", "i_prime", "p_prime", "u_prime"):
            found += _skew(e)
    return tuple(found)


def _points(values: object, denominators: object, bridge: bool, first: int) -> _Points:
    x = np.array(values, dtype=np.float64)
    sizes = None if denominators is None else np.array(denominators, dtype=np.float64)
    if sizes is not None and sizes.shape != x.shape:
        raise ValueError(f"{sizes.size} denominators for {x.size} values")
    there = np.flatnonzero(np.isfinite(x) if sizes is None else np.isfinite(x) & (sizes > 0))
    near = np.ones(max(there.size - 1, 0), dtype=bool) if bridge else np.diff(there) == 1
    return _Points(there + first, x[there], None if sizes is None else sizes[there], near)


def _standardised(points: _Points, chart: str) -> FloatArray:
    """The values as the chart judges them (shape [n]): of windows of one size, on the chart's scale."""
    kind = KINDS[chart]
    if kind.weighted and points.sizes is not None:
        pooled = float((points.x * (points.sizes / points.sizes.sum())).sum())
        return pooled + (points.x - pooled) * np.sqrt(points.sizes / points.sizes.mean())
    return points.x if kind.power == 1.0 else np.maximum(points.x, 0.0) ** kind.power


# --- what can be said of few points


def _basics(points: _Points, chart: str) -> Iterator[Advice]:
    n, sizes = points.x.size, points.sizes
    if n < TRIAL:
        what = "no limits" if n < FEWEST else "trial limits, which each new point moves"
        words = f"{n} points make {what}: {TRIAL} are needed"
        yield Advice("too_few", words, n, TRIAL, "Wheeler: useful from 6 on; NHS Making Data Count: trial below 12")
    if n >= FEWEST and points.x.min() == points.x.max():
        words = f"all {n} values are {points.x[0]:g}: the limits lie on the centre, any other value is outside"
        yield Advice("constant", words, 0.0, 0.0, "the mean moving range is 0")
    if n and sizes is not None and chart == "xmr":
        most = float(np.abs(sizes / sizes.mean() - 1).max())
        if most > UNEQUAL:
            words = f"denominators differ from their mean by up to {most:.0%}: one width of limits cannot fit all"
            source = "Montgomery, Introduction to Statistical Quality Control, 7.3: one width up to 25 %"
            yield Advice("denominators", words, most, UNEQUAL, source, "chart='i_prime'")
    if n and chart not in ("g", "t"):
        yield from _rare(points, chart)


def _rare(points: _Points, chart: str) -> Iterator[Advice]:
    """Few events a window, where the values (or values times denominators) are counts of events."""
    sizes = points.sizes
    with np.errstate(over="ignore"):
        counts = points.x if sizes is None else points.x * sizes
    if not np.isfinite(counts).all():
        return
    whole = np.abs(counts - np.round(counts)) <= 1e-6 * np.maximum(1.0, np.abs(counts))
    if not whole.all() or counts.min() < 0 or not counts.max():
        return
    mean = float(counts.mean())
    if sizes is not None and chart in ("p", "p_prime"):
        mean = min(mean, float((sizes - counts).mean()))  # nearly all is as rare as nearly none
    if mean < RARE:
        words = (
            f"{mean:.2g} events a window on average: whole steps that large make false signals, zeros hide real ones"
        )
        source = "at 2 a window .27 of quiet series of 26 raise a signal instead of .11 (simulated, Poisson)"
        yield Advice("rare_events", words, mean, RARE, source, "chart='t' of times, or 'g' of counts, between events")


# --- what takes twelve points


def _dispersion(points: _Points, e: FloatArray, chart: str) -> Iterator[Advice]:
    """Sigma of the standardised values from moving ranges, over what theory says it is (Laney's sigma z)."""
    theory = KINDS[chart].theory
    if theory is None or points.sizes is None or not points.near.any():
        return
    pooled = float((points.x * (points.sizes / points.sizes.sum())).sum())
    unit = theory(pooled) / math.sqrt(float(points.sizes.mean()))
    if not unit:
        return
    ratio = float(np.abs(np.diff(e))[points.near].mean()) * math.sqrt(math.pi) / 2 / unit
    spare = _TWO_SIDED * math.sqrt(0.8264 / int(points.near.sum()))
    if abs(ratio - 1) <= spare:
        return
    words = (
        f"the values vary {ratio:.2g} times as much as the theory of a {chart} chart says (chance: {1 - spare:.2g} to "
        f"{1 + spare:.2g}): its limits are too {'narrow' if ratio > 1 else 'wide'}"
    )
    source = "Laney 2002, sigma z; its spread after Cryer and Ryan 1990"
    limit = 1 + math.copysign(spare, ratio - 1)
    yield Advice("dispersion", words, ratio, limit, source, f"chart='{chart}_prime', or 'i_prime'")


def _moved(points: _Points, e: FloatArray, trend: bool, season: Season | None) -> tuple[list[Advice], FloatArray]:
    """Whether the level drifts or has moved once; and the values less that, and less what the chart allows for."""
    if season is not None:
        how = season.how
        try:
            found = seasonal_factors(points.positions, e, season, trended=trend)
        except ValueError:  # what cannot be divided by, unlike the chart's baseline, is subtracted
            how = "subtract"
            found = seasonal_factors(points.positions, e, replace(season, how=how), trended=trend)
        if found is not None:
            e = Adjustment(factors=found[0], how=how).without_season(e, points.positions)
    line = diagnostics.less_line(points.positions.astype(np.float64), e)
    if trend:
        return [], line
    place, stepped = diagnostics.less_step(e, _STEP)
    once = diagnostics.step_beats_line(stepped, line)
    rest = stepped if once else line
    # What a wrong shape leaves is autocorrelated, which would hide the very step it comes from.
    z = diagnostics.with_time(e, diagnostics.lag_one(rest, points.near))
    if abs(z) <= _TWO_SIDED:
        return [], e - e.mean()
    source = "Daniels 1950, rank correlation with time, deflated for autocorrelation; step or line by BIC"
    if once:
        at = int(points.positions[place])
        words = f"the level moved once, near index {at}, and did not drift: a step fits better than a line"
        return [Advice("shift", words, abs(z), _TWO_SIDED, source, f"a divider near {at}")], rest
    words = f"the values {'rise' if z > 0 else 'fall'} all along: limits around one level flag both ends of it"
    return [Advice("trend", words, abs(z), _TWO_SIDED, source, "trend=True")], rest


def _season(positions: IntArray, e: FloatArray, period: int) -> tuple[list[Advice], FloatArray]:
    """Whether the windows of the season differ; and the values less their seasonal means."""
    _, group = np.unique(positions % period, return_inverse=True)
    counts = np.bincount(group)
    if positions[-1] - positions[0] + 1 < 2 * period or e.size - counts.size < 5:
        return [], e
    z = diagnostics.by_group(e, group)
    if z <= _ONE_SIDED:
        return [], e
    words = f"the values follow a season of {period} windows: limits without it flag its highs and lows"
    source = "analysis of variance of normal scores by window of the season; F to z by Paulson 1942"
    rest = e - (np.bincount(group, e) / counts)[group]
    return [Advice("season", words, z, _ONE_SIDED, source, f"season={period}")], rest


def _autocorrelation(points: _Points, e: FloatArray) -> Iterator[Advice]:
    r = diagnostics.lag_one(e, points.near)
    mean, spread = diagnostics.lag_one_moments(e.size)
    low, high = mean - _TWO_SIDED * spread, mean + _ALIKE * spread
    if low <= r <= high:
        return
    share, quiet = [np.interp(r, list(_FALSE), [pair[k] for pair in _FALSE.values()]) for k in (0, 1)], _FALSE[0.0]
    words = (
        f"neighbouring windows {'are alike' if r > 0 else 'swing'} (lag-1 correlation {r:.2f}, chance: {low:.2f} to "
        f"{high:.2f}): of quiet series like this about {share[0]:.0%} raise a false signal in 26 windows and "
        f"{share[1]:.0%} in 52, instead of {quiet[0]:.0%} and {quiet[1]:.0%}"
    )
    source = "lag-1 correlation, its spread after Moran 1948; false signals simulated (AR(1), Wheeler's X rules)"
    fix = "longer windows that do not overlap; changes instead of totals; a season, if it has one" if r > 0 else ""
    yield Advice("autocorrelation", words, r, high if r > 0 else low, source, fix)


def _skew(e: FloatArray) -> Iterator[Advice]:
    """Skewness without the point furthest from the median: one outlier is a signal, not a shape."""
    skew, z = diagnostics.skewness(np.delete(e, int(np.argmax(np.abs(e - np.median(e))))))
    if abs(z) <= _SKEWED:
        return
    words = (
        f"the values are skewed to the {'high' if z > 0 else 'low'} side (skewness {skew:.2f} without the furthest "
        "point): far values there are routine; of quiet lognormal series (sigma .5) about 43% raise a false signal in "
        "26 windows and 77% in 52, instead of 11% and 27%"
    )
    source = "D'Agostino 1970, test of skewness; false signals simulated"
    yield Advice("skew", words, abs(z), _SKEWED, source, "chart='t' for times; else the logarithm of the values")
