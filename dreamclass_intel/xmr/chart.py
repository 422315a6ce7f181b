"""`analyse`: the whole XmR chart of one series, from values to signals, notes and a verdict.

Here the series is checked, cut into segments and given its limits and signals. Not here: the arithmetic of
limits (limits.py), the rules (rules.py), the wording (words.py), any drawing (svg.py).

As-of reading. The chart as it stood at index i is `analyse(values[:i + 1], ...)`. Once a segment's limits are
locked its signals never change in hindsight: those with `known_at <= i` have the same rule, side, start and
known_at in every later chart; only `end` and `members` of a pattern that goes on grow (and with them
`strength`). Until then (trial and computed limits, or no baseline policy) the limits move with each point,
and signals may come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.limits import Baseline, FloatArray, Limits, Method, limits_for
from dreamclass_intel.xmr.quiet import widened
from dreamclass_intel.xmr.rules import BoolArray, Signal, Stretch, judge, rules_of

Bounds = tuple[float | None, float | None]
Policy = Baseline | Limits | None


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
    """An XmR chart. Arrays have shape [n] and are read-only; NaN in `values` is a missing window, in
    `moving_ranges` a step that cannot be taken. `judged` is False for missing and for incomplete windows.
    """

    values: FloatArray
    moving_ranges: FloatArray
    judged: BoolArray
    segments: tuple[Segment, ...]
    signals: tuple[Signal, ...]
    given_labels: tuple[str, ...] | None = None
    incomplete: tuple[int, ...] = ()
    bounds: Bounds = (None, None)
    bridge: bool = False
    preset: str = "wheeler"
    minimum: int = 6

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

    def signals_known_at(self, index: int) -> tuple[Signal, ...]:
        """The signals that window `index` completed: what an alert for that window reports."""
        return tuple(signal for signal in self.signals if signal.known_at == index)

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
    bounds: natural bounds of the measure, for example (0, 1) for a rate.
    Dividers and incomplete indices beyond the end are ignored, so that a prefix takes the arguments of the
    whole. Raises ValueError for inf or non-numbers (naming the index), unknown names, and arguments that do
    not fit.
    """
    x = _numbers(values)
    n = int(x.size)
    method = Method(constants, center, spread, screen)
    rules_of(preset)
    names = None if labels is None else tuple(str(label) for label in labels)
    if names is not None and len(names) != n:
        raise ValueError(f"{len(names)} labels for {n} values")
    open_windows = _indices("incomplete", incomplete, n)
    judged = ~np.isnan(x)
    judged[list(open_windows)] = False
    edges = (0, *(d for d in _indices("dividers", dividers, n) if d > 0), n)
    policies = _policies(baseline, edges)

    moving = np.full(n, np.nan)
    segments: list[Segment] = []
    signals: list[Signal] = []
    for number, (start, stop) in enumerate(pairwise(edges)):
        positions = np.flatnonzero(judged[start:stop]) + start
        stretch = Stretch.of(x, positions, bridge=bridge, segment=number)
        moving[positions] = stretch.ranges
        policy = policies[number]
        limits, points = limits_for(positions, stretch.x, stretch.ranges, policy, method, length=n)
        if limits is not None and (policy is None or policy.limits is None):
            limits = widened(limits, preset)
        segments.append(Segment(start, stop, limits, points))
        if limits is not None:
            signals += judge(stretch, limits, preset)
    for array in (x, moving, judged):
        array.setflags(write=False)
    last = policies[-1]
    return Chart(
        values=x,
        moving_ranges=moving,
        judged=judged,
        segments=tuple(segments),
        signals=tuple(signals),
        given_labels=names,
        incomplete=open_windows,
        bounds=bounds,
        bridge=bridge,
        preset=preset,
        minimum=(last or Baseline()).minimum,
    )


def _numbers(values: Sequence[float | None] | FloatArray) -> FloatArray:
    """A fresh float64 array of the values; ValueError naming the first index that holds no finite number."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    if isinstance(values, str | bytes):
        raise ValueError("values must be a sequence of numbers, not text")
    array = np.asarray(values) if hasattr(values, "__array__") else None
    if array is not None and array.dtype.kind in "fiu":
        x = array.astype(np.float64)
    else:
        items = list(values)
        # Types are looked at first because numpy would take "1.5" and True for numbers.
        plain = set(map(type, items)) <= {float, int, type(None)}
        try:
            x = np.array(items if plain else [_number(i, v) for i, v in enumerate(items)], dtype=np.float64)
        except OverflowError:
            x = np.array([_number(i, v) for i, v in enumerate(items)], dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"values must be one series, not an array of shape {x.shape}")
    infinite = np.flatnonzero(np.isinf(x))
    if infinite.size:
        raise ValueError(f"values[{infinite[0]}] is infinite")
    return x


def _number(index: int, value: object) -> float:
    """One value as a float; None stays a missing window."""
    if value is None:
        return float("nan")
    if not isinstance(value, str | bytes | bool | np.bool_):
        try:
            return float(value)  # type: ignore[arg-type]  # Decimal, Fraction, numpy scalars
        except (TypeError, ValueError, OverflowError):
            pass
    raise ValueError(f"values[{index}] is not a number: {value!r:.60}")


def _indices(name: str, given: Sequence[int], n: int) -> tuple[int, ...]:
    """Sorted distinct indices below n; ValueError for a negative one."""
    found = sorted({int(i) for i in given})
    if found and found[0] < 0:
        raise ValueError(f"{name} are indices from 0, not {found[0]}")
    return tuple(i for i in found if i < n)


def _policies(baseline: Policy | Sequence[Policy], edges: tuple[int, ...]) -> list[Baseline | None]:
    """One policy for each segment."""
    count = len(edges) - 1
    if isinstance(baseline, Sequence):
        if len(baseline) != count:
            raise ValueError(f"{len(baseline)} baselines for {count} segments")
        return [Baseline(limits=b) if isinstance(b, Limits) else b for b in baseline]
    if isinstance(baseline, Limits):
        return [Baseline(limits=baseline)] * count
    if baseline is None or baseline.start is None or baseline.stop is None:
        return [baseline] * count
    for divider in edges[1:-1]:
        if baseline.start < divider < baseline.stop:
            raise ValueError(f"the baseline range {baseline.start}..{baseline.stop} crosses a divider at {divider}")
    home = sum(edge <= baseline.start for edge in edges[1:-1])
    others = Baseline(baseline.count, baseline.minimum, baseline.trial_below)
    return [baseline if k == home else others for k in range(count)]
