"""`append`: one new window of every series, at the cost of the new window.

A pattern spans at most a few windows back (`Rule.reach`), so that for locked limits only the tail of the series is
looked at, and an event that goes on is found by its number. The limits of a series that is not locked yet move with
each window: it is judged anew, O(T), until its baseline is full; without a baseline (all points) that is for ever.
So is every series under a rule that needs the whole history (`anhoej`).
"""

from __future__ import annotations

import numpy as np

from dreamclass_intel.xmr import events
from dreamclass_intel.xmr.events import EVENT, Events
from dreamclass_intel.xmr.limits import FloatArray, IntArray
from dreamclass_intel.xmr.many import ManyCharts, holes, mark, panel_of
from dreamclass_intel.xmr.many_limits import LOCKED, NONE, limits_of
from dreamclass_intel.xmr.panel import BoolArray, in_sigma
from dreamclass_intel.xmr.patterns import BOTH, Window
from dreamclass_intel.xmr.rules import rules_of


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
    whole_history = any(rule.reach is None for rule in rules)
    moving = np.flatnonzero((many.limits.status != LOCKED) | whole_history)
    if many.basis.given is not None and not whole_history:
        moving = moving[:0]
    grown = np.append(many.seen[:, moving], column[None, moving], axis=0)
    limits = limits_of(grown, many.basis.some(moving), many.method, gaps=True) if moving.size else None
    # From here on nothing can fail.
    many.grow(column)
    if len(rules) and moving.size < column.size:
        _judge_tail(many, moving)
    if limits is not None:
        found = events.find(panel_of(grown, limits, many.method, True), rules)
        for whole, part in zip(many.limits, limits, strict=True):
            whole[moving] = part
        for number, hits in enumerate(found.hits):
            many.marks[number][:, moving] = mark(hits, grown.shape)
        again = np.zeros(column.size, np.bool_)
        again[moving] = True
        found.events["series"] = moving[found.events["series"]]
        many.replace_events(events.in_order(np.concatenate([many.events[~again[many.events["series"]]], found.events])))
    table = many.events
    return table[np.searchsorted(table["known_at"], len(many.seen) - 1) :]
