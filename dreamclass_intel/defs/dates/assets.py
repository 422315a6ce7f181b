"""`core.dim_dates`, computed; holidays come from the `holidays` library."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg
import holidays

from dreamclass_intel.defs.dates.tables import DIM_DATES
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.records import extract
from dreamclass_intel.settings import load_settings
from dreamclass_intel.typed_assets import asset_settings, days


def day_hours(day: dt.date, zone: ZoneInfo) -> int:
    """Hours from midnight to midnight in `zone`: 23 or 25 when clocks change, else 24."""
    start, end = (dt.datetime.combine(d, dt.time(), zone) for d in (day, day + dt.timedelta(days=1)))
    return round((end.astimezone(dt.UTC) - start.astimezone(dt.UTC)).total_seconds() / 3600)


@dg.asset(**asset_settings(DIM_DATES, group_name="core"))
def dim_dates(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Extract]:
    """The run's days."""
    settings = load_settings()
    zone = ZoneInfo(settings.reporting_time_zone)
    calendar = holidays.country_holidays(settings.reporting_country)

    def record(day: dt.date) -> dict[str, object]:
        year, week, weekday = day.isocalendar()
        return {
            "date_day": day,
            "iso_year": year,
            "iso_week": week,
            "iso_week_start": day - dt.timedelta(days=weekday - 1),
            "month_start": day.replace(day=1),
            "quarter_start": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
            "scoring_window_start": ScoringWindow.containing(day).start,
            "is_weekend": weekday > 5,
            "is_holiday": day in calendar,
            "holiday_name": calendar.get(day),
            "day_hours": day_hours(day, zone),
        }

    rows = (record(day) for day in days(context))
    return dg.MaterializeResult(value=extract(DIM_DATES, rows, lambda r: r["date_day"].isoformat()))
