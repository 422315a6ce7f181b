"""One rebaseline proposal and the evidence for it: the checks a split or a trend must pass, and their words.

Here a candidate is weighed. Not here: where candidates come from (proposals.py), the statistics (changepoints.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from dreamclass_intel.xmr import changepoints as cp
from dreamclass_intel.xmr.chart import Chart
from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray
from dreamclass_intel.xmr.words import figure

RANK_Z = 3.0  # the rank check passes from here on
STANDS = 1.645  # and the check of what stands without its most telling stretch: one-sided 5 %
TREND_Z = 3.29  # a review takes a line for a trend from here on: two-sided 0.1 %
# A line that leaves this much more (in variances; for one split, and for each further one) than the steps is preferred:
# it has fewer figures to fit with. Chosen on drifts of 0.04 sigma a window and on shifts of 1.5 sigma
# (benchmarks/bench_xmr_proposals.py).
LINE_BONUS, LINE_BONUS_MORE = 2.0, 8.0
OPPOSING_RUN = 8  # a run this long on the old side of the half-way line, anywhere in the new level, rejects it
OPPOSING_OPEN = 5  # and so does this one when it is still open at the newest window


@dataclass(frozen=True)
class Proposal:
    """One proposal and its evidence. Indices are 0-based positions in the series, figures in its unit.

    `index` is the first window of the new level (of a trend: of the stretch it holds for), most likely between
    `earliest` and `latest` (95 %). The evidence rests on the windows `start` to `end`, the last one of the new level.
    `since` counts the judged windows at the new level: from 8 on a proposal is open, from 12 (`minimum`) on it is
    `ready` to be accepted. `watch` saw it first at `opened_at` and last at `known_at`; a review sees all at its newest
    window.
    `shift` is the new mean minus the old one, `low`..`high` its 95 % interval (of a trend: the rise a window); `sigma`
    the routine variation around the levels. `statistic` is compared with `threshold`, `rank_z` with 3; both are
    deflated for `autocorrelation` (lag 1). `run` is the longest run of the new level beyond the old mean,
    `opposing_run` the longest one on the old side of the half-way line (0 for a trend).
    """

    kind: Literal["shift", "trend"]
    index: int
    earliest: int
    latest: int
    start: int
    end: int
    opened_at: int
    known_at: int
    since: int
    ready: bool
    shift: float
    low: float
    high: float
    sigma: float
    statistic: float
    threshold: float
    rank_z: float
    autocorrelation: float
    run: int
    opposing_run: int
    segment: int
    sentence: str


class JudgedSeries(NamedTuple):
    """Judged windows that follow each other: positions in the chart and values, both of shape [m]; the values are in
    units of 2 ** `exponent`, so that squares of them neither overflow nor vanish.
    """

    chart: Chart
    segment: int
    positions: IntArray
    x: FloatArray
    exponent: int

    @classmethod
    def of(cls, chart: Chart, number: int) -> JudgedSeries:
        """The judged windows of segment `number`, without the centre where it moves (trend, season)."""
        segment = chart.segments[number]
        positions = np.flatnonzero(chart.judged[segment.start : segment.stop]) + segment.start
        x = chart.values[positions]
        if segment.limits is not None and segment.limits.lines is not None:
            x = x - segment.limits.lines.center[positions]
        exponent = math.frexp(float(np.abs(x).max(initial=0.0)))[1]
        return cls(chart, number, positions, np.ldexp(x, -exponent), exponent)

    def part(self, start: int, stop: int) -> JudgedSeries:
        """The judged windows start..stop (half-open, counted in judged windows)."""
        return self._replace(positions=self.positions[start:stop], x=self.x[start:stop])

    @property
    def adjacent(self) -> BoolArray:
        """Which windows follow each other without a gap, shape [m - 1]."""
        steps = np.diff(self.positions)
        return np.ones(steps.size, dtype=bool) if self.chart.bridge else steps == 1


class Evidence(NamedTuple):
    """What speaks for one split of a series; `score` is at least 1 when every check passes."""

    score: float
    statistic: float
    threshold: float
    rank_z: float
    run: int
    opposing_run: int


def weigh(x: FloatArray, y: FloatArray, k: int, scatter: cp.Scatter, *, newest: bool, watch: bool = False) -> Evidence:
    """The checks of a split at k; `y` are the clipped values, `newest` says that the last window is the chart's."""
    threshold = cp.split_threshold(x.size, watch=watch)
    deflated = math.sqrt(scatter.inflation)
    statistic = float(cp.split_statistics(x, k, x.size - k)[0]) / deflated
    rank_z = cp.mann_whitney(x[:k], x[k:]) / deflated
    stands = cp.standing(y[:k], y[k:], scatter.sigma * deflated)
    old, new = float(np.median(x[:k])), float(np.median(x[k:]))
    side = 1.0 if statistic > 0 else -1.0
    run, _ = cp.longest_run(side * (x[k:] - old) > 0)
    opposing, still_open = cp.longest_run(side * (x[k:] - (old + (new - old) / 2)) < 0)
    score = min(abs(statistic) / threshold, side * rank_z / RANK_Z, stands / STANDS)
    if opposing >= OPPOSING_RUN or (newest and still_open >= OPPOSING_OPEN):
        score = 0.0
    return Evidence(score, statistic, threshold, rank_z, run, opposing)


def is_line(line: cp.Line, y: FloatArray, edges: list[int], scatter: cp.Scatter) -> bool:
    """Whether a straight line says what the steps say, with fewer figures."""
    rest = cp.residuals(y, edges)
    more = float(line.rest @ line.rest - rest @ rest)
    bonus = LINE_BONUS + LINE_BONUS_MORE * (len(edges) - 3)
    return more < bonus * scatter.sigma**2 * scatter.inflation


def shift_of(
    series: JudgedSeries, y: FloatArray, k: int, evidence: Evidence, scatter: cp.Scatter, minimum: int
) -> Proposal:
    """The proposal of a split at k."""
    positions, x = series.positions, series.x
    old, new = x[:k], x[k:]
    _, earliest, latest = cp.locate(y, cp.MINIMUM, cp.OPENS // 2, scatter.inflation)
    parts = [float(level.var(ddof=1)) / level.size for level in (old, new)]
    error = math.sqrt(sum(parts) * scatter.inflation)
    shift, half, sigma = (
        math.ldexp(value, series.exponent)
        for value in (float(new.mean() - old.mean()), _t95(parts, (old.size, new.size)) * error, scatter.sigma)
    )
    label = series.chart.label
    where = label(int(positions[k]))
    sizes = (figure(abs(shift), sigma), figure(shift - half, sigma), figure(shift + half, sigma))
    words = (
        f"From {where} on the level is {sizes[0]} {'higher' if shift > 0 else 'lower'}, "
        f"95 % interval of the change {sizes[1]} to {sizes[2]}"
        + (f" ({abs(shift) / sigma:.1f} sigma)" if sigma > 0 else "")
        + f"; {new.size} windows since. Split statistic {abs(evidence.statistic):.1f} where routine variation passes "
        f"{evidence.threshold:.1f} once in a hundred series; rank check {abs(evidence.rank_z):.1f}; "
        f"autocorrelation {scatter.autocorrelation:.2f}; start between {label(int(positions[earliest]))} "
        f"and {label(int(positions[latest]))}."
    )
    return Proposal(
        kind="shift",
        index=int(positions[k]),
        earliest=int(positions[earliest]),
        latest=int(positions[latest]),
        start=int(positions[0]),
        end=int(positions[-1]),
        opened_at=int(positions[-1]),
        known_at=int(positions[-1]),
        since=int(new.size),
        ready=new.size >= minimum,
        shift=shift,
        low=shift - half,
        high=shift + half,
        sigma=sigma,
        statistic=evidence.statistic,
        threshold=evidence.threshold,
        rank_z=evidence.rank_z,
        autocorrelation=scatter.autocorrelation,
        run=evidence.run,
        opposing_run=evidence.opposing_run,
        segment=series.segment,
        sentence=words,
    )


def trend_of(series: JudgedSeries, line: cp.Line, threshold: float) -> Proposal | None:
    """The proposal of trended limits, where the line's slope and the ranks say so."""
    n, positions = series.x.size, series.positions
    scatter = cp.scatter(line.rest, series.adjacent, 2)
    deflated = math.sqrt(scatter.inflation)
    error = line.error * deflated
    statistic = line.slope / error if error > 0 else math.copysign(math.inf, line.slope) if line.slope else 0.0
    rank_z = cp.mann_kendall(series.x) / deflated
    if abs(statistic) < threshold or abs(rank_z) < RANK_Z or statistic * rank_z < 0:
        return None
    slope, half, sigma = (
        math.ldexp(value, series.exponent) for value in (line.slope, _t95([1.0], (n - 1,)) * error, scatter.sigma)
    )
    label = series.chart.label
    first, last = int(positions[0]), int(positions[-1])
    words = (
        f"From {label(first)} to {label(last)} the series {'rises' if slope > 0 else 'falls'} by "
        f"{figure(abs(slope), sigma / n)} a window rather than in steps: trended limits, not a split. "
        f"Slope statistic {abs(statistic):.1f} against {threshold:.1f}; rank check {abs(rank_z):.1f}; "
        f"autocorrelation {scatter.autocorrelation:.2f}."
    )
    return Proposal(
        kind="trend",
        index=first,
        earliest=first,
        latest=first,
        start=first,
        end=last,
        opened_at=last,
        known_at=last,
        since=n,
        ready=True,
        shift=slope,
        low=slope - half,
        high=slope + half,
        sigma=sigma,
        statistic=statistic,
        threshold=threshold,
        rank_z=rank_z,
        autocorrelation=scatter.autocorrelation,
        run=0,
        opposing_run=0,
        segment=series.segment,
        sentence=words,
    )


def _t95(parts: list[float], sizes: tuple[int, ...]) -> float:
    """The 97.5 % point of Student's t (expansion 26.7.5 of Abramowitz and Stegun, good to 0.001 from 8 degrees on),
    degrees of freedom after Welch (1947).
    """
    below = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    freedom = sum(parts) ** 2 / below if below > 0 else math.inf
    z = 1.959963984540054
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
