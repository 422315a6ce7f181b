"""Hits of all rules as one table of events, with the strength of each.

The table is a structured numpy array, so that a hundred thousand events cost no Python objects. Not here: the
patterns (patterns.py) and events as `Signal` objects with dates and limits (rules.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dreamclass_intel.xmr.limits import FloatArray, IntArray
from dreamclass_intel.xmr.panel import Panel, in_sigma
from dreamclass_intel.xmr.patterns import Hits, Rule

# `rule` is the number of the rule in its preset, `side` an index of SIDES, `members` how many points it marks.
EVENT = np.dtype(
    [
        ("series", np.int32),
        ("rule", np.int8),
        ("side", np.int8),
        ("start", np.int32),
        ("end", np.int32),
        ("known_at", np.int32),
        ("members", np.int32),
        ("strength", np.float64),
    ]
)
Events = npt.NDArray[np.void]


class Found(NamedTuple):
    """What the rules of a preset found: for each rule its hits or None, and all events, rule by rule."""

    hits: tuple[Hits | None, ...]
    events: Events


def find(panel: Panel, rules: Sequence[Rule]) -> Found:
    """All events of a panel."""
    hits = tuple(rule.find(panel) for rule in rules)
    found = [(number, hit) for number, hit in enumerate(hits) if hit is not None]
    if not found:
        return Found(hits, np.empty(0, EVENT))
    events = np.empty(sum(hit.start.size for _, hit in found), EVENT)
    stop = 0
    for number, hit in found:
        start, stop = stop, stop + hit.start.size
        part = events[start:stop]
        part["rule"] = number
        part["series"], part["side"] = hit.series, hit.side
        part["start"], part["end"], part["known_at"] = hit.start, hit.end, hit.known
        part["members"], part["strength"] = _strength(panel, hit)
    return Found(hits, events)


def in_order(events: Events) -> Events:
    """The events sorted by known_at, series, rule and side."""
    if events.size < 2:
        return events
    key = events["known_at"].astype(np.int64)
    for name, size in (("series", int(events["series"].max()) + 1), ("rule", 128), ("side", 4)):
        key *= size
        key += events[name]
    return events.take(np.argsort(key))  # several times as fast as an index


def _strength(panel: Panel, hits: Hits) -> tuple[IntArray, FloatArray]:
    """Of each event the number of members and their mean distance from the centre in sigma."""
    rows, series = panel.x.shape
    counts = hits.end - hits.start + 1
    first = hits.start * series + hits.series
    total = int(np.add.reduce(counts))
    if total == counts.size:  # single points
        mean = panel.away(first, hits.series)
    else:
        # The places of all points from start to end of every event, one after the other.
        starts = counts.cumsum() - counts
        places = np.arange(total)
        if series > 1:
            places *= series
        places += (first - starts * series).repeat(counts)
        sums = panel.away(places, hits.series, counts)
        if hits.marks is not None:
            if len(hits.marks) > 1:
                marked = hits.marks.take(places + (hits.side * (rows * series)).repeat(counts))
            else:
                marked = hits.marks.take(places)
            sums = np.where(marked, sums, 0)
            counts = np.add.reduceat(marked, starts, dtype=np.int64)
        mean = np.add.reduceat(sums, starts) / counts
    if panel.uneven:
        return counts, mean
    return counts, in_sigma(mean, panel.sigma if isinstance(panel.sigma, float) else panel.sigma[0, hits.series])
