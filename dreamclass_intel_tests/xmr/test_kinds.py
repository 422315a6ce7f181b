"""Charts of rates and rare events: published limits, what they share with plain charts, bad input."""

import json
import math
from typing import Any

import numpy as np
import pytest

from dreamclass_intel.xmr import Baseline, Chart, Limits, analyse, render_svg
from dreamclass_intel_tests.xmr.test_published import SHARED
from dreamclass_intel_tests.xmr.vectors_kinds import BETWEEN, RATES, TIMES, Rate

WEIGHTED = ["i_prime", "p", "p_prime", "u", "u_prime"]
SIZES = [80, 120, 100, 90, 110, 100] * 4
SHARES = [v / 100 for v in (20, 24, 18, 22, 26, 20)] * 4


def ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def lines(chart: Chart) -> dict[str, np.ndarray]:
    assert chart.limits is not None
    assert chart.limits.lines is not None
    return chart.limits.lines._asdict()


@pytest.mark.parametrize("case", RATES, ids=lambda case: case.name)
def test_published_rates(case: Rate) -> None:
    args = dict(case.args)
    count, minimum = args.pop("baseline", (24, 6))
    policy = Baseline(count=count, minimum=minimum) if count < 6 else None
    values = ratios(case.numerators, case.denominators)
    chart = analyse(values, denominators=case.denominators, baseline=policy, **args)
    got = lines(chart)
    for name, expected in case.lines.items():
        assert got[name] * case.unit == pytest.approx(expected, rel=0, abs=case.tol), name


def test_published_g_chart() -> None:
    limits = analyse(BETWEEN, chart="g").limits
    assert limits is not None
    assert limits.unpl == pytest.approx(128.17, abs=0.006)
    assert (limits.lnpl, limits.center, limits.n) == (0, 24, 67)
    assert [s.members for s in analyse(BETWEEN, chart="g").signals] == [(23,)]


def test_published_t_chart() -> None:
    limits = analyse(TIMES, chart="t", constants="d2_1128", screen=1).limits
    assert limits is not None
    assert limits.unpl == pytest.approx(97.268, abs=5e-4)
    assert limits.lnpl == pytest.approx(0.0221, abs=5e-5)
    assert limits.screened == 1


def shared(kind: str) -> Any:
    for path in sorted(SHARED.glob("*.json")) if SHARED.is_dir() else []:
        vector = json.loads(path.read_text())
        if vector.get("kind") == kind:
            return pytest.param(kind, vector, id=vector["name"])
    return pytest.param(kind, None, id=kind, marks=pytest.mark.skip(reason=f"no vectors at {SHARED}"))


@pytest.mark.shared
@pytest.mark.parametrize(("kind", "vector"), [shared("p"), shared("pprime"), shared("g")])
def test_shared(kind: str, vector: dict[str, Any]) -> None:
    if kind == "g":
        limits = analyse(vector["values"], chart="g").limits
        assert limits is not None
        for source, tol in ((vector["published"], vector["tol"]), (vector["recomputed"], 1e-9)):
            assert (limits.unpl, limits.lnpl) == pytest.approx((source["unpl"], source["lnpl"]), rel=0, abs=tol)
        return
    chart = analyse(
        ratios(vector["numerators"], vector["denominators"]),
        chart={"p": "p", "pprime": "p_prime"}[kind],
        denominators=vector["denominators"],
        constants="wheeler" if kind == "p" else "d2_1128",
    )
    got, names = lines(chart), {"unpl": "upper", "lnpl": "lower"}
    for source, tol in ((vector["published"], vector["tol"]), (vector["recomputed"], 1e-9)):
        for name in set(names) & set(source):
            assert got[names[name]] * 100 == pytest.approx(source[name], rel=0, abs=tol), name


# --- what is shared with plain charts


@pytest.mark.parametrize("kind", WEIGHTED)
def test_locked_limits_keep_their_figures_and_later_windows_get_their_own_lines(kind: str) -> None:
    sizes = [*SIZES, 25, 400]
    values = [*SHARES, 0.9, 0.2]
    early = analyse(SHARES, denominators=SIZES, chart=kind, baseline=Baseline())
    late = analyse(values, denominators=sizes, chart=kind, baseline=Baseline())
    assert late.limits == early.limits
    assert late.limits is not None
    assert late.limits.status == "locked"
    got = lines(late)
    usual, denominator = late.limits.unpl - late.limits.center, late.limits.denominator
    assert denominator == 100
    assert got["upper"][24] - got["center"][24] == pytest.approx(usual * 2)
    assert got["upper"][25] - got["center"][25] == pytest.approx(usual / 2)
    assert got["upper"][:24].tolist() == lines(early)["upper"].tolist()
    assert [s.members for s in late.signals] == [(24,)]
    # Frozen by the object, and by its figures as a table would keep them: the same lines.
    again = analyse(values, denominators=sizes, chart=kind, baseline=late.limits)
    figures = {name: getattr(late.limits, name) for name in ("lnpl", "unpl", "center", "mr_bar", "url", "denominator")}
    stated = analyse(values, denominators=sizes, chart=kind, baseline=Limits.given(kind=kind, **figures))
    for chart in (again, stated):
        assert lines(chart)["lower"].tolist() == got["lower"].tolist()
        assert chart.moving_ranges.tolist() == pytest.approx(late.moving_ranges.tolist(), nan_ok=True)
        assert [s.members for s in chart.signals] == [(24,)]


@pytest.mark.parametrize(("n", "status"), [(5, None), (6, "trial"), (11, "trial"), (12, "computed"), (24, "locked")])
@pytest.mark.parametrize("kind", [*WEIGHTED, "g", "t"])
def test_standing_is_that_of_plain_limits(kind: str, n: int, status: str | None) -> None:
    sizes = SIZES[:n] if kind in WEIGHTED else None
    limits = analyse(SHARES[:n], denominators=sizes, chart=kind, baseline=Baseline()).limits
    assert (limits.status if limits else None) == status


@pytest.mark.parametrize("kind", ["i_prime", "p_prime", "t"])
def test_the_step_into_a_baseline_range_is_not_part_of_it(kind: str) -> None:
    sizes = [100] * 24 if kind != "t" else None
    chart = analyse([0.9] * 8 + SHARES[:16], denominators=sizes, chart=kind, baseline=Baseline(start=8, stop=24))
    alone = analyse(SHARES[:16], denominators=None if sizes is None else sizes[:16], chart=kind)
    assert chart.limits is not None
    assert alone.limits is not None
    assert (chart.limits.mr_bar, chart.limits.ranges) == (alone.limits.mr_bar, 15)


def test_limits_ids_name_kind_and_basis() -> None:
    made = [analyse(SHARES, denominators=SIZES, chart=kind).limits for kind in WEIGHTED]
    made += [analyse(SHARES, denominators=[2 * size for size in SIZES], chart="u_prime").limits]
    assert len({limits.limits_id for limits in made if limits}) == 6
    again = analyse(SHARES, denominators=SIZES, chart="p").limits
    assert again is not None
    assert again.limits_id == made[1].limits_id  # type: ignore[union-attr]


def test_computed_limits_that_are_given_are_locked() -> None:
    limits = analyse(TIMES, chart="t").limits
    again = analyse(TIMES[:5], chart="t", baseline=limits).limits
    assert limits is not None
    assert again is not None
    assert (limits.status, again.status, again.limits_id) == ("computed", "locked", limits.limits_id)


def test_i_prime_judges_a_small_window_by_its_own_limits() -> None:
    """The same value: far out on 400, routine on 10."""
    values = [*SHARES, 0.5]
    for size, signals in ((400, 1), (10, 0)):
        chart = analyse(values, denominators=[*SIZES, size], chart="i_prime", baseline=Baseline())
        assert len(chart.signals) == signals


def test_a_window_without_value_needs_no_denominator() -> None:
    chart = analyse([*SHARES, None, 0.2], denominators=[*SIZES, None, 100], chart="i_prime", baseline=Baseline())
    assert chart.limits is not None
    assert lines(chart)["upper"][24] == chart.limits.unpl
    assert np.isnan(chart.moving_ranges[25])
    assert "missing windows break moving ranges and runs: 24" in chart.notes


def test_incomplete_windows_are_neither_used_nor_judged() -> None:
    one = analyse([*SHARES, 0.9], denominators=[*SIZES, 50], chart="p", incomplete=[24])
    assert one.limits == analyse(SHARES, denominators=SIZES, chart="p").limits
    assert one.signals == ()
    assert np.isnan(one.moving_ranges[24])


def test_moving_ranges_are_those_of_windows_of_the_usual_size() -> None:
    """Two windows of 50 differ by more than two of the usual 100, by the square root of two."""
    sizes, values = [100.0] * 22 + [50, 50] + [150, 150], [0.2, 0.3] * 13
    chart = analyse(values, denominators=sizes, chart="i_prime")
    assert chart.limits is not None
    assert chart.limits.denominator == 100
    assert chart.moving_ranges[[1, 23, 25]] == pytest.approx([0.1, 0.1 / math.sqrt(2), 0.1 * math.sqrt(1.5)])


def test_rates_and_rare_events_know_their_bounds() -> None:
    values, sizes = [0.01, 0.03] * 6, [50] * 12
    assert analyse(values, denominators=sizes, chart="p").bounds == (0.0, 1.0)
    assert analyse(values, denominators=sizes, chart="u").bounds == (0.0, None)
    assert analyse(values, denominators=sizes, chart="u", bounds=(None, 5)).bounds == (0.0, 5)
    assert analyse(values, denominators=sizes, chart="i_prime").bounds == (None, None)
    assert "cannot be broken" in " ".join(analyse(values, denominators=sizes, chart="p").notes)


def test_a_limit_that_some_window_can_break_is_not_called_unbreakable() -> None:
    values = [0.10, 0.12] * 8
    small = analyse(values, denominators=[40] * 16, chart="p")
    mixed = analyse(values, denominators=[*[40] * 15, 4000], chart="p")
    assert small.limits.lnpl <= 0 < mixed.limits.at(np.array([15]))[2]
    assert "the lower limit lies at or beyond the natural bound 0 and cannot be broken" in small.notes
    assert "cannot be broken" not in " ".join(mixed.notes)


def test_p_limits_do_not_depend_on_the_spread_of_the_values() -> None:
    tame = analyse([0.2] * 12, denominators=[100] * 12, chart="p")
    assert tame.limits is not None
    assert tame.limits.sigma == pytest.approx(0.04)
    assert tame.limits.unpl == pytest.approx(0.2 + 3 * 0.04)
    lone = [v for share in SHARES[:8] for v in (share, None)]
    assert analyse(lone, denominators=[100] * 16, chart="p").limits is not None, "theory needs no moving range"
    assert analyse(lone, denominators=[100] * 16, chart="i_prime").limits is None


def test_waiting_times_are_judged_on_their_own_scale() -> None:
    """Half-way lines lie half-way on the scale of the judgement; limits are drawn in the unit of the times."""
    limits = analyse(TIMES, chart="t", baseline=Baseline(count=60)).limits
    assert limits is not None
    center, upper = limits.center ** (1 / 3.6), limits.unpl ** (1 / 3.6)
    half = ((center + upper) / 2) ** 3.6
    for factor, rules in ((1.01, {"3_of_4"}), (0.99, set())):
        chart = analyse([half * factor] * 4, chart="t", baseline=limits)
        assert {s.rule for s in chart.signals} == rules
    signal = analyse([limits.unpl * 1.001], chart="t", baseline=limits).signals[0]
    assert signal.strength == pytest.approx(3, abs=0.02), "three sigma, on that scale"


def test_a_g_chart_is_judged_by_points_outside_and_runs() -> None:
    """Zeros lie beyond half-way to a lower limit of 0, and are routine where events follow each other closely."""
    limits = analyse([0, 5, 1, 0, 2, 0, 3, 1, 0, 4, 1, 2], chart="g").limits
    quiet = analyse([2, 0, 0, 0, 2], chart="g", baseline=limits)
    assert quiet.signals == ()
    loud = analyse([0] * 8 + [40], chart="g", baseline=limits)
    assert {(s.rule, s.side) for s in loud.signals} == {("run_of_8", "below"), ("outside_limits", "above")}


def quiet_signals(kind: str, draw: str, seed: int = 7, series: int = 300) -> float:
    rng = np.random.default_rng(seed)
    made = {
        "waiting": lambda: rng.exponential(9, size=26),
        "between": lambda: rng.geometric(0.05, size=26) - 1.0,
    }[draw]
    return sum(bool(analyse(made(), chart=kind).signals) for _ in range(series)) / series


def test_false_alarms_of_waiting_times() -> None:
    """P(any signal) in 26 quiet windows: about .58 for exponential times on an XmR chart, .11 for normal values."""
    assert quiet_signals("xmr", "waiting") > 0.45
    assert quiet_signals("t", "waiting") < 0.2
    assert quiet_signals("g", "between") < quiet_signals("xmr", "between")


def test_every_kind_can_be_drawn() -> None:
    for kind in WEIGHTED:
        assert render_svg(analyse(SHARES, denominators=SIZES, chart=kind)).startswith("<svg")
    assert "<svg" in render_svg(analyse(BETWEEN, chart="g"))
    assert "<svg" in render_svg(analyse(TIMES, chart="t"))


# --- bad input


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"chart": "c"}, "chart must be one of xmr, i_prime, p,"),
        ({"chart": "p"}, "chart 'p' needs denominators"),
        ({"chart": "t", "denominators": SIZES}, "chart 't' takes no denominators"),
        ({"denominators": SIZES}, "chart 'xmr' takes no denominators"),
        ({"chart": "u", "denominators": SIZES[:-1]}, "23 denominators for 24 values"),
        ({"chart": "u", "denominators": [0, *SIZES[1:]]}, r"denominators\[0\] is 0, but values\[0\] rests on it"),
        ({"chart": "u", "denominators": [*SIZES[:3], None, *SIZES[4:]]}, r"denominators\[3\] is nan"),
        ({"chart": "u", "denominators": [*SIZES[:3], -5, *SIZES[4:]]}, r"denominators\[3\] is -5"),
        ({"chart": "u", "denominators": [*SIZES[:3], "9", *SIZES[4:]]}, r"denominators\[3\] is not a number: '9'"),
        ({"chart": "u", "denominators": [*SIZES[:3], math.inf, *SIZES[4:]]}, r"denominators\[3\] is infinite"),
        ({"chart": "p", "denominators": SIZES, "spread": "median"}, "chart 'p' has its width from theory"),
        ({"chart": "g", "screen": 1}, "chart 'g' has its width from theory"),
        ({"chart": "u_prime", "denominators": SIZES, "center": "median"}, "'u_prime' has its centre by definition"),
        ({"chart": "t", "trend": True}, "trend and season go with charts xmr and i_prime, not with 't'"),
        ({"chart": "p", "denominators": SIZES, "season": 12}, "not with 'p'"),
        ({"chart": "t", "baseline": Limits.given(lnpl=0, unpl=1)}, "of chart 'xmr', not of 't'"),
        (
            {"chart": "u", "denominators": SIZES, "baseline": Limits.given(lnpl=0, unpl=1, kind="u")},
            "do not say for which denominator",
        ),
    ],
)
def test_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analyse(SHARES, **kwargs)


def test_bad_values() -> None:
    with pytest.raises(ValueError, match=r"values\[1\] is 20: chart 'p' has no values above 1.0 \(a share"):
        analyse([0.2, 20], denominators=[10, 10], chart="p")
    with pytest.raises(ValueError, match=r"values\[0\] is -1: chart 'g' has no values below 0"):
        analyse([-1, 20], chart="g")
    with pytest.raises(ValueError, match="chart 'xmr', not of 'p'"):
        analyse([0.2], denominators=[10], chart="p", baseline=[Limits.given(lnpl=0, unpl=1)])
    with pytest.raises(ValueError, match="of chart 't' need their centre and mR-bar"):
        Limits.given(lnpl=0, unpl=1, kind="t")


def test_g_charts_know_runs_of_the_whole_series() -> None:
    """Anhoej's rules look at nothing but the side of the centre, which is the median."""
    assert not analyse(BETWEEN, chart="g", preset="anhoej").signals
    moved = [30.0] * 14 + [5.0, 3, 2, 4, 5, 3, 2, 1, 2, 3, 1, 2]
    assert [s.rule for s in analyse(moved, chart="g", preset="anhoej").signals] == ["anhoej"]


def test_waiting_times_too_large_to_compute_with() -> None:
    with pytest.raises(ValueError, match="too large to compute with"):
        analyse([1e300, 3e307, 2e300, 1e307, 5e300, 9e306], chart="t")


def test_g_charts_have_no_notes_on_moving_ranges() -> None:
    """Their upper limit is theory of the counts; what a moving range on that scale is measured by means nothing."""
    quiet = np.random.default_rng(2).geometric(0.1, 60) - 1.0
    assert not any("moving range" in note for note in analyse(quiet, chart="g").notes)
    assert any("moving range" in note for note in analyse([*TIMES, 9000.0], chart="t").notes)
