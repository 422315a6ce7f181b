"""Properties that hold for every series: the definitions in exact arithmetic, invariances, as-of
stability.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.xmr import Baseline, Chart, Signal, analyse
from dreamclass_intel_tests.xmr import naive

settings.register_profile("xmr", max_examples=150, deadline=None)
settings.load_profile("xmr")

# Tenths on a narrow grid: ties with the centre and with limits are common, and no tenth is exact in binary.
tenths = st.integers(-30, 30)
# A level that shifts makes runs; independent values alone hardly ever do.
shifting = st.lists(
    st.tuples(st.integers(-20, 20), st.lists(st.integers(-6, 6), min_size=3, max_size=14)),
    min_size=1,
    max_size=4,
).map(lambda parts: [level + step for level, steps in parts for step in steps])
wholes = st.one_of(st.lists(tenths, min_size=6, max_size=60), shifting)


def with_gaps(values: list[int], gaps: list[bool]) -> list[int | None]:
    return [None if i < len(gaps) and gaps[i] else v for i, v in enumerate(values)]


def keys(signals: tuple[Signal, ...]) -> set[tuple[object, ...]]:
    return {(s.rule, s.side, s.start, s.end, s.known_at, s.members) for s in signals}


@given(wholes, st.lists(st.sampled_from([False, False, False, True]), max_size=60), st.booleans())
def test_equals_the_definitions_in_exact_decimals(whole: list[int], gaps: list[bool], bridge: bool) -> None:
    values = with_gaps(whole, gaps)
    exact: naive.Values = [None if v is None else Fraction(v, 10) for v in values]
    chart = analyse([None if v is None else v / 10 for v in values], bridge=bridge)
    expected = naive.limits(exact, bridge)
    if expected is None:
        assert chart.limits is None
        assert chart.signals == ()
        return
    center, mr = expected
    limits = chart.limits
    assert limits is not None
    assert limits.center == pytest.approx(float(center), rel=1e-12, abs=1e-12)
    assert limits.mr_bar == pytest.approx(float(mr), rel=1e-12, abs=1e-12)
    assert limits.unpl == pytest.approx(float(center + naive.NPL * mr), rel=1e-12, abs=1e-12)
    assert limits.lnpl == pytest.approx(float(center - naive.NPL * mr), rel=1e-12, abs=1e-12)
    assert limits.url == pytest.approx(float(naive.URL * mr), rel=1e-12, abs=1e-12)
    assert keys(chart.signals) == naive.signals(exact, center, mr, bridge)


@given(
    wholes,
    st.sampled_from([0.02, 0.5, 3.0, 1e6, 1e-6]),
    st.sampled_from([0.0, -7.0, 1e6]),
)
def test_unit_and_zero_do_not_matter(whole: list[int], unit: float, zero: float) -> None:
    one, other = analyse(whole), analyse([zero + unit * v for v in whole])
    if unit * 1e3 > abs(zero) * 1e-9:  # else the values themselves are lost in the offset's last digits
        assert [(s.rule, s.side, s.members) for s in one.signals] == [
            (s.rule, s.side, s.members) for s in other.signals
        ]
    if one.limits is not None and other.limits is not None:
        expected = zero + unit * one.limits.unpl
        assert other.limits.unpl == pytest.approx(expected, rel=1e-9, abs=1e-9 * unit)


@given(wholes)
def test_sign_swaps_the_sides(whole: list[int]) -> None:
    swap = {"above": "below", "below": "above"}
    there, back = analyse(whole), analyse([-v for v in whole])
    assert {(s.rule, swap[s.side], *k[2:]) for s in there.signals for k in keys((s,))} == keys(back.signals)


@given(wholes)
def test_time_reversal_keeps_limits_and_members(whole: list[int]) -> None:
    """Limits, points outside and runs do not depend on the direction of time (windows of four may merge
    otherwise).
    """
    last = len(whole) - 1
    there, back = analyse(whole), analyse(whole[::-1])
    if there.limits is not None and back.limits is not None:
        assert there.limits.unpl == back.limits.unpl
    for rule in ("outside_limits", "run_of_8", "3_of_4"):
        one = {(s.side, m) for s in there.signals if s.rule == rule for m in s.members}
        two = {(s.side, last - m) for s in back.signals if s.rule == rule for m in s.members}
        assert one == two


@given(
    wholes,
    st.lists(st.sampled_from([False, False, False, False, True]), max_size=60),
    st.integers(6, 14),
    st.booleans(),
)
def test_locked_signals_never_change_in_hindsight(whole: list[int], gaps: list[bool], count: int, bridge: bool) -> None:
    values = with_gaps(whole, gaps)
    policy = Baseline(count=count)
    full = analyse(values, baseline=policy, bridge=bridge)
    if full.limits is None or full.limits.status != "locked":
        return

    def known(chart: Chart, i: int) -> set[tuple[object, ...]]:
        return {(s.rule, s.side, s.start, s.known_at, s.limits_id) for s in chart.signals if s.known_at <= i}

    for i in range(len(values)):
        then = analyse(values[: i + 1], baseline=policy, bridge=bridge)
        if then.limits is not None and then.limits.status == "locked":
            assert then.limits == full.limits
            assert known(then, i) == known(full, i)
            assert {s.rule for s in then.signals_known_at(i)} == {s.rule for s in full.signals_known_at(i)}
            for signal in then.signals:
                twin = next(
                    s for s in full.signals if (s.rule, s.side, s.start) == (signal.rule, signal.side, signal.start)
                )
                assert set(signal.members) <= set(twin.members)


@given(wholes, st.integers(0, 59))
def test_a_missing_window_is_never_a_number(whole: list[int], at: int) -> None:
    at %= len(whole)
    values: list[float | None] = [float(v) for v in whole]
    values[at] = None
    chart, nan = analyse(values), analyse([np.nan if v is None else v for v in values])
    assert np.isnan(chart.values[at])
    assert np.isnan(chart.moving_ranges[at : at + 2]).all()
    assert all(at not in signal.members for signal in chart.signals)
    assert chart.limits == nan.limits
    assert chart.signals == nan.signals
    bridged, dropped = analyse(values, bridge=True), analyse([v for v in values if v is not None])
    if dropped.limits is None:
        assert bridged.limits is None
    else:
        assert bridged.limits is not None
        assert (bridged.limits.center, bridged.limits.mr_bar) == (
            dropped.limits.center,
            dropped.limits.mr_bar,
        )


@given(wholes, st.integers(1, 59), st.booleans())
def test_a_divider_makes_two_charts(whole: list[int], at: int, locked: bool) -> None:
    at %= len(whole)
    policy = Baseline(count=8) if locked else None
    both = analyse(whole, dividers=[at], baseline=policy)
    left, right = analyse(whole[:at], baseline=policy), analyse(whole[at:], baseline=policy)
    if at == 0:
        assert len(both.segments) == 1
        return
    shifted = {
        (s.rule, s.side, s.start + at, s.end + at, s.known_at + at, tuple(m + at for m in s.members))
        for s in right.signals
    }
    assert keys(both.signals) == keys(left.signals) | shifted
    assert np.isnan(both.moving_ranges[at])
