"""Limits that follow a trend or a season: the half-average line and the seasonal factors.

What moves the limits is taken out of the values first, or carried by the centre line; the limits themselves
are those of any chart. Not here: how widths are computed (limits.py, kinds.py), the test whether a series has
a trend or a season at all (advice.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dreamclass_intel.xmr.limits import FloatArray, IntArray, mean_of

How = Literal["subtract", "divide"]
Middle = Callable[[slice], float]  # the centre of the points in a slice of the basis


@dataclass(frozen=True)
class Season:
    """A season of `length` windows, counted from index 0 of the series, and how its factors are taken out.

    `subtract`: value minus factor; `divide`: value over factor, for positive measures whose swing grows with
    their level (Wheeler's seasonal relatives). Two full seasons are needed. The factors come from the same
    points as the limits, so what remains of these points varies too little; `unbiased` widens the mean moving
    range by sqrt(N / (N - length)), N points, which makes it right for independent values (sqrt 2 with two
    seasons). Wheeler's own figures: `unbiased=False`. Raises ValueError for a season without sense.
    """

    length: int
    how: How = "subtract"
    unbiased: bool = True

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ValueError(f"a season has at least 2 windows, not {self.length}")
        if self.how not in ("subtract", "divide"):
            raise ValueError(f"how must be subtract or divide, not {self.how!r}")


@dataclass(frozen=True)
class Adjustment:
    """What moves limits from window to window.

    With a trend the centre at index i is `Limits.center` + `slope` (i - `origin`). With a season all three
    lines of index i are moved by `factors[i % len(factors)]`, which rest on `seasons` full seasons.
    """

    trended: bool = False
    slope: float = 0.0
    origin: int = 0
    factors: tuple[float, ...] = ()
    how: How = "subtract"
    seasons: int = 0

    def moved(self, by: int) -> Adjustment:
        """The same for a series that starts `by` windows earlier (negative: later)."""
        turn = by % len(self.factors) if self.factors else 0
        factors = self.factors[-turn:] + self.factors[:-turn] if turn else self.factors
        return replace(self, origin=self.origin + by, factors=factors)

    @property
    def words(self) -> tuple[str, ...]:
        """What was done, in plain sentences for the chart."""
        found = []
        if self.trended:
            found.append(
                f"the limits follow a trend of {self.slope:+.6g} a window: the line through the averages of the "
                "baseline's two halves (Wheeler)"
            )
        if self.factors:
            done = "subtracted from" if self.how == "subtract" else "divided out of"
            found.append(
                f"a season of {len(self.factors)} windows is {done} the values before the limits are computed "
                f"(factors from {self.seasons} full seasons), and drawn back into them"
            )
        return tuple(found)

    @property
    def fitted(self) -> int:
        """How many figures were taken from the points beside the width: centre or factors, and slope."""
        return max(len(self.factors), 1) + self.trended

    def without_season(self, x: FloatArray, positions: IntArray) -> FloatArray:
        """The values `x` at `positions` (both of shape [m]) as they would be in a window without season."""
        if not self.factors:
            return x
        factor = np.array(self.factors)[positions % len(self.factors)]
        return x - factor if self.how == "subtract" else x / factor

    def with_season(self, line: FloatArray) -> FloatArray:
        """A line over the whole series (shape [n]) with the season put back."""
        if not self.factors:
            return line
        factor = np.resize(np.array(self.factors), line.size)
        return line + factor if self.how == "subtract" else line * factor


def half_average_line(positions: IntArray, middle: Middle, *, origin: int) -> tuple[float, float]:
    """Slope a window, and the value at index `origin`, of the line through the centres of the two halves of the
    points at `positions` (shape [m], m >= 2), each at the middle of its half.

    Wheeler, Making Sense of Data (2003) section 12.3. An odd point in the middle belongs to neither half.
    """
    half, m = positions.size // 2, positions.size
    first, second = slice(0, half), slice(m - half, m)
    x1, x2 = middle(first), middle(second)
    at1, at2 = (float(positions[part].mean()) for part in (first, second))
    slope = (x2 - x1) / (at2 - at1)
    return slope, x1 + slope * (origin - at1)


def seasonal_factors(
    positions: IntArray, x: FloatArray, season: Season, *, trended: bool
) -> tuple[tuple[float, ...], int] | None:
    """The factor of each window of the season and the number of full seasons they rest on; None where the points
    `x` at `positions` (both of shape [m]) span fewer than two full seasons, miss a window of it altogether, or have so
    many gaps that half of the factors would rest on one point each, which then vary by nothing.

    A factor is the average of its window less (or over) the average of all windows' averages. With a trend the
    values are levelled first, by the mean change of the same window between the first and the last half of the
    full seasons, which no season can disturb. Raises ValueError where a factor cannot be divided by.
    """
    length = season.length
    if not positions.size:
        return None
    full = int(positions[-1] - positions[0] + 1) // length
    phase = positions % length
    if full < 2 or 2 * positions.size < 3 * length or not np.bincount(phase, minlength=length).all():
        return None
    if trended:
        x = _levelled(positions, x, phase, full, season)
    averages = np.array([mean_of(x[phase == k]) for k in range(length)])
    grand = mean_of(averages)
    if season.how == "subtract":
        return tuple((averages - grand).tolist()), full
    if not grand > 0 or not (averages > 0).all():
        k = int(np.argmin(averages))
        raise ValueError(f"season divides, but window {k} of it averages {averages[k]:g}: subtract instead")
    return tuple((averages / grand).tolist()), full


def widening(season: Season, points: int) -> float:
    """What the mean moving range of `points` values less their own factors is multiplied by to be unbiased."""
    return math.sqrt(points / (points - season.length)) if season.unbiased else 1.0


def _levelled(positions: IntArray, x: FloatArray, phase: IntArray, full: int, season: Season) -> FloatArray:
    number = (positions - positions[0]) // season.length
    half = full // 2
    early, late = number < half, (number >= full - half) & (number < full)
    changes = [
        x[late & (phase == k)].mean() - x[early & (phase == k)].mean()
        for k in range(season.length)
        if (late & (phase == k)).any() and (early & (phase == k)).any()
    ]
    if not changes:
        return x
    slope = float(np.mean(changes)) / ((full - half) * season.length)
    rise = slope * (positions - positions.mean())
    if season.how == "subtract":
        return x - rise
    line = x.mean() + rise
    if not (line > 0).all():
        raise ValueError("season divides, but the trend reaches zero: subtract instead")
    return x / line
