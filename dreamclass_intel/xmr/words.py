"""The wording of a chart: signals, notes and the verdict in plain English.

Pure functions of a finished chart. Not here: anything that decides (rules.py) or draws (svg.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dreamclass_intel.xmr.kinds import KINDS
from dreamclass_intel.xmr.limits import DEFAULT, IntArray, Limits
from dreamclass_intel.xmr.rules import PRECEDENCE, Signal, above

if TYPE_CHECKING:
    from dreamclass_intel.xmr.chart import Chart, Segment
    from dreamclass_intel.xmr.segments import Attribution, Contribution

_NAMED = 5  # a note names this many windows and counts the rest
_TOLD = 12  # a description tells this many signals and counts the rest

_PATTERNS = {
    "3_of_4": "{k} of {span} beyond half-way to the {limit} limit",
    "2_of_3": "{k} of {span} beyond two thirds of the way to the {limit} limit",
    "2_of_3_near_limit": "{k} of {span} near the {limit} limit",
    "4_of_5": "{k} of {span} beyond a third of the way to the {limit} limit",
    "alternating_14": "{k} up and down in turn",
    "15_within_1_sigma": "{k} in a row within a third of the way to the limits",
    "8_beyond_1_sigma": "{k} in a row beyond a third of the way to the limits, on both sides",
}


def figure(value: float, step: float) -> str:
    """A figure for the eye and the ear: decimals to a hundredth of `step` (its routine variation), thousands
    separated.

    Only for showing; nothing is ever compared after this rounding.
    """
    size = step if step > 0 else abs(value)
    if not size or not math.isfinite(size):
        return f"{value:g}"
    decimals = _decimals(size)
    if decimals > 10 or abs(value) >= 1e16:
        return f"{value:.6g}"
    text = f"{value:,.{max(0, decimals)}f}"
    return text if "." not in text else text.rstrip("0").rstrip(".")


def figures(values: list[float], step: float) -> list[str]:
    """`figure` of each value, nothing for NaN."""
    decimals = _decimals(step) if step > 0 and math.isfinite(step) else 11
    if decimals > 10 or any(abs(value) >= 1e16 for value in values):
        return ["" if value != value else figure(value, step) for value in values]
    shape = f",.{max(0, decimals)}f"
    texts = ["" if value != value else format(value, shape) for value in values]
    return [text.rstrip("0").rstrip(".") for text in texts] if decimals > 0 else texts


@lru_cache(maxsize=1024)
def _decimals(size: float) -> int:
    return 2 - math.floor(math.log10(size))


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
    if signal.rule in _PATTERNS:
        return f"{_PATTERNS[signal.rule].format(k=k, span=span, side=signal.side, limit=limit)} {stretch}"
    return f"{_short(signal)} {stretch}"


def _short(signal: Signal) -> str:
    """The signal in a few words, for a window of it, for example "run of 8 above"."""
    side = f" {signal.side}" if signal.side in ("above", "below") else ""
    return f"{signal.rule.replace('_', ' ')}{side}"


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
    if limits.status == "locked" and 0 < limits.n < DEFAULT.trial_below:
        caveat = f" (locked on {limits.n} points only)"
    signals = [signal for signal in chart.signals if signal.start >= segment.start]
    if not signals:
        return f"Routine variation: no action{caveat}"
    # Anhoej's verdict is on the series as it stands, also where its newest point lies on the centre line.
    now = [signal for signal in signals if signal.end == chart.newest or signal.rule == "anhoej"]
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
    if chart.trend and (made is None or not made.trended):
        found += ("the limits given follow no trend: they are flat",)
    if chart.season is not None and (made is None or not made.factors):
        length = chart.season.length
        yet = "" if segment.limits.status == "locked" else " yet"
        found += (f"the season of {length} windows is not taken out: the baseline does not hold two of them{yet}",)
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


def unit(limits: Limits) -> float:
    """What figures of a chart are shown to a hundredth of: about a mean moving range, on the scale of the values."""
    return (limits.unpl - limits.center) / 2.66


def latest_limits(chart: Chart, limits: Limits) -> tuple[float, float, float]:
    """Centre, upper and lower limit of the last window that has them."""
    if limits.lines is None:
        return limits.center, limits.unpl, limits.lnpl
    here = slice(chart.segments[-1].start, None)
    there = np.flatnonzero(np.isfinite(limits.lines.center[here]))
    if not there.size:
        return limits.center, limits.unpl, limits.lnpl
    centre, upper, lower = (float(line[here][there[-1]]) for line in limits.lines)
    return centre, upper, lower


def favour(signal: Signal, good: str | None) -> str:
    """ " (better)" or " (worse)" for a signal where up or down is good, else nothing."""
    if good is None or signal.side not in ("above", "below"):
        return ""
    return " (better)" if (signal.side == "above") == (good == "up") else " (worse)"


def description(chart: Chart, good: str | None, reasons: Mapping[int, str]) -> str:
    """The chart for those who do not see it: verdict, limits, dividers with their reasons, signals, notes."""
    told = [f"{KINDS[chart.kind].title} of {chart.values.size} windows. {chart.verdict}."]
    if good is not None:
        told.append(f"{'Higher' if good == 'up' else 'Lower'} is better.")
    if (f := chart.limits) is not None:
        centre, high, low = (figure(v, unit(f)) for v in latest_limits(chart, f))
        varying = " in the last window" if f.lines is not None else ""
        told.append(
            f"{status(f).capitalize()}: centre {centre}, limits {low} to {high}{varying}, "
            f"{f.spread} moving range {figure(f.mr_bar, f.mr_bar)}, its limit {figure(f.url, f.mr_bar)}."
        )
    for segment in chart.segments[1:]:
        why = reasons.get(segment.start, "")
        told.append(f"New limits from {chart.label(segment.start)}{': ' * bool(why)}{why}.")
    told += [f"Signal: {phrase(chart, signal)}{favour(signal, good)}." for signal in chart.signals[:_TOLD]]
    if len(chart.signals) > _TOLD:
        told.append(f"And {len(chart.signals) - _TOLD} more signals.")
    told += [f"Note: {note}." for note in chart.notes]
    return " ".join(told)


def remarks(chart: Chart, good: str | None, reasons: Mapping[int, str]) -> dict[int, str]:
    """What there is to say of a window beside its figures, by index, windows of routine variation left out."""
    found: dict[int, list[str]] = {}
    for segment in chart.segments[1:]:
        why = reasons.get(segment.start, "")
        found.setdefault(segment.start, []).append(f"new limits{': ' * bool(why)}{why}")
    for i in np.flatnonzero(np.isnan(chart.values)).tolist():
        found.setdefault(i, []).append("missing window")
    for i in chart.incomplete:
        found.setdefault(i, []).append("incomplete, not judged")
    for signal in chart.signals:
        told = _short(signal) + favour(signal, good)
        for i in signal.members:
            found.setdefault(i, []).append(told)
    for segment in chart.segments:
        for i in jumps(chart, segment).tolist():
            found.setdefault(i, []).append("mR above its limit")
    return {i: "; ".join(found[i]) for i in sorted(found)}


def readings(chart: Chart, told: Mapping[int, str], indices: Iterable[int]) -> list[str]:
    """What a pointer at each of the windows is told: "2025-W31: 12.5; mR 3; outside limits above"."""
    values, ranges = reading_of(chart)
    found = []
    for i in indices:
        reading = f"{values[i]}; mR {ranges[i]}" if ranges[i] else values[i]
        if i in told:
            reading += f"{'; ' * bool(reading)}{told[i]}"
        found.append(f"{chart.label(i)}: {reading}")
    return found


def reading_of(chart: Chart) -> tuple[list[str], list[str]]:
    """Values and moving ranges as figures, nothing where there is none. Without any limits they are shown to a
    hundredth of a fifth of their span.
    """
    known = [segment.limits for segment in chart.segments if segment.limits is not None]
    if known:
        step, step_mr = unit(known[-1]), known[-1].mr_bar
    else:
        there = chart.values[np.isfinite(chart.values)]
        step = step_mr = float(np.ptp(there / 5)) if there.size else 0.0
    return figures(chart.values.tolist(), step), figures(chart.moving_ranges.tolist(), step_mr)


def jumps(chart: Chart, segment: Segment) -> IntArray:
    """The windows of a segment whose moving range is above its limit: a note, not a signal. None on a g chart: its
    limit follows from the mean, not from moving ranges, and of quiet ones 11 to 30 % lie above it.
    """
    if segment.limits is None or segment.limits.kind == "g":
        return np.zeros(0, dtype=np.int64)
    part = chart.moving_ranges[segment.start : segment.stop]
    return np.flatnonzero(above(part, segment.limits.url, segment.limits)) + segment.start


def _segment_notes(chart: Chart, segment: Segment, limits: Limits) -> list[str]:
    found = list(adjustment(chart, segment))
    if limits.adjustment and limits.adjustment.trended and limits.status == "locked" and segment.stop > limits.base[1]:
        found.append("the trend goes on beyond its baseline as if its slope were known: expect false signals")
    if limits.mr_bar == 0:
        found.append("constant series: the limits lie on the centre line, any other value is outside")
    if (jumped := jumps(chart, segment)).size:
        found.append(f"moving range above its limit at {_names(chart, jumped)}")
    low, high = chart.bounds
    lowest, highest = limits.lnpl, limits.unpl
    if limits.lines is not None:  # of every window there is one that can be broken, or none
        here = slice(segment.start, segment.stop)
        lowest, highest = float(limits.lines.lower[here].max()), float(limits.lines.upper[here].min())
    if low is not None and lowest <= low:
        found.append(f"the lower limit lies at or beyond the natural bound {low:g} and cannot be broken")
    if high is not None and highest >= high:
        found.append(f"the upper limit lies at or beyond the natural bound {high:g} and cannot be broken")
    if 0 < limits.ranges < min(5, limits.n - 1):
        found.append(f"the limits rest on {limits.ranges} moving range{'s'[: limits.ranges > 1]} only")
    if limits.screened:
        found.append(f"moving ranges left out of the limits by screening: {limits.screened}")
    return found


def _names(chart: Chart, indices: IntArray) -> str:
    shown = ", ".join(chart.label(int(i)) for i in indices[:_NAMED])
    return shown if indices.size <= _NAMED else f"{shown} and {indices.size - _NAMED} more"
