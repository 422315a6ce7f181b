"""The wording of a chart: signals, notes and the verdict in plain English.

Pure functions of a finished chart. Not here: anything that decides (rules.py) or draws (svg.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dreamclass_intel.xmr.limits import IntArray, Limits
from dreamclass_intel.xmr.rules import PRECEDENCE, Signal, above

if TYPE_CHECKING:
    from dreamclass_intel.xmr.chart import Chart, Segment

_NAMED = 5  # a note names this many windows and counts the rest


def phrase(chart: Chart, signal: Signal) -> str:
    """One signal in words, for example "below the lower limit at 2025-W31"."""
    first, last = chart.label(signal.start), chart.label(signal.end)
    limit = "upper" if signal.side == "above" else "lower"
    if signal.rule == "outside_limits":
        return f"{signal.side} the {limit} limit at {first}"
    k, span = len(signal.members), chart.judged[signal.start : signal.end + 1].sum()
    stretch = f"from {first} to {last}"
    if signal.rule.startswith("run_of_"):
        return f"{k} in a row {signal.side} the centre line {stretch}"
    if signal.rule.startswith("trend_of_"):
        return f"{k} in a row {'rising' if signal.side == 'above' else 'falling'} {stretch}"
    if signal.rule == "cusum":
        return f"level {signal.side} the centre line, by the CUSUM, {stretch}"
    if signal.rule == "anhoej":
        if signal.side == "both":
            return f"{k} points cross the centre line less often than chance does, {stretch}"
        return f"{k} in a row {signal.side} the centre line, more than chance gives in the points {stretch}"
    return f"{_PATTERNS[signal.rule].format(k=k, span=span, side=signal.side, limit=limit)} {stretch}"


_PATTERNS = {
    "3_of_4": "{k} of {span} beyond half-way to the {limit} limit",
    "2_of_3": "{k} of {span} beyond two thirds of the way to the {limit} limit",
    "2_of_3_near_limit": "{k} of {span} near the {limit} limit",
    "4_of_5": "{k} of {span} beyond a third of the way to the {limit} limit",
    "alternating_14": "{k} up and down in turn",
    "15_within_1_sigma": "{k} in a row within a third of the way to the limits",
    "8_beyond_1_sigma": "{k} in a row beyond a third of the way to the limits, on both sides",
}


def verdict(chart: Chart) -> str:
    """One sentence on the newest segment. "Changed" when a signal reaches its newest judged point, "Changed
    earlier" when the last one ended before; trial limits are said to be such.
    """
    segment = chart.segments[-1]
    limits = segment.limits
    if limits is None:
        if segment.points >= chart.minimum:
            return "Too few points: no two windows that follow each other have values"
        return f"Too few points: {segment.points} of {chart.minimum} needed"
    if chart.newest is None or chart.newest < segment.start:
        return "Nothing to judge: no complete window yet"
    caveat = f" (trial limits: {limits.n} points)" if limits.status == "trial" else ""
    signals = [signal for signal in chart.signals if signal.start >= segment.start]
    if not signals:
        return f"Routine variation: no action{caveat}"
    now = [signal for signal in signals if signal.end == chart.newest]
    if now:
        now.sort(key=lambda s: PRECEDENCE.index(s.rule))
        return f"Changed: {'; '.join(phrase(chart, signal) for signal in now)}{caveat}"
    latest = max(signals, key=lambda s: (s.end, -PRECEDENCE.index(s.rule)))
    return f"Changed earlier: {phrase(chart, latest)}; routine variation since{caveat}"


def status(limits: Limits) -> str:
    """The standing of limits in words, for example "trial limits, n = 8"."""
    kind = {"trial": "trial limits", "computed": "limits", "locked": "locked limits"}[limits.status]
    return f"{kind}, n = {limits.n}"


def adjustment(chart: Chart, segment: Segment) -> tuple[str, ...]:
    """What a segment's limits follow beside its values, or wait for; () for nothing."""
    if segment.limits is None:
        return ()
    made = segment.limits.adjustment
    found = made.words if made is not None else ()
    if chart.season is not None and (made is None or not made.factors):
        length = chart.season.length
        found += (f"the season of {length} windows is not taken out: the baseline does not hold two of them yet",)
    return found


def notes(chart: Chart) -> tuple[str, ...]:
    """What a reader should know beside the signals, oldest segment first."""
    found: list[str] = []
    for segment in chart.segments:
        if segment.limits is not None:
            where = f" (from {chart.label(segment.start)})" if len(chart.segments) > 1 else ""
            found += [f"{note}{where}" for note in _segment_notes(chart, segment, segment.limits)]
    missing = np.flatnonzero(np.isnan(chart.values))
    if missing.size:
        policy = "are stepped over" if chart.bridge else "break moving ranges and runs"
        found.append(f"missing windows {policy}: {_names(chart, missing)}")
    if chart.incomplete:
        found.append(f"incomplete, not judged: {_names(chart, np.array(chart.incomplete))}")
    low, high = chart.bounds
    judged = np.where(chart.judged, chart.values, np.nan)
    if low is not None and (under := np.flatnonzero(judged < low)).size:
        found.append(f"values below the natural bound {low:g}: {_names(chart, under)}")
    if high is not None and (over := np.flatnonzero(judged > high)).size:
        found.append(f"values above the natural bound {high:g}: {_names(chart, over)}")
    return tuple(found)


def _segment_notes(chart: Chart, segment: Segment, limits: Limits) -> list[str]:
    found = list(adjustment(chart, segment))
    if limits.mr_bar == 0:
        found.append("constant series: the limits lie on the centre line, any other value is outside")
    at = np.flatnonzero(~np.isnan(chart.moving_ranges[segment.start : segment.stop])) + segment.start
    jumps = at[above(chart.moving_ranges[at], limits.url, limits)]
    if jumps.size:
        found.append(f"moving range above its limit at {_names(chart, jumps)}")
    low, high = chart.bounds
    if low is not None and limits.lnpl <= low:
        found.append(f"the lower limit lies at or beyond the natural bound {low:g} and cannot be broken")
    if high is not None and limits.unpl >= high:
        found.append(f"the upper limit lies at or beyond the natural bound {high:g} and cannot be broken")
    if 0 < limits.ranges < min(5, limits.n - 1):
        found.append(f"the limits rest on {limits.ranges} moving range{'s'[: limits.ranges > 1]} only")
    if limits.screened:
        found.append(f"moving ranges left out of the limits by screening: {limits.screened}")
    return found


def _names(chart: Chart, indices: IntArray) -> str:
    shown = ", ".join(chart.label(int(i)) for i in indices[:_NAMED])
    return shown if indices.size <= _NAMED else f"{shown} and {indices.size - _NAMED} more"
