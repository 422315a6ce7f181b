"""Limits that follow a trend or a season: published figures, what locks, what is said, what is refused."""

import json
import math
from typing import Any

import numpy as np
import pytest

from dreamclass_intel.xmr import Baseline, Chart, Limits, Season, analyse
from dreamclass_intel_tests.xmr.test_published import SHARED
from dreamclass_intel_tests.xmr.vectors_kinds import REGION_B, TRENDED, Trended

WAVE = [10 * math.sin(2 * math.pi * k / 6) for k in range(6)]
QUIET = [1.0, -1, 2, -2, 1, -1, 0, 2, -1, 0, -2, 1] * 3


def held(chart: Chart) -> Limits:
    assert chart.limits is not None
    return chart.limits


def halves(chart: Chart, base: tuple[int, int]) -> tuple[float, float]:
    """The centre in the middle of the first and of the second half of the baseline."""
    lines, size = held(chart).lines, (base[1] - base[0]) // 2
    assert lines is not None
    first, second = lines.center[base[0] : base[0] + size], lines.center[base[1] - size : base[1]]
    return float(first.mean()), float(second.mean())


# --- trend


@pytest.mark.parametrize("case", TRENDED, ids=lambda case: case.name)
def test_published_trends(case: Trended) -> None:
    chart = analyse(case.values, trend=True, baseline=Baseline(start=case.base[0], stop=case.base[1]), **case.args)
    limits = held(chart)
    assert limits.adjustment is not None
    assert limits.lines is not None
    assert limits.adjustment.slope == pytest.approx(case.slope, abs=0.005)
    assert halves(chart, case.base) == pytest.approx(case.halves, abs=case.tol)
    for line, sign in ((limits.lines.upper, 1), (limits.lines.lower, -1)):
        width = sign * (line - limits.lines.center)
        assert width == pytest.approx(np.full(width.size, case.half_width), rel=0, abs=case.tol)
    assert [s.start for s in chart.signals if s.rule == "outside_limits"] == case.outside


@pytest.mark.shared
@pytest.mark.parametrize("name", ["region_B_trended", "region_C_trended_median"])
def test_shared(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no vectors at {SHARED}")
    vector = json.loads((SHARED / f"wheeler_msd_p179_{name}.json").read_text())
    args: dict[str, Any] = dict(vector.get("limits_args", {}))
    base = tuple(args.pop("base", (0, len(vector["values"]))))
    chart = analyse(vector["values"], trend=True, baseline=Baseline(start=base[0], stop=base[1]), **args)
    limits = held(chart)
    assert limits.adjustment is not None
    for source, tol in ((vector["published"], vector["tol"]), (vector["recomputed"], 1e-9)):
        got = (limits.adjustment.slope, *halves(chart, base), limits.unpl - limits.center)
        assert got == pytest.approx(
            tuple(source[k] for k in ("slope", "half_mean_1", "half_mean_2", "npl_halfwidth")), rel=0, abs=tol
        )
        if "rule1_x" in source:
            assert [s.start for s in chart.signals if s.rule == "outside_limits"] == source["rule1_x"]


def test_the_trend_is_said() -> None:
    chart = analyse(REGION_B, trend=True)
    assert chart.adjustment == (
        "the limits follow a trend of -29.48 a window: the line through the averages of the baseline's two halves "
        "(Wheeler)",
    )
    assert chart.adjustment[0] in chart.notes
    assert analyse(REGION_B).adjustment == ()


def test_trend_turns_signals_of_both_ends_into_routine() -> None:
    values = [3.0 * i + q for i, q in enumerate(QUIET[:24])]
    assert len(analyse(values).signals) > 2
    assert analyse(values, trend=True).signals == ()


def test_locked_trend_goes_on_and_judges_what_leaves_it() -> None:
    values = [3.0 * i + q for i, q in enumerate(QUIET)]
    first = analyse(values[:24], trend=True, baseline=Baseline())
    later = analyse([*values, 0.0], trend=True, baseline=Baseline())
    assert later.limits == first.limits
    assert held(later).status == "locked"
    assert [s.members for s in later.signals] == [(36,)]
    frozen = analyse([*values, 0.0], baseline=held(first))
    assert [s.members for s in frozen.signals] == [(36,)], "limits that are given keep their trend"
    assert frozen.adjustment == later.adjustment


def test_an_odd_point_in_the_middle_belongs_to_neither_half() -> None:
    limits = held(analyse([0.0, 1, 2, 90, 4, 5, 6], trend=True))
    assert limits.adjustment is not None
    assert limits.adjustment.slope == pytest.approx(1)
    assert limits.center == pytest.approx(6), "the figures are those of the last window of the basis"


def test_a_trend_in_each_segment() -> None:
    values = [3.0 * i + q for i, q in enumerate(QUIET[:18])] + [90 - 2.0 * i + q for i, q in enumerate(QUIET[:18])]
    chart = analyse(values, trend=True, dividers=[18])
    slopes = [s.limits.adjustment.slope for s in chart.segments if s.limits and s.limits.adjustment]
    assert slopes == pytest.approx([3, -2], abs=0.15)
    assert sum("follow a trend" in note for note in chart.notes) == 2


def test_gaps_do_not_bend_the_line() -> None:
    values: list[float | None] = [2.0 * i for i in range(20)]
    for hole in (3, 4, 5, 16):
        values[hole] = None
    limits = held(analyse(values, trend=True))
    assert limits.adjustment is not None
    assert limits.adjustment.slope == pytest.approx(2)


def test_rates_may_follow_a_trend() -> None:
    sizes = [50, 150, 100] * 8
    chart = analyse([0.1 + 0.01 * i for i in range(24)], denominators=sizes, chart="i_prime", trend=True)
    lines = held(chart).lines
    assert lines is not None
    assert np.diff(lines.center) == pytest.approx(np.full(23, held(chart).adjustment.slope))  # type: ignore[union-attr]
    width = lines.upper - lines.center
    assert width[0] / width[2] == pytest.approx(math.sqrt(2))


# --- season


def seasonal(n: int, level: float = 100.0, *, how: str = "subtract") -> list[float]:
    if how == "divide":
        return [(level + QUIET[i % 36]) * (1 + WAVE[i % 6] / 20) for i in range(n)]
    return [level + WAVE[i % 6] + QUIET[i % 36] for i in range(n)]


@pytest.mark.parametrize("how", ["subtract", "divide"])
def test_factors_are_taken_out_and_drawn_back(how: str) -> None:
    values = seasonal(36, how=how)
    chart = analyse(values, season=Season(6, how=how))  # type: ignore[arg-type]
    limits = held(chart)
    assert limits.adjustment is not None
    assert limits.lines is not None
    factors = limits.adjustment.factors
    assert (sum(factors), len(factors)) == (pytest.approx(0 if how == "subtract" else 6), 6)
    assert chart.signals == ()
    flat = [v - factors[i % 6] if how == "subtract" else v / factors[i % 6] for i, v in enumerate(values)]
    plain = held(analyse(flat))
    assert limits.center == pytest.approx(plain.center)
    assert limits.mr_bar == pytest.approx(plain.mr_bar * math.sqrt(36 / 30))
    for k, name in enumerate(("center", "unpl", "lnpl")):
        at_one = getattr(limits, name)
        drawn = at_one + factors[1] if how == "subtract" else at_one * factors[1]
        assert limits.lines[k][[1, 7, 31]] == pytest.approx([drawn] * 3)


def test_the_season_is_said() -> None:
    chart = analyse(seasonal(36), season=6)
    assert chart.adjustment == (
        "a season of 6 windows is subtracted from the values before the limits are computed (factors from 6 full "
        "seasons), and drawn back into them",
    )
    divided = analyse(seasonal(36, how="divide"), season=Season(6, "divide"))
    assert "divided out of the values" in divided.adjustment[0]


def test_two_full_seasons_are_needed() -> None:
    """Until then plain limits, on trial, and said to be such."""
    for n, adjusted in ((15, False), (16, True)):
        chart = analyse(seasonal(n), season=8)
        assert (held(chart).adjustment is not None) == adjusted
        assert held(chart).status == ("computed" if adjusted else "trial")
        assert ("the season of 8 windows is not taken out" in " ".join(chart.notes)) != adjusted
    holes: list[float | None] = list(seasonal(36))
    holes[2::6] = [None] * 6
    assert held(analyse(holes, season=6)).adjustment is None, "a window of the season without any value"
    holes[8] = 110.0
    assert held(analyse(holes, season=6)).adjustment is not None


def test_locked_factors_stay() -> None:
    first = analyse(seasonal(24), season=6, baseline=Baseline(count=24))
    later = analyse([*seasonal(36), 100.0, 140.0], season=6, baseline=Baseline(count=24))
    assert later.limits == first.limits
    assert [s.members for s in later.signals] == [(37,)]
    assert analyse([*seasonal(36), 100.0, 140.0], baseline=held(first)).signals == later.signals


def test_a_season_in_a_later_segment_keeps_its_calendar() -> None:
    values = [*seasonal(20), *(v + 50 for v in seasonal(40)[20:])]
    chart = analyse(values, season=6, dividers=[20])
    assert chart.signals == ()
    first, second = (s.limits.adjustment for s in chart.segments if s.limits)
    assert first is not None
    assert second is not None
    assert second.factors == pytest.approx(first.factors, abs=2)


@pytest.mark.parametrize("how", ["subtract", "divide"])
@pytest.mark.parametrize("seasons", [2, 3, 4])
def test_trend_and_season_are_told_apart(how: str, seasons: int) -> None:
    """Without noise: the season is found to the digit, whatever the trend."""
    values = [100.0 + 2 * i for i in range(6 * seasons)]
    values = [v + WAVE[i % 6] if how == "subtract" else v * (1 + WAVE[i % 6] / 20) for i, v in enumerate(values)]
    limits = held(analyse(values, trend=True, season=Season(6, how=how)))  # type: ignore[arg-type]
    assert limits.adjustment is not None
    if how == "subtract":
        assert limits.adjustment.slope == pytest.approx(2)
        assert limits.adjustment.factors == pytest.approx(WAVE, abs=1e-9)
    else:
        assert limits.adjustment.slope == pytest.approx(2, rel=0.05)
        assert limits.adjustment.factors == pytest.approx([1 + w / 20 for w in WAVE], abs=0.02)


def outside_rate(season: Season | None, seed: int = 3, series: int = 150) -> float:
    """Share of later quiet windows outside limits locked on two seasons of twelve."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(series):
        chart = analyse(rng.normal(size=36), season=season, baseline=Baseline(count=24))
        found += sum(s.known_at >= 24 for s in chart.signals if s.rule == "outside_limits")
    return found / series / 12


def test_two_seasons_widened_are_no_trap() -> None:
    """Factors eat variation: unwidened limits of two seasons flag about 11 % of quiet windows, widened 2.5 %."""
    assert outside_rate(Season(12, unbiased=False)) > 0.07
    assert outside_rate(Season(12)) < 0.04


@pytest.mark.parametrize(
    ("values", "kwargs", "message"),
    [
        (seasonal(36), {"season": 1}, "at least 2 windows, not 1"),
        (seasonal(36), {"season": 13, "baseline": Baseline()}, "segment 0 holds 24 windows, two seasons of 13 need 26"),
        (seasonal(36), {"season": 6, "baseline": Baseline(start=0, stop=11)}, "holds 11 windows"),
        ([v - 100 for v in seasonal(36)], {"season": Season(6, "divide")}, "divides, but window"),
        ([2.0 * i - 20 for i in range(24)], {"season": Season(6, "divide"), "trend": True}, "reaches zero"),
    ],
)
def test_refused(values: list[float], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analyse(values, **kwargs)


def test_season_without_sense() -> None:
    with pytest.raises(ValueError, match="how must be subtract or divide"):
        Season(12, "log")  # type: ignore[arg-type]


def test_a_season_waits_while_gaps_leave_its_factors_without_variation() -> None:
    """Two spans of twelve, each with the half that the other lacks: every factor is one point, no range is left."""
    values: list[float | None] = [float(i % 5) if i < 6 or i >= 18 else None for i in range(24)]
    for season in (12, Season(12, unbiased=False)):
        limits = analyse(values, season=season).limits
        assert limits is not None
        assert limits.adjustment is None
        assert limits.mr_bar > 0
    values[6:12] = [1.0, 3, 2, 4, 1, 2]
    limits = analyse(values, season=12).limits
    assert limits is not None
    assert limits.adjustment is not None


def test_a_trend_that_goes_on_beyond_its_baseline_is_warned_of() -> None:
    """Its slope is an estimate: .64 of series without any change signal within 26 windows (docs/xmr.md)."""
    x = np.arange(40) + np.tile([0.0, 2.0, -1.0], 14)[:40]
    warning = "the trend goes on beyond its baseline as if its slope were known: expect false signals"
    assert warning in analyse(x, trend=True, baseline=Baseline(count=26)).notes
    assert warning not in analyse(x, trend=True).notes


def test_limits_that_are_stated_follow_no_trend_and_say_so() -> None:
    chart = analyse(np.arange(30.0), trend=True, baseline=Limits.given(lnpl=0, unpl=10))
    assert chart.adjustment == ("the limits given follow no trend: they are flat",)


def test_limits_locked_on_few_points_are_said_to_be_so() -> None:
    few = analyse([1.0, 2, 3, 2, 1, 2, 3, 2, 1, 3, 2], baseline=Baseline(count=8))
    assert few.limits.status == "locked"
    assert few.verdict == "Routine variation: no action (locked on 8 points only)"
    stated = analyse([1.0, 2, 3], baseline=Limits.given(lnpl=0, unpl=10))
    assert "only" not in stated.verdict
