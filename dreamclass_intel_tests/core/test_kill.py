"""SIGKILL at any moment of a load: every stored partition is wholly one version, and the file opens."""

import multiprocessing
import random
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pytest

from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.core.helpers import DAYS
from dreamclass_intel_tests.core.loader import ROWS, THINGS, load_versions

KILLS = 50
MAX_STEP_S = 0.3  # a kill falls within this after a message, however slow the machine


def receive(pipe: Connection) -> tuple[str, int]:
    assert pipe.poll(60), "the loader says nothing"
    return pipe.recv()


@pytest.mark.slow
def test_a_killed_load_leaves_old_or_new_partitions_never_a_mix(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "dreamclass_intel_tests.core.loader"])
    rng = random.Random(20240101)
    store = DuckDBWarehouse(tmp_path / "w.duckdb")
    store.ensure([THINGS])
    version, interrupted, survived = 0, 0, set()
    for kill in range(KILLS):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=load_versions, args=(store.path, version, theirs))
        process.start()
        theirs.close()
        try:
            message = receive(ours)
            for _ in range(rng.randint(0, 2)):
                message = receive(ours)
            # A load takes some 0.1 s; the process does not end by itself, so this is a moment within one.
            wait([process.sentinel], rng.random() ** 2 * MAX_STEP_S)
        finally:
            process.kill()
            process.join(60)
        try:
            while ours.poll():
                message = ours.recv()
        except EOFError:
            pass
        ours.close()
        process.close()
        interrupted += message[0] == "begin"
        version = message[1] + 1
        found = store.read(
            "SELECT _load_partition AS day, count(*) AS n, count(DISTINCT id) AS ids, min(number) AS low, "
            "max(number) AS high, min(_run_id) AS run, max(_run_id) AS last FROM raw.things GROUP BY 1"
        ).to_pylist()
        for row in found:
            assert (row["n"], row["ids"]) == (ROWS, ROWS), (kill, row)
            assert row["low"] == row["high"], (kill, row)
            assert row["run"] == row["last"] == str(row["low"]), (kill, row)
            assert row["low"] <= message[1]
        survived |= {row["low"] for row in found}
    assert interrupted >= KILLS // 5, "the kills missed the loads"
    assert len(survived) >= 10, "hardly any load got through"
    assert store.audit(THINGS).problems == ()
    assert {row["day"] for row in found} <= set(DAYS)
