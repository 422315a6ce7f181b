"""The pipeline's own assets and checks on either warehouse: real runs over the sandbox leave the same rows in both."""

import base64
import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Column, Grain, Table, Type
from dreamclass_intel.defs.chartmogul.assets import chartmogul_customers
from dreamclass_intel.defs.companies import checks as company_checks
from dreamclass_intel.defs.companies.assets import companies
from dreamclass_intel.defs.ga4 import assets as ga4
from dreamclass_intel.defs.lead_scoring import checks as scoring_checks
from dreamclass_intel.defs.lead_scoring.assets import lead_scoring_lead_scores, lead_scoring_runs
from dreamclass_intel.defs.lead_scoring.sensors import stored_runs
from dreamclass_intel.defs.lqi.assets import lqi_of_window
from dreamclass_intel.defs.lqi.checks import stored_lqi_matches
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.monitoring.checks import contract_checks
from dreamclass_intel.defs.stripe.assets import stripe_subscriptions
from dreamclass_intel.defs.xmr import assets as xmr_assets
from dreamclass_intel.defs.xmr import series as xmr_series
from dreamclass_intel.defs.xmr.charts import NOT_LOADED
from dreamclass_intel.defs.xmr.current import charts_fit, decided, xmr_current, xmr_proposals
from dreamclass_intel.defs.xmr.late import weeks_to_redraw
from dreamclass_intel.defs.xmr.tables import POINTS
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.companies.test_companies import RECORDS
from dreamclass_intel_tests.scoring import LAST_WINDOW, Windows

_projects = itertools.count()
NEWEST = "2024-04-07"


@pytest.fixture
def each_warehouse(
    sandbox: str, settings_env: Callable[..., None], bigquery_endpoint: str
) -> Callable[[], Iterator[str]]:
    """Iterate over both kinds; the settings in force are those of the kind at hand, both empty."""

    def kinds() -> Iterator[str]:
        yield "duckdb"
        project = f"graph-{next(_projects)}"
        settings_env(
            WAREHOUSE="bigquery",
            BIGQUERY_PROJECT=project,
            BIGQUERY_DATASET_PREFIX="dci_",
            BIGQUERY_API_ENDPOINT=bigquery_endpoint,
            BIGQUERY_RETRY_S=5,
        )
        yield "bigquery"

    return kinds


def content(*addresses: str) -> dict[str, str]:
    backend = WarehouseResource().backend()
    audits = {address: backend.audit(catalog.table(address)) for address in addresses}
    assert {address: audit.problems for address, audit in audits.items()} == dict.fromkeys(addresses, ())
    assert all(audit.rows for audit in audits.values()), audits
    return {address: backend.content_hash(catalog.table(address)) for address in addresses}


def dbt_table(
    schema: str, name: str, columns: dict[str, Type], key: tuple[str, ...], rows: list[dict[str, Any]]
) -> None:
    """What dbt would have built, whole."""
    declared = Table(schema, name, "x", tuple(Column(n, t, "x") for n, t in columns.items()), key=key, grain=Grain.NONE)
    known = [{n: row.get(n) for n in columns} for row in rows]
    WarehouseResource().backend().write(declared, None, extract(declared, known, "all"), "dbt")


def test_vendors_tables_are_equal(each_warehouse, materialise):
    stored = {}
    for kind in each_warehouse():
        materialise([stripe_subscriptions], "2024-01-01", NEWEST)
        materialise([stripe_subscriptions], "2024-02-01", "2024-02-10")  # asks what mode is stored
        materialise([chartmogul_customers], NEWEST)
        materialise([ga4.ga4_events], "2024-02-05", "2024-02-06")
        materialise([ga4.ga4_events], "2024-02-06")
        with pytest.raises(dg.Failure, match="the shards of 2024-02-06 are gone, but their rows are stored"):
            ga4._refuse_to_forget(WarehouseResource(), [dt.date(2024, 2, 6), dt.date(2024, 3, 1)])
        stored[kind] = content("raw.stripe_subscriptions", "raw.chartmogul_customers", "raw.ga4_events")
    assert stored["duckdb"] == stored["bigquery"]


def test_the_lqi_and_its_checks_are_equal(each_warehouse):
    checks = [
        scoring_checks.totals_reconcile,
        scoring_checks.classes_match,
        scoring_checks.one_row_per_run_and_lead,
        stored_lqi_matches,
        contract_checks(catalog.table("core.lqi")),
    ]
    stored = {}
    for kind in each_warehouse():
        assets = [lead_scoring_runs, lead_scoring_lead_scores, lqi_of_window]
        result = Windows().load(assets, "2024-01-01", LAST_WINDOW, checks=checks)
        judged = {e.check_name: (e.passed, e.description) for e in result.get_asset_check_evaluations()}
        assert all(passed for passed, _ in judged.values()), judged
        stored[kind] = (
            judged,
            stored_runs(WarehouseResource()),
            content("raw.lead_scoring_runs", "raw.lead_scoring_lead_scores", "core.lqi"),
        )
    assert stored["duckdb"] == stored["bigquery"]
    assert len(stored["duckdb"][1]) > 5


def test_companies_and_their_checks_are_equal(each_warehouse, materialise):
    columns = dict.fromkeys(RECORDS[1], Type.STRING) | {
        **dict.fromkeys(("website", "email_domain", "country", "city", "account_id"), Type.STRING),
        **dict.fromkeys(("crm_company_id", "ga_account_id"), Type.STRING),
        **dict.fromkeys(("observed_at", "updated_at"), Type.TIMESTAMP),
        "is_deleted": Type.BOOL,
    }
    stored = {}
    for kind in each_warehouse():
        missing = materialise([companies], "2024-01-01", "2024-01-07", raise_on_error=False)
        failed = [e for e in missing.all_events if e.is_step_failure]
        assert "int_company_records does not exist yet" in str(failed[0].step_failure_data.error)
        dbt_table("intermediate", "int_company_records", columns, ("source_system", "source_record_id"), RECORDS)
        materialise([companies], "2024-01-01", "2024-01-07")
        materialise([companies], "2024-01-03", "2024-01-08")
        verdicts = [
            check.node_def.compute_fn.decorated_fn(WarehouseResource())
            for check in (
                company_checks.every_record_once,
                company_checks.every_id_resolves,
                company_checks.no_merged_payers,
                company_checks.no_unlisted_hubs,
            )
        ]
        assert all(v.passed for v in verdicts), verdicts
        stored[kind] = content("core.companies", "core.companies_xref", "core.companies_id_history")
    assert stored["duckdb"] == stored["bigquery"]


def test_charts_are_equal(each_warehouse, materialise):
    columns = {
        "metric_id": Type.STRING,
        "segment": Type.STRING,
        "period_start": Type.DATE,
        **dict.fromkeys(("value", "numerator", "denominator"), Type.FLOAT),
        "n": Type.INT,
        "is_complete": Type.BOOL,
    }
    series = [
        {
            "metric_id": "sessions",
            "segment": "all",
            "period_start": dt.date(2024, 1, 1) + dt.timedelta(weeks=n),
            "value": 100 + (n * 7) % 11 / 3 + (40 if n == 12 else 0),
            "n": 1000,
            "is_complete": n < 13,
        }
        for n in range(14)
    ]
    stored = {}
    for kind in each_warehouse():
        dbt_table("marts", "metric_series", columns, ("metric_id", "period_start"), series)
        materialise([xmr_current, xmr_proposals])
        week = dt.date(2024, 3, 18)
        waiting = {"metric_id": "sessions", "period_start": week, "partition_start": week, "limits_status": "none"}
        drawn = {"chart": "xmr", "preset": "wheeler"}
        point = {**waiting, **drawn, "verdict": f"Not judged: {NOT_LOADED[0]}"}
        backend = WarehouseResource().backend()
        backend.write(POINTS, ["2024-03-18"], extract(POINTS, [point], "2024-03-18"), "r")
        assert weeks_to_redraw(backend, ["2024-03-11", "2024-03-18"]) == ["2024-03-18"]
        stored[kind] = content("xmr.current", "xmr.points")
    assert stored["duckdb"] == stored["bigquery"]


def test_what_charts_keep_is_equal(each_warehouse, materialise, monkeypatch):
    """Locked limits, signals, who moved, a split taken by the registry: written through Dagster, read back, written no
    second time.
    """
    weeks = 48
    noise = (100, 110, 90, 120, 100, 80, 110, 100, 90, 110, 100, 120, 90, 100, 110, 100)
    rows = []
    for n in range(weeks):
        level = noise[n % 16] + (80 if n >= 32 else 0)
        for segment, share in (("all", 1.0), ("Ads", 0.6), ("Direct", 0.4)):
            figure = level * share
            rows.append(
                {
                    "metric_id": "sessions",
                    "segment": segment,
                    "period_start": dt.date(2024, 1, 1) + dt.timedelta(weeks=n),
                    "value": figure,
                    "numerator": figure,
                    "denominator": None,
                    "n": level,
                    "is_complete": True,
                }
            )
    columns = {
        "metric_id": Type.STRING,
        "segment": Type.STRING,
        "period_start": Type.DATE,
        **dict.fromkeys(("value", "numerator", "denominator"), Type.FLOAT),
        "n": Type.INT,
        "is_complete": Type.BOOL,
    }
    auto = tuple(m.model_copy(update={"rebaseline": "auto"}) for m in metrics() if m.id == "sessions")
    monkeypatch.setattr(xmr_assets, "metrics", lambda: auto)
    monkeypatch.setattr(xmr_series, "metrics", lambda: auto)
    charts = xmr_assets.build_charts(Grain.WEEKLY)
    tables = ("points", "signals", "contributions", "baselines", "dividers", "current", "proposals")
    stored, shown = {}, {}
    for kind in each_warehouse():
        dbt_table("marts", "metric_series", columns, ("metric_id", "period_start", "segment"), rows)
        for week in ("2024-08-12", "2024-10-28", "2024-11-25", "2024-08-12"):
            result = materialise([charts], week, week)
            made = result.asset_materializations_for_node("xmr_weekly")
            shown[kind] = shown.get(kind, []) + [m.metadata for m in made if m.asset_key.path == ["xmr", "sessions"]]
        materialise([xmr_current, xmr_proposals])
        verdicts = [check.node_def.compute_fn.decorated_fn(WarehouseResource()) for check in (charts_fit, decided)]
        assert [v.passed for v in verdicts] == [True, True], verdicts
        stored[kind] = content(*(f"xmr.{name}" for name in tables))
    assert stored["duckdb"] == stored["bigquery"]
    first, _, last, again = shown["duckdb"]
    assert "Ads moved" in str(first["who_moved"].value) or "Direct moved" in str(first["who_moved"].value)
    assert first["verdict"] == again["verdict"], "the chart of an old week does not know of the split"
    picture = base64.b64decode(str(last["chart"].value).split("base64,")[1].rstrip(")")).decode()
    assert "accepted by the registry" in picture


def test_a_metric_that_cannot_be_drawn_keeps_no_other_from_its_chart(each_warehouse, materialise):
    columns = {
        "metric_id": Type.STRING,
        "segment": Type.STRING,
        "period_start": Type.DATE,
        **dict.fromkeys(("value", "numerator", "denominator"), Type.FLOAT),
        "n": Type.INT,
        "is_complete": Type.BOOL,
    }
    rows = [
        {
            "metric_id": metric,
            "segment": "all",
            "period_start": dt.date(2024, 1, 1) + dt.timedelta(weeks=n),
            "value": 0.5,
            "numerator": 50.0,
            "denominator": -2.0 if n == 4 else 100.0,
            "n": 100,
            "is_complete": True,
        }
        for metric in ("sessions", "signup_rate")
        for n in range(12)
    ]
    for _ in each_warehouse():
        dbt_table("marts", "metric_series", columns, ("metric_id", "period_start", "segment"), rows)
        result = materialise([xmr_assets.build_charts(Grain.WEEKLY)], "2024-03-18", "2024-03-18", raise_on_error=False)
        (failed,) = [e for e in result.all_events if e.is_step_failure]
        assert "signup_rate cannot be drawn: denominators[4] is -2" in str(failed.step_failure_data)
        points = WarehouseResource().read(f"SELECT metric_id FROM {WarehouseResource().name('xmr.points')}").to_pylist()
        assert "sessions" in {row["metric_id"] for row in points}
        assert "signup_rate" not in {row["metric_id"] for row in points}
