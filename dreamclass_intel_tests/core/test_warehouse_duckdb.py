"""What is DuckDB's own: file, lock, transaction, memory. What both warehouses promise: contract/test_warehouse*."""

import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import tenacity

from dreamclass_intel.loads import Extract
from dreamclass_intel.records import to_batch
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel.warehouse.duckdb_load import Load
from dreamclass_intel_tests.core.helpers import DAYS, load, table, things

D1, D2, D3 = DAYS[:3]


@pytest.fixture
def store(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / "w.duckdb")


def rows(store: DuckDBWarehouse, columns: str = "id, number, _load_partition") -> list[tuple[Any, ...]]:
    found = store.read(f"SELECT {columns} FROM raw.things ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in found]


def test_a_fault_in_the_middle_of_the_swap_rolls_everything_back(store, monkeypatch):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Load, "_quarantine", full)  # rows are deleted and inserted by then
    with pytest.raises(OSError, match="disk full"):
        store.write(declared, [D1], load(declared, things(("b", 2)), D1), "r2")
    assert rows(store, "id, number, _run_id") == [("a", 1, "r")]
    assert list((store.path.parent / "spool").iterdir()) == []


# --- the file --------------------------------------------------------------------------------------------------

OPEN = "import sys, duckdb; c = duckdb.connect(sys.argv[1])"


def test_an_exception_leaves_the_file_to_others(store):
    with pytest.raises(duckdb.CatalogException), store.connect() as con:
        con.execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1); DROP TABLE nonsense")
    with pytest.raises(duckdb.Error):
        store.read("SELECT nonsense")
    done = subprocess.run([sys.executable, "-c", OPEN, str(store.path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_another_processes_lock_is_waited_for(store, monkeypatch):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    holder = subprocess.Popen(
        [sys.executable, "-c", OPEN + "; print('held', flush=True); sys.stdin.read()", str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            holder.stdin.close()
            holder.wait(60)

    monkeypatch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=sleep))
    try:
        store.write(declared, [D1], load(declared, things(("b", 2)), D1), "r")
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()
    assert len(waits) == 3
    assert rows(store) == [("b", 2, D1)]


def test_a_file_that_cannot_be_opened_is_not_waited_for(tmp_path, monkeypatch):
    def sleep(_: float) -> None:
        raise AssertionError("waited")

    monkeypatch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=sleep))
    folder = tmp_path / "clock"  # a name that holds `lock`
    store = DuckDBWarehouse(folder / "w.duckdb")
    folder.rmdir()
    with pytest.raises(duckdb.IOException, match="clock"):
        store.read("SELECT 1")


def test_a_long_stream_fits_in_little_memory(tmp_path):
    count, width = 300_000, 400  # 120 MB of text
    store = DuckDBWarehouse(tmp_path / "w.duckdb", memory_limit="64MB")
    declared = table()
    filler, step = "x" * (width - 12), 10_000
    spooled: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, count, step):
            numbers = range(start, start + step)
            texts = [f"{n:012}{filler}" for n in numbers]
            yield to_batch(declared, list(zip(map(str, numbers), numbers, texts, [D1] * step, strict=True)))
            spooled.append(sum(1 for _ in (tmp_path / "spool").glob("*/*")))

    result = store.write(declared, [D1], Extract(batches()), "r")
    assert result.rows == count
    assert spooled == [1] * (count // step)
    found = store.read(
        "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(number) AS total FROM raw.things"
    ).to_pylist()
    assert found == [{"n": count, "ids": count, "total": count * (count - 1) // 2}]
    assert list((tmp_path / "spool").iterdir()) == []
