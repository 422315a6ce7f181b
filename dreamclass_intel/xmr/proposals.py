"""Rebaseline proposals: where a chart may need new limits, with the evidence. A proposal changes nothing: a person
accepts or rejects it (decisions.py), and an accepted one is a divider.

Two ways to ask. `propose` is the review: all windows of the chart. `watch` is prospective: after each window in turn,
with nothing but the windows up to it. Here is the search; how a candidate is weighed is in evidence.py.

The order of the tests. A trend first, as a slow drift splits into steps under any step model; then the splits, each
against both of its neighbours: the calibrated split statistic, the rank check, whether the level stands without its
most telling stretch, and whether the series has gone back. Autocorrelation at lag 1 widens every threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dreamclass_intel.xmr import changepoints as cp
from dreamclass_intel.xmr.chart import Chart
from dreamclass_intel.xmr.evidence import TREND_Z, Evidence, JudgedSeries, Proposal, is_line, shift_of, trend_of, weigh
from dreamclass_intel.xmr.limits import BoolArray, FloatArray


def propose(chart: Chart, *, minimum: int = cp.MINIMUM) -> tuple[Proposal, ...]:
    """The review of a whole chart: proposals for each of its segments, oldest first.

    A level that limits already follow (a trend, a season) is taken off before anything is tested. The newest level
    may be a proposal of 8 windows, open but not ready. `minimum` is the least number of judged windows on both sides
    of a split; ValueError below 12, for which the thresholds are made.
    """
    _check(minimum)
    found: list[Proposal] = []
    for number in range(len(chart.segments)):
        series = JudgedSeries.of(chart, number)
        found += (
            replace(p, opened_at=int(series.positions[-1]), known_at=int(series.positions[-1]))
            for p in _review(series, minimum)
        )
    return tuple(found)


def watch(chart: Chart, *, minimum: int = cp.MINIMUM) -> tuple[Proposal, ...]:
    """The proposals as they came: after each judged window, from the windows of its segment up to it (at most 120).

    A proposal opens with 8 windows at the new level and is ready, and final, at `known_at`, the first window at which
    it has `minimum` and still stands; one that stops to stand before is withdrawn and not listed. From then on the
    walk looks for the next change from `index` on; after a trend it looks no further in that segment. Only the last
    proposal can be not ready. What `watch` says up to window i is `watch` of the chart up to i. ValueError for a
    minimum below 12.
    """
    _check(minimum)
    found: list[Proposal] = []
    for number in range(len(chart.segments)):
        walk = list(_walk(JudgedSeries.of(chart, number), minimum))
        last = number == len(chart.segments) - 1
        found += [proposal for proposal in walk if proposal.ready or last]
    return tuple(found)


def _check(minimum: int) -> None:
    if minimum < cp.MINIMUM:
        raise ValueError(f"minimum must be at least {cp.MINIMUM} windows, not {minimum}: the thresholds begin there")


def _review(series: JudgedSeries, minimum: int) -> Iterator[Proposal]:
    """Trend, splits, then the newest level, which may have opened a proposal."""
    n = series.x.size
    level = 0
    if n >= 2 * minimum:
        y, sigma = cp.clipped(series.x)
        edges, scatter = _levels(y, sigma, series.adjacent, minimum)
        line = cp.line_through(y, series.positions)
        if len(edges) == 2 or is_line(line, y, edges, scatter):
            trend = trend_of(series, line, TREND_Z)
            if trend is not None or len(edges) > 2:
                yield from (trend,) if trend else ()
                return
        edges, weighed = _pruned(series, y, edges, scatter, minimum)
        if len(edges) > 2:
            free = cp.locate(y[edges[-3] :], cp.MINIMUM, cp.OPENS // 2, scatter.inflation)[0]
            if n - edges[-3] - free < minimum:  # it began later than a split may lie: open at most
                del edges[-2], weighed[-1]
        for before, k, after, evidence in zip(edges[:-2], edges[1:-1], edges[2:], weighed, strict=True):
            part = series.part(before, after)
            yield shift_of(part, y[before:after], k - before, evidence, scatter, minimum)
        level = edges[-2]
    newest = _look(series.part(max(level, n - cp.HORIZON), n), minimum)
    if newest is not None and newest.kind == "shift" and not newest.ready:
        yield newest


def _levels(y: FloatArray, sigma: float, adjacent: BoolArray, minimum: int) -> tuple[list[int], cp.Scatter]:
    """Edges of the levels, and the scatter around them. A split must take off the squared threshold, in variances. The
    variance depends on the levels, so both are made in turn, three times at most.
    """
    penalty = cp.split_threshold(y.size) ** 2
    edges = cp.partition(y / sigma, minimum, penalty) if sigma > 0 else [0, y.size]
    scatter = cp.scatter(cp.residuals(y, edges), adjacent, len(edges) - 1)
    for _ in range(3):
        if not scatter.sigma > 0:
            break
        better = cp.partition(y / scatter.sigma, minimum, penalty * scatter.inflation)
        if better == edges:
            break
        edges = better
        scatter = cp.scatter(cp.residuals(y, edges), adjacent, len(edges) - 1)
    return edges, scatter


def _pruned(
    series: JudgedSeries, y: FloatArray, edges: list[int], scatter: cp.Scatter, minimum: int
) -> tuple[list[int], list[Evidence]]:
    """Edges of which every inner one passes all checks: located between its neighbours, the weakest taken out, until
    all that remain pass.
    """
    while True:
        for i in range(1, len(edges) - 1):
            before, after = edges[i - 1], edges[i + 1]
            edges[i] = before + cp.locate(y[before:after], minimum, minimum, scatter.inflation)[0]
        weighed = [
            weigh(
                series.x[before:after],
                y[before:after],
                k - before,
                scatter,
                newest=after == edges[-1],
            )
            for before, k, after in zip(edges[:-2], edges[1:-1], edges[2:], strict=True)
        ]
        scores = [evidence.score for evidence in weighed]
        if min(scores, default=1.0) >= 1:
            return edges, weighed
        del edges[1 + scores.index(min(scores))]


def _walk(series: JudgedSeries, minimum: int) -> Iterator[Proposal]:
    """Ready proposals as they come, and the one that is open at the end."""
    level, open_since, proposal = 0, None, None
    for stop in range(cp.MINIMUM + cp.OPENS, series.x.size + 1):
        if stop - level < cp.MINIMUM + cp.OPENS:
            continue
        proposal = _look(series.part(max(level, stop - cp.HORIZON), stop), minimum)
        if proposal is None:
            open_since = None
            continue
        open_since = proposal.known_at if open_since is None else open_since
        proposal = replace(proposal, opened_at=open_since)
        if proposal.ready:
            yield proposal
            if proposal.kind == "trend":
                return
            level, open_since = int(np.searchsorted(series.positions, proposal.index)), None
            proposal = None
    if proposal is not None:
        yield proposal


def _look(series: JudgedSeries, minimum: int) -> Proposal | None:
    """One look at a level of which the newest windows, 8 at least, may be a new one."""
    n = series.x.size
    if n < cp.MINIMUM + cp.OPENS:
        return None
    threshold = cp.split_threshold(n, watch=True)
    statistics = np.abs(cp.split_statistics(series.x, cp.MINIMUM, cp.OPENS))
    if statistics.max() < threshold:  # the common case, and the quick one
        return None
    y, _ = cp.clipped(series.x)
    edges = [0, cp.MINIMUM + int(statistics.argmax()), n]
    scatter = cp.scatter(cp.residuals(y, edges), series.adjacent, 2)
    edges[1] = k = cp.locate(y, cp.MINIMUM, cp.OPENS // 2, scatter.inflation)[0]
    if n - k < cp.OPENS:  # it looks newer than 8 windows: too early to say
        return None
    scatter = cp.scatter(cp.residuals(y, edges), series.adjacent, 2)
    line = cp.line_through(y, series.positions)
    if n >= 2 * minimum and is_line(line, y, edges, scatter):
        return trend_of(series, line, threshold)
    evidence = weigh(series.x, y, k, scatter, newest=True, watch=True)
    if evidence.score < 1:
        return None
    return shift_of(series, y, k, evidence, scatter, minimum)
