"""The quiet presets: the CUSUM by hand, what it does at gaps and locks, its limits, and how quiet it is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.xmr import Baseline, Chart, Limits, analyse, phrase, render_svg
from dreamclass_intel.xmr.cusum import HEADROOM, Shifts, sums
from dreamclass_intel.xmr.quiet import DESIGNS, OWN, REFERENCE, WIDTHS, shifts, widened, widening

NAN = math.nan
# Locked and known: centre 10, mR-bar 1.128 hence sigma 1. No baseline points: the interval is that of known limits.
GIVEN = Limits.given(lnpl=10 - 2.66 * 1.128, unpl=10 + 2.66 * 1.128, center=10, mr_bar=1.128)
H = DESIGNS["quiet"].held[math.inf]


def one(z: list[float], h: float, head: float = 0.0, k: float = 0.5) -> tuple[list[float], list[float], Shifts]:
    both, found = sums(np.array([z]), reference=k, interval=np.array([h]), head=np.array([head]))
    return both[0, 0].tolist(), both[1, 0].tolist(), found


def events(found: Shifts) -> list[tuple[int, ...]]:
    return [tuple(event) for event in np.stack(found, axis=1).tolist()]


# --- the recursion


def test_the_recursion_by_hand() -> None:
    upper, lower, found = one([1.0, -1.0, 2.0, 0.25, 3.0, -4.0], h=4)
    assert upper == [0.5, 0.0, 1.5, 1.25, 3.75, 0.0]
    assert lower == [0.0, 0.5, 0.0, 0.0, 0.0, 3.5]
    assert events(found) == []


def test_montgomerys_tabular_cusum() -> None:
    """Montgomery, Introduction to Statistical Quality Control (6th ed. 2009), table 9.2: target 10, sigma 1, k 0.5,
    h 5. The upper sum passes 5 at observation 29 and was last zero at 22."""
    x = [9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08]
    x += [9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52]
    upper, lower, found = one([v - 10 for v in x], h=5)
    printed_upper = [0, 0, 0, 1.16, 2.82, 2.50, 0.04, 1.00, 0, 0, 0, 0.97, 0.98, 0, 0]
    printed_upper += [0, 0.12, 0, 0, 0.34, 0.74, 0, 1.79, 2.79, 2.89, 3.47, 3.35, 4.47, 5.28, 5.30]
    printed_lower = [0.05, 1.56, 1.77, 0, 0, 0, 1.46, 0, 0.30, 0, 0.47, 0, 0, 0.10, 0]
    printed_lower += [0.13, 0, 0, 0.98, 0, 0, 0.17, *[0] * 8]
    assert upper == pytest.approx(printed_upper, abs=0.0051)
    assert lower == pytest.approx(printed_lower, abs=0.0051)
    assert events(found) == [(0, 0, 22, 28, 29)], "observations 23 to 29, counted from 0"


def test_on_the_interval_is_inside() -> None:
    assert events(one([2.5, 2.5], h=4)[2]) == []
    assert events(one([2.5, 2.75], h=4)[2]) == [(0, 0, 0, 1, 1)]


def test_the_head_start_counts_for_both_sides_and_starts_at_the_first_window() -> None:
    upper, lower, found = one([NAN, 1.0, 2.0], h=3, head=1.5)
    assert upper == [1.5, 2.0, 3.5]
    assert lower == [1.5, 0.0, 0.0]
    assert events(found) == [(0, 0, 1, 2, 2)], "not at the missing window"
    assert events(one([-1.0, -2.0], h=3, head=1.5)[2]) == [(1, 0, 0, 1, 1)]


def test_a_missing_window_is_no_evidence() -> None:
    assert one([2.0, NAN, 2.0, NAN], h=2)[0] == [1.5, 1.5, 3.0, 3.0]
    assert events(one([2.0, NAN, 2.0, NAN], h=2)[2]) == [(0, 0, 0, 2, 2)], "an event ends at a judged window"
    assert events(one([-1.0, NAN, 2.0, 2.0], h=2)[2]) == [(0, 0, 2, 3, 3)], "nor does it start at a missing one"


def test_an_event_ends_and_the_sum_starts_anew() -> None:
    """Up to the ceiling and back: long shifts are not remembered for as long as they lasted."""
    z = [2.5] * 20 + [-0.5] * 8 + [2.5, 2.5, 2.5]
    upper, _, found = one(z, h=4)
    assert max(upper) == 4 + HEADROOM
    # From 8 down one a window: above 4 for three more; then from zero, over 4 at the third.
    assert events(found) == [(0, 0, 0, 2, 22), (0, 0, 28, 30, 30)]


def test_series_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(0.4, 1, (7, 60))
    z[rng.random(z.shape) < 0.1] = NAN
    h, head = np.linspace(2, 5, 7), np.linspace(0, 1.5, 7)
    both, found = sums(z, reference=0.6, interval=h, head=head)
    for i in range(7):
        alone, own = sums(z[i : i + 1], reference=0.6, interval=h[i : i + 1], head=head[i : i + 1])
        assert np.array_equal(alone[:, 0], both[:, i])
        assert {(e[0], i, *e[2:]) for e in events(own)} == {e for e in events(found) if e[1] == i}


def test_shapes_and_heads_that_do_not_fit() -> None:
    z = np.zeros((2, 3))
    with pytest.raises(ValueError, match="needs interval and head"):
        sums(z, reference=0.5, interval=np.ones(3), head=np.zeros(2))
    with pytest.raises(ValueError, match="head start"):
        sums(z, reference=0.5, interval=np.ones(2), head=np.array([0, 2.0]))
    every = {"base": z > 0, "points": np.array([6, 6]), "locked": np.array([True, True])}
    with pytest.raises(ValueError, match="preset must be"):
        shifts(z, 0.0, 1.0, preset="wheeler", **every)
    with pytest.raises(ValueError, match="do not fit"):
        shifts(z, 0.0, 1.0, **{**every, "points": np.array([6])})
    with pytest.raises(ValueError, match="at least 2"):
        widening(np.array([6, 1]))


# --- the limits


def test_limits_widen_with_what_the_baseline_leaves_open() -> None:
    """A factor for each length of the baseline; with many points that of one in a thousand, 3.2905 sigma."""
    alternating = [10.0, 12.0] * 13
    plain, wide = (analyse(alternating, preset=p, baseline=Baseline(count=26)).limits for p in ("wheeler", "quiet"))
    assert plain is not None
    assert wide is not None
    assert (wide.center, wide.mr_bar, wide.url, wide.n) == (plain.center, plain.mr_bar, plain.url, 26)
    assert wide.unpl - wide.center == pytest.approx(WIDTHS[26] * wide.mr_bar, rel=1e-3)
    assert wide.center - wide.lnpl == pytest.approx(wide.unpl - wide.center)
    assert wide.limits_id != plain.limits_id
    factors = widening(np.array([2, 6, 12, 26, 27, 52, 10**9, 0]))
    assert np.all(np.diff(factors) <= 0)
    assert factors[-1] * 3 == pytest.approx(3.2905, abs=2e-3)
    # Two points by theory: |x - c| / mR is sqrt(3)/2 times |t| with one degree of freedom, 636.62 at 0.999.
    assert WIDTHS[2] == pytest.approx(math.sqrt(3) / 2 * 636.62, abs=0.01)


def test_stated_limits_and_other_presets_stay() -> None:
    assert analyse([10.0] * 8, preset="quiet", baseline=GIVEN).limits == GIVEN
    assert widened(GIVEN, "wheeler") is GIVEN


def test_a_value_outside_wheelers_limits_may_be_inside_the_quiet_ones() -> None:
    values = [10.0, 10.0, 12.0, 12.0] * 6 + [10.0, 12.0, 14.0]  # mR-bar 0.96: limits at 11 +- 2.55 and +- 3.40
    policy = Baseline(count=26)
    assert [s.rule for s in analyse(values, baseline=policy).signals] == ["outside_limits"]
    assert analyse(values, preset="quiet", baseline=policy).signals == ()


# --- charts


def chart(values: list[float | None], preset: str = "quiet") -> Chart:
    return analyse(values, preset=preset, baseline=GIVEN)


def test_a_shift_as_an_event_with_words_and_picture() -> None:
    """From the head start 0.4 h = 1.738 each value of 11.6 adds one: above h = 4.345 at the third."""
    values: list[float | None] = [11.6, 11.6, 11.6, 11.6]
    made = chart(values)
    assert [(s.rule, s.side, s.start, s.end, s.known_at, s.members) for s in made.signals] == [
        ("cusum", "above", 0, 3, 2, (0, 1, 2, 3))
    ]
    assert made.signals[0].strength == pytest.approx(1.6)
    assert phrase(made, made.signals[0]) == "level above the centre line, by the CUSUM, from 0 to 3"
    assert made.verdict.startswith("Changed: level above")
    picture = render_svg(made)
    assert ">C</text>" in picture
    assert "level moved, by the CUSUM" in picture
    assert chart([20 - v for v in values if v is not None]).signals[0].side == "below"


def test_the_cusum_starts_after_the_locked_baseline() -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(0, 1, 26).tolist()
    moved = [v + 2 * (i >= 18) for i, v in enumerate(base)]  # a shift inside the baseline: not the CUSUM's matter
    held = analyse(moved, preset="quiet", baseline=Baseline(count=26))
    assert [s for s in held.signals if s.rule == "cusum"] == []
    level = float(np.mean(moved) + 1.5 * np.std(moved, ddof=1))
    found = [
        s
        for s in analyse(moved + [level] * 9, preset="quiet", baseline=Baseline(count=26)).signals
        if s.rule == "cusum"
    ]
    # Each window adds 0.9 baseline SD to 0.4 h: above h = 6.053 at the fifth.
    assert [(s.start, s.known_at, s.end) for s in found] == [(26, 30, 34)]


def test_limits_of_all_points_use_their_own_interval() -> None:
    values = [0.0, 1.0] * 13 + [4.0, 5.0] * 13
    found = [s for s in analyse(values, preset="quiet").signals if s.rule == "cusum"]
    assert [(s.side, s.start) for s in found] == [("below", 0), ("above", 26)]
    assert analyse(values[:26], preset="quiet").signals == ()


def test_fewer_than_six_points_have_no_cusum() -> None:
    values = [0.0, 1.0, 0.0, 1.0] + [3.0] * 30
    policy = Baseline(count=4, minimum=4)
    assert [s for s in analyse(values, preset="quiet", baseline=policy).signals if s.rule == "cusum"] == []


def test_a_constant_baseline_leaves_it_to_the_limits() -> None:
    made = analyse([0.1] * 12 + [0.1 + 1e-9, 0.3], preset="quiet", baseline=Baseline(count=12))
    assert {s.rule for s in made.signals} == {"outside_limits"}


def test_limits_that_move_are_standardised_window_by_window() -> None:
    """A centre that rises by one a window: values that rise with it raise nothing."""
    n = 40
    rising = np.arange(n, dtype=float)
    z = np.random.default_rng(3).normal(size=n)
    z[26:] += 1.5
    masks = np.arange(n)[None] < 26
    own = {"base": masks, "points": np.array([26]), "locked": np.array([True])}
    plain, moved = shifts(z[None], 0.0, 1.0, **own), shifts((rising + 3 * z)[None], rising, 3.0, **own)
    assert np.allclose(plain[0], moved[0])
    assert events(plain[1]) == events(moved[1]) != []


tenths = st.lists(st.integers(-30, 30), min_size=8, max_size=60)
gaps = st.lists(st.sampled_from([False, False, False, True]), max_size=60)


def with_gaps(whole: list[int], holes: list[bool]) -> list[float | None]:
    return [None if i < len(holes) and holes[i] else v / 10 for i, v in enumerate(whole)]


def keys(made: Chart) -> list[tuple[object, ...]]:
    return [(s.rule, s.side, s.start, s.end, s.known_at, s.members) for s in made.signals]


@given(tenths, gaps, st.sampled_from(sorted(DESIGNS)), st.sampled_from([0.25, 2.0, 1024.0]), st.booleans())
def test_unit_zero_and_sign_do_not_matter(
    whole: list[int], holes: list[bool], preset: str, unit: float, locked: bool
) -> None:
    values = with_gaps([10 * v for v in whole], holes)  # whole numbers and binary units: exact in floating point
    policy = Baseline(count=8, minimum=6) if locked else None
    there = analyse(values, preset=preset, baseline=policy)
    scaled = analyse([None if v is None else unit * v - 7 * unit for v in values], preset=preset, baseline=policy)
    assert keys(scaled) == keys(there)
    swap = {"above": "below", "below": "above"}
    back = analyse([None if v is None else -v for v in values], preset=preset, baseline=policy)
    assert sorted((k[0], swap[str(k[1])], *k[2:]) for k in keys(back)) == sorted(keys(there))  # type: ignore[type-var]


@given(tenths, gaps, st.booleans())
def test_what_is_known_does_not_look_ahead(whole: list[int], holes: list[bool], bridge: bool) -> None:
    values = with_gaps(whole, holes)
    policy = Baseline(count=8)
    full = analyse(values, preset="quiet", baseline=policy, bridge=bridge)
    for i in range(len(values)):
        then = analyse(values[: i + 1], preset="quiet", baseline=policy, bridge=bridge)
        if then.limits is not None and then.limits.status == "locked":
            assert then.limits == full.limits
            assert {(s.rule, s.side, s.start, s.known_at) for s in then.signals} == {
                (s.rule, s.side, s.start, s.known_at) for s in full.signals if s.known_at <= i
            }
            ends = {(s.rule, s.side, s.start, s.known_at): s.end for s in full.signals}
            assert all(s.end <= ends[s.rule, s.side, s.start, s.known_at] for s in then.signals)


@given(tenths, gaps)
def test_missing_windows_only_move_the_positions(whole: list[int], holes: list[bool]) -> None:
    """With gaps stepped over, the chart is that of the values alone; a gap is never a member."""
    values = with_gaps(whole, holes)
    where = [i for i, v in enumerate(values) if v is not None]
    policy = Baseline(count=8)
    made = analyse(values, preset="quiet", baseline=policy, bridge=True)
    dense = analyse([v for v in values if v is not None], preset="quiet", baseline=policy)
    assert keys(made) == [
        (rule, side, where[start], where[end], where[known], tuple(where[m] for m in members))
        for rule, side, start, end, known, members in keys(dense)  # type: ignore[misc, call-overload, attr-defined]
    ]


def test_one_chart_is_a_row_of_many() -> None:
    """The matrix form with ragged baselines finds what single charts find."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(40, 70))
    x[:, 45:] += rng.choice([-1.5, 0, 1.5], (40, 1))
    x[rng.random(x.shape) < 0.05] = NAN
    counts = rng.integers(8, 40, 40)
    judged = np.cumsum(~np.isnan(x), axis=1)
    base = ~np.isnan(x) & (judged <= counts[:, None])
    charts = [analyse(row, preset="quiet", baseline=Baseline(count=int(c))) for row, c in zip(x, counts, strict=True)]
    limits = [made.limits for made in charts]
    center, sigma = (np.array([[getattr(made, name)] for made in limits]) for name in ("center", "sigma"))
    _, found = shifts(x, center, sigma, base=base, points=counts, locked=np.full(40, True))
    expected = {
        (s.side == "below", i, s.start, s.known_at, s.end)
        for i, made in enumerate(charts)
        for s in made.signals
        if s.rule == "cusum"
    }
    assert len(expected) > 10
    assert set(events(found)) == expected


# --- how quiet, how quick


def detected(preset: str, shift: float, seed: int, windows: int, n: int = 4000, m: int = 26) -> float:
    """Share of series with a signal within so many windows after a held baseline of m points."""
    x = np.random.default_rng(seed).normal(size=(n, m + windows))
    x[:, m:] += shift
    base = np.broadcast_to(np.arange(m + windows) < m, x.shape)
    center, sigma = x[:, :m].mean(1, keepdims=True), np.abs(np.diff(x[:, :m])).mean(1, keepdims=True) / 1.128
    flags = np.abs(x - center) > widening(np.array(m)) * 2.660 * 1.128 * sigma
    flags[:, :m] = False
    _, found = shifts(x, center, sigma, base=base, points=np.full(n, m), locked=np.full(n, True), preset=preset)
    flags[found.series, found.known] = True
    return float(flags.any(axis=1).mean())


def test_false_alarms_and_detection_with_a_held_baseline_of_26() -> None:
    """The issue's figures; three standard errors of room (benchmarks/bench_xmr_detection.py measures them)."""
    assert 0.078 < detected("quiet", 0, seed=1, windows=26) < 0.107
    for shift, least in ((1, 0.50), (1.5, 0.85), (2, 0.98)):
        assert detected("quiet", shift, seed=2, windows=8) > least - 3 * math.sqrt(least * (1 - least) / 4000)
    assert 0.142 < detected("quiet_even", 0, seed=3, windows=26) < 0.178


@pytest.mark.parametrize(("m", "room"), [(12, 0.014), (52, 0.014)])
def test_the_budget_holds_for_other_baselines(m: int, room: float) -> None:
    assert detected("quiet", 0, seed=4, windows=26, m=m) == pytest.approx(DESIGNS["quiet"].share, abs=room)


def test_own_limits_signal_on_one_unchanged_series_in_twenty() -> None:
    x = np.random.default_rng(6).normal(size=(4000, 52))
    all_points = {"base": np.full(x.shape, True), "points": np.full(4000, 52), "locked": np.full(4000, False)}
    _, found = shifts(x, x.mean(1, keepdims=True), np.abs(np.diff(x)).mean(1, keepdims=True) / 1.128, **all_points)
    assert np.unique(found.series).size / 4000 == pytest.approx(0.05, abs=0.011)


def test_tables_fall_or_rise_without_a_kink() -> None:
    for table in (WIDTHS, *(design.held for design in DESIGNS.values())):
        assert list(table) == sorted(table)
        assert np.all(np.diff(list(table.values())) < 0)
    assert np.all(np.diff(list(OWN.values())) > 0)
    assert pytest.approx(0.6) == REFERENCE


@pytest.mark.parametrize(("length", "count"), [(12, 24), (4, 24), (7, 28)])
def test_a_season_leaves_the_preset_as_quiet_as_it_is(length: int, count: int) -> None:
    """The factors take up variation of the baseline, and a later window misses them by more than its windows do.
    Without allowing for it, half of the series alarm with two seasons of twelve.
    """
    rng = np.random.default_rng(20261123)
    alarms = 0
    for _ in range(300):
        chart = analyse(rng.standard_normal(count + 26), preset="quiet", season=length, baseline=Baseline(count=count))
        alarms += any(signal.known_at >= count for signal in chart.signals)
    assert alarms / 300 < DESIGNS["quiet"].share + 0.05


def test_values_beyond_all_measure_of_stated_limits() -> None:
    """Their squares overflow: that is no reason for a warning, nor for no signal."""
    limits = Limits.given(lnpl=-3, unpl=3, n=8, base=(0, 8))
    with np.errstate(all="raise"):
        chart = analyse([1e300] * 8 + [1e300] * 4, preset="quiet", baseline=limits)
    assert "cusum" in {signal.rule for signal in chart.signals}
