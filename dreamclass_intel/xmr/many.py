"""`chart_many`: the limits, flags and events of many series at once, without a loop over series.

What it finds in a series is what `analyse` finds in it: the rules are the same code (patterns.py), the limits the
same definitions (many_limits.py). Not here: dividers, labels, words and drawings; `ManyCharts.chart` gives the
whole chart of one series. A new window comes in by `append` (many_append.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dreamclass_intel.xmr import events
from dreamclass_intel.xmr.arguments import check_bounds, indices
from dreamclass_intel.xmr.chart import Bounds, Chart, analyse
from dreamclass_intel.xmr.events import EVENT, Events
from dreamclass_intel.xmr.limits import Baseline, BoolArray, FloatArray, IntArray, Limits, Method
from dreamclass_intel.xmr.many_limits import LOCKED, Basis, ManyLimits, inside_of, limits_of
from dreamclass_intel.xmr.panel import Panel
from dreamclass_intel.xmr.patterns import SIDES
from dreamclass_intel.xmr.rules import rules_of

_BLOCK = 1 << 18  # points judged at a time: what they need stays in the processor's cache


@dataclass(eq=False)
class ManyCharts:
    """The charts of N series over T windows.

    `limits` has arrays of shape [N]; `marks` is [rules, T, N], the members of each rule's signals, `events` the
    table of all signals (see `EVENT`), in the order in which they became known, then by series, rule and side.
    `seen` is the judged values, shape [T, N]: NaN where a window is missing or incomplete.
    """

    seen: FloatArray
    limits: ManyLimits
    marks: BoolArray
    events: Events
    preset: str
    method: Method
    basis: Basis
    bounds: Bounds = (None, None)

    _room: tuple[FloatArray, BoolArray] | None = None  # where `seen` and `marks` grow
    _table: Events | None = None  # where `events` grows
    _latest: IntArray | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the preset's rules: what `events["rule"]` counts."""
        return tuple(rule.name for rule in rules_of(self.preset))

    @property
    def flags(self) -> Mapping[str, BoolArray]:
        """The points each rule marks: name of the rule -> shape [N, T]."""
        return {name: self.marks[number].T for number, name in enumerate(self.rules)}

    def completed(self, rule: str) -> BoolArray:
        """The points that complete a pattern of the rule, shape [N, T]; `flags` and `completed` together are what
        programs show that mark completing points only (qcc).
        """
        hits = rules_of(self.preset)[self.rules.index(rule)].find(
            panel_of(self.seen, self.limits, self.method, self.basis)
        )
        return np.zeros(self.seen.shape[::-1], np.bool_) if hits is None else (hits.completed[0] | hits.completed[-1]).T

    @property
    def unbreakable(self) -> BoolArray:
        """Where the lower (first column) or upper limit lies at or beyond the natural bound, shape [N, 2]."""
        low, high = self.bounds
        return np.stack(
            [
                self.limits.lnpl <= (-np.inf if low is None else low),
                self.limits.unpl >= (np.inf if high is None else high),
            ],
            axis=1,
        )

    def grow(self, column: FloatArray) -> None:
        """Make room for one more window and put its values there, unjudged; like a list's, the room doubles."""
        rows = len(self.seen)
        if self._room is None or len(self._room[0]) == rows:
            values = np.empty((2 * rows + 8, column.size))
            marks = np.zeros((len(self.marks), 2 * rows + 8, column.size), np.bool_)
            values[:rows], marks[:, :rows] = self.seen, self.marks
            self._room = values, marks
        self._room[0][rows] = column
        self.seen, self.marks = self._room[0][: rows + 1], self._room[1][:, : rows + 1]

    def latest_events(self) -> IntArray:
        """The number of the newest event of each rule, side and series, shape [rules, 3, N]; -1 for none."""
        if self._latest is None:
            self._latest = np.full((len(self.rules), len(SIDES), self.seen.shape[1]), -1)
            table = self.events
            self._latest[table["rule"], table["side"], table["series"]] = np.arange(table.size)
        return self._latest

    def add_events(self, new: Events) -> None:
        """Put new events, known by the newest window, behind the others."""
        latest, count, total = self.latest_events(), self.events.size, self.events.size + new.size
        if self._table is None or self._table.size < total:
            self._table = np.empty(2 * total, EVENT)
            self._table[:count] = self.events
        self._table[count:total] = new
        self.events = self._table[:total]
        latest[new["rule"], new["side"], new["series"]] = np.arange(count, total)

    def replace_events(self, table: Events) -> None:
        """Put other events in the place of all."""
        self.events, self._table, self._latest = table, None, None

    def chart(self, series: int) -> Chart:
        """The whole chart of one series: signals with members and limits id, notes, words, drawing."""
        return analyse(
            self.seen[:, series],
            preset=self.preset,
            constants=self.method.constants,
            center=self.method.center,
            spread=self.method.spread,
            baseline=self.basis.for_one(series, self.method.spread),
            bounds=self.bounds,
        )


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused with words
def chart_many(
    x: FloatArray,
    *,
    preset: str = "wheeler",
    constants: str = "wheeler",
    center: str = "mean",
    spread: str = "mean",
    baseline: Baseline | Limits | ManyLimits | IntArray | Sequence[int] | int | None = None,
    incomplete: Sequence[int] = (),
    bounds: Bounds = (None, None),
) -> ManyCharts:
    """The charts of many series, oldest window first.

    x: shape [series, windows]; NaN is a missing window. It is not copied where its layout allows: do not change
        it afterwards.
    baseline: None = all points of each series; a count, or one for each series (locked on the first so many
        points); ranges of windows, shape [series, 2], half-open; a `Baseline` for all; `Limits` for all, or the
        `ManyLimits` of another chart, to judge by as they are.
    incomplete: indices of windows still open: neither judged nor used.
    The others as in `analyse`. Raises ValueError for inf (naming the index), unknown names, and arguments that do
    not fit.
    """
    if np.asarray(x).dtype.kind not in "fiu":
        raise ValueError("x must be an array of numbers")
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"x must have the shape [series, windows], not {x.shape}")
    series, windows = x.shape
    method = Method(constants, center, spread)
    rules = rules_of(preset)
    basis = Basis.of(baseline, series)
    if basis.policy.limits is not None:
        method = replace(method, spread=basis.policy.limits.spread)  # for the sigma of its mR
    check_bounds(bounds)
    late = indices("incomplete", incomplete, windows)
    seen = x.T
    if late:
        seen = seen.copy()
        seen[list(late)] = np.nan
    marks = np.empty((len(rules), windows, series), np.bool_)
    limits: list[ManyLimits] = []
    tables: list[Events] = []
    step = max(1, _BLOCK // max(windows, 1))
    for first in range(0, max(series, 1), step):
        block = slice(first, first + step)
        part = np.ascontiguousarray(seen[:, block])
        gaps = _holes(part, first)
        limits.append(limits_of(part, basis.some(block), method, gaps=gaps, preset=preset))
        found = events.find(panel_of(part, limits[-1], method, basis.some(block), gaps=gaps), rules)
        for number, hits in enumerate(found.hits):
            if hits is None:
                marks[number, :, block] = False
            else:
                hits.mark(marks[number, :, block])
        found.events["series"] += first
        tables.append(found.events)
    whole = (
        limits[0] if len(limits) == 1 else ManyLimits(*(np.concatenate(arrays) for arrays in zip(*limits, strict=True)))
    )
    table = events.in_order(np.concatenate(tables) if len(tables) > 1 else tables[0])
    return ManyCharts(seen, whole, marks, table, preset, method, basis, bounds)


def panel_of(seen: FloatArray, limits: ManyLimits, method: Method, basis: Basis, *, gaps: bool = True) -> Panel:
    """The panel of judged values, shape [T, N], with the limits of each series and the basis they were made of."""
    sigma = limits.sigma(method.spread)
    lines = (limits.center, limits.unpl, limits.lnpl, sigma)
    one = seen.shape[1] == 1  # figures are quicker than arrays of one
    center, upper, lower, unit = (line.item() if one else line[None] for line in lines)
    base = partial(inside_of, seen, basis)
    return Panel(seen, center, upper, lower, unit, gaps, limits.n, base, limits.status == LOCKED)


def _holes(part: FloatArray, first: int) -> bool:
    """Whether a block of series (shape [T, n], the series from `first` on) has missing windows; ValueError for inf."""
    if np.isfinite(np.add.reduce(part, axis=None)):
        return False
    if (infinite := np.isinf(part)).any():
        series, window = np.argwhere(infinite.T)[0].tolist()
        raise ValueError(f"x[{first + series}, {window}] is infinite")
    return bool(np.isnan(part).any())
