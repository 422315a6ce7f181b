"""From a metric's stored series to its chart: what is judged, and why not."""

import datetime as dt
from typing import Any

import pytest

from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr.charts import NOT_ALL, chart_as_of, period_judged_in

WEEK = dt.timedelta(days=7)
FIRST = dt.date(2024, 1, 1)
CLOSE = FIRST + 30 * WEEK


def metric(name: str) -> Metric:
    return next(m for m in metrics() if m.id == name)


def series(n: int = 30, size: int = 100, **newest: Any) -> list[dict[str, Any]]:
    """Weeks around 100, and a last one that is far out."""
    rows: list[dict[str, Any]] = [
        {"period_start": FIRST + i * WEEK, "value": 100.0 + i % 3, "denominator": size, "n": size, "is_complete": True}
        for i in range(n)
    ]
    rows[-1] |= {"value": 500.0} | newest
    return rows


def test_the_newest_complete_period_is_judged() -> None:
    made = chart_as_of(metric("sessions"), series(), CLOSE)
    assert made.problem is None
    assert {s.rule for s in made.news} == {"outside_limits"}


def test_an_incomplete_period_is_not_judged() -> None:
    made = chart_as_of(metric("sessions"), series(is_complete=False), CLOSE)
    assert (made.problem, made.judged, made.news) == (NOT_ALL, -1, ())


@pytest.mark.parametrize(("off", "judged"), [({"ga4"}, False), ({"stripe", "crm"}, True)])
def test_a_source_that_is_off_is_no_slump(off: set[str], judged: bool) -> None:
    made = chart_as_of(metric("sessions"), series(), CLOSE, off)
    assert (made.problem is None) is judged
    assert bool(made.news) is judged
    if not judged:
        assert made.problem == "ga4 is off"


def test_a_small_sample_is_drawn_and_not_judged() -> None:
    lqi = metric("lqi")
    assert lqi.min_n == 30
    starts = [{**row, "period_start": FIRST + i * 2 * WEEK} for i, row in enumerate(series(n=29))]
    close = FIRST + 29 * 2 * WEEK
    assert chart_as_of(lqi, starts, close).news
    starts[-1]["n"] = 29
    made = chart_as_of(lqi, starts, close)
    assert made.problem == "29 observations are too few, 30 are needed"
    assert (made.news, len(made.rows)) == ((), 29)


def test_a_partition_judges_the_newest_mature_period() -> None:
    partition = dt.date(2024, 2, 5)
    assert period_judged_in(metric("sessions"), partition) == partition
    activation = metric("activation_rate")
    assert period_judged_in(activation, partition) == partition - WEEK
    made = chart_as_of(activation, series(), CLOSE + WEEK)
    assert made.periods[-1] == period_judged_in(activation, CLOSE)
