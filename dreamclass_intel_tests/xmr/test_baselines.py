"""Locked limits are kept: what is loaded again later moves no limit, and the past stays as it was judged."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr import baselines
from dreamclass_intel.defs.xmr.charts import MetricChart, chart_as_of
from dreamclass_intel.defs.xmr.tables import BASELINES
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

WEEK = dt.timedelta(days=7)
FIRST = dt.date(2024, 1, 1)
(SESSIONS,) = [m for m in metrics() if m.id == "sessions"]
COUNT = SESSIONS.baseline.count
START = SESSIONS.baseline.start or FIRST


def series(scale: float = 1.0, weeks: int = 40) -> list[dict[str, Any]]:
    return [
        {"period_start": START + i * WEEK, "value": scale * (100.0 + i % 5), "n": 100, "is_complete": True}
        for i in range(weeks)
    ]


def chart(weeks: int, store: DuckDBWarehouse, scale: float = 1.0, metric: Metric = SESSIONS) -> MetricChart:
    known = baselines.load(store, [metric])
    close = START + weeks * WEEK + dt.timedelta(days=metric.maturity_days)
    made = chart_as_of(metric, series(scale), close, locked=known.get(metric.id))
    baselines.keep(store, [made], known, START + (weeks - 1) * WEEK, "run")
    return made


@pytest.fixture
def store(tmp_path):
    return DuckDBWarehouse(tmp_path / "w.duckdb")


def kept(store: DuckDBWarehouse) -> list[dict[str, Any]]:
    store.ensure([BASELINES])
    return store.read("SELECT * FROM xmr.baselines").to_pylist()


def test_limits_are_kept_once_they_lock(store):
    chart(COUNT - 1, store)
    assert kept(store) == []
    limits = chart(COUNT, store).chart.limits
    (row,) = kept(store)
    assert (row["base_start"], row["base_end"]) == (START, START + (COUNT - 1) * WEEK)
    assert (row["center"], row["unpl"], row["limits_id"]) == (limits.center, limits.unpl, limits.limits_id)
    chart(COUNT + 5, store)
    assert kept(store) == [row]


def test_values_that_are_loaded_again_move_no_kept_limit(store):
    before = chart(COUNT + 1, store).chart.limits
    made = chart(COUNT + 2, store, scale=3.0)
    assert made.chart.limits == before
    assert {s.rule for s in made.news} >= {"outside_limits"}
    assert chart(COUNT + 2, DuckDBWarehouse(store.path.with_name("new.duckdb")), scale=3.0).chart.limits != before


def test_a_chart_as_of_an_earlier_close_knows_nothing_of_them(store):
    chart(COUNT + 1, store)
    earlier = chart(COUNT - 4, store, scale=3.0).chart.limits
    assert earlier.status == "computed"
    assert earlier.center > 200


def test_another_policy_is_another_baseline(store):
    chart(COUNT, store)
    other = SESSIONS.model_copy(update={"baseline": SESSIONS.baseline.model_copy(update={"count": COUNT - 2})})
    made = chart(COUNT, store, metric=other)
    assert made.chart.limits.n == COUNT - 2
    assert len({row["policy"] for row in kept(store)}) == len(kept(store)) == 2


def seasonal(weeks: int, scale: float = 1.0) -> list[dict[str, Any]]:
    swing = (0.0, 30.0, -10.0, -20.0)
    return [
        {
            "period_start": START + i * WEEK,
            "value": scale * (100 + swing[i % 4] + i % 5 + 0.5 * i),
            "denominator": 100 + 50 * (i % 3),
            "n": 100,
            "is_complete": True,
        }
        for i in range(weeks)
    ]


@pytest.mark.parametrize(
    "kind",
    [
        {"chart": "i_prime", "denominator": "sum(x)", "empty": "missing"},
        {"season": 4},
        {"season": 4, "trend": True},
        {"trend": True, "chart": "i_prime", "denominator": "sum(x)", "empty": "missing"},
        {"preset": "quiet"},
    ],
    ids=str,
)
def test_limits_that_follow_a_denominator_a_trend_or_a_season_are_kept_whole(store, kind):
    """The kept ones judge as the computed ones did, even when the series starts a little later now."""
    metric = SESSIONS.model_copy(update={**kind, "segments": None})
    weeks = COUNT + 6
    close = START + weeks * WEEK
    made = chart_as_of(metric, seasonal(weeks), close)
    baselines.keep(store, [made], {}, START, "run")
    locked = baselines.load(store, [metric])[metric.id]
    again = chart_as_of(metric, seasonal(weeks, scale=3.0), close, locked=locked)
    assert again.chart.limits == made.chart.limits
    for one, other in zip(made.chart.limits.at(np.arange(weeks)), again.chart.limits.at(np.arange(weeks)), strict=True):
        assert other == pytest.approx(one)
    # Three weeks before the first are loaded now; without values they are on the axis and in no limit.
    early = [
        {"period_start": START - k * WEEK, "value": None, "denominator": None, "n": 0, "is_complete": True}
        for k in (3, 2, 1)
    ]
    later = chart_as_of(metric, [*early, *seasonal(weeks)], close, locked=locked)
    assert [s.known_at - 3 for s in later.chart.signals] == [s.known_at for s in made.chart.signals]
    for one, other in zip(
        made.chart.limits.at(np.arange(weeks)), later.chart.limits.at(np.arange(3, weeks + 3)), strict=True
    ):
        assert other == pytest.approx(one)


def judged(store: DuckDBWarehouse, rows: list[dict[str, Any]], weeks: int, metric: Metric = SESSIONS) -> MetricChart:
    known = baselines.load(store, [metric])
    return chart_as_of(metric, rows, START + weeks * WEEK, locked=known.get(metric.id))


def test_no_later_data_move_a_locked_limit(store):
    """Weeks before the first, a first week that is lost, and weeks of the basis that are lost."""
    limits = chart(COUNT + 4, store).chart.limits
    rows = series()
    before = [{**rows[0], "period_start": START - k * WEEK, "value": 140.0} for k in (2, 1)]
    lost = [{**row, "is_complete": i not in (0, 5, 6)} for i, row in enumerate(rows)]
    empty = [{**row, "value": None} if i == 0 else row for i, row in enumerate(rows)]
    for changed in ([*before, *rows], lost, empty):
        made = judged(store, changed, COUNT + 4)
        assert [
            getattr(made.chart.limits, name) for name in ("center", "unpl", "lnpl", "url", "limits_id", "status")
        ] == [getattr(limits, name) for name in ("center", "unpl", "lnpl", "url", "limits_id", "status")]


def test_a_chart_of_an_old_week_does_not_know_limits_that_locked_later(store):
    """A gap made the basis reach a week further; when it is filled, the week before is not judged by it."""
    rows = series()
    gap = [{**row, "value": None} if i == 10 else row for i, row in enumerate(rows)]
    made = judged(store, gap, COUNT + 1)
    baselines.keep(store, [made], {}, START + COUNT * WEEK, "run")
    assert kept(store)[0]["base_end"] == START + COUNT * WEEK
    assert judged(store, rows, COUNT).chart.limits == chart_as_of(SESSIONS, rows, START + COUNT * WEEK).chart.limits
    assert judged(store, rows, COUNT + 1).chart.limits.unpl == made.chart.limits.unpl


def test_a_metric_that_is_defined_anew_gets_new_limits(store):
    chart(COUNT, store)
    other = SESSIONS.model_copy(update={"numerator": "sum(sessions) / 1000"})
    assert baselines.load(store, [other]) == {}
