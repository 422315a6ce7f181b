"""`analyse`: the whole XmR chart of one series, from values to signals, notes and a verdict.

Here the series is checked, cut into segments and given its limits and signals. Not here: the arithmetic of
limits (limits.py; rates, rare events, trend and season: kinds.py, adjust.py), the rules (rules.py), the
wording (words.py), any drawing (svg.py).

As-of reading. The chart as it stood at index i is `analyse(values[:i + 1], ...)`. Once a segment's limits are
locked its signals never change in hindsight: those with `known_at <= i` have the same rule, side, start and
known_at in every later chart; only `end` and `members` of a pattern that goes on grow (and with them
`strength`). Not so `anhoej`, which is one verdict on the newest window. Until then (trial and computed limits, or no
baseline policy) the limits move with each point, and signals may come and go.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.adjust import Season
from dreamclass_intel.xmr.advice import Advice, advise
from dreamclass_intel.xmr.arguments import (
    Policy,
    check_bounds,
    check_season,
    indices,
    numbers,
    policies_for,
    whole,
)
from dreamclass_intel.xmr.kinds import Plan, fit
from dreamclass_intel.xmr.limits import DEFAULT, BoolArray, FloatArray, IntArray, Limits, Method, limits_for
from dreamclass_intel.xmr.quiet import widened
from dreamclass_intel.xmr.rules import Judgement, Signal, judge, rules_of
from dreamclass_intel.xmr.stretch import Stretch, moving_ranges

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Segment:
    """A stretch of the series (`start` to `stop`, half-open) that has its own limits; `limits` is None where
    its basis is too thin. `points` is how many points that basis holds.
    """

    start: int
    stop: int
    limits: Limits | None
    points: int


@dataclass(frozen=True, eq=False)
class Chart:
    """An XmR chart, or one of the other kinds. Arrays have shape [n] and are read-only; NaN in `values` is a
    missing window, in `moving_ranges` a step that cannot be taken. `judged` is False for missing and for
    incomplete windows. Moving ranges are those that the limits are made of: without season, for rates as
    between two windows of the usual size, for g and t charts on the scale of the judgement (kinds.py).
    """

    values: FloatArray
    moving_ranges: FloatArray
    judged: BoolArray
    segments: tuple[Segment, ...]
    judgements: tuple[Judgement, ...]
    given_labels: tuple[str, ...] | None = None
    incomplete: tuple[int, ...] = ()
    bounds: Bounds = (None, None)
    bridge: bool = False
    preset: str = "wheeler"
    minimum: int = 6
    kind: str = "xmr"
    denominators: FloatArray | None = None
    trend: bool = False
    season: Season | None = None

    def label(self, index: int) -> str:
        """What window `index` is called: its label, or the index itself where the series has none."""
        return str(index) if self.given_labels is None else self.given_labels[index]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of all windows, shape [n]."""
        return tuple(self.label(i) for i in range(self.values.size))

    @property
    def limits(self) -> Limits | None:
        """The limits of the newest segment, or None while it has too few points."""
        return self.segments[-1].limits

    @cached_property
    def newest(self) -> int | None:
        """The index of the newest judged point, or None."""
        where = np.flatnonzero(self.judged)
        return int(where[-1]) if where.size else None

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """All signals, segment by segment, in the order in which they became known."""
        return tuple(signal for judgement in self.judgements for signal in judgement.signals())

    def signals_known_at(self, index: int) -> tuple[Signal, ...]:
        """The signals that window `index` completed: what an alert for that window reports."""
        return tuple(signal for signal in self.signals if signal.known_at == index)

    @property
    def adjustment(self) -> tuple[str, ...]:
        """What the newest segment's limits follow beside the values (trend, season), in words; () for nothing."""
        return words.adjustment(self, self.segments[-1])

    def advice(self, period: int | None = None, *, baseline: bool = False) -> tuple[Advice, ...]:
        """Which other chart the newest segment's judged values ask for, and why; `period` is a season to test
        for that the chart does not allow for already. `baseline`: only the values that its limits rest on, so that
        later signals are no reason for another chart.
        """
        start, stop = self.segments[-1].start, self.values.size
        if baseline and self.limits is not None and self.limits.base[0] < self.limits.base[1]:
            start, stop = self.limits.base
        return advise(
            np.where(self.judged, self.values, np.nan)[start:stop],
            None if self.denominators is None else self.denominators[start:stop],
            chart=self.kind,
            trend=self.trend,
            season=self.season,
            period=period,
            bridge=self.bridge,
            first=start,
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know and nobody should be alarmed by (mR above its limit, unbreakable limits,
        gaps).
        """
        return words.notes(self)

    @cached_property
    def verdict(self) -> str:
        """One plain sentence on the newest segment, for example "Routine variation: no action"."""
        return words.verdict(self)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused with words
def analyse(
    values: Sequence[float | None] | FloatArray,
    *,
    labels: Sequence[str] | None = None,
    preset: str = "wheeler",
    constants: str = "wheeler",
    center: str = "mean",
    spread: str = "mean",
    baseline: Policy | Sequence[Policy] = None,
    screen: int = 0,
    dividers: Sequence[int] = (),
    bridge: bool = False,
    incomplete: Sequence[int] = (),
    bounds: Bounds = (None, None),
    chart: str = "xmr",
    denominators: Sequence[float | None] | FloatArray | None = None,
    trend: bool = False,
    season: int | Season | None = None,
) -> Chart:
    """The chart of one series, oldest value first.

    values: shape [n]; None or NaN is a missing window: it stays on the axis and breaks moving ranges and
        runs, unless `bridge`.
    baseline: None = all points; a `Baseline` policy; `Limits` to judge by as they are; or one of these for
        each segment. A single policy holds for every segment, except that a start/stop range is that of the
        segment it lies in (the others follow its `count`).
    screen: passes that drop outlying moving ranges from the limits (off by default).
    dividers: indices at which a new segment starts; limits, ranges and runs never cross them.
    incomplete: indices of windows still open: drawn, neither judged nor used.
    bounds: natural bounds of the measure, for example (0, 1) for a rate; p, u, g and t charts know theirs.
    chart: the kind of chart: xmr; i_prime, p, p_prime, u, u_prime for rates; g, t for rare events (kinds.py).
    denominators: shape [n], for rates: what each value is a rate of; may lack only where the value does.
    trend: limits around the half-average line instead of a level (xmr, i_prime).
    season: windows in a season (or a `Season`) whose factors are taken out, once the basis holds two full
        seasons; said on the chart until then (xmr, i_prime).
    The limits are then of each window, in `Limits.lines`, and back in the unit of the values.
    Dividers and incomplete indices beyond the end are ignored, so that a prefix takes the arguments of the
    whole. Raises ValueError for inf or non-numbers (naming the index), unknown names, and arguments that do
    not fit.
    """
    x = numbers(values)
    n = int(x.size)
    check_bounds(bounds)
    sizes = None if denominators is None else numbers(denominators, "denominators")
    whole_season = season if season is None or isinstance(season, Season) else Season(whole("season", season))
    plan = Plan(chart, Method(constants, center, spread, screen), trend, whole_season, sizes, preset)
    plan.check_values(x)
    rules = rules_of(preset)
    names = None if labels is None else tuple(str(label) for label in labels)
    if names is not None and len(names) != n:
        raise ValueError(f"{len(names)} labels for {n} values")
    open_windows = indices("incomplete", incomplete, n)
    judged = x == x  # NaN is not itself
    later = [d for d in indices("dividers", dividers, sys.maxsize) if d > 0]
    edges = (0, *[d for d in later if d < n], n)
    policies = policies_for(baseline, edges, len(later))
    for number, policy in enumerate(policies):
        check_season(policy, whole_season, number)

    seen = x
    if open_windows:
        judged[list(open_windows)] = False
        seen = np.where(judged, x, np.nan)
    moving = np.empty(n)
    segments: list[Segment] = []
    judgements: list[Judgement] = []
    for number, (start, stop) in enumerate(pairwise(edges)):
        # `points` are the judged ones; `view` is what the rules see: with holes, unless they are stepped over.
        view = points = seen[start:stop]
        ranges = moving_ranges(view, moving[start:stop])
        rows: IntArray | range = range(start, stop)
        positions, gaps = rows, not np.logical_and.reduce(judged[start:stop])
        if gaps:
            positions = np.flatnonzero(judged[start:stop]) + start
            points = seen[positions]
            if bridge:
                view, rows, gaps = points, positions, False
                moving[positions] = moving_ranges(points, np.empty_like(points))
            ranges = moving[positions]
        policy = policies[number]
        if plan.is_plain(policy):
            limits, basis = limits_for(positions, points, ranges, policy, plan.method, length=n)
            if limits is not None and (policy is None or policy.limits is None):
                limits = widened(limits, preset)
            judge_by = limits
        else:
            stretch = Stretch(points, np.asarray(positions, dtype=np.int64), bridge)
            limits, basis, moving[positions], points, judge_by = fit(stretch, plan, policy, length=n)
            if gaps:
                view = np.full(stop - start, np.nan)
                view[np.asarray(positions) - start] = points
            else:
                view = points
        segments.append(Segment(start, stop, limits, basis))
        if judge_by is not None:
            judgements.append(judge(view, rows, judge_by, plan.kept(rules), segment=number, gaps=gaps))
    for array in (x, moving, judged, *(() if sizes is None else (sizes,))):
        array.setflags(write=False)
    last = policies[-1]
    low, high = bounds
    return Chart(
        values=x,
        moving_ranges=moving,
        judged=judged,
        segments=tuple(segments),
        judgements=tuple(judgements),
        given_labels=names,
        incomplete=open_windows,
        bounds=(plan.kind.low if low is None else low, plan.kind.high if high is None else high),
        bridge=bridge,
        preset=preset,
        minimum=(last or DEFAULT).minimum,
        kind=chart,
        denominators=sizes,
        trend=trend,
        season=whole_season,
    )
