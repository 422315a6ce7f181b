"""The headless driver on a real instance: it fills, it finds nothing left to do, and running again changes nothing."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import QUARANTINE, Grain, Table, Write
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.due import RANGE_END, RANGE_START
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.partitions import windows_until
from dreamclass_intel.settings import load_settings
from dreamclass_intel.update import update
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.conftest import NOW, REPOSITORY, START

NEWEST = NOW.date() - dt.timedelta(days=2)  # the day before closed less than 16 hours ago
DAYS = [(START + dt.timedelta(days=n)).isoformat() for n in range((NEWEST - START).days + 1)]
TABLES: list[Table] = [table for table in catalog.tables().values() if table is not QUARANTINE]


def hashes() -> dict[str, str]:
    warehouse = DuckDBWarehouse(load_settings().database)
    return {table.address: warehouse.content_hash(table) for table in TABLES}


@pytest.mark.slow
def test_a_fill_is_complete_and_running_any_of_it_again_changes_no_table(
    sandbox: str, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
    monkeypatch.chdir(tmp_path)  # dagster.yaml's folders are relative
    said: list[str] = []
    update(said.append)
    assert f"Days {START} to {NEWEST}" in said
    assert any("raw__ga4_events" in line and "rows)" in line for line in said)

    with dg.DagsterInstance.get() as instance:
        graph = build_defs().resolve_asset_graph()
        for table in TABLES:
            key = dg.AssetKey([table.schema, table.name])
            if table.grain is Grain.DAILY and graph.has(key):
                assert instance.get_materialized_partitions(key) == set(DAYS), table.address
        for metric in metrics():
            drawn = instance.get_materialized_partitions(dg.AssetKey(["xmr", metric.id]))
            assert len(drawn) == (6 if metric.table_grain is Grain.SCORING_WINDOW else 13), metric.id
        runs = instance.get_runs_count()
        update(said.append)
        assert instance.get_runs_count() == runs

        filled = hashes()
        assert len(set(filled.values())) > len(TABLES) - 4  # only a few tables are empty, and so alike
        defs = build_defs()

        def again(job: str, first: str, last: str, chosen: list[Table]) -> None:
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                tags={RANGE_START: first, RANGE_END: last},
                asset_selection=[dg.AssetKey([t.schema, t.name]) for t in chosen],
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            assert result.success

        daily = [t for t in TABLES if t.grain is Grain.DAILY and graph.has(dg.AssetKey([t.schema, t.name]))]
        for day in (DAYS[40], DAYS[3]):  # the past, out of order; snapshots of the past cannot be taken again
            again("daily", day, day, [t for t in daily if t.write is not Write.SNAPSHOT])
        again("daily", DAYS[-3], DAYS[-1], daily)
        windows = [w.key for w in windows_until(NOW.date())]
        scored = [t for t in TABLES if t.grain is Grain.SCORING_WINDOW and t.schema != "xmr"]
        again("score_window_tables", windows[2], windows[2], scored)
        again("score_window_tables", windows[0], windows[-2], scored)
        assert hashes() == filled

        # As after copy-warehouse: the tables are there, the models are not.
        warehouse = DuckDBWarehouse(load_settings().database)
        series = "SELECT * FROM marts.metric_series ORDER BY ALL"
        before, runs = warehouse.read(series), instance.get_runs_count()
        with warehouse.connect() as con:
            for schema in ("staging", "intermediate", "marts"):
                con.execute(f"DROP SCHEMA {schema} CASCADE")
        update(said.append)
        assert instance.get_runs_count() == runs + 1
        assert warehouse.read(series).equals(before)
        assert hashes() == filled
