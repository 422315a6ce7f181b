"""`dreamclass-intel copy-warehouse`: the pipeline's own tables move, and nobody asks for what has moved."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from dreamclass_intel import catalog
from dreamclass_intel.cli import app
from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Grain, Write
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.due import RANGE_END, RANGE_START
from dreamclass_intel.defs.automation.sensors import new_day
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.sensors import late_shards
from dreamclass_intel.defs.lead_scoring.sensors import windows_to_load
from dreamclass_intel.partitions import ScoringWindow, register_windows
from dreamclass_intel.run_launcher import update_lock
from dreamclass_intel.settings import load_settings
from dreamclass_intel.update import UpdateError, update
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.warehouse.protocol import Warehouse
from dreamclass_intel_tests.conftest import NOW, REPOSITORY, START
from dreamclass_intel_tests.core.helpers import DAYS, full_row, load
from dreamclass_intel_tests.scoring import LAST_WINDOW

NEWEST = NOW.date() - dt.timedelta(days=2)
ALL_DAYS = [(START + dt.timedelta(days=n)).isoformat() for n in range((NEWEST - START).days + 1)]
LOADED = ("core.dim_dates", "raw.stripe_subscriptions", "raw.stripe_invoices", "raw.ga4_events", "raw.swan_companies")
TAKEN = "raw.chartmogul_customers"  # a snapshot
SCORED = ("raw.lead_scoring_runs", "raw.lead_scoring_lead_scores", "core.lqi")
_numbers = itertools.count()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["copy-warehouse", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def bigquery(settings_env: Callable[..., None], bigquery_endpoint: str) -> Callable[[str], Warehouse]:
    """Have an empty BigQuery beside this test's DuckDB; `bigquery("duckdb")` puts the settings on either."""
    project = f"copy-{next(_numbers)}"
    settings_env(BIGQUERY_PROJECT=project, BIGQUERY_API_ENDPOINT=bigquery_endpoint, BIGQUERY_RETRY_S=5)

    def use(kind: str) -> Warehouse:
        settings_env(WAREHOUSE=kind)
        return WarehouseResource().backend()

    return use


def content(warehouse: Warehouse) -> dict[str, str]:
    stored = [table for table in catalog.tables().values() if warehouse.exists(table.address)]
    return {table.address: warehouse.content_hash(table) for table in stored}


# --- what the pipeline loaded ----------------------------------------------------------------------------------


@pytest.fixture
def instance(sandbox: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's memory as it lies on disk."""
    home = tmp_path / "home"
    home.mkdir()
    config = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8").replace(".state/dagster", f"{home}/dagster")
    (home / "dagster.yaml").write_text(config)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as found:
        yield found


def keys(*addresses: str) -> list[dg.AssetKey]:
    return [dg.AssetKey(address.split(".")) for address in addresses]


def fill(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    """Load some tables from the sandbox; of the others Dagster only remembers that they are."""

    def load_range(job: str, first: str, last: str, *addresses: str) -> None:
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags={RANGE_START: first, RANGE_END: last},
            asset_selection=keys(*addresses),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert result.success

    load_range("daily", ALL_DAYS[0], ALL_DAYS[-1], *LOADED)
    load_range("daily", ALL_DAYS[-1], ALL_DAYS[-1], TAKEN)
    register_windows(instance, ScoringWindow.from_key(LAST_WINDOW))
    load_range("score_window_tables", ALL_DAYS[0], LAST_WINDOW, *SCORED)
    assert asked_for(defs, instance), "the other tables are still to be loaded"
    graph = defs.resolve_asset_graph()
    for table in catalog.tables().values():
        (key,) = keys(table.address)
        if graph.has(key) and table.grain is Grain.DAILY and table.address not in LOADED:
            for day in ALL_DAYS:
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))


def asked_for(defs: dg.Definitions, instance: dg.DagsterInstance) -> list[object]:
    """All that the sensors and `update` would load."""
    repository, found = defs.get_repository_def(), list[object]()
    for sensor, resources in (
        (new_day, {"clock": Clock()}),
        (late_shards, {"clock": Clock(), "ga4": Ga4Resource(), "warehouse": WarehouseResource()}),
    ):
        context = dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources)
        answer = sensor(context)
        found += answer.run_requests or [] if isinstance(answer, dg.SensorResult) else []
    return found + windows_to_load(ScoringWindow.from_key(LAST_WINDOW))


@pytest.mark.slow
def test_nothing_that_moved_is_asked_for_again(instance, bigquery):
    defs, duckdb = build_defs(), bigquery("duckdb")
    fill(defs, instance)
    assert asked_for(defs, instance) == []
    before = content(duckdb)
    assert {catalog.table(a).write for a in before} == set(Write)

    # Only switched over, it would be an empty warehouse that nobody fills.
    bigquery("bigquery")
    with pytest.raises(UpdateError, match=r"Dagster remembers loads, but BigQuery's project copy-\d+ holds none"):
        update(lambda _line: None)

    code, text = run("--to", "bigquery")
    assert code == 0, text
    assert text.splitlines()[-1].endswith("Now set WAREHOUSE=bigquery and run `update`.")
    assert asked_for(defs, instance) == []
    assert content(bigquery("bigquery")) == before
    code, text = run("--to", "bigquery")
    assert (code, text.splitlines()[-1].split(";")[0]) == (0, "0 rows copied")

    # And back, into a new file.
    load_settings().database.unlink()
    bigquery("bigquery")
    small = [address for address in before if address != "raw.ga4_events"]  # 40,000 rows as JSON take half a minute
    assert run("--to", "duckdb", *itertools.chain(*(("--table", address) for address in small)))[0] == 0
    assert content(bigquery("duckdb")) == {address: before[address] for address in small}
    assert windows_to_load(ScoringWindow.from_key(LAST_WINDOW)) == []


# --- the command -----------------------------------------------------------------------------------------------

SMALL = ("core.dim_dates", "raw.g2_buyer_intent")


@pytest.fixture
def small(bigquery: Callable[[str], Warehouse]) -> Callable[[str], Warehouse]:
    """Two tables of one row in DuckDB."""
    warehouse = bigquery("duckdb")
    for table in map(catalog.table, SMALL):
        warehouse.write(table, [DAYS[0]], load(table, [full_row(table)], DAYS[0]), "r")
    return bigquery


def test_one_table_at_a_time(small):
    code, text = run("--to", "bigquery", "--table", "core.dim_dates", "--table", "xmr.points")
    assert code == 0
    first, second, third, last = text.splitlines()
    assert first == f"  core.dim_dates: 1 rows copied, up to {DAYS[0]}"
    assert second.startswith("core.dim_dates: 1 copied, 1 rows, equal on both sides (")
    assert third == "xmr.points: not in duckdb, nothing to copy"
    assert last.startswith("1 rows copied; every table is equal on both sides.")
    assert not small("bigquery").exists("raw.g2_buyer_intent")
    code, text = run("--to", "bigquery", "--table", "raw.nothings")
    assert (code, text) == (1, "dreamclass-intel: no such table is declared: raw.nothings\n")


def test_an_altered_row_is_told_and_the_other_tables_are_copied(small):
    warehouse = small("duckdb")
    assert isinstance(warehouse, DuckDBWarehouse)
    with warehouse.connect() as con:
        con.execute("UPDATE core.dim_dates SET iso_week = 60")
    code, text = run("--to", "bigquery")
    assert code == 1
    assert f"NOT EQUAL  core.dim_dates is not the same on both sides in {DAYS[0]}; source: row altered since" in text
    assert "raw.g2_buyer_intent: 1 copied, 1 rows, equal on both sides" in text
    assert text.splitlines()[-1] == "dreamclass-intel: 1 tables are not equal on both sides: core.dim_dates"


def test_what_is_missing_is_said_in_one_line(settings_env, bigquery_endpoint):
    code, text = run("--to", "bigquery")
    assert (code, text.count("\n"), "to copy from" in text) == (1, 1, True)
    load_settings().state_dir.mkdir(parents=True)
    table = catalog.table("core.dim_dates")
    WarehouseResource().backend().ensure([table])
    code, text = run("--to", "bigquery")
    assert (code, "needs BIGQUERY_PROJECT" in text) == (1, True)
    settings_env(BIGQUERY_PROJECT="school", BIGQUERY_API_ENDPOINT="http://127.0.0.1:1", BIGQUERY_RETRY_S=0)
    code, text = run("--to", "bigquery")
    last = text.splitlines()[-1]
    assert (code, last.startswith("dreamclass-intel: "), last.endswith("run it again to go on")) == (1, True, True)
    assert "Traceback" not in text
    assert run("--to", "oracle")[0] == 2


def test_nothing_is_copied_beside_an_update(small):
    with update_lock():
        code, text = run("--to", "bigquery")
    assert (code, text) == (1, "dreamclass-intel: an update is running: wait for its end\n")
