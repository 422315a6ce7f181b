"""Properties that hold for every series on every kind of chart: the definitions in plain loops, invariances, gaps,
dividers, as-of stability.
"""

import math
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.xmr import Baseline, Chart, Season, analyse

few = settings(max_examples=60, deadline=None)
RATES = ["i_prime", "p", "p_prime", "u", "u_prime"]


class Made(NamedTuple):
    """A series with what `analyse` needs to chart it as `kind`."""

    kind: str
    values: list[float | None]
    sizes: list[float] | None
    args: dict[str, Any]

    def chart(self, part: slice = slice(None), **kwargs: Any) -> Chart:
        sizes = None if self.sizes is None else self.sizes[part]
        return analyse(self.values[part], chart=self.kind, denominators=sizes, **{**self.args, **kwargs})


@st.composite
def made(draw: st.DrawFn, kinds: tuple[str, ...] = (*RATES, "g", "t", "trend", "season"), gaps: bool = True) -> Made:
    """Counts of up to 12 in windows of 12 to 60, for g and t the counts alone."""
    kind = draw(st.sampled_from(kinds))
    counts = draw(st.lists(st.integers(0, 12), min_size=14, max_size=44))
    n = len(counts)
    sizes = draw(st.lists(st.integers(12, 60), min_size=n, max_size=n)) if kind in RATES else None
    holes = draw(st.lists(st.sampled_from([False] * 6 + [gaps]), min_size=n, max_size=n))
    values = [
        None if hole else c / (sizes[i] if sizes else 1) for i, (c, hole) in enumerate(zip(counts, holes, strict=True))
    ]
    args = {"trend": {"trend": True}, "season": {"season": 3}}.get(kind, {})
    chart = "xmr" if args else kind
    return Made(chart, values, None if sizes is None else [float(s) for s in sizes], dict(args))


def keys(chart: Chart, shift: int = 0) -> set[tuple[object, ...]]:
    return {
        (s.rule, s.side, s.start + shift, s.end + shift, s.known_at + shift, tuple(m + shift for m in s.members))
        for s in chart.signals
    }


def figures(chart: Chart) -> tuple[float, ...]:
    f = chart.limits
    return () if f is None else (f.center, f.mr_bar, f.unpl, f.lnpl, f.url)


# --- the definitions, in plain loops that share no code with the library


def by_hand(case: Made) -> tuple[float, list[tuple[float, float]]] | None:
    """Centre, and (lower, upper) of every window, with constants that are exact for the normal distribution."""
    there = [i for i, v in enumerate(case.values) if v is not None]
    y = {i: float(v) for i, v in enumerate(case.values) if v is not None}
    n = dict(enumerate(case.sizes or [1.0] * len(case.values)))
    pairs = [(i - 1, i) for i in there if i - 1 in y]
    d2, every = 2 / math.sqrt(math.pi), range(len(case.values))
    if case.kind == "g":
        mean = sum(y.values()) / len(y)
        return float(median(y.values())), [(0.0, mean + 3 * math.sqrt(mean * mean + mean))] * len(every)
    if case.kind == "t":
        z = {i: v ** (1 / 3.6) for i, v in y.items()}
        if not pairs:
            return None
        middle = sum(z.values()) / len(z)
        reach = 3 * sum(abs(z[b] - z[a]) for a, b in pairs) / len(pairs) / d2
        lower, upper = max(0.0, middle - reach) ** 3.6, (middle + reach) ** 3.6
        return middle**3.6, [(lower, upper)] * len(every)
    center = sum(y[i] * n[i] for i in there) / sum(n[i] for i in there)
    if case.kind == "p":
        unit = {i: math.sqrt(center * (1 - center) / n[i]) for i in every}
    elif case.kind in ("u", "u_prime", "p_prime"):  # binomial and Poisson sigma cancel out of p' and u'
        unit = {i: math.sqrt(center / n[i]) for i in every}
    else:
        unit = {i: 1 / math.sqrt(n[i]) for i in every}
    if case.kind in ("p", "u"):
        size = 1.0
    elif not pairs:
        return None
    elif case.kind == "i_prime":
        s = [abs(y[b] - y[a]) / math.sqrt(1 / n[a] + 1 / n[b]) for a, b in pairs]
        size = math.sqrt(math.pi / 2) * sum(s) / len(s)
    elif center == 0:
        size = 0.0
    else:
        z = {i: (y[i] - center) / unit[i] for i in there}
        size = sum(abs(z[b] - z[a]) for a, b in pairs) / len(pairs) / d2
    return center, [(center - 3 * unit[i] * size, center + 3 * unit[i] * size) for i in every]


@few
@given(made((*RATES, "g", "t")))
def test_equals_the_definitions(case: Made) -> None:
    chart = case.chart(constants="exact")
    if chart.limits is None:
        assert sum(v is not None for v in case.values) < 6 or by_hand(case) is None
        return
    expected = by_hand(case)
    assert expected is not None
    center, bands = expected
    assert chart.limits.center == pytest.approx(center, rel=1e-9, abs=1e-12)
    at = np.arange(len(bands))
    _, upper, lower = (np.broadcast_to(line, at.shape) for line in chart.limits.at(at))
    assert lower == pytest.approx([b[0] for b in bands], rel=1e-9, abs=1e-9)
    assert upper == pytest.approx([b[1] for b in bands], rel=1e-9, abs=1e-9)
    outside = {s.start for s in chart.signals if s.rule == "outside_limits"}
    for i, value in enumerate(case.values):
        if value is not None and min(abs(value - edge) for edge in bands[i]) > 1e-9:
            assert (i in outside) == (not bands[i][0] <= value <= bands[i][1]), i


@few
@given(made(("i_prime",)), st.integers(1, 500), st.booleans(), st.sampled_from(["mean", "median"]), st.integers(0, 2))
def test_i_prime_of_equal_windows_is_xmr(case: Made, size: int, bridge: bool, spread: str, screen: int) -> None:
    """To the last digit: figures, lines, moving ranges and signals."""
    args: dict[str, Any] = {
        "bridge": bridge,
        "spread": spread,
        "screen": screen,
        "dividers": [7],
        "incomplete": [9],
        "baseline": Baseline(count=10),
    }
    n = len(case.values)
    one = analyse(case.values, chart="i_prime", denominators=[size] * n, **args)
    other = analyse(case.values, **args)
    assert figures(one) == figures(other)
    assert keys(one) == keys(other)
    assert one.moving_ranges.tolist() == pytest.approx(other.moving_ranges.tolist(), rel=0, abs=0, nan_ok=True)
    for s in one.segments:
        if s.limits is not None and s.limits.lines is not None:
            assert set(s.limits.lines.upper.tolist()) == {s.limits.unpl}


# --- invariances


@few
@given(made(("i_prime", "trend", "season"), gaps=False), st.sampled_from([0.5, 4.0, 1024.0]))
def test_unit_does_not_matter(case: Made, unit: float) -> None:
    """Powers of two, so that no rounding hides an error; the zero is moved by the next test."""
    other = case._replace(values=[None if v is None else v * unit for v in case.values])
    one, two = case.chart(), other.chart()
    assert figures(two) == pytest.approx([f * unit for f in figures(one)])
    assert keys(one) == keys(two)


@few
@given(made(("i_prime", "trend", "season")), st.sampled_from([-64.0, 8.0]))
def test_zero_does_not_matter(case: Made, zero: float) -> None:
    other = case._replace(values=[None if v is None else v + zero for v in case.values])
    one, two = case.chart(), other.chart()
    shift = (zero, 0, zero, zero, 0)
    assert figures(two) == pytest.approx([f + z for f, z in zip(figures(one), shift, strict=False)], abs=1e-9)


@few
@given(made(("t",)), st.sampled_from([0.25, 16.0, 3600.0]))
def test_unit_of_time_does_not_matter(case: Made, unit: float) -> None:
    one = case.chart().limits
    two = case._replace(values=[None if v is None else v * unit for v in case.values]).chart().limits
    if one is not None and two is not None:
        drawn = [(limits.center, limits.unpl, limits.lnpl) for limits in (one, two)]
        assert drawn[1] == pytest.approx([f * unit for f in drawn[0]], rel=1e-9, abs=1e-9)


@few
@given(made(("i_prime", "p_prime", "u_prime")), st.sampled_from([0.5, 8.0]))
def test_unit_of_denominators_does_not_matter(case: Made, unit: float) -> None:
    """Per visit or per thousand visits."""
    assert case.sizes is not None
    other = case._replace(sizes=[size * unit for size in case.sizes])
    one, two = case.chart(), other.chart()
    assert figures(two) == pytest.approx(figures(one), rel=1e-9, abs=1e-12)
    assert [s.members for s in one.signals] == [s.members for s in two.signals]


@few
@given(made(("p_prime",)))
def test_p_prime_is_u_prime(case: Made) -> None:
    assert figures(case.chart()) == figures(case._replace(kind="u_prime").chart())


@few
@given(made(("trend",)), st.sampled_from([-3.0, 0.25]))
def test_a_ramp_adds_to_the_slope(case: Made, ramp: float) -> None:
    one = case.chart().limits
    two = case._replace(values=[None if v is None else v + ramp * i for i, v in enumerate(case.values)]).chart().limits
    if one is None or two is None:
        return
    assert one.adjustment is not None
    assert two.adjustment is not None
    assert two.adjustment.slope == pytest.approx(one.adjustment.slope + ramp, abs=1e-9)


@few
@given(made(("season",)), st.lists(st.integers(-40, 40), min_size=3, max_size=3))
def test_a_season_adds_to_the_factors_alone(case: Made, wave: list[int]) -> None:
    one = case.chart()
    two = case._replace(values=[None if v is None else v + wave[i % 3] for i, v in enumerate(case.values)]).chart()
    if one.limits is None or one.limits.adjustment is None or two.limits is None:
        return
    assert two.limits.adjustment is not None
    assert two.limits.mr_bar == pytest.approx(one.limits.mr_bar, abs=1e-9)
    assert two.limits.center == pytest.approx(one.limits.center + sum(wave) / 3, abs=1e-9)
    moved = [w - sum(wave) / 3 for w in wave]
    expected = [f + m for f, m in zip(one.limits.adjustment.factors, moved, strict=True)]
    assert two.limits.adjustment.factors == pytest.approx(expected, abs=1e-9)


@few
@given(made((*RATES, "g", "t", "trend")))
def test_time_reversal_mirrors_the_lines(case: Made) -> None:
    back = case._replace(values=case.values[::-1], sizes=None if case.sizes is None else case.sizes[::-1])
    one, two = case.chart().limits, back.chart().limits
    assert (one is None) == (two is None)
    if one is None or two is None:
        return
    at = np.arange(len(case.values))
    for line, mirrored in zip(one.at(at), two.at(at), strict=True):
        assert np.broadcast_to(line, at.shape) == pytest.approx(np.broadcast_to(mirrored, at.shape)[::-1], abs=1e-9)
    assert two.mr_bar == pytest.approx(one.mr_bar, rel=1e-9, abs=1e-12)


# --- gaps, dividers, as-of


@few
@given(made((*RATES, "g", "t")))
def test_bridged_gaps_are_stepped_over(case: Made) -> None:
    there = [i for i, v in enumerate(case.values) if v is not None]
    dropped = case._replace(
        values=[case.values[i] for i in there], sizes=None if case.sizes is None else [case.sizes[i] for i in there]
    )
    one, two = case.chart(bridge=True), dropped.chart()
    assert figures(one) == figures(two)
    assert [s.members for s in one.signals] == [tuple(there[m] for m in s.members) for s in two.signals]


@few
@given(made(), st.integers(1, 40), st.booleans())
def test_nothing_crosses_a_divider(case: Made, at: int, locked: bool) -> None:
    """Two segments are two charts; the season's calendar goes on, so its divider stands between two seasons."""
    at = max(1, at % len(case.values))
    if "season" in case.args:
        at = max(3, at - at % 3)
    policy = Baseline(count=8) if locked else None
    both = case.chart(dividers=[at], baseline=policy)
    left, right = case.chart(slice(None, at), baseline=policy), case.chart(slice(at, None), baseline=policy)
    assert keys(both) == keys(left) | keys(right, at)
    assert figures(both) == pytest.approx(figures(right), rel=1e-9, abs=1e-12)
    assert np.isnan(both.moving_ranges[at])
    for part, alone, offset in ((both.segments[0], left, 0), (both.segments[1], right, at)):
        if part.limits is None or part.limits.lines is None:
            continue
        assert alone.limits is not None
        assert alone.limits.lines is not None
        for line, other in zip(part.limits.lines, alone.limits.lines, strict=True):
            assert line[offset : offset + other.size] == pytest.approx(other, rel=1e-9, abs=1e-9)


@few
@given(made(), st.integers(6, 12))
def test_later_windows_never_move_locked_limits(case: Made, count: int) -> None:
    policy = Baseline(count=count)
    full = case.chart(baseline=policy)
    if full.limits is None or full.limits.status != "locked":
        return
    for stop in range(len(case.values) - 6, len(case.values)):
        then = case.chart(slice(None, stop), baseline=policy)
        if then.limits is None or then.limits.status != "locked":
            continue
        assert then.limits == full.limits
        if then.limits.lines is not None and full.limits.lines is not None:
            for line, later in zip(then.limits.lines, full.limits.lines, strict=True):
                assert line.tolist() == later[:stop].tolist()
        known = {(s.rule, s.side, s.start, s.known_at) for s in full.signals if s.known_at < stop}
        assert known == {(s.rule, s.side, s.start, s.known_at) for s in then.signals}


@few
@given(made(), st.data())
def test_a_missing_window_is_one_that_is_not_there(case: Made, data: st.DataObject) -> None:
    """An incomplete window counts for the chart as if it had no value."""
    at = data.draw(st.integers(0, len(case.values) - 1))
    one = case.chart(incomplete=[at])
    two = case._replace(values=[None if i == at else v for i, v in enumerate(case.values)]).chart()
    assert figures(one) == figures(two)
    assert keys(one) == keys(two)


@few
@given(made(("season",), gaps=False))
def test_divided_seasons_scale(case: Made) -> None:
    values = [1.0 + (v or 0.0) for v in case.values]
    season = Season(3, "divide")
    one, two = analyse(values, season=season), analyse([4 * v for v in values], season=season)
    assert figures(two) == pytest.approx([4 * f for f in figures(one)])
    assert one.limits is not None
    assert two.limits is not None
    assert one.limits.adjustment is not None
    assert two.limits.adjustment is not None
    assert two.limits.adjustment.factors == pytest.approx(one.limits.adjustment.factors)
