"""Real runs over the IO manager, on either warehouse: one partition, a range, none; what the run then shows."""

from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Grain, Write
from dreamclass_intel.http import SourceError
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import asset_settings, days
from dreamclass_intel.warehouse.io_manager import WarehouseIOManager, WarehouseResource
from dreamclass_intel_tests.contract import proxy
from dreamclass_intel_tests.core.helpers import DAYS, table
from dreamclass_intel_tests.sources.helpers import failure

THINGS = table()
WHOLE = table(name="whole", grain=Grain.NONE)
COPY = table(name="copies")
FRAME = table(name="frames", grain=Grain.NONE)


@pytest.fixture
def run(either_warehouse, monkeypatch):
    """`run([assets], first, last)`: a real run whose tables are those above."""
    declared = {t.address: t for t in (THINGS, WHOLE, COPY, FRAME)}
    monkeypatch.setattr(catalog, "tables", lambda: declared)
    warehouse = WarehouseResource()
    resources = {"warehouse": warehouse, "warehouse_io": WarehouseIOManager(warehouse=warehouse)}
    instance = dg.DagsterInstance.ephemeral()

    def execute(assets: list[Any], first: str | None = None, last: str | None = None, **kwargs: Any) -> Any:
        keys = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        defs = dg.Definitions(assets=assets, resources=resources, jobs=[dg.define_asset_job("run", selection="*")])
        job = defs.resolve_job_def("run")
        return job.execute_in_process(instance=instance, tags=keys if first else {}, **kwargs)

    return execute


@dg.asset(**asset_settings(THINGS))
def things(context: dg.AssetExecutionContext) -> Extract:
    records = [{"id": f"{day} {n}", "number": n, "_origin": day} for day in context.partition_keys for n in range(2)]
    return extract(THINGS, [*records, records[0]], lambda r: r["_origin"], metadata={"requests": 3})


@dg.asset(**asset_settings(COPY))
def copies(things: pa.Table) -> pa.Table:
    assert isinstance(things, pa.Table)
    return things.select(["id", "number", "text", "_load_partition"])


@dg.asset(**asset_settings(WHOLE))
def whole() -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b"], "number": [1, None]})


@dg.asset(**asset_settings(FRAME))
def frames(whole: pd.DataFrame) -> pd.DataFrame:
    assert isinstance(whole, pd.DataFrame)
    return whole[["id"]]


def metadata(result: dg.ExecuteInProcessResult, name: str) -> list[tuple[str | None, dict[str, Any]]]:
    events = result.asset_materializations_for_node(f"raw__{name}")
    return [(m.partition, {k: v.value for k, v in m.metadata.items()}) for m in events]


def test_one_partition(run, read):
    shown = metadata(run([things], DAYS[0]), "things")
    assert [partition for partition, _ in shown] == [DAYS[0]]
    expected = {"dagster/partition_row_count": 2, "duplicates_dropped": 1, "quarantined": 0, "requests": 3}
    assert shown[0][1].items() >= expected.items()
    assert read("SELECT id, _load_partition FROM raw.things ORDER BY 1") == [
        {"id": f"{DAYS[0]} {n}", "_load_partition": DAYS[0]} for n in range(2)
    ]


def test_a_range_is_one_write_and_one_materialisation_a_partition(run, read):
    result = run([things, copies], DAYS[1], DAYS[3])
    assert [p for p, _ in metadata(result, "things")] == DAYS[1:4]
    assert metadata(result, "things")[0][1]["dagster/partition_row_count"] == 6
    runs = read("SELECT DISTINCT _run_id, _loaded_at FROM raw.things")
    assert [row["_run_id"] for row in runs] == [result.run_id]
    counts = read("SELECT _load_partition AS day, count(*) AS n FROM raw.copies GROUP BY 1 ORDER BY 1")
    assert counts == [{"day": day, "n": 2} for day in DAYS[1:4]]


def test_an_input_holds_only_the_partitions_of_the_run(run, read):
    run([things], DAYS[0], DAYS[4])
    run([things.to_source_asset(), copies], DAYS[2])
    assert read("SELECT DISTINCT _load_partition AS day FROM raw.copies") == [{"day": DAYS[2]}]


def test_an_unpartitioned_table_is_written_and_read_whole(run, read):
    result = run([whole, frames])
    assert metadata(result, "whole")[0][1]["dagster/row_count"] == 2
    assert read("SELECT id, number, _load_partition AS p FROM raw.whole ORDER BY id") == [
        {"id": "a", "number": 1, "p": "all"},
        {"id": "b", "number": None, "p": "all"},
    ]
    assert len(read("SELECT * FROM raw.frames")) == 2


def test_an_input_that_was_never_written_is_empty_and_typed(run, read):
    run([whole.to_source_asset(), frames])
    assert read("SELECT count(*) AS n FROM raw.frames") == [{"n": 0}]


def attempt(run: Any, value: Any, first: str, last: str) -> str:
    @dg.asset(**asset_settings(THINGS, retry_policy=dg.RetryPolicy(max_retries=2)))
    def things(context: dg.AssetExecutionContext) -> Any:
        return value()

    result = run([things], first, last, raise_on_error=False)
    assert not result.success
    assert not result.get_asset_materialization_events()
    failures = [e for e in result.all_events if e.is_step_failure]
    retried = [e for e in result.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"]
    error = failures[0].step_failure_data.error
    return f"retries={len(retried)} {error.to_string()}"


def test_what_an_asset_may_not_return_is_said(run, read):
    assert "an asset returns an Extract, a pa.Table or a DataFrame" in attempt(run, lambda: [1], DAYS[0], DAYS[0])
    one = pa.table({"id": ["a"]})
    assert "rows of a range need a _load_partition column" in attempt(run, lambda: one, DAYS[0], DAYS[1])
    assert "undeclared columns ['x']" in attempt(run, lambda: pa.table({"id": ["a"], "x": [1]}), DAYS[0], DAYS[0])
    assert not WarehouseResource().backend().exists(THINGS.address)


@pytest.mark.parametrize(("status", "retries"), [(403, 0), (503, 2)])
def test_a_vendors_words_reach_the_run_when_it_fails_mid_stream(run, status, retries):
    def stream() -> Any:
        yield from extract(THINGS, [{"id": "a"}], DAYS[0]).batches
        raise SourceError("swan", "GET /visits", "no such luck", status=status)

    told = attempt(run, lambda: Extract(stream()), DAYS[0], DAYS[0])
    assert told.startswith(f"retries={retries} ")
    assert f"swan GET /visits: HTTP {status} no such luck" in told


def test_a_snapshot_of_a_range_leaves_older_days(run, read, monkeypatch):
    declared = table(Write.SNAPSHOT, name="shots")
    monkeypatch.setattr(catalog, "tables", lambda: {declared.address: declared})

    @dg.asset(**asset_settings(declared))
    def shots(context: dg.AssetExecutionContext) -> Extract:
        return extract(declared, [{"id": "a"}], days(context).last.isoformat())

    run([shots], DAYS[0])
    run([shots], DAYS[0], DAYS[3])
    assert read("SELECT _load_partition AS day FROM raw.shots ORDER BY 1") == [{"day": DAYS[0]}, {"day": DAYS[3]}]


def test_what_google_refuses_for_good_is_tried_once(settings_env, bigquery_endpoint, monkeypatch):
    monkeypatch.setattr(catalog, "tables", lambda: {THINGS.address: THINGS})
    warehouse = WarehouseResource()
    resources = {"warehouse": warehouse, "warehouse_io": WarehouseIOManager(warehouse=warehouse)}
    job = dg.Definitions([things], resources=resources, jobs=[dg.define_asset_job("run")]).resolve_job_def("run")
    with proxy.before(bigquery_endpoint) as between:
        settings_env(
            WAREHOUSE="bigquery", BIGQUERY_PROJECT="refused", BIGQUERY_API_ENDPOINT=between.url, BIGQUERY_RETRY_S=5
        )
        between.faults += [proxy.Fault(lambda asked: bool(asked.query), 403, "accessDenied")] * 3
        result = job.execute_in_process(partition_key=DAYS[0], raise_on_error=False)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert "no such luck" in failure(result)
    assert len(between.queries()) == 1
