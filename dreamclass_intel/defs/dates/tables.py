"""The calendar's contract."""

from dreamclass_intel.contracts import Column, Table, Type

DIM_DATES = Table(
    schema="core",
    name="dim_dates",
    description="One row a day: ISO week, month, scoring window, weekend, public holiday, and how many hours the "
    "day has in the reporting time zone.",
    columns=(
        Column("date_day", Type.DATE, "The day", required=True),
        Column("iso_year", Type.INT, "ISO 8601 year of the week", required=True),
        Column("iso_week", Type.INT, "ISO 8601 week", required=True, unit="1-53"),
        Column("iso_week_start", Type.DATE, "Monday of the week", required=True),
        Column("month_start", Type.DATE, "First day of the month", required=True),
        Column("quarter_start", Type.DATE, "First day of the quarter", required=True),
        Column("scoring_window_start", Type.DATE, "First day of the 14-day scoring window", required=True),
        Column("is_weekend", Type.BOOL, "Saturday or Sunday", required=True),
        Column("is_holiday", Type.BOOL, "Public holiday in REPORTING_COUNTRY", required=True),
        Column("holiday_name", Type.STRING, "Name of the holiday"),
        Column("day_hours", Type.INT, "Hours in the day in REPORTING_TIME_ZONE", required=True, unit="23-25"),
    ),
    key=("date_day",),
)

TABLES = (DIM_DATES,)
