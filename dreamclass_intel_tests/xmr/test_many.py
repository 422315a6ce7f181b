"""Many series at once: the same answer as `analyse` for each, and the same answer window by window."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.xmr import (
    PRESETS,
    SIDES,
    STATUSES,
    Baseline,
    Limits,
    ManyCharts,
    Signal,
    analyse,
    append,
    chart_many,
)

settings.register_profile("many", max_examples=60, deadline=None)
settings.load_profile("many")
GIVEN = Limits.given(lnpl=-3, unpl=3, center=0, mr_bar=1.128)


@st.composite
def panels(draw: st.DrawFn) -> np.ndarray:
    """A few series of tenths (ties are common) with shifts, trends, waves, gaps: something for every rule."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    series, windows = draw(st.integers(1, 6)), draw(st.integers(0, 48))
    x = rng.integers(-9, 10, (series, windows)).astype(float)
    for row in x:
        kind, at = rng.integers(6), rng.integers(0, windows + 1)
        row[at:] += rng.integers(-12, 13)
        if kind == 1:
            row[:] = np.arange(windows) * rng.integers(-3, 4) + rng.integers(-1, 2, windows)
        if kind == 2:
            row[::2] *= -1
        if kind == 3:
            row[at:] = rng.integers(-1, 2, windows - at)
        if kind == 4:
            row[:] = np.where(rng.random(windows) < 0.5, -1, 1) * rng.integers(8, 14, windows)
    x[rng.random(x.shape) < draw(st.sampled_from([0.0, 0.0, 0.04, 0.2]))] = np.nan
    return x / 10


def baselines(draw: st.DrawFn, x: np.ndarray) -> tuple[Any, list[Any]]:
    """What `chart_many` is told, and what `analyse` is told for each series."""
    series = len(x)
    kind = draw(st.sampled_from(["all", "count", "counts", "ranges", "policy", "range", "limits"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "count":
        count = int(rng.integers(6, 30))
        return count, [Baseline(count=count)] * series
    if kind == "counts":
        counts = rng.integers(6, 30, series)
        return counts, [Baseline(count=int(c)) for c in counts]
    if kind == "ranges":
        start = rng.integers(0, 20, series)
        ranges = np.stack([start, start + rng.integers(1, 30, series)], axis=1)
        return ranges, [Baseline(start=int(a), stop=int(b)) for a, b in ranges]
    if kind == "policy":
        policy = Baseline(count=9, minimum=4, trial_below=7)
        return policy, [policy] * series
    if kind == "range":
        policy = Baseline(start=3, stop=17)
        return policy, [policy] * series
    if kind == "limits":
        return GIVEN, [GIVEN] * series
    return None, [None] * series


cases = st.composite(lambda draw: (x := draw(panels()), *baselines(draw, x)))()
methods = st.fixed_dictionaries(
    {
        "preset": st.sampled_from(sorted(PRESETS)),
        "center": st.sampled_from(["mean", "mean", "median"]),
        "spread": st.sampled_from(["mean", "mean", "median"]),
        "constants": st.sampled_from(["wheeler", "exact"]),
    }
)


def signals_of(many: ManyCharts, series: int) -> list[tuple[object, ...]]:
    """(rule, side, start, end, known_at, number of members) of one series, in the order of the table."""
    return [
        (many.rules[rule], SIDES[side], start, end, known_at, members)
        for number, rule, side, start, end, known_at, members, _ in many.events.tolist()
        if number == series
    ]


def keys(signals: tuple[Signal, ...]) -> list[tuple[object, ...]]:
    return [(s.rule, s.side, s.start, s.end, s.known_at, len(s.members)) for s in signals]


@given(cases, methods)
def test_each_row_is_its_own_chart(case: tuple[np.ndarray, Any, list[Any]], method: dict[str, str]) -> None:
    x, baseline, policies = case
    many = chart_many(x, baseline=baseline, **method)
    for i, (row, policy) in enumerate(zip(x, policies, strict=True)):
        chart = analyse(row, baseline=policy, **method)
        for name in ("center", "mr_bar", "unpl", "lnpl", "url"):
            expected = np.nan if chart.limits is None else getattr(chart.limits, name)
            assert getattr(many.limits, name)[i] == pytest.approx(expected, rel=1e-12, abs=1e-14, nan_ok=True), name
        assert STATUSES[many.limits.status[i]] == ("none" if chart.limits is None else chart.limits.status)
        if chart.limits is not None:
            assert (many.limits.n[i], many.limits.ranges[i]) == (chart.limits.n, chart.limits.ranges)
        assert signals_of(many, i) == keys(chart.signals)
        strengths = many.events["strength"][many.events["series"] == i]
        assert strengths == pytest.approx([s.strength for s in chart.signals], rel=1e-9)
        for rule, flags in many.flags.items():
            marked = {m for s in chart.signals if s.rule == rule for m in s.members}
            assert set(np.flatnonzero(flags[i]).tolist()) == marked, rule
        assert keys(many.chart(i).signals) == keys(chart.signals)


@given(cases, methods, st.integers(0, 48))
def test_window_by_window_is_the_same(
    case: tuple[np.ndarray, Any, list[Any]], method: dict[str, str], start: int
) -> None:
    """For locked limits (carried on), for moving ones and for verdicts on whole series (judged anew)."""
    x, baseline, _ = case
    grown = chart_many(x[:, :start], baseline=baseline, **method)
    for t in range(min(start, x.shape[1]), x.shape[1]):
        news = append(grown, x[:, t])
        whole = chart_many(x[:, : t + 1], baseline=baseline, **method)
        same(grown, whole)
        assert news.tolist() == grown.events[grown.events["known_at"] == t].tolist()


def same(one: ManyCharts, other: ManyCharts) -> None:
    for name, a, b in zip(one.limits._fields, one.limits, other.limits, strict=True):
        has = other.limits.status > 0
        assert a[has] == pytest.approx(b[has], rel=1e-12, abs=1e-14), name
    assert (one.marks == other.marks).all()
    for name in one.events.dtype.names or ():
        assert one.events[name] == pytest.approx(other.events[name], rel=1e-9), name
    assert np.array_equal(one.seen, other.seen, equal_nan=True)


# --- conventions and failures, one by one


def noise(series: int, windows: int) -> np.ndarray:
    return np.random.default_rng(5).normal(100, 10, (series, windows)).round(1)


def test_limits_of_another_chart_are_held() -> None:
    past = chart_many(noise(4, 30), baseline=[6, 12, 24, 30])
    future = chart_many(noise(4, 40)[:, 30:] + 25, baseline=past.limits)
    assert (future.limits.center == past.limits.center).all()
    assert {STATUSES[status] for status in future.limits.status} == {"locked"}
    assert future.flags["run_of_8"].any(axis=1).all()
    assert signals_of(future, 2) == keys(future.chart(2).signals)
    thin = chart_many(noise(4, 5))
    assert {STATUSES[status] for status in thin.limits.status} == {"none"}
    assert chart_many(noise(4, 30), baseline=thin.limits).events.size == 0, "no limits, no signals"


def test_the_table_is_in_the_order_in_which_signals_became_known() -> None:
    table = chart_many(noise(300, 50), preset="nelson").events
    order = [tuple(row) for row in table[["known_at", "series", "rule", "side"]].tolist()]
    assert order == sorted(order)
    assert len(order) > 100


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(50, 40)
    x[7, 3] = np.nan
    whole = chart_many(x, baseline=20)
    monkeypatch.setattr("dreamclass_intel.xmr.many._BLOCK", 300)
    monkeypatch.setattr("dreamclass_intel.xmr.many_limits._CHUNK", 64)
    same(chart_many(x, baseline=20), whole)


def test_incomplete_windows_are_neither_judged_nor_used() -> None:
    x = noise(3, 20)
    x[:, 19] = 1e6
    many = chart_many(x, incomplete=[19, 30])
    assert signals_of(many, 1) == keys(analyse(x[1], incomplete=[19]).signals)
    assert not many.flags["outside_limits"][:, 19].any()
    assert x[0, 19] == 1e6, "the caller's array is left alone"


def test_the_callers_arrays_are_left_alone() -> None:
    x = noise(3, 20)
    before = x.copy()
    many = chart_many(x, baseline=8)
    held = many.limits
    append(many, np.array([1e3, np.nan, 0.0]))
    append(many, np.array([1e3, np.nan, 0.0]))
    assert (x == before).all()
    again = chart_many(noise(1, 20))
    append(again, np.array([5.0]))
    assert again.seen.shape == (21, 1)
    assert (held.n == 8).all()


def test_bounds_that_cannot_be_broken() -> None:
    x = np.array([[0.1, 0.9] * 6, [0.5, 0.52] * 6])
    assert chart_many(x, bounds=(0, 1)).unbreakable.tolist() == [[True, True], [False, False]]


def test_nothing_at_all() -> None:
    for shape in ((0, 0), (0, 10), (3, 0)):
        many = chart_many(np.empty(shape))
        assert (many.events.size, many.flags["run_of_8"].shape) == (0, shape)


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        (np.ones(5), {}, r"shape \[series, windows\]"),
        ([["a", "b"]], {}, "array of numbers"),
        ([[1.0, 2], [np.inf, 1]], {}, r"x\[1, 0\] is infinite"),
        (np.array([[1.0] * 8, [1.7e308, -1.7e308] * 4]), {}, r"x\[1\]: the limits are not finite"),
        (np.ones((2, 9)), {"preset": "none"}, "preset must be one of"),
        (np.ones((2, 9)), {"center": "mode"}, "center must be mean or median"),
        (np.ones((2, 9)), {"incomplete": [-1]}, "incomplete are indices from 0"),
        (np.ones((2, 9)), {"baseline": [6, 5]}, "counts must be at least 6"),
        (np.ones((2, 9)), {"baseline": [6, 7, 8]}, r"counts have shape \(2,\), ranges \(2, 2\), not \(3,\)"),
        (np.ones((2, 9)), {"baseline": [[0, 8], [4, 4]]}, r"baseline\[1\]: a range needs"),
        (np.ones((2, 9)), {"baseline": "all"}, "baseline must be counts"),
        (np.ones((2, 9)), {"baseline": [6.5, 7]}, "baseline must be counts"),
        (np.ones((2, 9)), {"baseline": chart_many(np.ones((3, 9))).limits}, "limits of 3 series for 2"),
    ],
)
def test_bad_input(x: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chart_many(x, **kwargs)


def test_a_bad_window_changes_nothing() -> None:
    many, untouched = chart_many(noise(2, 20), baseline=8), chart_many(noise(2, 20), baseline=8)
    for column, message in (([1.0], "shape"), ([1.0, np.inf], r"column\[1\] is infinite")):
        with pytest.raises(ValueError, match=message):
            append(many, np.array(column))
    huge = chart_many(np.array([[1.0, 2, 1, 2, 1, 2, 1.7e308]]))
    with pytest.raises(ValueError, match="not finite"):
        append(huge, np.array([-1.7e308]))
    assert huge.seen.shape == (7, 1)
    same(many, untouched)


def test_a_locked_series_is_not_judged_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of a new window does not grow with the history: rules see the tail only."""
    many = chart_many(noise(5, 400), preset="nelson", baseline=24)
    seen: list[int] = []
    panel_of = "dreamclass_intel.xmr.many_append.panel_of"
    from dreamclass_intel.xmr import many as module

    def spy(part: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        seen.append(part.size)
        return module.panel_of(part, *args, **kwargs)

    monkeypatch.setattr(panel_of, spy)
    append(many, np.full(5, 100.0))
    assert seen == [15 * 5]


def test_limits_of_another_kind_are_refused() -> None:
    limits = analyse([3.0, 1, 4, 1, 5, 9, 2], chart="g").limits
    with pytest.raises(ValueError, match="of chart 'g'"):
        chart_many(np.ones((2, 8)), baseline=limits)
    limits = analyse([3.0, 1, 4, 1, 5, 9, 2], trend=True).limits
    assert limits is not None
    with pytest.raises(ValueError, match="for one series only"):
        chart_many(np.ones((2, 8)), baseline=replace(limits, lines=None))


@pytest.mark.parametrize("preset", ["wheeler", "quiet"])
def test_limits_with_a_base_judge_many_as_they_judge_one(preset: str) -> None:
    """The quiet presets look at the windows the limits were made of."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((3, 40)) + np.linspace(0, 1.5, 40)
    limits = analyse(x[0], baseline=Baseline(count=20)).limits
    many = chart_many(x, preset=preset, baseline=limits)
    for series in range(3):
        one = analyse(x[series], preset=preset, baseline=limits).signals
        mine = many.events[many.events["series"] == series]
        assert sorted(mine["known_at"].tolist()) == sorted(s.known_at for s in one)
        assert [s.members for s in many.chart(series).signals] == [s.members for s in one]


@pytest.mark.parametrize("windows", [60, 200])
@pytest.mark.parametrize("baseline", [None, 90, (7, 190), (70, 131)], ids=str)
@pytest.mark.parametrize("gaps", [False, True])
def test_limits_do_not_depend_on_the_company_a_series_keeps(
    windows: int, baseline: int | tuple[int, int] | None, gaps: bool
) -> None:
    """To the last digit: alone, among others, at once or window by window."""
    x = np.random.default_rng(3).standard_normal((50, windows)) * 10.0 ** np.arange(-25, 25)[:, None]
    if gaps:
        x[::3, ::7] = np.nan
    basis = Baseline(start=baseline[0], stop=baseline[1]) if isinstance(baseline, tuple) else baseline
    whole = chart_many(x, baseline=basis)
    grown = chart_many(x[:, :5], baseline=basis)
    for column in x[:, 5:].T:
        append(grown, column)
    for i in range(50):
        alone = chart_many(x[i : i + 1], baseline=basis).limits
        for name in ("center", "mr_bar", "unpl", "lnpl", "url"):
            one, among, by_one = (getattr(limits, name) for limits in (alone, whole.limits, grown.limits))
            assert one[:1].tobytes() == among[i : i + 1].tobytes() == by_one[i : i + 1].tobytes()
