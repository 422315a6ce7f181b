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
from typing import Literal

import numpy as np
import numpy.typing as npt

from dreamclass_intel.xmr.limits import FloatArray, IntArray, Limits

Side = Literal["above", "below"]
BoolArray = npt.NDArray[np.bool_]

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
            np.cumsum(np.diff(positions) > 1, out=block[1:])
        return cls(positions, values[positions], block, segment)

    @cached_property
    def ranges(self) -> FloatArray:
        """Moving ranges, shape [m]: |x - previous x|, NaN at the first point of a block."""
        out = np.full(self.x.size, np.nan)
        if out.size:
            steps = np.abs(np.diff(self.x))
            steps[np.diff(self.block) != 0] = np.nan
            out[1:] = steps
        return out


Rule = Callable[[Stretch, Limits], list[Signal]]


def excess(x: FloatArray, line: float, limits: Limits) -> npt.NDArray[np.int8]:
    """Where `x` (shape [m]) lies to a line: 1 above, -1 below, 0 on it (equal up to float round-off).

    The round-off is taken from the limits, not from the series, so that a later value cannot change an
    earlier answer.
    """
    scale = max(abs(limits.unpl), abs(limits.lnpl))
    slack = ROUND_OFF * np.maximum(np.abs(x), scale)
    return (x > line + slack).astype(np.int8) - (x < line - slack).astype(np.int8)


def outside_limits(stretch: Stretch, limits: Limits) -> list[Signal]:
    """One event for every point strictly outside the natural process limits (Wheeler's detection rule
    one).
    """
    over = excess(stretch.x, limits.unpl, limits) > 0
    under = excess(stretch.x, limits.lnpl, limits) < 0
    found = []
    for k in np.flatnonzero(over | under):
        side: Side = "above" if over[k] else "below"
        found.append(_signal("outside_limits", side, stretch, limits, k, k, k, slice(k, k + 1)))
    return found


def run_of(stretch: Stretch, limits: Limits, *, length: int) -> list[Signal]:
    """One event for every maximal run of at least `length` points strictly on one side of the centre (rule
    two: 8).

    A point on the line, a gap or a divider ends the run. Known at the `length`-th member.
    """
    side = excess(stretch.x, limits.center, limits)
    if side.size < length:
        return []
    starts = np.flatnonzero(np.r_[True, (side[1:] != side[:-1]) | (stretch.block[1:] != stretch.block[:-1])])
    lengths = np.diff(np.r_[starts, side.size])
    found = []
    for r in np.flatnonzero((lengths >= length) & (side[starts] != 0)):
        first, last = int(starts[r]), int(starts[r] + lengths[r] - 1)
        name: Side = "above" if side[first] > 0 else "below"
        members = slice(first, last + 1)
        found.append(
            _signal(f"run_of_{length}", name, stretch, limits, first, last, first + length - 1, members)
        )
    return found


def three_of_four(stretch: Stretch, limits: Limits) -> list[Signal]:
    """Three (or four) of four consecutive points strictly beyond half-way from the centre to the same limit
    (rule three).

    Points beyond the limit count. Windows that overlap or adjoin are one event, known at the first
    completion; its members are the points beyond.
    """
    found: list[Signal] = []
    if stretch.x.size < 4:
        return found
    sides: tuple[tuple[Side, float, int], ...] = (("above", limits.unpl, 1), ("below", limits.lnpl, -1))
    for side, limit, sign in sides:
        beyond = excess(stretch.x, limits.center + (limit - limits.center) / 2, limits) == sign
        count = np.cumsum(np.r_[0, beyond])
        whole = stretch.block[3:] == stretch.block[:-3]  # the window of four holds no gap
        ends = np.flatnonzero((count[4:] - count[:-4] >= 3) & whole) + 3
        if not ends.size:
            continue
        # A window joins the one before if no point lies between them, and no gap either.
        apart = (np.diff(ends) > 4) | (stretch.block[ends[1:]] != stretch.block[ends[:-1]])
        cuts = np.flatnonzero(apart) + 1
        for group in np.split(ends, cuts):
            first, last = int(group[0]) - 3, int(group[-1])
            members = np.flatnonzero(beyond[first : last + 1]) + first
            found.append(_signal("3_of_4", side, stretch, limits, first, last, int(group[0]), members))
    return found


def _signal(
    rule: str,
    side: Side,
    stretch: Stretch,
    limits: Limits,
    start: int | np.int64,
    end: int | np.int64,
    known: int | np.int64,
    members: slice | IntArray,
) -> Signal:
    """The event, its indices translated from places in the stretch to positions in the series."""
    at = stretch.positions
    distance = abs(float(stretch.x[members].mean()) - limits.center)
    return Signal(
        rule=rule,
        side=side,
        start=int(at[start]),
        end=int(at[end]),
        known_at=int(at[known]),
        members=tuple(at[members].tolist()),
        strength=distance / limits.sigma if limits.sigma > 0 else float("inf"),
        limits_id=limits.limits_id,
        segment=stretch.segment,
    )


# Wheeler, Making Sense of Data (2003) and Understanding Variation: three rules, no trend rule. In drawing and
# in words the earlier rule of a preset takes precedence.
PRESETS: dict[str, tuple[Rule, ...]] = {
    "wheeler": (outside_limits, partial(run_of, length=8), three_of_four),
}
PRECEDENCE = ("outside_limits", "run_of_8", "3_of_4")


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
