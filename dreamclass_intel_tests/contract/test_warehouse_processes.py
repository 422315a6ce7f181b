"""Loads beside each other and loads that die, on either warehouse."""

import datetime as dt
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse
from dreamclass_intel.warehouse.bigquery_staging import STAGING_LIFE
from dreamclass_intel_tests.contract.loader import ROWS, stop_before_swap, version, write_often
from dreamclass_intel_tests.contract.stores import leftovers, rows
from dreamclass_intel_tests.core.helpers import DAYS, load, table

D1, D2 = DAYS[:2]


def started(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "dreamclass_intel_tests.contract.loader"])
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def told(pipe: Connection) -> Any:
    assert pipe.poll(120), "the loader says nothing"
    return pipe.recv()


def test_a_load_killed_before_its_swap_leaves_the_old_rows(place, store):
    declared = table()
    store.write(declared, [D1], load(declared, version(1), D1), "r")
    before = store.content_hash(declared)
    process, pipe = started(stop_before_swap, place, D1)
    try:
        assert told(pipe) == "staged"
    finally:
        process.kill()
        process.join(60)
        pipe.close()
    assert store.content_hash(declared) == before
    left = leftovers(store)
    assert left, "it was killed before it wrote anything"
    if isinstance(store, BigQueryWarehouse):  # nobody is left to drop it, so it goes by itself
        (staged,) = [name for name in left if "__load_" in name]
        expires = store.client.get_table(f"{store.client.project}.{store.settings.dataset_prefix}raw.{staged}").expires
        assert dt.timedelta() < expires - dt.datetime.now(dt.UTC) <= STAGING_LIFE
        by_name = [name for name in left if name != staged]
    else:
        staged, by_name = "", left
    assert len(by_name) == 1
    store.write(declared, [D1], load(declared, version(3), D1), "r")
    assert rows(store) == [(row["id"], 3, D1) for row in sorted(version(3), key=lambda r: r["id"])]
    assert leftovers(store) == ([staged] if staged else [])
    assert store.audit(declared).problems == ()


@pytest.mark.slow
def test_two_partitions_are_replaced_beside_each_other(place, store):
    if place.kind == "bigquery" and "LOCAL_BIGQUERY" in os.environ:
        pytest.skip(
            "local-bigquery's catalogue refuses tables that two processes make at once, as a wrong request (400)"
        )
    declared, times = table(), 5
    store.ensure([declared])
    loaders = [started(write_often, place, day, times) for day in (D1, D2)]
    try:
        for _, pipe in loaders:
            assert told(pipe) == "ready"
        for _, pipe in loaders:
            pipe.send("go")
        for _, pipe in loaders:
            assert told(pipe) == "done"
    finally:
        for process, pipe in loaders:
            process.kill()
            process.join(60)
            pipe.close()
    found = store.read(
        "SELECT _load_partition AS day, count(*) AS n, min(number) AS low, max(number) AS high, min(_run_id) AS run, "
        f"max(_run_id) AS last FROM {store.name('raw.things')} GROUP BY _load_partition ORDER BY _load_partition"
    ).to_pylist()
    assert found == [
        {"day": day, "n": ROWS, "low": times, "high": times, "run": f"{day} {times}", "last": f"{day} {times}"}
        for day in (D1, D2)
    ]
    assert leftovers(store) == []
