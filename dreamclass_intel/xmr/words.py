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
    from dreamclass_intel.xmr.segments import Attribution, Contribution

_NAMED = 5  # a note names this many windows and counts the rest


def phrase(chart: Chart, signal: Signal) -> str:
    """One signal in words, for example "below the lower limit at 2025-W31"."""
    first, last = chart.label(signal.start), chart.label(signal.end)
    limit = "upper" if signal.side == "above" else "lower"
    if signal.rule == "outside_limits":
        return f"{signal.side} the {limit} limit at {first}"
    if signal.rule.startswith("run_of_"):
        return f"{len(signal.members)} in a row {signal.side} the centre line from {first} to {last}"
    span = chart.judged[signal.start : signal.end + 1].sum()
    return f"{len(signal.members)} of {span} beyond half-way to the {limit} limit from {first} to {last}"


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


def attribution(found: Attribution) -> str:
    """Who moved, for example "Ads moved: -0.031 of -0.035 (89 %, 95 % interval -0.049 to -0.012), by its own rate"."""
    change = f"{found.change:+.3g}"
    if len(found.rows) == 1:
        return f"One segment only, {found.rows[0].segment}: the whole change of {change} is its own"
    if not found.moved:
        return f"No segment stands out: what each contributed to the change of {change} is within its routine variation"
    told = "; ".join(_contribution(found, row) for row in found.moved[:_NAMED])
    rest = len(found.moved) - _NAMED
    more = f"; and {rest} more" if rest > 0 else ""
    return f"{told}{more}"


def _contribution(found: Attribution, row: Contribution) -> str:
    share = "" if row.share is None or not 0 < row.share <= 1 else f"{100 * row.share:.0f} %, "
    interval = f"{100 * found.confidence:.3g} % interval {row.ci_low:+.3g} to {row.ci_high:+.3g}"
    told = f"{row.segment} moved: {row.contribution:+.3g} of {found.change:+.3g} ({share}{interval})"
    if row.mix is None or row.rate is None:
        return told
    parts = sorted((("own rate", row.rate), ("share of the whole", row.mix)), key=lambda part: -abs(part[1]))
    if 4 * abs(parts[1][1]) < abs(parts[0][1]):
        return f"{told}, mostly by its {parts[0][0]}"
    return f"{told}, {parts[0][1]:+.3g} by its {parts[0][0]} and {parts[1][1]:+.3g} by its {parts[1][0]}"


def _segment_notes(chart: Chart, segment: Segment, limits: Limits) -> list[str]:
    found: list[str] = []
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
