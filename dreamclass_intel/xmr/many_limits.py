"""Natural process limits of many series at once, as arrays with an entry for each series.

The definitions are those of limits.py (`limits_for` and `compute_limits`, without screening), which a property
test holds it to. Not here: judging (many.py).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dreamclass_intel.xmr.limits import SIGMA_DIVISOR, Baseline, BoolArray, FloatArray, IntArray, Limits, Method
from dreamclass_intel.xmr.quiet import DESIGNS, widening

STATUSES = ("none", "trial", "computed", "locked")
NONE, TRIAL, COMPUTED, LOCKED = range(4)
_CHUNK = 1 << 16  # values averaged at a time
_LANES = 64
_ROWS = _LANES * 1024  # rows summed at a time


class ManyLimits(NamedTuple):
    """Limits of N series: arrays of shape [N], figures NaN where a series has none.

    `n` is the number of baseline points, `ranges` that of their moving ranges, `status` an index of `STATUSES`.
    """

    center: FloatArray
    mr_bar: FloatArray
    unpl: FloatArray
    lnpl: FloatArray
    url: FloatArray
    n: IntArray
    ranges: IntArray
    status: npt.NDArray[np.int8]

    def of(self, series: slice | IntArray | BoolArray) -> ManyLimits:
        """The limits of some of the series."""
        return ManyLimits._make(array[series] for array in self)

    def replaced(self, where: BoolArray, part: ManyLimits) -> ManyLimits:
        """A copy with the limits of some series (`where`, shape [N]) in the place of theirs."""
        whole = ManyLimits._make(array.copy() for array in self)
        for name in self._fields:
            np.place(getattr(whole, name), where, getattr(part, name))
        return whole

    def sigma(self, spread: str) -> FloatArray:
        """One sigma of routine variation, shape [N]."""
        return self.mr_bar / SIGMA_DIVISOR[spread]


@dataclass(frozen=True)
class Basis:
    """Which points of each series make its limits: those in the half-open range of windows `start`..`stop`, or
    the first `count`, or all; each a figure or an array of shape [N]. `given` are limits stated from outside.
    """

    policy: Baseline
    count: IntArray | int | None = None
    start: IntArray | int | None = None
    stop: IntArray | int | None = None
    given: ManyLimits | None = None

    @classmethod
    def of(cls, baseline: object, series: int) -> Basis:
        """From what a caller may say (see `chart_many`); raises ValueError where it makes no sense."""
        if baseline is None:
            return cls(Baseline())
        if isinstance(baseline, Baseline) and baseline.limits is None:
            if baseline.start is not None:
                return cls(baseline, start=baseline.start, stop=baseline.stop)
            return cls(baseline, count=baseline.count)
        if isinstance(baseline, Baseline):
            baseline = baseline.limits
        if isinstance(baseline, Limits):
            policy = Baseline(limits=baseline)
            if baseline.lines is not None or baseline.adjustment is not None:
                raise ValueError("baseline: limits that differ from window to window hold for one series only")
            if baseline.kind != "xmr":
                raise ValueError(f"baseline: the limits given are of chart {baseline.kind!r}, not of 'xmr'")
            figures = (np.full(series, float(getattr(baseline, name))) for name in ManyLimits._fields[:5])
            numbers = (np.full(series, number) for number in (baseline.n, baseline.ranges))
            return cls(policy, given=ManyLimits._make([*figures, *numbers, np.full(series, LOCKED, np.int8)]))
        if isinstance(baseline, ManyLimits):
            if baseline.center.shape != (series,):
                raise ValueError(f"baseline: limits of {baseline.center.size} series for {series}")
            status = np.where(baseline.status == NONE, NONE, LOCKED).astype(np.int8)
            return cls(Baseline(), given=baseline._replace(status=status))
        array = np.asarray(baseline)
        if array.dtype.kind not in "iu":
            raise ValueError(f"baseline must be counts, ranges, a Baseline or limits, not {baseline!r:.60}")
        if array.shape in ((), (series,)):
            if (array < Baseline().minimum).any():
                raise ValueError(f"baseline: counts must be at least {Baseline().minimum}, not {array.min()}")
            return cls(Baseline(), count=array.astype(np.int64))
        if array.shape != (series, 2):
            raise ValueError(f"baseline: counts have shape ({series},), ranges ({series}, 2), not {array.shape}")
        start, stop = array.astype(np.int64).T
        if (wrong := np.flatnonzero((start < 0) | (stop <= start))).size:
            raise ValueError(f"baseline[{wrong[0]}]: a range needs 0 <= start < stop, not {array[wrong[0]].tolist()}")
        return cls(Baseline(), start=start, stop=stop)

    def some(self, series: slice | IntArray | BoolArray) -> Basis:
        """The basis of some of the series."""

        def part(array: IntArray | int | None) -> IntArray | int | None:
            return array[series] if isinstance(array, np.ndarray) and array.ndim else array

        given = None if self.given is None else self.given.of(series)
        return Basis(self.policy, part(self.count), part(self.start), part(self.stop), given)

    def for_one(self, series: int, spread: str) -> Baseline | None:
        """The policy of one series, as `analyse` takes it; `spread` is that of given limits."""
        one = self.some(np.array([series]))
        policy = self.policy
        if policy.limits is not None:
            return policy
        if one.given is not None:
            if one.given.status[0] == NONE:
                return Baseline(count=sys.maxsize, minimum=sys.maxsize)  # no limits, whatever comes
            center, mr_bar, unpl, lnpl, url = (figure.item() for figure in one.given[:5])
            n = int(one.given.n[0])
            limits = Limits.given(lnpl=lnpl, unpl=unpl, center=center, mr_bar=mr_bar, url=url, n=n)
            return Baseline(limits=replace(limits, spread=spread))
        if one.start is not None and one.stop is not None:
            return Baseline(
                policy.count, policy.minimum, policy.trial_below, int(np.max(one.start)), int(np.max(one.stop))
            )
        if one.count is not None:
            return Baseline(int(np.max(one.count)), policy.minimum, policy.trial_below)
        return None


def limits_of(x: FloatArray, basis: Basis, method: Method, *, gaps: bool, preset: str = "wheeler") -> ManyLimits:
    """The limits of the series of `x` (shape [T, N], time down the rows, NaN where not judged), as the preset
    judges by them. Raises ValueError where they overflow.
    """
    if basis.given is not None:
        return basis.given
    rows = len(x)
    inside = None
    if gaps or any(np.ndim(edge) for edge in (basis.count, basis.start, basis.stop) if edge is not None):
        inside = inside_of(x, basis)
        points = _Points(x, inside)
    else:
        first = int(basis.start or 0)
        last = basis.stop if basis.stop is not None else rows if basis.count is None else basis.count
        points = _Points(x[min(first, rows) : int(last)], None, offset=min(first, rows))
    steps = points.steps()
    center, n = points.average(method.center), points.count
    mr_bar, ranges = steps.average(method.spread), steps.count
    half = method.factors.npl * mr_bar
    status = np.where(n < basis.policy.trial_below, TRIAL, COMPUTED)
    if basis.stop is not None:
        status = np.where(rows >= basis.stop, LOCKED, status)
    elif basis.count is not None:
        status = np.where(n >= basis.count, LOCKED, status)
    none = (n < basis.policy.minimum) | (ranges == 0)
    upper, lower = center + half, center - half
    if preset in DESIGNS:
        q = widening(np.maximum(n, 2))
        upper, lower = center + q * (upper - center), center + q * (lower - center)
    limits = ManyLimits(center, mr_bar, upper, lower, method.factors.url * mr_bar, n, ranges, status.astype(np.int8))
    if none.any():
        limits.status[none] = NONE
        for figures in limits[:5]:
            figures[none] = np.nan
    wrong = ~none & ~(np.isfinite(limits.unpl) & np.isfinite(limits.lnpl) & np.isfinite(limits.url))
    if wrong.any():
        raise ValueError(f"x[{wrong.argmax()}]: the limits are not finite: the values are too large to compute with")
    return limits


@dataclass(frozen=True)
class _Points:
    """The points `x` of shape [T, N] that are `inside` (None: all), or, with `stepped`, the moving ranges into the
    second to last of them. `offset` is the window of the first row.
    """

    x: FloatArray
    inside: BoolArray | None
    stepped: bool = False
    offset: int = 0

    def steps(self) -> _Points:
        """The moving ranges between neighbours that are both inside."""
        both = None if self.inside is None else self.inside[1:] & self.inside[:-1]
        return _Points(self.x, both, stepped=True, offset=self.offset)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return max(len(self.x) - self.stepped, 0)

    @cached_property
    def count(self) -> IntArray:
        """How many points there are, shape [N]."""
        if self.inside is None:
            return np.full(self.x.shape[1], self.rows)
        return np.count_nonzero(self.inside, axis=0)

    def part(self, rows: slice, away_from: FloatArray | float = 0.0) -> FloatArray:
        """Some of the rows, less a figure; 0 where nothing is inside."""
        part = self.x[rows]
        if self.stepped:
            part = self.x[rows.start + 1 : rows.stop + 1] - part
            np.abs(part, out=part)
        if isinstance(away_from, np.ndarray):
            part = np.subtract(part, away_from, out=part if self.stepped else None)
        return part if self.inside is None else np.where(self.inside[rows], part, 0)

    def average(self, kind: str) -> FloatArray:
        """Mean or median down the rows, shape [N]; NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if kind == "median":
                return self._median()
            mean = self._sum() / self.count
            # A second pass takes back the first one's round-off: a value on the centre line must be found there.
            return mean + self._sum(mean) / self.count

    def _sum(self, away_from: FloatArray | float = 0.0) -> FloatArray:
        """The sums down the rows, shape [N], in an order that depends on the windows alone: the limits of a series
        must not differ, by a last digit, with how many others there are, nor with whether its windows came at once or
        one by one. Window k goes to lane k modulo `_LANES`, a block of lanes after the other, then lane to lane.
        """
        first = self.offset % _LANES
        if first + self.rows <= _LANES:  # a window a lane
            return self._in_order(away_from)
        series = self.x.shape[1]
        total = np.zeros(_LANES * series)
        for start in range(self.offset - self.offset % _ROWS, self.offset + self.rows, _ROWS):
            here = slice(max(start - self.offset, 0), min(start + _ROWS - self.offset, self.rows))
            part = self.part(here, away_from)
            before = (self.offset + here.start) % _LANES
            if before or len(part) % _LANES:  # what is missing of a block counts as 0
                part = np.pad(part, ((before, -(before + len(part)) % _LANES), (0, 0)))
            total += np.add.reduce(part.reshape(len(part) // _LANES, total.size), axis=0)
        return np.add.accumulate(total.reshape(_LANES, series), axis=0)[-1]

    def _in_order(self, away_from: FloatArray | float) -> FloatArray:
        """The sum of few rows, one after the other, some at a time: these stay in the processor's cache."""
        total = np.zeros(self.x.shape[1])
        step = max(1, _CHUNK // max(1, total.size))
        for k in range(0, self.rows, step):
            part = self.part(slice(k, min(k + step, self.rows)), away_from)
            if len(part) > total.size:
                total = np.add.accumulate(np.concatenate([total[None], part]), axis=0)[-1]
            else:
                for row in part:
                    total += row
        return total

    def _median(self) -> FloatArray:
        values = self.part(slice(0, self.rows))
        if not self.rows:
            return np.full(self.x.shape[1], np.nan)
        ordered = np.sort(values if self.inside is None else np.where(self.inside, values, np.nan), axis=0)
        low, high = (self.count - 1).clip(0) // 2, self.count // 2
        return sum(np.take_along_axis(ordered, k[None], axis=0)[0] for k in (low, high)) / 2


def inside_of(x: FloatArray, basis: Basis) -> BoolArray:
    """Which points belong to the basis of their series, shape [T, N]; of stated limits those of their `base`."""
    inside = x == x
    if basis.given is not None:
        first, last = basis.policy.limits.base if basis.policy.limits else (0, 0)
        inside[:first] = inside[last:] = False
        return inside
    if basis.start is not None and basis.stop is not None:
        row = np.arange(len(x))[:, None]
        inside &= (row >= basis.start) & (row < basis.stop)
    elif basis.count is not None:
        rank = np.zeros(x.shape[1], dtype=np.int64)
        for row in inside:  # a row at a time: numpy's cumsum down the columns is several times as slow
            rank += row
            row &= rank <= basis.count
    return inside
