"""The chart of one series: baselines and their standing, gaps, edges of the rules, notes, verdicts, bad
input.
"""

import math
from decimal import Decimal

import numpy as np
import pytest

from dreamclass_intel.xmr import CONSTANTS, Baseline, Limits, Signal, analyse

QUIET = [10.0, 12, 10, 12, 10, 12, 10, 12, 10, 12, 10, 12]
# Centre 10 and mR-bar 1 hence 7.34 to 12.66, half-way 8.67 and 11.33: exact lines to aim points at.
GIVEN = Limits.given(lnpl=7.34, unpl=12.66, center=10, mr_bar=1)


def rules(values: list[float | None], **kwargs: object) -> list[tuple[str, str, int, int, int, tuple[int, ...]]]:
    chart = analyse(values, baseline=GIVEN, **kwargs)  # type: ignore[arg-type]
    return [(s.rule, s.side, s.start, s.end, s.known_at, s.members) for s in chart.signals]


# --- constants


def test_exact_constants_are_normal_theory() -> None:
    """3 sqrt(pi)/2, 1 + 3 d3/d2 and their median forms, as other implementations print them."""
    exact = CONSTANTS["exact"]
    assert exact["mean"] == pytest.approx((2.6586808, 3.2665319), abs=1e-7)
    assert exact["median"] == pytest.approx((3.1450741, 3.8641286), abs=5e-7)
    assert CONSTANTS["wheeler"] == {"mean": (2.660, 3.268), "median": (3.145, 3.865)}


def test_median_centre() -> None:
    limits = analyse([1, 2, 3, 4, 5, 60], center="median").limits
    assert limits is not None
    assert limits.center == 3.5
    assert limits.mr_bar == pytest.approx(59 / 5)


# --- rules


def test_on_the_limit_is_inside() -> None:
    assert rules([12.66, 7.34, 10]) == []
    assert [r[:3] for r in rules([12.67, 7.33, 10])] == [
        ("outside_limits", "above", 0),
        ("outside_limits", "below", 1),
    ]


def test_round_off_is_not_a_signal() -> None:
    chart = analyse([0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.1 + 0.2], baseline=Baseline(count=6))
    assert chart.signals == ()
    assert analyse([0.3] * 6 + [0.3001], baseline=Baseline(count=6)).signals[0].rule == "outside_limits"


def test_run_of_eight_and_no_less() -> None:
    run = ("run_of_8", "above", 0, 7, 7, tuple(range(8)))
    assert rules([11.0] * 7) == []
    assert rules([11.0] * 8) == [run]
    assert rules([11.0] * 11) == [("run_of_8", "above", 0, 10, 7, tuple(range(11)))]
    assert rules([11.0] * 7 + [10.0, 11.0]) == [], "a tie breaks the run"
    assert rules([11.0] * 4 + [None] + [11.0] * 4) == [], "so does a gap"
    assert rules([11.0] * 4 + [None] + [11.0] * 4, bridge=True) == [
        ("run_of_8", "above", 0, 8, 8, (0, 1, 2, 3, 5, 6, 7, 8))
    ]
    assert rules([11.0] * 8, dividers=[4]) == [], "and a divider"
    assert rules([11.0] * 8, incomplete=[7]) == []


def test_three_of_four() -> None:
    assert rules([11.4, 11.4, 10, 11.4]) == [("3_of_4", "above", 0, 3, 3, (0, 1, 3))]
    assert rules([11.4, 11.4, 11.4]) == [], "a window of four is four windows"
    assert rules([11.33, 11.33, 11.33, 11.33]) == [], "strictly beyond half-way"
    assert rules([11.4, 8.6, 11.4, 8.6]) == [], "sides are not mixed"
    assert rules([11.4, 11.4, None, 10, 11.4]) == []
    # A point beyond the limit counts.
    assert ("3_of_4", "below", 0, 3, 3, (0, 1, 3)) in rules([8.0, 8.0, 10, 5.0])


def test_windows_that_overlap_or_adjoin_are_one_event() -> None:
    a, o = 11.4, 10.0
    assert rules([a, a, a, o, o, a, a, a]) == [("3_of_4", "above", 0, 7, 3, (0, 1, 2, 5, 6, 7))]
    apart = rules([a, a, a, o, o, o, a, a, a])
    assert apart == [("3_of_4", "above", 0, 3, 3, (0, 1, 2)), ("3_of_4", "above", 5, 8, 8, (6, 7, 8))]
    gap = rules([a, a, a, o, None, a, a, a, o])
    assert [event[2:4] for event in gap] == [(0, 3), (5, 8)], "a gap keeps adjoining windows apart"


def test_strength_is_in_sigma() -> None:
    chart = analyse([13.0, 10], baseline=GIVEN)
    assert chart.signals[0].strength == pytest.approx(3 * 1.128)
    assert analyse([11.0] * 8, baseline=GIVEN).signals[0].strength == pytest.approx(1.128)
    constant = analyse([5.0] * 6 + [6.0], baseline=Baseline(count=6))
    assert math.isinf(constant.signals[0].strength)


def test_known_at_is_what_an_alert_asks() -> None:
    chart = analyse([11.0] * 9 + [13.0], baseline=GIVEN)
    assert [s.rule for s in chart.signals_known_at(7)] == ["run_of_8"]
    assert [s.rule for s in chart.signals_known_at(9)] == ["outside_limits"]
    assert chart.signals_known_at(8) == ()
    assert chart.signals[0].limits_id == GIVEN.limits_id


# --- baselines


@pytest.mark.parametrize(
    ("n", "status"),
    [(5, None), (6, "trial"), (11, "trial"), (12, "computed"), (23, "computed"), (24, "locked")],
)
def test_standing_by_points(n: int, status: str | None) -> None:
    values = (QUIET * 3)[:n]
    limits = analyse(values, baseline=Baseline()).limits
    assert (limits.status if limits else None) == status
    whole = analyse(values).limits
    assert (whole.status if whole else None) == {"locked": "computed"}.get(str(status), status)
    if limits:
        assert limits.n == n
        assert limits.base == (0, n)


def test_locked_limits_stay() -> None:
    first = analyse(QUIET * 2, baseline=Baseline()).limits
    later = analyse(QUIET * 2 + [100.0] * 9, baseline=Baseline())
    assert later.limits == first
    assert {s.rule for s in later.signals} == {"outside_limits", "run_of_8", "3_of_4"}


def test_limits_id_names_figures_and_basis() -> None:
    one, two = analyse(QUIET).limits, analyse(QUIET).limits
    assert one is not None
    assert one == two
    others = [
        analyse([*QUIET, 10.0]).limits,
        analyse(QUIET, constants="exact").limits,
        analyse([None, *QUIET]).limits,
    ]
    ids = {one.limits_id, *(limits.limits_id for limits in others if limits)}
    assert len(ids) == 4
    assert one.limits_id == "76012610270e", "stored ids must keep their meaning from release to release"


def test_missing_and_incomplete_windows_do_not_fill_a_baseline() -> None:
    chart = analyse([None, 10, None, *QUIET[:6], 50.0], baseline=Baseline(count=7), incomplete=[9])
    assert chart.limits is not None
    assert (chart.limits.n, chart.limits.status, chart.limits.base) == (7, "locked", (1, 9))
    assert chart.limits.ranges == 5, "the lone first point has no range"
    assert chart.signals == ()
    assert not chart.judged[9]
    assert chart.values[9] == 50


def test_range_baseline_judges_its_own_segment() -> None:
    values = [*QUIET, *(v + 20 for v in QUIET)]
    chart = analyse(values, dividers=[12], baseline=Baseline(count=12, start=13, stop=20))
    assert [s.limits.base if s.limits else None for s in chart.segments] == [(0, 12), (13, 20)]
    chart = analyse(values, dividers=[12], baseline=Baseline(count=12, start=12, stop=20))
    assert [s.limits.base if s.limits else None for s in chart.segments] == [(0, 12), (12, 20)]
    early = analyse(values[:16], baseline=Baseline(start=2, stop=20)).limits
    assert early is not None
    assert (early.status, early.base) == ("computed", (2, 16)), "not locked before the range is complete"
    undivided = analyse(values, baseline=Baseline(start=12, stop=20)).limits
    assert undivided is not None
    assert undivided.mr_bar == 2, "the step into the range is not part of it"
    with pytest.raises(ValueError, match="crosses a divider at 12"):
        analyse(values, dividers=[12], baseline=Baseline(start=3, stop=15))


def test_one_baseline_for_each_segment() -> None:
    chart = analyse(QUIET * 2, dividers=[12], baseline=[GIVEN, Baseline(count=6)])
    assert [s.limits.status if s.limits else None for s in chart.segments] == ["locked", "locked"]
    assert chart.segments[0].limits == GIVEN
    with pytest.raises(ValueError, match="1 baselines for 2 segments"):
        analyse(QUIET * 2, dividers=[12], baseline=[None])


def test_a_computed_chart_can_be_frozen() -> None:
    limits = analyse(QUIET).limits
    chart = analyse([30.0, 11, 11], baseline=limits)
    assert limits is not None
    assert chart.limits is not None
    assert (chart.limits.status, chart.limits.limits_id) == ("locked", limits.limits_id)
    assert chart.signals[0].members == (0,)


def test_screening_does_not_collapse_on_ties() -> None:
    """Eight tens and ten fives: one pass would leave only ranges of zero and every point outside."""
    values = [10.0] * 8 + [5.0] * 10
    limits = analyse(values, screen=3).limits
    assert limits is not None
    assert limits.mr_bar == pytest.approx(5 / 17)
    assert limits.screened == 0


def test_gaps_everywhere_leave_no_range() -> None:
    chart = analyse([1, None, 2, None, 3, None, 4, None, 5, None, 6])
    assert chart.limits is None
    assert chart.verdict == "Too few points: no two windows that follow each other have values"
    assert analyse([1, None, 2, None, 3, None, 4, None, 5, None, 6], bridge=True).limits is not None


# --- words


def test_verdicts() -> None:
    labels = [f"2025-W{i + 1:02d}" for i in range(31)]
    assert analyse(QUIET[:4]).verdict == "Too few points: 4 of 6 needed"
    assert analyse([]).verdict == "Too few points: 0 of 6 needed"
    assert analyse(QUIET).verdict == "Routine variation: no action"
    assert analyse(QUIET[:8]).verdict == "Routine variation: no action (trial limits: 8 points)"
    below = [*(QUIET * 3)[:30], 1.0]
    now = analyse(below, labels=labels, baseline=Baseline())
    assert now.verdict == "Changed: below the lower limit at 2025-W31"
    then = analyse([*below[:29], 1.0, 12.0], labels=labels, baseline=Baseline())
    assert then.verdict == "Changed earlier: below the lower limit at 2025-W30; routine variation since"
    assert analyse([None], baseline=GIVEN).verdict == "Nothing to judge: no complete window yet"
    run = analyse([11.0] * 8, baseline=GIVEN)
    assert run.verdict == "Changed: 8 in a row above the centre line from 0 to 7"


def test_notes() -> None:
    chart = analyse([*QUIET, 40.0, None, 11], bounds=(0, 41), incomplete=[14])
    notes = " | ".join(chart.notes)
    assert "moving range above its limit at 12" in notes
    assert (
        "the lower limit lies at or beyond the natural bound 0 and cannot be broken"
        in analyse([0.1, 0.9] * 6, bounds=(0, 1)).notes
    )
    assert "missing windows break moving ranges and runs: 13" in notes
    assert "incomplete, not judged: 14" in notes
    assert analyse([3.0] * 6).notes == (
        "constant series: the limits lie on the centre line, any other value is outside",
    )
    assert "values below the natural bound 0: 3" in analyse([1, 2, 3, -1, 2, 3], bounds=(0, None)).notes
    two = analyse([*QUIET, 40.0, *QUIET], dividers=[13]).notes
    assert two == ("moving range above its limit at 12 (from 0)",)


# --- magnitudes and bad input


@pytest.mark.parametrize(("level", "unit"), [(0, 0.02), (0, 1e12), (1e12, 1.0), (0, 1e-9), (0, 1e300)])
def test_precision_holds_at_every_magnitude(level: float, unit: float) -> None:
    values = [level + unit * v for v in (*QUIET, 16.0)]
    chart, plain = analyse(values), analyse([*QUIET, 16.0])
    assert chart.limits is not None
    assert plain.limits is not None
    assert chart.limits.mr_bar == pytest.approx(unit * plain.limits.mr_bar, rel=1e-12)
    assert chart.limits.unpl == pytest.approx(level + unit * plain.limits.unpl, rel=1e-15, abs=1e-12 * unit)
    assert [s.members for s in chart.signals] == [s.members for s in plain.signals]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e12 / 3, -7.7, 0.7609624449125756])
def test_constant_series(constant: float) -> None:
    chart = analyse([constant] * 11)  # the fifth constant is not fsum([it] * 11) / 11
    assert chart.limits is not None
    assert (chart.limits.center, chart.limits.mr_bar, chart.limits.unpl) == (constant, 0.0, constant)
    assert chart.signals == ()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.0, math.inf], r"values\[1\] is infinite"),
        ([1.0, "2"], r"values\[1\] is not a number: '2'"),
        ([1.0, 2.0, True], r"values\[2\] is not a number: True"),
        ([1, 10**400], r"values\[1\] is not a number"),
        ("123456", "not text"),
        (np.ones((2, 3)), "shape"),
        ([1.7e308, -1.7e308] * 4, "not finite"),
    ],
)
def test_bad_values(bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analyse(bad)  # type: ignore[arg-type]


def test_values_in_other_clothes() -> None:
    for other in (
        np.array(QUIET),
        tuple(QUIET),
        np.array(QUIET, dtype="f4"),
        [Decimal(str(v)) for v in QUIET],
    ):
        assert analyse(other).limits == analyse(QUIET).limits  # type: ignore[arg-type]
    masked = np.ma.masked_equal([*QUIET, -1.0], -1.0)
    assert np.isnan(analyse(masked).values[12])
    mine = np.array(QUIET)
    analyse(mine)
    mine[0] = 3  # the caller's array is neither kept nor locked
    with pytest.raises(ValueError, match="read-only"):
        analyse(mine).values[0] = 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"preset": "none"}, "preset must be one of wheeler"),
        ({"constants": "mine"}, "constants must be one of"),
        ({"center": "mode"}, "center must be mean or median"),
        ({"screen": -1}, "number of passes"),
        ({"labels": ["a"]}, "1 labels for 12 values"),
        ({"dividers": [-1]}, "dividers are indices from 0"),
        ({"incomplete": [-1]}, "incomplete are indices from 0"),
    ],
)
def test_bad_arguments(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analyse(QUIET, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Baseline(count=5),
        lambda: Baseline(minimum=1),
        lambda: Baseline(start=3),
        lambda: Baseline(start=3, stop=3),
        lambda: Limits.given(lnpl=3, unpl=2),
        lambda: Limits.given(lnpl=1, unpl=math.nan),
    ],
)
def test_policies_without_sense(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]


def test_signals_are_values() -> None:
    chart = analyse([13.0, 10], baseline=GIVEN)
    first = chart.signals[0]
    assert first == Signal("outside_limits", "above", 0, 0, 0, (0,), first.strength, GIVEN.limits_id)
    assert hash(first) == hash(analyse([13.0, 10], baseline=GIVEN).signals[0])


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (math.nan, 1), (None, math.nan)])
def test_bounds_that_leave_no_room(bounds: tuple[float | None, float | None]) -> None:
    with pytest.raises(ValueError, match="bounds need a lower one below the upper one"):
        analyse([1.0, 2, 3], bounds=bounds)


@pytest.mark.parametrize(
    "arguments", [{"incomplete": [2.5]}, {"dividers": ["3"]}, {"season": 2.5}, {"screen": 1.5}], ids=str
)
def test_whole_numbers_are_not_cut_to_size(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        analyse([1.0, 2, 3, 2, 1, 2, 3], **arguments)  # type: ignore[arg-type]


def test_a_baseline_counts_whole_windows() -> None:
    with pytest.raises(ValueError, match="count is a whole number"):
        Baseline(count=8.5)  # type: ignore[arg-type]


def test_a_prefix_takes_the_baselines_of_the_whole() -> None:
    baselines = [Baseline(count=8), None, Baseline(count=10)]
    values = [float(i % 3) for i in range(40)]
    for n in (9, 20, 40):
        chart = analyse(values[:n], dividers=[12, 24], baseline=baselines)
        assert chart.segments[0].limits == analyse(values, dividers=[12, 24], baseline=baselines).segments[0].limits
    with pytest.raises(ValueError, match="3 baselines for 2 segments"):
        analyse(values, dividers=[12], baseline=baselines)
