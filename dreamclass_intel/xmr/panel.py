"""The points a rule looks at: N series side by side, time down the rows, with the lines they are judged by.

One panel is one segment of one chart (N = 1) or a block of many series. Everything a rule asks is an array
over (side, time, series), so that a rule is written once for both. Not here: the patterns themselves
(patterns.py), how limits are made (limits.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray

Line = FloatArray | float

# A centre is a sum of values, each off by half a unit in the last place, divided once: two units cover it.
ROUND_OFF = 2 * float(np.finfo(np.float64).eps)


@dataclass(eq=False)
class Panel:
    """Judged points and their lines.

    `x` has shape [T, N]; NaN is a window that is missing or not judged: it breaks whatever needs neighbours.
    `center`, `upper` and `lower` are figures or arrays that broadcast to it: [1, N], or [T, N] for limits that
    differ from window to window. `sigma`, one sigma of routine variation, is a figure, [1, N] or [T, N]. `gaps`
    says whether there may be a NaN. `n` (a figure or [N]) is how many points the limits rest on, 0 where nobody
    knows; `base` gives which ones ([T, N], None: none of these); `locked` (a figure or [N]) whether later windows
    leave the limits as they are; `fitted` how many figures beside the width they took from their points.
    """

    x: FloatArray
    center: Line
    upper: Line
    lower: Line
    sigma: Line
    gaps: bool = True
    n: IntArray | int = 0
    base: Callable[[], BoolArray] | None = None
    locked: BoolArray | bool = False
    fitted: int = 1
    slack: Line = field(init=False)
    _beyond: dict[float, BoolArray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        # What two equal figures may differ by. Taken from the limits and not from the series, so that a later value
        # cannot change an earlier answer.
        if isinstance(self.upper, float) and isinstance(self.lower, float):
            self.slack = ROUND_OFF * max(abs(self.upper), abs(self.lower))
        else:
            self.slack = ROUND_OFF * np.maximum(np.abs(self.upper), np.abs(self.lower))

    def _line(self, limit: Line, part: float) -> Line:
        if part in (0, 1):  # the lines themselves, without the round-off of a sum
            return limit if part else self.center
        return self.center + (limit - self.center) * part

    def beyond(self, part: float) -> BoolArray:
        """Where a point lies strictly beyond the line at `part` of the way from centre to limit: shape
        [2, T, N], above in the first plane and below in the second. 0 is the centre, 1 the limit, 2/3 the
        "two sigma" of the zone rules.
        """
        if part not in self._beyond:
            marks = np.empty((2, *self.x.shape), dtype=np.bool_)
            np.greater(self.x, self._line(self.upper, part) + self.slack, out=marks[0])
            np.less(self.x, self._line(self.lower, part) - self.slack, out=marks[1])
            self._beyond[part] = marks
        return self._beyond[part]

    def within(self, part: float) -> BoolArray:
        """Where a point lies strictly within the two lines at `part` of the way, shape [1, T, N]."""
        inside = self.x < self._line(self.upper, part) - self.slack
        inside &= self.x > self._line(self.lower, part) + self.slack
        return inside[None]

    @cached_property
    def steps(self) -> BoolArray:
        """Where a point lies strictly above (first plane) or below the one before it, shape [2, T, N]."""
        marks = np.zeros((2, *self.x.shape), dtype=np.bool_)
        slack = self.slack[1:] if isinstance(self.slack, np.ndarray) and len(self.slack) > 1 else self.slack
        np.greater(self.x[1:], self.x[:-1] + slack, out=marks[0, 1:])
        np.less(self.x[1:], self.x[:-1] - slack, out=marks[1, 1:])
        return marks

    @cached_property
    def judged(self) -> BoolArray:
        """Where there is a point, shape [1, T, N]."""
        return ~np.isnan(self.x)[None]

    def away(self, places: IntArray, series: IntArray, counts: IntArray | None = None) -> FloatArray:
        """Distance from the centre at `places` of the flattened panel (shape [k]): in the unit of the series, or in
        sigma where that is `uneven`. Place k belongs to `series[k]`, or with `counts` the first counts[0] places to
        series[0], and so on.
        """

        def at(line: Line) -> Line:
            if isinstance(line, float):
                return line
            if len(line) > 1:
                return np.broadcast_to(line, self.x.shape).take(places)
            return line.take(series) if counts is None else line.take(series).repeat(counts)

        away = self.x.take(places)
        away -= at(self.center)
        np.abs(away, out=away)
        return in_sigma(away, at(self.sigma)) if self.uneven else away

    @property
    def uneven(self) -> bool:
        """Whether sigma differs from window to window."""
        return isinstance(self.sigma, np.ndarray) and len(self.sigma) > 1


def in_sigma(away: FloatArray, sigma: Line) -> FloatArray:
    """Distances in sigma; inf where sigma is 0."""
    if isinstance(sigma, float):
        return away / sigma if sigma > 0 else np.full_like(away, np.inf)
    return np.divide(away, sigma, out=np.full_like(away, np.inf), where=sigma > 0)


def in_a_row(marks: BoolArray, length: int) -> BoolArray:
    """Where `length` marks follow each other, shape [S, T - length + 1, N], at the first of them."""
    width = 1
    while width < length:  # windows of `width` make windows up to twice as long
        step = min(width, length - width)
        marks = marks[:, :-step] & marks[:, step:]
        width += step
    return marks


def any_of(marks: BoolArray, length: int) -> BoolArray:
    """Where one of `length` neighbours is marked, shape [S, T - length + 1, N], at the first of them."""
    width = 1
    while width < length:
        step = min(width, length - width)
        marks = marks[:, :-step] | marks[:, step:]
        width += step
    return marks


def at_least(marks: BoolArray, need: int, of: int) -> BoolArray:
    """Where `need` of `of` neighbours are marked, shape [S, T - of + 1, N], at the first of them."""
    ones = marks.view(np.uint8)
    total, width = ones, 1
    while 2 * width <= of:
        total = total[:, :-width] + total[:, width:]
        width *= 2
    for k in range(width, of):
        total = total[:, :-1] + ones[:, k:]
    return total >= need


def covered(windows: BoolArray, length: int) -> BoolArray:
    """Which points lie in a window: `windows` (shape [S, T - length + 1, N]) marks their first points; shape
    [S, T, N].
    """
    if length == 1:
        return windows
    planes, rows, series = windows.shape
    padded = np.zeros((planes, rows + 2 * (length - 1), series), dtype=np.bool_)
    padded[:, length - 1 : length - 1 + rows] = windows
    return any_of(padded, length)
