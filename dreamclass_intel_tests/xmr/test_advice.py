"""Advice: what is warned of, with which figures; how seldom quiet data are warned of, how often the others are."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from dreamclass_intel.xmr import Advice, Baseline, Season, advise, analyse
from dreamclass_intel.xmr.diagnostics import by_group, lag_one, ranks, skewness

Draw = Callable[[np.random.Generator, int], np.ndarray]


def topics(found: tuple[Advice, ...]) -> list[str]:
    return [advice.topic for advice in found]


def rates(draw: Draw, n: int, series: int = 400, seed: int = 20, period: int | None = None) -> Counter[str]:
    """Share of series with each topic, and with any."""
    rng = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    for _ in range(series):
        here = topics(advise(draw(rng, n), period=period))
        found.update([*here, *(["any"] if here else [])])
    return Counter({topic: count / series for topic, count in found.items()})  # type: ignore[misc]


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=n)


def autoregressive(rng: np.random.Generator, n: int, phi: float = 0.4) -> np.ndarray:
    e = rng.normal(size=n + 50)
    for i in range(1, e.size):
        e[i] += phi * e[i - 1]
    return e[50:]


# --- calibration


@pytest.mark.parametrize("n", [12, 26, 52])
def test_quiet_normal_series_are_seldom_warned_of(n: int) -> None:
    """Stated: about 1 % a test, 2.5 % autocorrelation, less than 6 % together. Bounds: two standard errors on top."""
    share = rates(normal, n, series=1000, period=6)
    assert share.pop("any") <= 0.06 + 2 * math.sqrt(0.06 * 0.94 / 1000)
    assert share.pop("autocorrelation", 0) <= 0.025 + 2 * math.sqrt(0.025 / 1000)
    for topic, found in share.items():
        assert found <= 0.01 + 2 * math.sqrt(0.01 / 1000), topic


@pytest.mark.parametrize(("chart", "draw"), [("p", "binomial"), ("u", "poisson")])
def test_quiet_counts_are_seldom_called_dispersed(chart: str, draw: str) -> None:
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(500):
        sizes = rng.integers(50, 150, size=40)
        counts = rng.binomial(sizes, 0.2) if draw == "binomial" else rng.poisson(0.2 * sizes)
        found += "dispersion" in topics(advise(counts / sizes, sizes, chart=chart))
    assert found / 500 <= 0.01 + 2 * math.sqrt(0.01 / 500)


@pytest.mark.parametrize(
    ("topic", "draw", "at_least"),
    [
        ("autocorrelation", autoregressive, 0.65),
        ("skew", lambda rng, n: np.exp(0.5 * rng.normal(size=n)), 0.55),
        ("skew", lambda rng, n: rng.exponential(size=n), 0.85),
        ("season", lambda rng, n: rng.normal(size=n) + 1.5 * np.sin(np.arange(n) * 2 * np.pi / 13), 0.85),
        ("trend", lambda rng, n: rng.normal(size=n) + 0.05 * np.arange(n), 0.75),
        ("shift", lambda rng, n: rng.normal(size=n) + 2.0 * (np.arange(n) >= n // 2), 0.75),
    ],
)
def test_series_with_a_shape_are_found(topic: str, draw: Draw, at_least: float) -> None:
    """In a year of weeks; the figures are in docs/xmr.md, section 3."""
    assert rates(draw, 52, series=200, period=13)[topic] >= at_least


def test_one_outlier_is_not_a_shape() -> None:
    share = rates(lambda rng, n: np.where(np.arange(n) == 20, 7.0, rng.normal(size=n)), 40, series=300)
    assert share["skew"] <= 0.06
    assert share["any"] <= 0.1


def test_a_trend_is_not_taken_for_autocorrelation() -> None:
    share = rates(lambda rng, n: rng.normal(size=n) + 0.1 * np.arange(n), 52, series=200)
    assert share["trend"] > 0.95
    assert share["autocorrelation"] < 0.06


def test_autocorrelation_is_not_taken_for_a_trend() -> None:
    """Without deflation a third of such series would pass for trended."""
    share = rates(lambda rng, n: autoregressive(rng, n, 0.6), 52, series=300)
    assert share["trend"] + share["shift"] < 0.1
    assert share["autocorrelation"] > 0.9


# --- each topic


def test_too_few_points() -> None:
    for n, words in ((0, "0 points make no limits"), (5, "no limits"), (6, "trial limits"), (11, "trial limits")):
        (advice,) = advise([float(i % 3) + 5.5 for i in range(n)])
        assert (advice.topic, advice.statistic, advice.threshold) == ("too_few", n, 12)
        assert words in advice.words
    assert advise([5.5, 6.5, 7.5, 5.5, 6.5, 5.5, 7.5, 6.5, 5.5, 7.5, 6.5, 5.5]) == ()


def test_constant_series() -> None:
    (advice,) = advise([3.5] * 20)
    assert advice.topic == "constant"
    assert "all 20 values are 3.5" in advice.words
    assert topics(advise([3.5] * 5)) == ["too_few"]
    assert topics(advise([0.0] * 20)) == ["constant"], "no event at all is not rare events"


def test_rare_events() -> None:
    counts = [0.0, 1, 0, 2, 0, 1, 3, 0, 1, 0, 0, 2, 1, 0, 4, 1]
    advice = next(a for a in advise(counts) if a.topic == "rare_events")
    assert (advice.statistic, advice.threshold) == (1.0, 2.0)
    assert "chart='t'" in advice.suggests
    assert "rare_events" not in topics(advise([c + 2 for c in counts])), "four a window are enough"
    assert "rare_events" not in topics(advise([c + 0.5 for c in counts])), "no counts"
    assert "rare_events" not in topics(advise([-c for c in counts]))
    assert "rare_events" not in topics(advise(counts, chart="t"))
    sizes = [40.0] * 16
    assert "rare_events" in topics(advise([c / 40 for c in counts], sizes, chart="u"))
    nearly_all = [1 - c / 40 for c in counts]
    assert "rare_events" in topics(advise(nearly_all, sizes, chart="p")), "nearly all is as rare as nearly none"
    assert "rare_events" not in topics(advise(nearly_all, sizes, chart="u"))


def test_denominators_that_vary() -> None:
    values = [0.2, 0.3, 0.25, 0.22] * 4
    assert advise(values, [100.0, 120, 100, 80] * 4) == ()
    (advice,) = advise(values, [100.0, 130, 100, 70] * 4)
    assert (advice.topic, advice.suggests) == ("denominators", "chart='i_prime'")
    assert advice.statistic == pytest.approx(0.3)
    assert advise(values, [100.0, 130, 100, 70] * 4, chart="i_prime") == ()


def test_dispersion() -> None:
    sizes = [1000.0] * 24
    over = advise([0.2, 0.3, 0.25, 0.22, 0.28, 0.2] * 4, sizes, chart="p")
    advice = next(a for a in over if a.topic == "dispersion")
    assert advice.statistic > 3 > advice.threshold > 1
    assert "too narrow" in advice.words
    assert advice.suggests == "chart='p_prime', or 'i_prime'"
    under = next(a for a in advise([0.2, 0.201] * 12, sizes, chart="u") if a.topic == "dispersion")
    assert under.statistic < under.threshold < 1
    assert "too wide" in under.words
    assert "dispersion" not in topics(advise([0.2, 0.3] * 12, sizes, chart="p_prime"))


def test_autocorrelation_says_what_it_does_to_false_alarms() -> None:
    wave = [math.sin(i / 3) for i in range(40)]
    advice = next(a for a in advise(wave) if a.topic == "autocorrelation")
    assert advice.statistic == pytest.approx(0.91, abs=0.05)
    assert advice.threshold == pytest.approx(-1 / 40 + 2.054 * 38 / (40 * math.sqrt(39)), abs=1e-3)
    assert "79% raise a false signal in 26 windows and 98% in 52, instead of 11% and 27%" in advice.words
    saw = next(a for a in advise([1.0, -1, 1.1, -1.2] * 8) if a.topic == "autocorrelation")
    assert saw.statistic < saw.threshold < 0
    assert "swing" in saw.words
    assert saw.suggests == ""


def test_gaps_are_not_neighbours() -> None:
    """Each value twice, in pairs that no neighbour links: with gaps between pairs the correlation is whole."""
    values: list[float | None] = []
    for k in range(14):
        values += [float(k * 7 % 11), float(k * 7 % 11) + 0.1, None]
    assert "autocorrelation" in topics(advise(values))
    alone: list[float | None] = [v for k in range(14) for v in (float(k * 7 % 11), None)]
    assert "autocorrelation" not in topics(advise(alone))


def test_trend_and_step_are_told_apart() -> None:
    noise = np.random.default_rng(12).normal(size=32) / 2
    assert advise(noise) == ()
    (trend,) = advise([0.2 * i + e for i, e in enumerate(noise)])
    assert (trend.topic, trend.suggests) == ("trend", "trend=True")
    assert "rise" in trend.words
    (step,) = advise([3.0 * (i >= 20) + e for i, e in enumerate(noise)], first=100)
    assert (step.topic, step.suggests) == ("shift", "a divider near 120")
    assert advise([0.2 * i + e for i, e in enumerate(noise)], trend=True) == ()


def test_season_needs_two_and_is_not_warned_of_once_allowed_for() -> None:
    rng = np.random.default_rng(8)
    values = 3 * np.sin(np.arange(48) * 2 * np.pi / 12) + rng.normal(size=48)
    found = advise(values, period=12)
    assert topics(found) == ["season"], "nor is its wave taken for autocorrelation"
    assert found[0].suggests == "season=12"
    assert found[0].statistic > found[0].threshold == pytest.approx(2.326, abs=1e-3)
    assert topics(advise(values)) == ["autocorrelation"]
    assert "season" not in topics(advise(values[:23], period=12))
    assert advise(values, season=Season(12), period=12) == ()
    assert topics(advise(values, season=Season(6), period=12)) == ["season"]


def test_skew_of_waiting_times_is_no_matter_on_a_t_chart() -> None:
    times = np.random.default_rng(3).exponential(9, size=60)
    assert topics(advise(times)) == ["skew"]
    assert advise(times, chart="t") == ()


def test_every_warning_explains_itself() -> None:
    rng = np.random.default_rng(1)
    found = [
        *advise([1.0, 2, 1]),
        *advise([3.0] * 12),
        *advise([0.0, 1] * 10),
        *advise([0.2, 0.4] * 10, [10.0, 90] * 10),
        *advise([0.2, 0.4] * 10, [500.0] * 20, chart="p"),
        *advise(rng.exponential(size=80)),
    ]
    assert {"too_few", "constant", "rare_events", "denominators", "dispersion", "skew"} <= set(topics(tuple(found)))
    for advice in found:
        assert len(advice.words) > 20
        assert advice.source
        assert math.isfinite(advice.statistic)


# --- through a chart


def test_a_chart_is_advised_on_its_newest_segment() -> None:
    noise = (np.random.default_rng(12).normal(size=24) / 2).tolist()
    drift = [0.3 * i + e for i, e in enumerate(noise)]
    assert topics(analyse([*drift, *noise], dividers=[24]).advice()) == []
    assert topics(analyse([*noise, *drift], dividers=[24]).advice()) == ["trend"]
    assert topics(analyse([*noise, *drift], dividers=[24], trend=True).advice()) == []
    assert topics(analyse([*noise[:11], 90.0], incomplete=[11]).advice()) == ["too_few"]
    assert "rare_events" in topics(analyse([0.0, 0.02] * 8, denominators=[100] * 16, chart="p").advice())
    assert "rare_events" not in topics(analyse([0.0, 0.2] * 8, denominators=[100] * 16, chart="p").advice())


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"chart": "c"}, "chart must be one of"),
        ({"chart": "p"}, "chart 'p' needs denominators"),
        ({"denominators": [1.0]}, "1 denominators for 3 values"),
        ({"period": 1}, "at least 2 windows"),
    ],
)
def test_bad_arguments(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        advise([0.1, 0.2, 0.3], **kwargs)  # type: ignore[arg-type]


# --- the statistics against plain loops and tables


def test_ranks_share_ties() -> None:
    assert ranks(np.array([3.0, 1, 3, 2])).tolist() == [3.5, 1, 3.5, 2]


def test_lag_one_is_the_textbook_ratio() -> None:
    e = np.array([1.0, 4, 2, 8, 5, 7])
    d = e - e.mean()
    expected = sum(d[i] * d[i + 1] for i in range(5)) / sum(d * d)
    assert lag_one(e, np.ones(5, dtype=bool)) == pytest.approx(expected)


def test_skewness_of_a_known_sample() -> None:
    """D'Agostino, Belanger and D'Agostino 1990, The American Statistician 44: the 62 cholesterol values' g1 = 1.02 of
    n = 62 gives z = 3.14.
    """
    rng = np.random.default_rng(2)
    values = rng.gamma(4.0, size=62)
    low, high = -3.0, 3.0  # bend a sample until its skewness is 1.02
    for _ in range(60):
        power = (low + high) / 2
        skew, z = skewness(values ** math.exp(power))
        low, high = (power, high) if skew < 1.02 else (low, power)
    assert skew == pytest.approx(1.02, abs=1e-6)
    assert z == pytest.approx(3.14, abs=0.02)


def test_groups_that_differ() -> None:
    """Quiet groups pass the 1 % point of the normal in 1 % of cases, however few values each has."""
    rng = np.random.default_rng(6)
    for groups, each in ((4, 3), (12, 3)):
        group = np.tile(np.arange(groups), each)
        shares = np.mean([by_group(rng.normal(size=group.size), group) > 2.326 for _ in range(1500)])
        assert shares == pytest.approx(0.01, abs=0.008)


@pytest.mark.parametrize("scale", [2.0**1000, 2.0**-1000])
def test_advice_does_not_depend_on_the_unit(scale: float) -> None:
    values = np.random.default_rng(11).standard_normal(40) + np.linspace(0, 4, 40)
    with np.errstate(all="raise", under="ignore"):
        told = [advice.topic for advice in advise(values * scale, period=4)]
    assert told == [advice.topic for advice in advise(values, period=4)] != []


def test_advice_on_what_a_season_cannot_divide() -> None:
    """The baseline can be divided by its factors, all values together cannot: still there is advice to have."""
    values = [10.0, 20, 30, 40] * 6 + [-200.0, 20, 30, 40] * 4
    chart = analyse(values, season=Season(4, how="divide"), baseline=Baseline(count=24))
    assert chart.limits is not None
    assert isinstance(chart.advice(), tuple)


def test_neighbours_of_a_few_steps_are_no_more_than_alike() -> None:
    """The few steps without a gap can correlate by more than 1 on the scale of all points."""
    values = np.full(38, np.nan)
    values[[1, 3, 4, 6, 7, 8, 11, 13, 15, 17, 20, 24, 25, 27, 31, 34, 37]] = np.array(
        [2.0, 1, 2, 1, 0, 0, 2, 2, 1, 1, 2, 2, 2, 1, 0, 0, 1]
    )
    for near in (np.zeros(3, bool), np.array([True, False, False])):
        assert -1 <= lag_one(np.array([5.0, 5, -4, -6]), near) <= 1
    assert isinstance(advise(values), tuple)


def test_later_signals_are_no_reason_for_another_chart() -> None:
    """A step after the baseline looks like autocorrelation over the whole, not in what the limits rest on."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.standard_normal(30), 6 + rng.standard_normal(10), rng.standard_normal(10)])
    chart = analyse(x, baseline=Baseline(count=30))
    assert "autocorrelation" in {advice.topic for advice in chart.advice()}
    assert chart.advice(baseline=True) == ()
