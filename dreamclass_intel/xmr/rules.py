"""The rules: patterns of points that routine variation does not make, in named presets, as dated events.

A preset is a tuple of rules; a new preset is a new entry of `PRESETS`. Not here: how limits are made
(limits.py), how a pattern is looked for (patterns.py), what a signal means in words (words.py).

Comparisons are strict and on unrounded figures. Two numbers that differ by less than float round-off
(`ROUND_OFF`) are the same number: else 0.1 + 0.2 would break a limit at 0.3, and a value on the centre line
would count for a side.

Conventions. They hold for every preset, except where its row says otherwise:

- One sigma of the zone rules is a third of the distance from the centre to the limit on that side.
- A point on a line is not beyond it. So a point on the centre line counts for no side and ends a run; two
  equal neighbours end a trend and an alternation.
- A missing window ends every pattern, and a window with a hole in it is no window (`bridge` steps over it).
  An incomplete window is not judged and counts as missing. No pattern crosses a divider.
- `members` are the points a chart marks; `known_at` is the point that completes the first window of the event.
  Windows that overlap or adjoin are one event. All events are kept: none hides another.

| preset           | rule                | pattern                                           | members               |
|------------------|---------------------|---------------------------------------------------|-----------------------|
| all              | outside_limits      | a point beyond a limit (3 sigma)                  | the point             |
| wheeler          | run_of_8            | 8 on one side                                     | the whole run         |
|                  | 3_of_4              | 3 of 4 beyond half-way, on one side; those beyond | the points beyond     |
|                  |                     | the limit count                                   |                       |
| western_electric | 2_of_3              | 2 of 3 beyond 2 sigma on one side, the third      | the points beyond     |
|                  |                     | anywhere                                          |                       |
|                  | 4_of_5              | 4 of 5 beyond 1 sigma on one side                 | the points beyond     |
|                  | run_of_8            | as above                                          |                       |
| nelson           | run_of_9            | 9 on one side                                     | the whole run         |
|                  | trend_of_6          | 6 rising or falling (5 steps)                     | the whole trend       |
|                  | alternating_14      | 14 up and down in turn (13 steps)                 | all of them           |
|                  | 2_of_3, 4_of_5      | as above                                          |                       |
|                  | 15_within_1_sigma   | 15 within 1 sigma, either side                    | all of them           |
|                  | 8_beyond_1_sigma    | 8 beyond 1 sigma, with points on both sides       | all of them           |
| nhs              | trend_of_7          | 7 rising or falling (6 steps)                     | the whole trend       |
|                  | 2_of_3_near_limit   | 2 of 3 between 2 and 3 sigma, all 3 on one side;  | the points between 2  |
|                  |                     | a point beyond the limit is not near it           | and 3 sigma           |
|                  | run_of_7            | 7 on one side                                     | the whole run         |
| anhoej           | anhoej (no limits)  | longest run > round(log2 n') + 3, or fewer        | the longest run, or   |
|                  |                     | crossings than the 5 % quantile; n' leaves out    | all n' points         |
|                  |                     | points on the centre, and steps over gaps         |                       |
| quiet,           | cusum               | a sum of evidence beyond its decision interval    | all points since the  |
| quiet_even       |                     | (quiet.py; limits widened for short baselines)    | estimated change      |

The side of a trend is where it leads (above: rising); that of a pattern without one is "both". `anhoej` is one
verdict on the newest window, known since it last turned; it does not look at the limits.

Sources. wheeler: Wheeler, Making Sense of Data (2003) and Understanding Variation; no trend rule.
western_electric: Statistical Quality Control Handbook (1956), pp. 25-27. nelson: Nelson, Journal of Quality
Technology 16(4), 1984, pp. 237-239. nhs: Making Data Count, as NHSRplotthedots computes it. anhoej: Anhøj and
Olesen, PLoS ONE 2014, 9(11): e113825. Programs that mark only the completing points (qcc) mark the points that
are both members and completed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dreamclass_intel.xmr import events, patterns
from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray, Limits
from dreamclass_intel.xmr.panel import ROUND_OFF, Line, Panel
from dreamclass_intel.xmr.patterns import SIDES, Anhoej, Rule, Side, Window
from dreamclass_intel.xmr.quiet import Cusum


@dataclass(frozen=True)
class Signal:
    """One signal. Indices are 0-based positions in the series.

    `start`..`end` is the stretch that was looked at (the run; for zone rules the windows), `members` the points
    a chart marks, `known_at` the first index at which the pattern was complete: what an alert fires on.
    `strength` is the mean distance of the members from the centre, in sigma (inf where sigma is 0). `limits_id`
    names the limits that were broken, `segment` the segment's number.
    """

    rule: str
    side: Side
    start: int
    end: int
    known_at: int
    members: tuple[int, ...]
    strength: float
    limits_id: str
    segment: int = 0


def above(x: FloatArray, line: FloatArray | float, limits: Limits) -> BoolArray:
    """Where `x` (shape [m]) lies strictly above a line, by more than float round-off; False for NaN."""
    largest = max(abs(limits.unpl), abs(limits.lnpl))
    return x > line + ROUND_OFF * np.maximum(largest, np.abs(line))


OUTSIDE = Window("outside_limits", lambda panel: panel.beyond(1))


def _run_of(length: int) -> Window:
    return Window(f"run_of_{length}", lambda panel: panel.beyond(0), length, length)


def _trend_of(points: int) -> Window:
    return Window(f"trend_of_{points}", lambda panel: panel.steps, points - 1, points - 1, lead=1)


_TWO_OF_THREE = Window("2_of_3", lambda panel: panel.beyond(2 / 3), 2, 3)
_FOUR_OF_FIVE = Window("4_of_5", lambda panel: panel.beyond(1 / 3), 4, 5)

# In drawing and in words the earlier rule of a preset takes precedence.
PRESETS: dict[str, tuple[Rule, ...]] = {
    "wheeler": (OUTSIDE, _run_of(8), Window("3_of_4", lambda panel: panel.beyond(1 / 2), 3, 4)),
    "western_electric": (OUTSIDE, _TWO_OF_THREE, _FOUR_OF_FIVE, _run_of(8)),
    "nelson": (
        OUTSIDE,
        _run_of(9),
        _trend_of(6),
        Window("alternating_14", patterns.alternating, 12, 12, lead=2),
        _TWO_OF_THREE,
        _FOUR_OF_FIVE,
        Window("15_within_1_sigma", lambda panel: panel.within(1 / 3), 15, 15),
        Window("8_beyond_1_sigma", patterns.either_side, 8, 8, also=patterns.both_sides),
    ),
    "nhs": (
        OUTSIDE,
        _trend_of(7),
        Window("2_of_3_near_limit", patterns.near_limit, 2, 3, also=patterns.one_side),
        _run_of(7),
    ),
    "anhoej": (Anhoej(),),
    "quiet": (OUTSIDE, Cusum("quiet")),
    "quiet_even": (OUTSIDE, Cusum("quiet_even")),
}
# All rules; each preset's order is this one.
PRECEDENCE = (
    "outside_limits",
    "run_of_9",
    "trend_of_6",
    "alternating_14",
    "trend_of_7",
    "2_of_3_near_limit",
    "2_of_3",
    "4_of_5",
    "15_within_1_sigma",
    "8_beyond_1_sigma",
    "run_of_7",
    "run_of_8",
    "3_of_4",
    "anhoej",
    "cusum",
)


def rules_of(preset: str) -> tuple[Rule, ...]:
    """The rules of a preset; raises ValueError for an unknown one."""
    try:
        return PRESETS[preset]
    except KeyError:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}") from None


@dataclass(eq=False)
class Judgement:
    """What the rules found in one segment: a panel of one series, its rows and the limits it was judged by.

    `rows` gives the position in the series of each row of the panel.
    """

    found: events.Found
    rules: tuple[Rule, ...]
    rows: IntArray | range
    limits: Limits
    segment: int = 0

    def signals(self) -> Iterator[Signal]:
        """The signals in the order in which they became known, then by precedence."""
        return (self.signal(event) for event in events.in_order(self.found.events).tolist())

    def signal(self, event: tuple[int, int, int, int, int, int, int, float]) -> Signal:
        """One row of the table of events as a signal."""
        _, rule, side, start, end, known_at, _, strength = event
        hits = self.found.hits[rule]
        assert hits is not None
        where: Sequence[int] = range(start, end + 1)
        if hits.marks is not None:
            marked = hits.marks[side if len(hits.marks) == 2 else 0, start : end + 1, 0]
            where = (marked.nonzero()[0] + start).tolist()
        rows = self.rows
        if isinstance(rows, range):
            first = rows.start
            start, end, known_at = start + first, end + first, known_at + first
            members = tuple([row + first for row in where])
        else:
            start, end, known_at = rows[[start, end, known_at]].tolist()
            members = tuple(rows[where].tolist())
        name = self.rules[rule].name
        return Signal(name, SIDES[side], start, end, known_at, members, strength, self.limits.limits_id, self.segment)


def judge(
    x: FloatArray,
    rows: IntArray | range,
    limits: Limits,
    rules: tuple[Rule, ...],
    *,
    segment: int = 0,
    gaps: bool = True,
) -> Judgement:
    """What the rules find in one segment: `x` (shape [m], NaN where not judged) at the positions `rows` of its
    series. `gaps` False promises that there is no NaN.
    """
    center: Line = float(limits.center)
    upper: Line = float(limits.unpl)
    lower: Line = float(limits.lnpl)
    sigma: Line = limits.sigma
    if limits.lines is not None:
        # Windows of another size, or with a factor, have a sigma as much wider as their limits are.
        share = sigma / (upper - center) if upper > center else 0.0
        center, upper, lower = (np.asarray(line)[:, None] for line in limits.at(np.asarray(rows, dtype=np.int64)))
        sigma = share * (upper - center)
    panel = Panel(
        x[:, None],
        center,
        upper,
        lower,
        sigma,
        gaps,
        limits.n,
        lambda: _inside(rows, limits.base)[:, None],
        limits.status == "locked",
        limits.adjustment.fitted if limits.adjustment else 1,
    )
    return Judgement(events.find(panel, rules), rules, rows, limits, segment)


def _inside(rows: IntArray | range, base: tuple[int, int]) -> BoolArray:
    where = np.asarray(rows)
    return (where >= base[0]) & (where < base[1])
