"""The whole project builds: on empty tables, on a hand-made money path, and on the sandbox against its truth."""

import datetime as dt
import importlib
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.records import extract
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.conftest import NOW, START, Materialise
from dreamclass_intel_tests.dbt.conftest import Dbt

DAY = dt.timedelta(days=1)


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as con:
        found: list[tuple[Any, ...]] = con.execute(query).fetchall()
        return found


def days(first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    return [
        {
            "date_day": day,
            "iso_year": day.isocalendar().year,
            "iso_week": day.isocalendar().week,
            "iso_week_start": day - day.weekday() * DAY,
            "month_start": day.replace(day=1),
            "quarter_start": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
            "scoring_window_start": START + (day - START) // (14 * DAY) * 14 * DAY,
            "is_weekend": day.weekday() > 4,
            "is_holiday": False,
            "day_hours": 24,
        }
        for day in (first + n * DAY for n in range((last - first).days + 1))
    ]


def store(warehouse: DuckDBWarehouse, address: str, records: list[dict[str, Any]]) -> None:
    table = catalog.table(address)
    names = {column.name: column for column in table.data_columns}
    defaults = {"livemode": False, "_is_deleted": False}
    full = [{k: v for k, v in defaults.items() if k in names} | record for record in records]
    warehouse.write(table, None, extract(table, full, "2024-01-01"), "test")


def test_build_is_green_on_empty_tables(dbt: Dbt, duckdb_store: DuckDBWarehouse) -> None:
    dbt("build")
    assert rows(duckdb_store.path, "select count(*) from marts.fct_mrr_movements") == [(0,)]
    # An empty calendar has no period to be zero in; metric_series has its own.
    assert rows(duckdb_store.path, "select count(*) from marts.fct_net_new_mrr_weekly") == [(0,)]


def test_money_from_lines_to_closing(dbt: Dbt, duckdb_store: DuckDBWarehouse) -> None:
    def at(text: str) -> str:
        return f"2024-{text}T10:00:00Z"

    def line(number: int, sub: str, price: str, quantity: int, start: str, **more: Any) -> dict[str, Any]:
        return {
            "invoice_id": f"in_{number}", "line_id": f"il_{number}", "subscription_id": sub,
            "subscription_item_id": f"si_{sub}", "customer_id": f"cus_{sub[-1]}", "price_id": price,
            "quantity": quantity, "amount_minor": 100, "proration": False, "currency": more.pop("currency", "usd"),
            "invoice_status": "paid", "invoice_created_at": at(start), "period_start_at": at(start),
            "period_end_at": at("12-31"), **more,
        }  # fmt: skip

    def price(name: str, currency: str, interval: str, amount: int) -> dict[str, Any]:
        return {
            "price_id": name, "currency": currency, "interval": interval, "interval_count": 1,
            "usage_type": "licensed", "unit_amount_decimal": amount, "price_type": "recurring",
        }  # fmt: skip

    def subscription(name: str, status: str = "active", **more: Any) -> dict[str, Any]:
        customer = f"cus_{name[-1]}"
        return {
            "subscription_id": name, "customer_id": customer, "status": status, "created_at": at("01-01"),
            "item_count": 1, **more,
        }  # fmt: skip

    store(duckdb_store, "core.dim_dates", days(dt.date(2024, 1, 1), dt.date(2024, 4, 30)))
    store(duckdb_store, "raw.stripe_customers", [{"customer_id": f"cus_{c}"} for c in "ABT"])
    store(
        duckdb_store,
        "raw.stripe_prices",
        [price("month", "usd", "month", 2900), price("year", "eur", "year", 29000)],
    )
    store(
        duckdb_store,
        "raw.stripe_subscriptions",
        [
            subscription("sub_A", "canceled", ended_at=at("03-15")),
            subscription("sub_B", "past_due"),
            subscription("sub_T", "trialing"),  # a trial's line is free
        ],
    )
    store(
        duckdb_store,
        "raw.stripe_invoice_lines",
        [
            line(1, "sub_A", "month", 2, "01-03"),
            line(2, "sub_A", "month", 3, "01-20", proration=True),
            line(3, "sub_A", "month", 3, "02-03"),
            line(4, "sub_A", "month", 1, "03-03"),
            line(5, "sub_B", "year", 1, "02-05", currency="eur", invoice_status="open"),
            line(6, "sub_T", "month", 1, "02-05", amount_minor=0),
        ],
    )
    dbt("build", "--select", "+marts.billing", "--indirect-selection", "cautious", as_of="2024-03-20")
    assert rows(
        duckdb_store.path,
        "select customer_id, strftime(occurred_date, '%m-%d'), movement_type, round(delta_usd_minor)::int "
        "from marts.fct_mrr_movements order by occurred_at",
    ) == [
        ("cus_A", "01-03", "new_business", 5800),
        ("cus_A", "01-20", "expansion", 2900),
        ("cus_B", "02-05", "new_business", 2610),
        ("cus_A", "03-03", "contraction", -5800),
        ("cus_A", "03-15", "churn", -2900),
    ]
    months = rows(
        duckdb_store.path,
        "select month(month_start), round(opening_usd_minor)::int, round(net_new_usd_minor)::int, "
        "round(closing_usd_minor)::int, customers_n, is_complete from marts.fct_net_new_mrr_monthly order by 1",
    )
    assert months == [
        (1, 0, 8700, 8700, 1, True),
        (2, 8700, 2610, 11310, 2, True),
        (3, 11310, -8700, 2610, 1, False),
    ]
    weeks = rows(
        duckdb_store.path,
        "select count(*), count(*) filter (where net_new_usd_minor = 0) from marts.fct_net_new_mrr_weekly",
    )
    assert weeks == [(12, 7)]


def assets(folder: str) -> list[dg.AssetsDefinition]:
    module = importlib.import_module(f"dreamclass_intel.defs.{folder}.assets")
    return [value for value in vars(module).values() if isinstance(value, dg.AssetsDefinition)]


def week(day: dt.date) -> dt.date:
    return day - day.weekday() * DAY


@pytest.mark.slow
def test_marts_agree_with_the_simulated_truth(
    dbt: Dbt, materialise: Materialise, site: Site, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    database = tmp_path / "truth.duckdb"
    settings_env(DUCKDB_PATH=database)
    newest = (NOW - DAY).date()
    DuckDBWarehouse(load_settings().database).ensure(list(catalog.tables().values()))
    wanted = [
        asset for folder in ("dates", "backend", "stripe", "chartmogul", "crm", "ga4") for asset in assets(folder)
    ]
    materialise(wanted, START.isoformat(), newest.isoformat())
    dbt("build", as_of=newest.isoformat(), start_date=START.isoformat())

    # The ledger, movement by movement, to a billionth of a cent.
    names = {"new_biz": "new_business"}
    ledger = {
        (e.customer_id, e.at.replace(tzinfo=None, microsecond=0)): (
            names.get(e.movement, e.movement),
            e.delta_minor,
        )
        for e in site.world.ledger(NOW)
        if e.at.date() <= newest
    }
    movements = {
        (customer, at): (kind, Fraction(delta))
        for customer, at, kind, delta in rows(
            database,
            "select customer_id, occurred_at, movement_type, delta_minor from marts.fct_mrr_movements",
        )
    }
    assert len(ledger) > 50
    assert movements.keys() == ledger.keys()
    for key, (kind, delta) in ledger.items():
        assert movements[key][0] == kind
        assert abs(movements[key][1] - delta) <= Fraction(2, 10**9)

    # Trials and activation by the week of the trial's start.
    trials: dict[dt.date, list[int]] = defaultdict(lambda: [0, 0])
    for journey in site.world.journeys(NOW):
        if journey.trial is not None and journey.trial.started_at.date() <= newest:
            cell = trials[week(journey.trial.started_at.date())]
            cell[0] += 1
            activated_at = journey.trial.activated_at
            cell[1] += activated_at is not None and activated_at.date() <= newest
    cohorts = rows(database, "select week_start, trials_n, activated_n, is_mature from marts.fct_activation_cohorts")
    mature = {start: [t, a] for start, t, a, is_mature in cohorts if is_mature}
    assert len(mature) == 13
    assert mature == {start: trials[start] for start in mature}

    # Decided deals and wins by week, as far as the CRM had them by the end of the newest day.
    decided: dict[dt.date, list[int]] = defaultdict(lambda: [0, 0])
    for deal in site.world.deals(NOW):
        if deal.closed_at is not None and deal.closed_at.date() <= newest:
            decided[week(deal.closed_at.date())][0] += 1
            decided[week(deal.closed_at.date())][1] += deal.outcome == "won"
    pipeline = rows(database, "select week_start, decided_n, won_n from marts.fct_pipeline_weekly")
    assert {start: [n, won] for start, n, won in pipeline if n} == dict(decided)

    # Sessions agree with GA4's own report but for those over midnight, which GA4 counts on both days.
    ((ours, theirs),) = rows(
        database,
        "select (select sum(sessions) from marts.fct_traffic_daily), (select sum(sessions) from raw.ga4_report_daily)",
    )
    assert ours <= theirs <= ours * 1.01
