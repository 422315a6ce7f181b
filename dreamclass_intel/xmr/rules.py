"""The rules: patterns of points that routine variation does not make, as dated events.

Each rule is a function of the judged points of one segment and its limits. A preset is a tuple of rules; a
new preset is a new entry of `PRESETS`. Not here: how limits are made (limits.py), what a signal means in
words (words.py).

Comparisons are strict and on unrounded figures. Two numbers that differ by less than float round-off
(`ROUND_OFF`) are the same number: else 0.1 + 0.2 would break a limit at 0.3, and a value on the centre line
would count for a side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Literal

import numpy as np

from dreamclass_intel.xmr import quiet
from dreamclass_intel.xmr.cusum import BoolArray
from dreamclass_intel.xmr.limits import FloatArray, IntArray, Limits

Side = Literal["above", "below"]

# A centre is a sum of values, each off by half a unit in the last place, divided once: two units cover it.
ROUND_OFF = 2 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Signal:
    """One signal. Indices are 0-based positions in the series.

    `start`..`end` is the stretch that was looked at (the run; for 3_of_4 the windows of four), `members` the
    points a chart marks, `known_at` the first index at which the pattern was complete: what an alert fires
    on. `strength` is the distance from the centre, in sigma, of the point outside or of the mean member (inf
    where sigma is 0). `limits_id` names the limits that were broken, `segment` the segment's number.
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


@dataclass(frozen=True)
class Stretch:
    """The judged points of one segment: `positions`, `x` and `block`, all of shape [m].

    Points of one block follow each other without a gap. With `bridge` a gap is stepped over and all are one
    block.
    """

    positions: IntArray
    x: FloatArray
    block: IntArray
    segment: int = 0

    @classmethod
    def of(cls, values: FloatArray, positions: IntArray, *, bridge: bool, segment: int = 0) -> Stretch:
        """The stretch of `values` (shape [n]) at the ascending `positions` (shape [m])."""
        block = np.zeros(positions.size, dtype=np.int64)
        if not bridge and positions.size:
            np.cumsum(positions[1:] - positions[:-1] > 1, out=block[1:])
        return cls(positions, values[positions], block, segment)

    @cached_property
    def ranges(self) -> FloatArray:
        """Moving ranges, shape [m]: |x - previous x|, NaN at the first point of a block."""
        out = np.full(self.x.size, np.nan)
        if out.size:
            with np.errstate(over="ignore"):  # Limits refuses what overflows, with words
                steps = np.abs(self.x[1:] - self.x[:-1])
            steps[self.breaks] = np.nan
            out[1:] = steps
        return out

    @cached_property
    def breaks(self) -> BoolArray:
        """Where a block ends, shape [m - 1]: True between k and k + 1 (of shape [0] without points)."""
        return self.block[1:] != self.block[:-1]


Rule = Callable[[Stretch, Limits], list[Signal]]


def above(x: FloatArray, line: FloatArray | float, limits: Limits) -> BoolArray:
    """Where `x` (shape [m]) lies strictly above a line, by more than float round-off; False for NaN."""
    return x > line + _slack(line, limits)


def below(x: FloatArray, line: FloatArray | float, limits: Limits) -> BoolArray:
    """Where `x` (shape [m]) lies strictly below a line, by more than float round-off; False for NaN."""
    return x < line - _slack(line, limits)


def _slack(line: FloatArray | float, limits: Limits) -> FloatArray | float:
    # Taken from the limits and not from the series, so that a later value cannot change an earlier answer.
    largest = max(abs(limits.unpl), abs(limits.lnpl))
    return ROUND_OFF * (max(largest, abs(line)) if isinstance(line, float) else np.maximum(largest, np.abs(line)))


def outside_limits(stretch: Stretch, limits: Limits) -> list[Signal]:
    """One event for every point strictly outside the natural process limits (Wheeler's rule one)."""
    found = []
    _, upper, lower = limits.at(stretch.positions)
    sides: tuple[tuple[Side, BoolArray], ...] = (
        ("above", above(stretch.x, upper, limits)),
        ("below", below(stretch.x, lower, limits)),
    )
    for side, outside in sides:
        for k in np.flatnonzero(outside).tolist():
            found.append(_signal("outside_limits", side, stretch, limits, k, k, k, slice(k, k + 1)))
    return found


def run_of(stretch: Stretch, limits: Limits, *, length: int) -> list[Signal]:
    """One event for every maximal run of `length` or more points strictly on one side of the centre.

    Wheeler's rule two with a length of 8. A point on the line, a gap or a divider ends the run. Known at
    the `length`-th member.
    """
    m = stretch.x.size
    if m < length:
        return []
    center, _, _ = limits.at(stretch.positions)
    over, under = above(stretch.x, center, limits), below(stretch.x, center, limits)
    cut = np.ones(m + 1, dtype=bool)  # a run starts here, or ended just before
    cut[1:-1] = (over[1:] != over[:-1]) | (under[1:] != under[:-1]) | stretch.breaks
    edges = np.flatnonzero(cut)
    starts = edges[:-1]
    long = (edges[1:] - starts >= length) & (over[starts] | under[starts])
    found = []
    for r in np.flatnonzero(long).tolist():
        first, stop = int(edges[r]), int(edges[r + 1])
        side: Side = "above" if over[first] else "below"
        known, members = first + length - 1, slice(first, stop)
        found.append(_signal(f"run_of_{length}", side, stretch, limits, first, stop - 1, known, members))
    return found


def three_of_four(stretch: Stretch, limits: Limits) -> list[Signal]:
    """Three (or four) of four consecutive points strictly beyond half-way to the same limit.

    Wheeler's rule three. Points beyond the limit count. Windows that overlap or adjoin are one event, known
    at the first completion; its members are the points beyond.
    """
    found: list[Signal] = []
    if stretch.x.size < 4:
        return found
    center, upper, lower = limits.at(stretch.positions)
    halves = [center + (limit - center) / 2 for limit in (upper, lower)]
    sides: tuple[tuple[Side, BoolArray], ...] = (
        ("above", above(stretch.x, halves[0], limits)),
        ("below", below(stretch.x, halves[1], limits)),
    )
    whole = stretch.block[3:] == stretch.block[:-3]  # the window of four holds no gap
    for side, beyond in sides:
        one = beyond.view(np.int8)
        ends = np.flatnonzero((one[:-3] + one[1:-2] + one[2:-1] + one[3:] >= 3) & whole) + 3
        if not ends.size:
            continue
        # A window joins the one before if no point lies between them, and no gap either.
        apart = (np.diff(ends) > 4) | (stretch.block[ends[1:]] != stretch.block[ends[:-1]])
        edges = [0, *(np.flatnonzero(apart) + 1).tolist(), ends.size]
        for i, j in pairwise(edges):
            known, last = int(ends[i]), int(ends[j - 1])
            members = np.flatnonzero(beyond[known - 3 : last + 1]) + (known - 3)
            found.append(_signal("3_of_4", side, stretch, limits, known - 3, last, known, members))
    return found


def _signal(
    rule: str,
    side: Side,
    stretch: Stretch,
    limits: Limits,
    start: int,
    end: int,
    known: int,
    members: slice | IntArray,
) -> Signal:
    """The event, its indices translated from places in the stretch to positions in the series."""
    at = stretch.positions
    marked = stretch.x[members]
    if limits.lines is not None:
        center, upper, lower = (line[at[members]] for line in limits.lines)
        thirds = np.where(marked > center, upper - center, center - lower) / 3
        with np.errstate(divide="ignore", invalid="ignore"):
            strength = abs(float(np.mean((marked - center) / thirds)))
    else:
        distance = abs(float(np.add.reduce(marked)) / marked.size - limits.center)
        strength = distance / limits.sigma if limits.sigma > 0 else float("inf")
    return Signal(
        rule=rule,
        side=side,
        start=int(at[start]),
        end=int(at[end]),
        known_at=int(at[known]),
        members=tuple(at[members].tolist()),
        strength=strength,
        limits_id=limits.limits_id,
        segment=stretch.segment,
    )


def cusum(stretch: Stretch, limits: Limits, *, preset: str) -> list[Signal]:
    """One event for every time a CUSUM says that the level has moved (quiet.py, cusum.py).

    Starts at the estimated change point, known when the sum leaves its decision interval, ends when it is back;
    its members are all points between.
    """
    if not stretch.x.size:
        return []
    center, upper, _ = limits.at(stretch.positions)
    _, found = quiet.shifts(
        stretch.x[None],
        center,
        limits.sigma if limits.lines is None else (upper - center) / 3,
        base=((stretch.positions >= limits.base[0]) & (stretch.positions < limits.base[1]))[None],
        points=np.array([limits.n]),
        locked=np.array([limits.status == "locked"]),
        preset=preset,
    )
    return [
        _signal("cusum", "below" if side else "above", stretch, limits, start, end, known, slice(start, end + 1))
        for side, _, start, known, end in np.stack(found, axis=1).tolist()
    ]


# Wheeler, Making Sense of Data (2003) and Understanding Variation: three rules, no trend rule. In drawing and
# in words the earlier rule of a preset takes precedence.
PRESETS: dict[str, tuple[Rule, ...]] = {
    "wheeler": (outside_limits, partial(run_of, length=8), three_of_four),
    "quiet": (outside_limits, partial(cusum, preset="quiet")),
    "quiet_even": (outside_limits, partial(cusum, preset="quiet_even")),
}
PRECEDENCE = ("outside_limits", "run_of_8", "3_of_4", "cusum")


def rules_of(preset: str) -> tuple[Rule, ...]:
    """The rules of a preset; raises ValueError for an unknown one."""
    try:
        return PRESETS[preset]
    except KeyError:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}") from None


def judge(stretch: Stretch, limits: Limits, preset: str) -> list[Signal]:
    """All signals of one segment, in the order in which they became known, then by precedence."""
    found = [signal for rule in rules_of(preset) for signal in rule(stretch, limits)]
    return sorted(found, key=lambda s: (s.known_at, PRECEDENCE.index(s.rule), s.side))
