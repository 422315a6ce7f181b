"""Which segment moved: from a signal of a registered metric to the rows of xmr.contributions."""

import datetime as dt
from typing import Any

import pytest

from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr.charts import MetricChart, chart_as_of
from dreamclass_intel.defs.xmr.contributions import attributions, rows_of

WEEK = dt.timedelta(days=7)
FIRST = dt.date(2024, 1, 1)
WEEKS = 30
CLOSE = FIRST + WEEKS * WEEK
BY_ID = {m.id: m for m in metrics()}


def figures(metric: Metric, fall: float) -> list[dict[str, Any]]:
    """Segment rows: Ads loses `fall` of its numerator in the last week, Direct goes on."""
    rows = []
    for i in range(WEEKS):
        for name, size in (("Ads", 600), ("Direct", 400)):
            visits = size + 7 * (i % 5) - 3 * (i % 7)
            numerator = visits * (0.10 if metric.denominator else 1.0) + (i * 5) % 3
            if i == WEEKS - 1 and name == "Ads":
                numerator *= 1 - fall
            rows.append(
                {
                    "period_start": FIRST + i * WEEK,
                    "segment": name,
                    "numerator": numerator,
                    "denominator": float(visits) if metric.denominator else None,
                }
            )
    return rows


def chart(metric: Metric, parts: list[dict[str, Any]]) -> MetricChart:
    whole: dict[dt.date, dict[str, Any]] = {}
    for row in parts:
        total = whole.setdefault(row["period_start"], {"numerator": 0.0, "denominator": 0.0})
        total["numerator"] += row["numerator"]
        total["denominator"] += row["denominator"] or 0.0
    rows = [
        {
            "period_start": period,
            "value": t["numerator"] / t["denominator"] if metric.denominator else t["numerator"],
            **t,
            "n": 1000,
            "is_complete": True,
        }
        for period, t in whole.items()
    ]
    return chart_as_of(metric, rows, CLOSE)


@pytest.mark.parametrize("name", ["sessions", "signup_rate"])
def test_the_segment_that_fell_is_named_and_the_parts_add_up(name: str) -> None:
    metric = BY_ID[name]
    assert metric.segments == "channel_group"
    parts = figures(metric, fall=0.5)
    made = chart(metric, parts)
    moved = attributions(made, parts)
    assert {m.signal.rule for m in moved} == {"outside_limits"}
    assert moved[0].words.startswith("Ads moved: -")
    rows = list(rows_of(made, moved, FIRST))
    assert [(r["segment"], r["has_moved"]) for r in rows] == [("Ads", True), ("Direct", False)]
    assert sum(r["contribution"] for r in rows) == pytest.approx(rows[0]["after"] - rows[0]["before"])
    assert rows[0]["ci_low"] < rows[0]["contribution"] < rows[0]["ci_high"] < 0
    assert (rows[0]["mix"] is None) is (metric.denominator is None)


def test_no_signal_and_no_segments_have_no_contributions() -> None:
    metric = BY_ID["sessions"]
    calm = figures(metric, fall=0.0)
    assert attributions(chart(metric, calm), calm) == []
    assert attributions(chart(metric, figures(metric, fall=0.5)), ()) == []


def test_figures_that_cannot_be_split_say_why() -> None:
    metric = BY_ID["signup_rate"]
    parts = figures(metric, fall=0.5)
    made = chart(metric, parts)
    parts[0]["numerator"] = None
    (moved,) = attributions(made, parts)
    assert moved.found is None
    assert moved.words.startswith("Not split by channel_group: segment 'Ads' has a denominator and no numerator")
    assert list(rows_of(made, [moved], FIRST)) == []
