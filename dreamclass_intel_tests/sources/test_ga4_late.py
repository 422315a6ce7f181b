"""Shards that GA4 publishes anew after the days that are read again anyway."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from dreamclass_intel.clock import Clock
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.due import DUE, RANGE_END, RANGE_START
from dreamclass_intel.defs.ga4 import assets
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.sensors import Looked, changed, late_shards, ranges
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.sources.helpers import event

FIRST, LAST = dt.date(2024, 2, 1), dt.date(2024, 2, 7)
DAYS = [FIRST + dt.timedelta(days=n) for n in range(7)]
THEN = dt.datetime(2024, 2, 10, tzinfo=dt.UTC)
LATER = dt.datetime(2024, 3, 10, tzinfo=dt.UTC)


def shard(day: dt.date, modified: dt.datetime | None = THEN) -> Shard:
    return Shard(f"{day:%Y%m%d}", modified)


def test_only_newer_publications_of_loaded_days_before_the_trailing_ones_are_late() -> None:
    loaded = {day.isoformat() for day in DAYS[:6]}
    stored = dict.fromkeys(DAYS[:5], THEN)
    listed = [shard(DAYS[6], LATER), shard(DAYS[5]), *(shard(day) for day in DAYS[:2]), shard(DAYS[2], LATER)]
    # DAYS[5] was loaded when there was no shard; DAYS[6] is not loaded.
    assert [s.day for s in changed(listed, stored, loaded, LAST)] == [DAYS[2], DAYS[5]]
    assert [s.day for s in changed(listed, stored, loaded, DAYS[5])] == [DAYS[2]]
    assert changed([shard(DAYS[0], None)], stored, loaded, LAST) == []


def test_neighbouring_days_are_one_range() -> None:
    some = [shard(DAYS[n]) for n in (0, 1, 2, 4, 6)]
    assert [[s.day for s in group] for group in ranges(some)] == [DAYS[:3], [DAYS[4]], [DAYS[6]]]
    assert list(ranges([])) == []


@pytest.fixture
def export(settings_env: Any, sandbox: str, tmp_path: Path) -> Path:
    build_defs()  # first: assets made while one source is live are off for the rest, and for every later test
    where = tmp_path / "export"
    where.mkdir()
    settings_env(GA4_EXPORT_DIR=where, GA4_PROPERTY_ID="1", PII_KEY="k")
    for day in DAYS:
        publish(where, day, THEN)
    return where


def publish(where: Path, day: dt.date, at: dt.datetime) -> None:
    path = where / f"events_{day:%Y%m%d}.jsonl"
    path.write_text(json.dumps(event(date=f"{day:%Y%m%d}")) + "\n")
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_a_late_publication_is_asked_for_once_and_loaded(export: Path, materialise: Any, read: Any) -> None:
    instance = dg.DagsterInstance.ephemeral()
    repository = build_defs().get_repository_def()

    cursors: list[str | None] = [None]

    def tick() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursors[-1])
        found = late_shards(context, ga4=Ga4Resource(), clock=Clock(), warehouse=WarehouseResource())
        assert isinstance(found, dg.SensorResult)
        cursors.append(found.cursor)
        return list(found.run_requests or [])

    materialise([assets.ga4_events], FIRST.isoformat(), LAST.isoformat())
    for day in DAYS:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey(["raw", "ga4_events"]), partition=day.isoformat())
        )
    assert tick() == []
    publish(export, DAYS[2], LATER)
    publish(export, DAYS[3], LATER)
    (asked,) = tick()
    assert (asked.tags[RANGE_START], asked.tags[RANGE_END]) == (DAYS[2].isoformat(), DAYS[3].isoformat())
    under_way = create_run_for_test(instance, job_name="daily", tags=asked.tags, status=dg.DagsterRunStatus.STARTED)
    assert tick() == []
    instance.delete_run(under_way.run_id)
    materialise([assets.ga4_events], asked.tags[RANGE_START], asked.tags[RANGE_END])
    assert tick() == []
    newest = read("SELECT count(*) AS n FROM raw.ga4_events WHERE table_last_modified = ?", LATER.replace(tzinfo=None))
    assert newest == [{"n": 2}]


def test_what_is_stored_is_asked_for_only_when_a_shard_is_news(export: Path, materialise: Any) -> None:
    """On BigQuery the question reads two columns of all events."""
    instance, asked = dg.DagsterInstance.ephemeral(), list[str]()

    class Counting(WarehouseResource):
        def backend(self) -> Any:
            asked.append("backend")
            return super().backend()

    materialise([assets.ga4_events], FIRST.isoformat(), LAST.isoformat())
    cursor = None
    for expected in (1, 0, 0):
        asked.clear()
        context = dg.build_sensor_context(
            instance=instance, repository_def=build_defs().get_repository_def(), cursor=cursor
        )
        found = late_shards(context, ga4=Ga4Resource(), clock=Clock(), warehouse=Counting())
        assert len(asked) == expected
        assert isinstance(found, dg.SensorResult)
        cursor = found.cursor
    seen = Looked.read(cursor)
    assert Looked.read(seen.written()) == seen
    assert seen.is_news(Shard(f"{DAYS[0]:%Y%m%d}", LATER))
    assert not seen.is_news(Shard(f"{DAYS[0]:%Y%m%d}", THEN))
    assert seen.is_news(Shard(f"{seen.before:%Y%m%d}", THEN))  # too young to be looked at until now
    assert Looked.read("of another version") == Looked()


def test_a_shard_without_a_row_is_read_once(export: Path, materialise: Any) -> None:
    instance = dg.DagsterInstance.ephemeral()
    materialise([assets.ga4_events], FIRST.isoformat(), LAST.isoformat())
    key = dg.AssetKey(["raw", "ga4_events"])
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=FIRST.isoformat()))
    (export / f"events_{FIRST:%Y%m%d}.jsonl").write_text("")
    materialise([assets.ga4_events], FIRST.isoformat())
    context = dg.build_sensor_context(instance=instance, repository_def=build_defs().get_repository_def())
    tools = {"ga4": Ga4Resource(), "clock": Clock(), "warehouse": WarehouseResource()}
    found = late_shards(context, **tools)
    assert isinstance(found, dg.SensorResult)
    (asked,) = found.run_requests or []
    create_run_for_test(instance, job_name="daily", tags={DUE: asked.tags[DUE]}, status=dg.DagsterRunStatus.SUCCESS)
    again = late_shards(context, **tools)
    assert isinstance(again, dg.SensorResult)
    assert (again.run_requests, again.skip_reason is None) == ([], False)
