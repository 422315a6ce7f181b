"""`append`: one new window of every series, at the cost of the new window.

A pattern spans at most a few windows back (`Rule.reach`), so that for locked limits only the tail of the series is
looked at, and an event that goes on is found by its number. The limits of a series that is not locked yet move with
each window: it is judged anew, O(T), until its baseline is full; without a baseline (all points) that is for ever.
So is every series under a rule that needs the whole history (`anhoej`, the CUSUM of the quiet presets).
"""

from __future__ import annotations

import numpy as np

from dreamclass_intel.xmr import events
from dreamclass_intel.xmr.events import EVENT, Events
from dreamclass_intel.xmr.limits import BoolArray, FloatArray
from dreamclass_intel.xmr.many import ManyCharts, panel_of
from dreamclass_intel.xmr.many_limits import LOCKED, ManyLimits, limits_of
from dreamclass_intel.xmr.panel import in_sigma
from dreamclass_intel.xmr.patterns import BOTH
from dreamclass_intel.xmr.rules import rules_of


@np.errstate(over="ignore", invalid="ignore")
def append(many: ManyCharts, column: FloatArray) -> Events:
    """Take in the newest window of every series: `column`, shape [N], NaN where it is missing. Changes `many` in
    place to what `chart_many` would give for the longer series, and returns the events that became known by it.
    Raises ValueError for a column of another shape and for inf, and leaves `many` as it was.
    """
    column = np.asarray(column, dtype=np.float64)
    if column.shape != (many.seen.shape[1],):
        raise ValueError(f"column must have the shape ({many.seen.shape[1]},), not {column.shape}")
    if (infinite := np.flatnonzero(np.isinf(column))).size:
        raise ValueError(f"column[{infinite[0]}] is infinite")
    rules = rules_of(many.preset)
    moving = many.limits.status != LOCKED
    if many.basis.given is not None:
        moving[:] = False
    if any(rule.reach is None for rule in rules):
        moving[:] = True
    grown = np.vstack([many.seen[:, moving], column[moving]])
    limits = limits_of(grown, many.basis.some(moving), many.method, gaps=True, preset=many.preset)
    many.grow(column)  # from here on nothing can fail
    if not moving.all():
        _judge_tail(many, moving)
    if moving.any():
        _judge_anew(many, moving, grown, limits)
    return many.events[np.searchsorted(many.events["known_at"], len(many.seen) - 1) :]


def _judge_anew(many: ManyCharts, moving: BoolArray, grown: FloatArray, limits: ManyLimits) -> None:
    """Replace limits, marks and events of the series whose limits moved; `grown` is their values, shape [T, k]."""
    many.limits = many.limits.replaced(moving, limits)
    found = events.find(panel_of(grown, limits, many.method, many.basis.some(moving)), rules_of(many.preset))
    for number, hits in enumerate(found.hits):
        marked = np.zeros(grown.shape, np.bool_)
        if hits is not None:
            hits.mark(marked)
        many.marks[number][:, moving] = marked
    found.events["series"] = np.flatnonzero(moving)[found.events["series"]]
    others = many.events[~moving[many.events["series"]]]
    many.replace_events(events.in_order(np.concatenate([others, found.events])))


def _judge_tail(many: ManyCharts, moving: BoolArray) -> None:
    """Extend the events that the newest window goes on with, and add those that it starts, of locked series."""
    newest = len(many.seen) - 1
    rules = rules_of(many.preset)
    first = max(0, newest + 1 - max(rule.reach or 0 for rule in rules))
    panel = panel_of(many.seen[first:], many.limits, many.method, many.basis)
    latest = many.latest_events()
    tables = []
    for number, rule in enumerate(rules):
        hits = rule.find(panel)
        if hits is None:
            continue
        plane, series = np.nonzero(hits.windows[:, -1] & ~moving)
        side = plane if len(hits.windows) == 2 else np.full_like(plane, BOTH)
        before = latest[number, side, series]
        ends = many.events["end"][before] if many.events.size else before
        goes_on = (before >= 0) & (ends >= newest - hits.of) & (hits.of > 1)
        # The rows of the window that completes now, shape [span, k]; those after `ends` are new to its event.
        start = newest + 1 - hits.of - hits.lead
        rows = np.arange(start, newest + 1)[:, None]
        counts = np.ones((len(rows), series.size), np.bool_)
        if hits.marks is not None:
            counts = hits.marks[plane, rows - first, series]
        many.marks[number][rows, series] |= counts
        counts = counts & ((rows > ends) | ~goes_on)
        away = panel.away((rows - first) * many.seen.shape[1] + series, np.broadcast_to(series, counts.shape))
        sums = in_sigma(np.where(counts, away, 0).sum(axis=0), many.limits.sigma(many.method.spread)[series])
        members = counts.sum(axis=0)
        longer, old = before[goes_on], many.events["members"][before[goes_on]]
        sums[goes_on] += many.events["strength"][longer] * old
        members[goes_on] += old
        many.events["end"][longer] = newest
        many.events["members"][longer] = members[goes_on]
        many.events["strength"][longer] = sums[goes_on] / members[goes_on]
        table = np.empty(np.count_nonzero(~goes_on), EVENT)
        table["rule"], table["series"], table["side"] = number, series[~goes_on], side[~goes_on]
        table["start"], table["end"], table["known_at"] = start, newest, newest
        table["members"], table["strength"] = members[~goes_on], sums[~goes_on] / members[~goes_on]
        tables.append(table)
    many.add_events(events.in_order(np.concatenate([np.empty(0, EVENT), *tables])))
