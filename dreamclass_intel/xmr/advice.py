"""Which chart a series asks for: tests of what makes most false alarms, each with its statistic and threshold.

On business series not the rules but the shape of the data makes most false alarms: autocorrelation, skew, a
season, rates whose limits are too narrow. `advise` tests one stretch without dividers and says in words what
it found and what would fit. A trend is tested first and taken out, else it would pass for autocorrelation; so
is a single step. Tests hold a false-warning rate of 1 % each on quiet normal data (measured by the tests).
Nothing is decided here: a chart is what its caller asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from dreamclass_intel.xmr.adjust import Season, seasonal_factors
from dreamclass_intel.xmr.kinds import KINDS
from dreamclass_intel.xmr.limits import FloatArray, IntArray

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
_STEP = 4  # points at least on each side of a step

# Share of quiet series with a signal of Wheeler's rules, limits from all points, by lag-1 correlation (AR(1),
# simulated): for 26 and for 52 windows.
_FALSE = {-0.3: (0.03, 0.07), 0.0: (0.11, 0.27), 0.2: (0.27, 0.56), 0.4: (0.53, 0.86), 0.6: (0.79, 0.98)}


@dataclass(frozen=True)
class Advice:
    """One warning: what was found, in words; the `statistic` and the `threshold` it passed; the `source` of the
    test; and what `analyse` could be asked for instead ("" where no other chart helps).
    """

    topic: Topic
    words: str
    statistic: float
    threshold: float
    source: str
    suggests: str = ""


class _Points(NamedTuple):
    """The values that are there: `positions`, `x` and `sizes` (None without denominators), of shape [n]."""

    positions: IntArray
    x: FloatArray
    sizes: FloatArray | None
    bridge: bool


def advise(
    values: Sequence[float | None] | FloatArray,
    denominators: Sequence[float | None] | FloatArray | None = None,
    *,
    chart: str = "xmr",
    trend: bool = False,
    season: Season | None = None,
    period: int | None = None,
    bridge: bool = False,
) -> tuple[Advice, ...]:
    """What a reader of this chart should be warned of, the most basic first; () where the chart fits.

    values, denominators: shape [n], one stretch without dividers; None or NaN is a missing window. With
        denominators an xmr chart is asked whether they vary too much for it.
    chart, trend, season: what the chart allows for already; this is taken out and not warned of.
    period: a season to test for, in windows; needs two full ones.
    Below 12 points only their number, constancy and rarity can be judged. Raises ValueError for an unknown chart.
    """
    if chart not in KINDS:
        raise ValueError(f"chart must be one of {', '.join(KINDS)}, not {chart!r}")
    points = _points(values, denominators, bridge)
    found = list(_basics(points, chart))
    constant = bool(points.x.size) and points.x.min() == points.x.max()
    if points.x.size >= TRIAL and not constant:
        rare = any(advice.topic == "rare_events" for advice in found)
        found += _dispersion(points, chart) if not rare else []
        found += _shape(points, chart, trend, season, period, rare)
    return tuple(found)


def _points(values: object, denominators: object, bridge: bool) -> _Points:
    x = np.array(values, dtype=np.float64)
    sizes = None if denominators is None else np.array(denominators, dtype=np.float64)
    if sizes is not None and sizes.shape != x.shape:
        raise ValueError(f"{sizes.size} denominators for {x.size} values")
    there = np.isfinite(x) if sizes is None else np.isfinite(x) & (sizes > 0)
    positions = np.flatnonzero(there)
    return _Points(positions, x[positions], None if sizes is None else sizes[positions], bridge)


def _basics(points: _Points, chart: str) -> Iterator[Advice]:
    n = points.x.size
    if n < TRIAL:
        what = "no limits" if n < FEWEST else "trial limits, which each new point moves"
        yield Advice("too_few", f"{n} points make {what}: {TRIAL} are needed", n, TRIAL, "our definition 5.8; NHS")
    if n >= FEWEST and points.x.min() == points.x.max():
        words = f"all {n} values are {points.x[0]:g}: the limits lie on the centre, any other value is outside"
        yield Advice("constant", words, 0.0, 0.0, "a moving range of zero")
    if not n:
        return
    if points.sizes is not None and chart == "xmr":
        most = float(np.abs(points.sizes / points.sizes.mean() - 1).max())
        if most > UNEQUAL:
            words = f"denominators differ from their mean by up to {most:.0%}: one width of limits cannot fit all"
            source = "Montgomery, Introduction to Statistical Quality Control, 7.3: within 25 % of the mean"
            yield Advice("denominators", words, most, UNEQUAL, source, "chart='i_prime' with denominators")
    yield from _rare(points, chart)


def _rare(points: _Points, chart: str) -> Iterator[Advice]:
    if chart in ("g", "t"):
        return
    counts = points.x if points.sizes is None else points.x * points.sizes
    whole = np.abs(counts - np.round(counts)) <= 1e-6 * np.maximum(1.0, np.abs(counts))
    if not whole.all() or counts.min() < 0 or not counts.max():
        return
    mean = float(counts.mean())
    if points.sizes is not None and chart in ("p", "p_prime"):
        mean = min(mean, float((points.sizes - counts).mean()))
    if mean < RARE:
        words = f"{mean:.2g} events a window on average: too few for limits, which rest on whole steps"
        source = "our definition 5.10; counts that average 2 already raise false signals in .27 of 26 windows"
        yield Advice("rare_events", words, mean, RARE, source, "chart='t' of times (or 'g' of counts) between events")


def _dispersion(points: _Points, chart: str) -> Iterator[Advice]:
    theory = KINDS[chart].theory
    if theory is None or points.sizes is None:
        return
    z, steps = _standardised(points, chart), 0.0
    near = _neighbours(points)
    if not near.any():
        return
    steps = float(np.abs(np.diff(z))[near].mean()) / (2 / math.sqrt(math.pi))
    pooled = float((points.x * points.sizes).sum() / points.sizes.sum())
    unit = theory(pooled) / math.sqrt(float(points.sizes.mean()))
    if not unit:
        return
    ratio, spare = steps / unit, _TWO_SIDED * math.sqrt(0.8264 / int(near.sum()))
    if abs(ratio - 1) > spare:
        over = ratio > 1
        kind = "narrow" if over else "wide"
        words = (
            f"the values vary {ratio:.2g} times as much as the {chart} chart's theory allows for "
            f"(chance: {1 - spare:.2g} to {1 + spare:.2g}): its limits are too {kind}"
        )
        source = "Laney 2002, sigma of z from moving ranges; its spread by Cryer and Ryan 1990"
        limit = 1 + spare if over else 1 - spare
        yield Advice("dispersion", words, ratio, limit, source, f"chart='{chart}_prime' or 'i_prime'")


def _shape(
    points: _Points, chart: str, trend: bool, season: Season | None, period: int | None, rare: bool
) -> Iterator[Advice]:
    """Trend or step, season, autocorrelation, skew: each on what the ones before have left."""
    e = _standardised(points, chart)
    at = points.positions.astype(np.float64)
    if season is not None:
        e = _without_factors(points.positions, e, season, trend)
    line = e - _line(at, e)
    if trend:
        e = line
    else:
        advice, e = _trend(points, e, line)
        yield from advice
    if period is not None and (season is None or period != season.length):
        advice, e = _season(points.positions, e, period)
        yield from advice
    yield from _autocorrelation(points, e)
    if chart in ("xmr", "i_prime", "p_prime", "u_prime") and not rare:
        yield from _skew(e)


def _trend(points: _Points, e: FloatArray, line: FloatArray) -> tuple[list[Advice], FloatArray]:
    """Daniels' test (rank correlation with time), deflated by what autocorrelation the line leaves; then the line
    against the best single step by the Bayesian information criterion.
    """
    n = e.size
    level = e - e.mean()
    r = max(_lag_one(points, line), 0.0)
    z = _correlation(_ranks(e), np.arange(n, dtype=np.float64)) * math.sqrt(n - 1) * math.sqrt((1 - r) / (1 + r))
    if abs(z) <= _TWO_SIDED:
        return [], level
    source = "Daniels 1950, rank correlation with time, for autocorrelation by its effective number of points"
    at, stepped = _best_step(e)
    fits = [n * math.log(max(float(rest @ rest), 1e-300)) for rest in (line, stepped)]
    if fits[1] + math.log(n) < fits[0]:
        words = f"the level moved once (near point {at} of {n}) and did not drift: a step fits better than a line"
        return [Advice("shift", words, abs(z), _TWO_SIDED, source, f"a divider near point {at}")], stepped
    words = f"the values {'rise' if z > 0 else 'fall'} steadily: limits around one level flag both ends of it"
    return [Advice("trend", words, abs(z), _TWO_SIDED, source, "trend=True")], line


def _season(positions: IntArray, e: FloatArray, period: int) -> tuple[list[Advice], FloatArray]:
    """Analysis of variance of the normal scores by window of the season; F to z by Paulson 1942."""
    if period < 2:
        raise ValueError(f"a season has at least 2 windows, not {period}")
    groups, number = np.unique(positions % period, return_inverse=True)
    n, k = e.size, groups.size
    if positions[-1] - positions[0] + 1 < 2 * period or n - k < 5:
        return [], e
    scores = _normal_scores(e)
    counts = np.bincount(number)
    means = np.bincount(number, scores) / counts
    within = float(((scores - means[number]) ** 2).sum()) / (n - k)
    between = float((counts * (means - scores.mean()) ** 2).sum()) / (k - 1)
    if within == 0:
        return [], e
    z = _paulson(between / within, k - 1, n - k)
    if z <= _ONE_SIDED:
        return [], e
    words = f"the values follow a season of {period} windows: limits that know no season flag its highs and lows"
    source = "analysis of variance of normal scores by window of the season, F to z by Paulson 1942"
    rest = e - (np.bincount(number, e) / counts)[number]
    return [Advice("season", words, z, _ONE_SIDED, source, f"season={period}")], rest


def _autocorrelation(points: _Points, e: FloatArray) -> Iterator[Advice]:
    n = e.size
    r = _lag_one(points, e)
    spare = _TWO_SIDED * (n - 2) / (n * math.sqrt(n - 1))
    low, high = -1 / n - spare, -1 / n + spare
    if low <= r <= high:
        return
    share = [float(np.interp(r, list(_FALSE), [pair[k] for pair in _FALSE.values()])) for k in (0, 1)]
    quiet = _FALSE[0.0]
    words = (
        f"neighbouring windows are alike (lag-1 correlation {r:.2f}, chance: {low:.2f} to {high:.2f})"
        if r > 0
        else f"neighbouring windows swing (lag-1 correlation {r:.2f}, chance: {low:.2f} to {high:.2f})"
    ) + (
        f": of quiet series like this about {share[0]:.0%} raise a false signal in 26 windows and {share[1]:.0%} in "
        f"52, instead of {quiet[0]:.0%} and {quiet[1]:.0%}"
    )
    source = "lag-1 correlation, its spread by Moran 1948; false signals simulated (AR(1), Wheeler's rules)"
    fix = "longer windows; differences of a running total; no windows that overlap" if r > 0 else ""
    yield Advice("autocorrelation", words, r, high if r > 0 else low, source, fix)


def _skew(e: FloatArray) -> Iterator[Advice]:
    """D'Agostino's test without the point furthest from the median: one outlier is a signal, not a shape."""
    rest = np.delete(e, int(np.argmax(np.abs(e - np.median(e)))))
    n = rest.size
    rest = rest - rest.mean()
    spread = float((rest**2).mean())
    if spread <= 0:
        return
    skewness = float((rest**3).mean()) / spread**1.5
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    kurtosis = 3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w2 = math.sqrt(2 * (kurtosis - 1)) - 1
    z = math.asinh(y / math.sqrt(2 / (w2 - 1))) / math.sqrt(math.log(w2) / 2)
    if abs(z) > _TWO_SIDED:
        side = "high" if z > 0 else "low"
        words = (
            f"the values are skewed to the {side} side (skewness {skewness:.2f}, without the furthest point): far "
            "values there are part of the routine; of quiet lognormal series about 43% raise a false signal in 26 "
            "windows instead of 11%"
        )
        source = "D'Agostino 1970, test of skewness; false signals simulated (lognormal, sigma .5)"
        yield Advice("skew", words, abs(z), _TWO_SIDED, source, "chart='t' for times; else the logarithm of the values")


# --- pieces


def _standardised(points: _Points, chart: str) -> FloatArray:
    """The values as the chart judges them: of windows of one size, on the chart's scale."""
    if points.sizes is None or not KINDS[chart].weighted:
        return np.maximum(points.x, 0.0) ** KINDS[chart].power if KINDS[chart].power != 1.0 else points.x
    pooled = float((points.x * points.sizes).sum() / points.sizes.sum())
    return (points.x - pooled) * np.sqrt(points.sizes / points.sizes.mean())


def _without_factors(positions: IntArray, e: FloatArray, season: Season, trend: bool) -> FloatArray:
    found = seasonal_factors(positions, e, season, trended=trend)
    if found is None:
        return e
    factor = np.array(found[0])[positions % season.length]
    return e - factor if season.how == "subtract" else e / factor


def _neighbours(points: _Points) -> np.ndarray:
    """Which steps (shape [n - 1]) are between windows that follow each other."""
    return np.ones(points.x.size - 1, dtype=bool) if points.bridge else np.diff(points.positions) == 1


def _lag_one(points: _Points, e: FloatArray) -> float:
    near = _neighbours(points)
    e = e - e.mean()
    total = float(e @ e)
    if not total or not near.any():
        return 0.0
    return float((e[1:] * e[:-1])[near].mean()) * (e.size - 1) / total


def _line(at: FloatArray, e: FloatArray) -> FloatArray:
    """The least-squares line through the points, at the points (shape [n])."""
    centred = at - at.mean()
    return e.mean() + centred * (float(centred @ e) / float(centred @ centred))


def _best_step(e: FloatArray) -> tuple[int, FloatArray]:
    """Where a single step fits best, and what it leaves (shape [n])."""
    n = e.size
    sums = np.cumsum(e - e.mean())
    cut = np.arange(_STEP, n - _STEP + 1)
    gain = sums[cut - 1] ** 2 * n / (cut * (n - cut))
    at = int(cut[np.argmax(gain)])
    return at, np.concatenate([e[:at] - e[:at].mean(), e[at:] - e[at:].mean()])


def _ranks(e: FloatArray) -> FloatArray:
    """Ranks from 1, ties at their mean rank (shape [n])."""
    _, inverse, counts = np.unique(e, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _normal_scores(e: FloatArray) -> FloatArray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((rank - 0.375) / (e.size + 0.25)) for rank in _ranks(e).tolist()])


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def _paulson(f: float, d1: int, d2: int) -> float:
    root = f ** (1 / 3)
    a, b = 2 / (9 * d1), 2 / (9 * d2)
    return ((1 - b) * root - (1 - a)) / math.sqrt(b * root * root + a)
