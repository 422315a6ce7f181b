"""Dagster's event log in batches tells the same as the stock one, event by event."""

import datetime as dt
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage

from dreamclass_intel.event_log import MAX_OPEN_RUN_SHARDS, BatchedSqliteEventLogStorage

DAYS = [(dt.date(2024, 1, 1) + dt.timedelta(days=n)).isoformat() for n in range(40)]
KEY = dg.AssetKey("daily")


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"), backfill_policy=dg.BackfillPolicy.single_run())
def daily(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log_event(dg.AssetObservation("daily", metadata={"seen": len(context.partition_keys)}))
    return dg.MaterializeResult(metadata={"n": len(context.partition_keys)})


@dg.asset_check(asset=daily, blocking=True)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, metadata={"n": 1})


@dg.asset(deps=[daily])
def whole() -> None: ...


def instance_over(folder: Path, kind: type[SqliteEventLogStorage]) -> Any:
    folder.mkdir()
    where = {"module": kind.__module__, "class": kind.__name__, "config": {"base_dir": str(folder / "events")}}
    return dg.instance_for_test(temp_dir=str(folder), overrides={"event_log_storage": where})


def run(instance: dg.DagsterInstance, first: str, last: str) -> str:
    defs = dg.Definitions(assets=[daily, whole], asset_checks=[sound], jobs=[dg.define_asset_job("all", selection="*")])
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    result = defs.resolve_job_def("all").execute_in_process(instance=instance, tags=tags)
    assert result.success
    return result.run_id


def story(instance: dg.DagsterInstance, run_ids: list[str]) -> dict[str, Any]:
    """What Dagster shows of the runs, without ids and times of day."""
    storage = instance.event_log_storage
    numbered = {run_id: n for n, run_id in enumerate(run_ids)}
    pages, cursor = [], None
    while True:
        page = instance.fetch_materializations(KEY, limit=15, cursor=cursor)
        pages += page.records
        if not page.has_more:
            break
        cursor = page.cursor
    ids = [record.storage_id for record in pages]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids)
    latest = instance.get_latest_materialization_event(KEY)
    entry = instance.get_asset_records([KEY])[0].asset_entry
    one_day = dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[DAYS[3]])
    planned = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, asset_key=KEY)
    (check,) = storage.get_asset_check_execution_history(check_key=next(iter(sound.check_keys)), limit=1)
    return {
        "partitions": instance.get_materialized_partitions(KEY),
        "latest": (latest.asset_materialization.partition, numbered[latest.run_id]),
        "counts": [Counter(log.dagster_event_type for log in instance.all_logs(r)) for r in run_ids],
        "order": [[(log.dagster_event_type, log.step_key) for log in instance.all_logs(r)] for r in run_ids],
        "fetched": [(record.partition_key, numbered[record.run_id]) for record in pages],
        "ascending": [r.partition_key for r in instance.fetch_materializations(KEY, limit=99, ascending=True).records],
        "one day": [r.partition_key for r in instance.fetch_materializations(one_day, limit=9).records],
        "observed": len(instance.fetch_observations(KEY, limit=99).records),
        "planned": len(storage.get_event_records(planned, limit=99)),
        "record": (numbered[entry.last_run_id], entry.last_materialization.asset_materialization.partition),
        "check": (check.status, numbered[check.run_id]),
        "assets": sorted(key.to_string() for key in instance.all_asset_keys()),
        "run counts": [storage.get_stats_for_run(r).materializations for r in run_ids],
    }


def test_a_ranged_run_reads_the_same_from_both(tmp_path, monkeypatch):
    stories = {}
    for kind, size in ((SqliteEventLogStorage, 0), (BatchedSqliteEventLogStorage, 16)):
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(size))
        with instance_over(tmp_path / f"{kind.__name__}{size}", kind) as instance:
            assert type(instance.event_log_storage) is kind
            stories[kind, size] = story(instance, [run(instance, DAYS[0], DAYS[-1]), run(instance, DAYS[3], DAYS[9])])
    stock, *others = stories.values()
    assert stock["partitions"] == set(DAYS)
    assert len(stock["fetched"]) == 47
    assert stock["observed"] == 2
    for other in others:
        for name, expected in stock.items():
            assert other[name] == expected, name


def events_of_a_run(tmp_path: Path) -> list[EventLogEntry]:
    with instance_over(tmp_path / "made", SqliteEventLogStorage) as instance:
        return list(instance.all_logs(run(instance, DAYS[0], DAYS[5])))


TABLES = {
    "event_logs": "event, dagster_event_type, step_key, asset_key, partition, run_id",
    "asset_keys": "asset_key, last_run_id, last_materialization, last_materialization_timestamp",
    "asset_event_tags": "asset_key, key, value, event_id",
    "asset_check_executions": "asset_key, check_name, execution_status, partition",
}


def stored(folder: Path, run_id: str) -> dict[str, list[Any]]:
    found = {}
    for shard, tables in (("index", list(TABLES)), (run_id, ["event_logs"])):
        con = sqlite3.connect(folder / f"{shard}.db")
        for table in tables:
            found[f"{shard}.{table}"] = con.execute(f"SELECT {TABLES[table]} FROM {table} ORDER BY id").fetchall()
        con.close()
    return found


def test_any_batch_leaves_what_single_events_leave(tmp_path):
    events = events_of_a_run(tmp_path)
    run_id = events[0].run_id
    ours = [e for e in events if e.is_dagster_event and e.dagster_event_type in ASSET_EVENTS]
    kinds = Counter(e.dagster_event_type.value for e in ours)
    assert kinds["ASSET_MATERIALIZATION"] == 7
    assert kinds["ASSET_OBSERVATION"] == 1
    orders = {
        "all": events,  # run, step and check events among them: goes the stock way
        "asset events": ours,
        "reversed": ours[::-1],  # plans and observations after materialisations
        "one": ours[:1],
    }
    for name, order in orders.items():
        stock = SqliteEventLogStorage(str(tmp_path / f"stock {name}"))
        batched = BatchedSqliteEventLogStorage(str(tmp_path / f"batched {name}"))
        for event in order:
            stock.store_event(event)
        batched.store_event_batch(order)
        assert batched.get_logs_for_run(run_id) == stock.get_logs_for_run(run_id)
        assert stored(tmp_path / f"batched {name}", run_id) == stored(tmp_path / f"stock {name}", run_id), name
        stock.dispose()
        batched.dispose()


def test_a_failing_batch_leaves_no_half_in_the_index(tmp_path, monkeypatch):
    ours = [e for e in events_of_a_run(tmp_path) if e.is_dagster_event and e.dagster_event_type in ASSET_EVENTS]
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "events"))

    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_upsert_asset", broken)
        with pytest.raises(sqlite3.OperationalError, match="disk full"):
            storage.store_event_batch(ours)
    assert stored(tmp_path / "events", ours[0].run_id)["index.event_logs"] == []
    storage.store_event_batch(ours)
    assert len(stored(tmp_path / "events", ours[0].run_id)["index.event_logs"]) == len(ours)


def test_many_runs_keep_few_files_open(tmp_path):
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "events"))
    base = next(
        e for e in events_of_a_run(tmp_path) if e.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    runs = [f"run-{n}" for n in range(3 * MAX_OPEN_RUN_SHARDS)]
    for _ in range(2):
        for run_id in runs:
            storage.store_event_batch([base._replace(run_id=run_id)] * 2)
    assert len(storage._engines) <= MAX_OPEN_RUN_SHARDS + 2
    assert [len(storage.get_logs_for_run(run_id)) for run_id in runs] == [4] * len(runs)


WRITER = """
import sys, time
import dagster as dg
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dreamclass_intel.event_log import BatchedSqliteEventLogStorage

folder, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
storage = BatchedSqliteEventLogStorage(folder)

def event(n):
    # Dagster indexes tags with this prefix alone.
    made = dg.AssetMaterialization(["shared"], description=str(n), tags={"dagster/partition/writer": name})
    inner = DagsterEvent("ASSET_MATERIALIZATION", "job", event_specific_data=StepMaterializationData(made))
    return EventLogEntry(None, 20, "", name, time.time(), "step", "job", inner)

print("ready", flush=True)
sys.stdin.readline()
for batch in range(batches):
    storage.store_event_batch([event(batch * 20 + n) for n in range(20)])
storage.dispose()
"""


def test_two_processes_write_at_once(tmp_path):
    folder, batches = tmp_path / "events", 25
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), name, str(batches)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    storage = BatchedSqliteEventLogStorage(str(folder))
    storage_order = [
        (r.run_id, r.event_log_entry.asset_materialization.description)
        for r in storage.fetch_materializations(dg.AssetKey("shared"), limit=9999, ascending=True).records
    ]
    found = {name: [n for run_id, n in storage_order if run_id == name] for name in ("one", "two")}
    assert [len(storage.get_logs_for_run(name)) for name in found] == [20 * batches] * 2
    assert found["one"] == found["two"] == [str(n) for n in range(20 * batches)]
    tags = stored(folder, "one")["index.asset_event_tags"]
    owner = {r.storage_id: r.run_id for r in storage.fetch_materializations(dg.AssetKey("shared"), limit=9999).records}
    assert len(owner) == 40 * batches
    assert {event_id: value for _, _, value, event_id in tags} == owner
    storage.dispose()
