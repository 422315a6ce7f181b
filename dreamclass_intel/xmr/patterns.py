"""What a rule looks for: `Window`, so many of so many points in a row, and `Anhoej`, a verdict on a whole series.

A rule is a name and a `find` that turns a panel into hits. It knows nothing of charts, dates or limits' origin.
Not here: which rules make a preset (rules.py), events and their strength (events.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from dreamclass_intel.xmr.limits import BoolArray, IntArray
from dreamclass_intel.xmr.panel import Panel, any_of, at_least, covered, in_a_row

ABOVE, BELOW, BOTH = 0, 1, 2  # codes of a side
Side = Literal["above", "below", "both"]
SIDES: tuple[Side, ...] = ("above", "below", "both")


@dataclass(eq=False)
class Hits:
    """What a rule found in a panel of shape [T, N].

    The first five have an entry for each event: code of the side, number of the series, and the rows of its
    start, its end and its first completion. `windows` (shape [S, T - of + 1, N], a plane for each side or one for
    both) marks the first points of all windows of `of` rows that hold the pattern, `lead` as in `Window`. `marks`
    (shape [S, T, N]) are the points that count; None: all of an event.
    """

    side: IntArray
    series: IntArray
    start: IntArray
    end: IntArray
    known: IntArray
    windows: BoolArray
    of: int = 1
    lead: int = 0
    marks: BoolArray | None = None

    @cached_property
    def members(self) -> BoolArray:
        """The points a chart marks, shape [S, T, N]."""
        members = covered(self.windows, self.of)
        for _ in range(self.lead):
            members[:, :-1] |= members[:, 1:].copy()
        return members if self.marks is None else members & self.marks

    def mark(self, out: BoolArray) -> None:
        """Put the points a chart marks, whatever the side, into `out` of shape [T, N]."""
        if self.marks is None and not self.lead:  # the sides need not be told apart
            either = self.windows[:1] | self.windows[1:] if len(self.windows) == 2 else self.windows
            np.copyto(out, covered(either, self.of)[0])
        else:
            np.logical_or(self.members[0], self.members[-1], out=out)

    @property
    def completed(self) -> BoolArray:
        """The points that complete a window, shape [S, T, N]."""
        planes, rows, series = self.windows.shape
        completed = np.zeros((planes, rows + self.of - 1, series), dtype=np.bool_)
        completed[:, self.of - 1 :] = self.windows
        return completed


class Rule(Protocol):
    """A rule. `reach` is how many rows back a new row can complete a pattern; None: any number, so that the rule
    needs the whole history.
    """

    @property
    def name(self) -> str:
        """What signals call it; one entry of PRECEDENCE."""
        ...

    @property
    def reach(self) -> int | None:
        """How many rows a new row has to be seen with."""
        ...

    def find(self, panel: Panel) -> Hits | None:
        """What the panel holds of this pattern; None: nothing."""
        ...


@dataclass(frozen=True)
class Window:
    """`need` of `of` points in a row that `marks` picks; windows that overlap or adjoin are one event.

    `marks` gives [2, T, N] (a plane for each side) or [1, T, N]. `also` narrows the windows (shape
    [S, T - of + 1, N], at their first points). `lead` is how many points before its first mark belong to a
    pattern: one for a trend, whose marks are the steps. A pattern of one point is an event for each point.
    """

    name: str
    marks: Callable[[Panel], BoolArray]
    need: int = 1
    of: int = 1
    lead: int = 0
    also: Callable[[Panel], BoolArray] | None = None

    @property
    def reach(self) -> int:
        """The points a pattern spans."""
        return self.of + self.lead

    def windows(self, panel: Panel, marks: BoolArray) -> BoolArray:
        """Which windows of `of` rows hold the pattern, shape [S, T - of + 1, N], at their first rows."""
        if self.need == self.of:
            full = in_a_row(marks, self.of)
        else:
            full = at_least(marks, self.need, self.of)
            if panel.gaps:  # a window with a hole is no window
                full &= in_a_row(panel.judged, self.of)
        return full if self.also is None else full & self.also(panel)

    def find(self, panel: Panel) -> Hits | None:
        """What the panel holds of this pattern; None: nothing."""
        if panel.x.shape[0] < self.of:
            return None
        marks = self.marks(panel)
        windows = self.windows(panel, marks)
        stretches = _stretches(windows, self.of)
        if stretches is None:
            return None
        side, series, start, last = stretches
        known = start + (self.of - 1)
        return Hits(
            side,
            series,
            start - self.lead if self.lead else start,
            last + (self.of - 1),
            known,
            windows,
            self.of,
            self.lead,
            None if self.need == self.of else marks,
        )


def _stretches(windows: BoolArray, of: int) -> tuple[IntArray, IntArray, IntArray, IntArray] | None:
    """The windows of `of` rows (shape [S, T, N], at their first rows) that overlap or adjoin, as one each: code of
    the side, number of the series, first row of the first and of the last, ordered by side, series and row.

    A gap cannot lie between two windows that adjoin. Windows of one row are not joined.
    """
    planes, rows, count = windows.shape
    places = windows.reshape(-1).nonzero()[0]
    if not places.size:
        return None
    if of == count == 1:  # points of one series: nothing to join or to order
        line, row = _split(places, rows)
        return line if planes == 2 else np.full(line.size, BOTH), np.zeros(line.size, np.int64), row, row
    pitch = rows + of  # a line is a side of a series; from one line to the next no window adjoins
    if count == 1:
        key = places + places // rows * of
    else:
        places, series = _split(places, count)
        side, row = _split(places, rows)
        key = np.sort((side * count + series) * pitch + row)
    last = key
    if of > 1:
        apart = np.ones(key.size + 1, dtype=np.bool_)
        np.greater(key[1:] - key[:-1], of, out=apart[1:-1])
        key, last = key[apart[:-1]], key[apart[1:]]
    line, row = _split(key, pitch)
    last = row if of == 1 else last - line * pitch
    side, series = (line, np.zeros(line.size, np.int64)) if count == 1 else _split(line, count)
    return side if planes == 2 else np.full(line.size, BOTH), series, row, last


def _split(numbers: IntArray, by: int) -> tuple[IntArray, IntArray]:
    """Quotient and remainder; numpy divides by one number several times as fast as its divmod does."""
    quotient = numbers // by
    return quotient, numbers - quotient * by


def near_limit(panel: Panel) -> BoolArray:
    """Between two thirds of the way and the limit; a point beyond the limit is not near it."""
    return panel.beyond(2 / 3) & ~panel.beyond(1)


def alternating(panel: Panel) -> BoolArray:
    """Where the direction turns: up into the point after down into the one before, or the reverse."""
    up, down = panel.steps
    marks = np.zeros((1, *panel.x.shape), dtype=np.bool_)
    marks[0, 1:] = (up[1:] & down[:-1]) | (down[1:] & up[:-1])
    return marks


def either_side(panel: Panel) -> BoolArray:
    """More than one sigma from the centre, whatever the side."""
    above, below = panel.beyond(1 / 3)
    return (above | below)[None]


def both_sides(panel: Panel) -> BoolArray:
    """Windows of eight with a point beyond one sigma on either side."""
    above, below = any_of(panel.beyond(1 / 3), 8)
    return (above & below)[None]


def one_side(panel: Panel) -> BoolArray:
    """Windows of three on one side of the centre."""
    return in_a_row(panel.beyond(0), 3)


@dataclass(frozen=True)
class Anhoej:
    """Anhøj and Olesen's rules for runs (PLoS ONE 2014, 9(11): e113825), as one verdict on the series as it stands.

    Points on the centre line and missing windows are left out. Of the n' others: the longest run is longer
    than round(log2 n') + 3, or the centre is crossed less often than the 5 % quantile of the binomial
    distribution (n' - 1, 1/2). Known since the window from which on the verdict has held without a break. The
    members are the longest run where it is too long (its side is the signal's), else all n' points.
    """

    name: str = "anhoej"
    reach: None = None

    def find(self, panel: Panel) -> Hits | None:
        """The verdict on each series; None: none of them signals."""
        above, below = panel.beyond(0)
        rows, series = panel.x.shape
        if not rows:
            return None
        useful = above | below
        row = np.arange(rows)[:, None]
        last = np.maximum.accumulate(np.where(useful, row, -1), axis=0)
        before = np.vstack([np.full((1, series), -1), last[:-1]])
        begins = useful & ((before < 0) | (above != np.take_along_axis(above, before.clip(0), axis=0)))
        count = np.cumsum(useful, axis=0)
        run = np.cumsum(begins, axis=0)  # number of the run, from 1
        length = count - np.maximum.accumulate(np.where(begins, count - 1, 0), axis=0)
        longest = np.maximum.accumulate(length, axis=0)
        with np.errstate(divide="ignore"):
            too_long = longest > np.rint(np.log2(count)) + 3
        few = np.maximum(run - 1, 0) < crossings_needed(rows)[count]
        verdict = (count > 0) & (too_long | few)
        found = np.flatnonzero(verdict[-1])
        if not found.size:
            return None
        held = np.argmin(verdict[::-1, found], axis=0)  # rows since the verdict turned; 0 where it always held
        known = np.where(verdict[:, found].all(axis=0), 0, rows - held)
        run_at = np.argmax(length, axis=0)  # the first of the longest
        longest_run = (run == np.take_along_axis(run, run_at[None], axis=0)) & useful
        members = np.where(too_long[-1], longest_run, useful) & verdict[-1]
        side = np.where(too_long[-1], np.where(above[run_at, np.arange(series)], ABOVE, BELOW), BOTH)
        start = np.argmax(useful, axis=0)
        return Hits(side[found], found, start[found], last[-1, found], known, members[None], marks=members[None])


_CROSSINGS: list[int] = [0, 0]  # for n' = 0 and 1
_RECURRENCE: list[tuple[int, float, float]] = [(0, 1.0, 1.0)]  # k, P(X <= k), P(X = k) for the last of them


def crossings_needed(n: int) -> IntArray:
    """The least number of crossings that is no signal, for 0..n useful points: shape [n + 1]; the 5 % quantile of
    the binomial distribution (n' - 1, 1/2).
    """
    k, below, here = _RECURRENCE[0]
    while len(_CROSSINGS) <= n:
        trials = len(_CROSSINGS) - 1  # one more trial than the last entry had
        below -= here / 2
        here *= trials / (trials - k) / 2
        while below < 0.05:
            k += 1
            here *= (trials - k + 1) / k
            below += here
        _CROSSINGS.append(k)
    _RECURRENCE[0] = (k, below, here)
    return np.array(_CROSSINGS[: n + 1], dtype=np.int64)
