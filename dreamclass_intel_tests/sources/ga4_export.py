"""What the GA4 tests share: their days, and what of the world's hits the warehouse holds."""

import datetime as dt
from collections import Counter
from typing import Any

import dagster as dg

EVENTS, REPORT = "raw.ga4_events", "raw.ga4_report_daily"
FIRST, LAST = "2024-02-05", "2024-02-07"
DAYS = [dt.date(2024, 2, 5), dt.date(2024, 2, 6), dt.date(2024, 2, 7)]


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Of the last materialisation of a run."""
    found = [e.materialization.metadata for e in result.all_events if e.is_step_materialization]
    return {name: value.value for name, value in found[-1].items()}


def told(site: Any, day: dt.date, max_late: int) -> Counter:
    """The world's hits of a day: (date, name, visitor, second)."""
    return Counter(
        (day, hit.hit.name, hit.session.client_id, int(hit.at.timestamp())) for hit in site.world.hits(day, max_late)
    )


def stored(read: Any, where: str = "duplicate_ordinal = 0") -> Counter:
    rows = read(f"SELECT event_date, event_name, user_pseudo_id, event_timestamp_us FROM {EVENTS} WHERE {where}")
    return Counter(
        (r["event_date"], r["event_name"], r["user_pseudo_id"], r["event_timestamp_us"] // 1_000_000) for r in rows
    )
