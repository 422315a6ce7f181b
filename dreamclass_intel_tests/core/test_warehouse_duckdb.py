"""The embedded warehouse: what each way of writing promises, whatever the order, the fault or the corruption."""

import itertools
import random
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import tenacity

from dreamclass_intel.contracts import QUARANTINE, Column, ContractError, Grain, Table, Type, Write
from dreamclass_intel.records import Extract, extract, to_batch
from dreamclass_intel.warehouse import duckdb as module
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.core.helpers import DAYS, load, table

D1, D2, D3 = DAYS[:3]


@pytest.fixture
def store(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / "w.duckdb")


def rows(store: DuckDBWarehouse, columns: str = "id, number, _load_partition") -> list[tuple[Any, ...]]:
    found = store.read(f"SELECT {columns} FROM raw.things ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in found]


def things(*numbers: tuple[str, int | None]) -> list[dict[str, Any]]:
    return [{"id": name, "number": number} for name, number in numbers]


def dated(declared: Table, *triples: tuple[str, int | None, str]) -> Extract:
    days = {name: day for name, _, day in triples}
    return extract(declared, things(*((n, v) for n, v, _ in triples)), lambda r: days[r["id"]])


# --- the three ways of writing ---------------------------------------------------------------------------------


def test_replace_replaces_the_partition_whole(store):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 1, D1), ("b", 2, D1), ("c", 3, D2)), "run1")
    result = store.write(declared, [D1], load(declared, things(("b", 20)), D1), "run2")
    assert (result.rows, result.duplicates, result.rejected) == (1, 0, 0)
    assert rows(store, "id, number, _load_partition, _run_id") == [("b", 20, D1, "run2"), ("c", 3, D2, "run1")]
    store.write(declared, [D2], load(declared, [], D2), "run3")
    assert rows(store) == [("b", 20, D1)]


def test_an_unpartitioned_table_is_replaced_whole(store):
    declared = table(grain=Grain.NONE)
    store.write(declared, None, load(declared, things(("a", 1), ("b", 2)), "all"), "r")
    store.write(declared, None, load(declared, things(("c", 3)), "all"), "r")
    assert rows(store) == [("c", 3, "all")]


def test_upsert_replaces_objects_by_key_and_keeps_the_rest(store):
    declared = table(Write.UPSERT)
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2)), D1), "r")
    store.write(declared, [D2], load(declared, things(("b", 20), ("c", 3)), D2), "r")
    assert rows(store) == [("a", 1, D1), ("b", 20, D2), ("c", 3, D2)]
    # The vendor's objects as they are now; the newest day that touched `b` stays on record.
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 21)), D1), "r")
    assert rows(store) == [("a", 1, D1), ("b", 21, D2), ("c", 3, D2)]
    store.write(declared, [D2], load(declared, [], D2), "r")
    assert len(rows(store)) == 3


def test_in_one_upsert_the_newest_day_then_the_last_read_wins(store):
    declared = table(Write.UPSERT)
    days = iter([D1, D2, D1, D2, D2])
    data = extract(declared, things(("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5)), lambda _: next(days))
    result = store.write(declared, [D1, D2], data, "r")
    assert rows(store) == [("a", 2, D2), ("b", 5, D2)]
    assert (result.rows, result.duplicates) == (2, 3)


def test_a_snapshot_of_a_range_keeps_older_snapshots(store):
    declared = table(Write.SNAPSHOT)
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    for number in (2, 3):
        store.write(declared, [D1, D2], load(declared, things(("a", number), ("b", number)), D2), "r")
        assert rows(store) == [("a", 1, D1), ("a", number, D2), ("b", number, D2)]
    store.write(declared, [D1, D2], load(declared, [], D2), "r")
    assert rows(store) == [("a", 1, D1)]


def test_a_snapshot_taken_before_the_ranges_end_replaces_itself(store):
    # The pipeline's clock may lie behind the newest partition that exists.
    declared = table(Write.SNAPSHOT)
    store.write(declared, [D3], load(declared, things(("a", 9)), D3), "r")
    for number in (1, 2):
        store.write(declared, [D1, D2, D3], load(declared, things(("a", number)), D2), "r")
    assert rows(store) == [("a", 2, D2), ("a", 9, D3)]
    assert store.audit(declared).problems == ()


# --- any order, any subset -------------------------------------------------------------------------------------


class Vendor:
    """Objects with the days that touched them, as the vendor answers today; and what happened each day."""

    def __init__(self, rng: random.Random) -> None:
        self.touched = {f"o{n}": sorted(rng.sample(DAYS, rng.randint(1, 3))) for n in range(12)}
        self.events = [(f"e{n}", rng.choice(DAYS)) for n in range(20)]

    def load(self, declared: Table, days: list[str], rng: random.Random) -> Extract:
        if declared.write is Write.UPSERT:
            found = [(name, day) for name, touched in self.touched.items() for day in touched if day in days]
        else:
            found = [(name, day) for name, day in self.events if day in days]
        found += rng.sample(found, len(found) // 3)  # pages overlap
        rng.shuffle(found)
        keys = iter([day for _, day in found])
        return extract(declared, [{"id": n, "number": len(n), "text": n} for n, _ in found], lambda _: next(keys))


def ranges(rng: random.Random) -> list[list[str]]:
    """All days cut into ranges in any order, then some again."""
    cuts = sorted(rng.sample(range(1, len(DAYS)), rng.randint(0, 2)))
    cut = [DAYS[a:b] for a, b in itertools.pairwise([0, *cuts, len(DAYS)])]
    rng.shuffle(cut)
    start = rng.randrange(len(DAYS))
    return [*cut, DAYS[start : start + rng.randint(1, 3)]]


@pytest.mark.parametrize(
    ("write", "seeds"), [(Write.REPLACE, range(25)), (Write.UPSERT, range(25, 50))], ids=["replace", "upsert"]
)
def test_fifty_permutations_give_one_content(tmp_path, write, seeds):
    declared, vendor = table(write), Vendor(random.Random(1))
    one = DuckDBWarehouse(tmp_path / "in-order.duckdb")
    one.write(declared, DAYS, vendor.load(declared, DAYS, random.Random(0)), "r")
    expected = one.content_hash(declared)
    store = DuckDBWarehouse(tmp_path / "permuted.duckdb")
    for seed in seeds:
        rng = random.Random(seed)
        for step in ranges(rng):
            store.write(declared, step, vendor.load(declared, step, rng), f"r{seed}")
        assert store.content_hash(declared) == expected, seed
        with store.connect() as con:
            con.execute("DELETE FROM raw.things")
    assert one.content_hash(declared) == expected


def test_the_hash_sees_rows_and_partitions_not_order_or_run(store):
    declared = table()
    seen = set()
    for numbers, day in (
        ([("a", 1), ("b", 2)], D1),
        ([("a", 1), ("b", 3)], D1),
        ([("a", 1)], D1),
        ([("a", None)], D1),
        ([], D1),
        ([("a", 1), ("b", 2)], D2),
    ):
        with store.connect() as con:
            con.execute("DROP TABLE IF EXISTS raw.things")
        hashes = set()
        for order in (numbers, numbers[::-1]):
            store.write(declared, [day], load(declared, things(*order), day), str(order))
            hashes.add(store.content_hash(declared))
        assert len(hashes) == 1
        seen |= hashes
    assert len(seen) == 6


def test_different_rows_have_different_hashes():
    nasty = [
        None,
        "NULL",
        "null",
        "",
        " ",
        "a",
        "a, b",
        "b",
        "'",
        "''",
        "\\",
        "\\'",
        '"',
        "(a",
        "a)",
        "{a: b}",
        "a\x00",
    ]
    declared = table(Write.REPLACE, Column("more", Type.STRING, "x"))
    con = duckdb.connect()
    con.execute("CREATE TABLE t (id VARCHAR, number BIGINT, text VARCHAR, more VARCHAR)")
    for text, more in itertools.product(nasty, nasty):
        con.execute("INSERT INTO t VALUES ('k', 1, ?, ?)", [text, more])
    (found,) = con.execute(f"SELECT count(DISTINCT {module._content(declared)}) FROM t").fetchone()
    assert found == len(nasty) ** 2


def test_moving_a_column_in_the_declaration_alters_no_row(store):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    moved = Table("raw", "things", "x", declared.columns[::-1], key=("id",))
    assert store.audit(moved).problems == ()
    store.write(moved, [D2], load(moved, things(("b", 2)), D2), "r")
    assert rows(store) == [("a", 1, D1), ("b", 2, D2)]
    assert store.audit(declared).problems == ()


# --- refusals leave everything as it was -----------------------------------------------------------------------


def test_identical_rows_are_stored_once(store):
    declared = table()
    result = store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2), ("a", 1), ("a", 1)), D1), "r")
    assert (result.rows, result.duplicates) == (2, 2)
    assert rows(store) == [("a", 1, D1), ("b", 2, D1)]


def broken(declared: Table) -> Iterator[Any]:
    yield from load(declared, things(("new", 1)), D1).batches
    raise ConnectionError("the vendor hung up")


BAD_LOADS: list[tuple[str, type[Exception], Callable[[Table], Extract]]] = [
    (
        r"raw\.things: different rows share the key \(id=a",
        ContractError,
        lambda t: load(t, things(("a", 1), ("a", 2)), D1),
    ),
    (
        r"raw\.things: different rows share the key \(id=a",
        ContractError,
        lambda t: extract(t, [{"id": "a", "_origin": D1}, {"id": "a", "_origin": D2}], lambda r: r["_origin"]),
    ),
    (
        rf"raw\.things: rows of partitions \['{D3}'\] in a load of {D1}\.\.{D2}",
        ContractError,
        lambda t: load(t, things(("n", 1)), D3),
    ),
    (
        r"raw\.things\.number: row 1",
        ContractError,
        lambda t: load(t, [*things(("n", 1)), {"id": "m", "number": "x"}], D1),
    ),
    ("hung up", ConnectionError, lambda t: Extract(broken(t))),
    (
        r"raw\.things: batch schema",
        ContractError,
        lambda t: load(table(Write.REPLACE, Column("z", Type.INT, "z")), things(("n", 1)), D1),
    ),
]


@pytest.mark.parametrize(("words", "kind", "make"), BAD_LOADS, ids=[b[0][:40] for b in BAD_LOADS])
def test_a_refused_load_leaves_the_old_rows_and_no_file(store, words, kind, make):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 7, D1), ("old", 8, D2)), "r")
    before = store.content_hash(declared)
    with pytest.raises(kind, match=words):
        store.write(declared, [D1, D2], make(declared), "r2")
    assert store.content_hash(declared) == before
    assert list((store.path.parent / "spool").iterdir()) == []


def test_a_fault_in_the_middle_of_the_swap_rolls_everything_back(store, monkeypatch):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(module, "_quarantine", full)  # rows are deleted and inserted by then
    with pytest.raises(OSError, match="disk full"):
        store.write(declared, [D1], load(declared, things(("b", 2)), D1), "r2")
    assert rows(store, "id, number, _run_id") == [("a", 1, "r")]
    assert list((store.path.parent / "spool").iterdir()) == []


def test_quarantined_records_are_replaced_with_their_partition(store):
    declared = table()

    def attempt(days: list[str], *records: dict[str, Any], day: str) -> int:
        data = extract(declared, records, day, on_bad="quarantine")
        return store.write(declared, days, data, "r").rejected

    bad = {"id": "a", "number": "many", "_origin": "f.csv row 1"}
    for _ in range(2):
        assert attempt([D1], bad, {"id": "b", "number": "more"}, {"id": "c"}, day=D1) == 2
    assert attempt([D2], {"id": "d", "number": "x"}, day=D2) == 1
    found = store.read("SELECT * FROM raw.quarantine ORDER BY _load_partition, origin NULLS LAST").to_pylist()
    assert [(r["table_name"], r["reason"], r["field"], r["origin"], r["_load_partition"]) for r in found] == [
        ("raw.things", "number: 'many' is not int64", "number", "f.csv row 1", D1),
        ("raw.things", "number: 'more' is not int64", "number", None, D1),
        ("raw.things", "number: 'x' is not int64", "number", None, D2),
    ]
    assert store.audit(declared).quarantined == 3
    assert attempt([D1], {"id": "a", "number": 1}, day=D1) == 0
    assert store.audit(declared).quarantined == 1
    assert store.audit(QUARANTINE).quarantined == 0


# --- schema changes --------------------------------------------------------------------------------------------


def test_a_new_column_is_added_and_old_rows_stay_sound(store):
    old, new = table(), table(Write.REPLACE, Column("more", Type.FLOAT, "x"), keep_raw=True)
    store.write(old, [D1], load(old, things(("a", 1), ("b", 2)), D1), "r")
    with store.connect() as con:
        con.execute("UPDATE raw.things SET number = 3 WHERE id = 'b'")
    store.write(new, [D2], load(new, [{"id": "c", "more": 0.5, "_raw": {"x": 1}}], D2), "r")
    assert rows(store, "id, number, more, _raw") == [
        ("a", 1, None, None),
        ("b", 3, None, None),
        ("c", None, 0.5, '{"x":1}'),
    ]
    assert store.audit(new).problems == ("row altered since it was loaded: b",)
    store.ensure([new])
    store.write(new, [D1], load(new, things(("a", 1), ("b", 2)), D1), "r")
    assert store.audit(new).problems == ()


def test_a_new_required_column_is_seen_to_be_missing_in_old_rows(store):
    old, new = table(), table(Write.REPLACE, Column("more", Type.FLOAT, "x", required=True))
    store.write(old, [D1], load(old, things(("a", 1)), D1), "r")
    store.ensure([new])
    assert store.audit(new).problems == ("more is null in 1 rows",)


OTHER_CONTRACTS = [
    Table("raw", "things", "x", (Column("id", Type.STRING, "k"), Column("number", Type.STRING, "n")), key=("id",)),
    Table("raw", "things", "x", (Column("id", Type.STRING, "k"),), key=("id",)),
]


@pytest.mark.parametrize("other", OTHER_CONTRACTS, ids=["type", "column"])
def test_any_other_schema_change_is_refused_with_the_sql_to_run(store, other):
    old = table()
    store.write(old, [D1], load(old, things(("a", 1)), D1), "r")
    before = store.content_hash(old)
    for attempt in (
        lambda: store.ensure([other]),
        lambda: store.write(other, [D1], load(other, [{"id": "z"}], D1), "r"),
    ):
        with pytest.raises(ContractError, match=r"raw\.things: stored columns differ .* DROP TABLE") as caught:
            attempt()
        assert store.content_hash(old) == before
    sql = "DROP TABLE" + str(caught.value).split("DROP TABLE")[1].split(";")[0]
    with store.connect() as con:
        con.execute(sql)
    store.write(other, [D1], load(other, [{"id": "z"}], D1), "r")
    assert rows(store, "id") == [("z",)]


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


# --- the audit -------------------------------------------------------------------------------------------------

CORRUPTIONS = {
    "null in a required column": (
        "ALTER TABLE raw.things ALTER id DROP NOT NULL; UPDATE raw.things SET id = NULL WHERE id = 'b'",
        "id is null in 1 rows",
    ),
    "null in a system column": (
        "ALTER TABLE raw.things ALTER _row_hash DROP NOT NULL; UPDATE raw.things SET _row_hash = NULL WHERE id = 'b'",
        "_row_hash is null in 1 rows",
    ),
    "duplicate key": ("INSERT INTO raw.things SELECT * FROM raw.things WHERE id = 'b'", "key stored twice: b"),
    "altered value": ("UPDATE raw.things SET number = 99 WHERE id = 'b'", "row altered since it was loaded: b"),
    "value lost": ("UPDATE raw.things SET number = NULL WHERE id = 'b'", "row altered since it was loaded: b"),
    "changed type": (
        "ALTER TABLE raw.things ALTER number TYPE VARCHAR",
        "column number is VARCHAR, not BIGINT",
    ),
    "dropped column": ("ALTER TABLE raw.things DROP COLUMN number", "column number is missing, not BIGINT"),
    "extra column": ("ALTER TABLE raw.things ADD COLUMN extra INT", "column extra is not declared"),
    "dropped table": ("DROP TABLE raw.things", "column id is missing, not VARCHAR"),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_audit_finds_a_corruption(store, corruption):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2), ("c", 3)), D1), "r")
    sound = store.audit(declared)
    assert (sound.rows, sound.problems) == (3, ())
    sql, problem = CORRUPTIONS[corruption]
    with store.connect() as con:
        con.execute(sql)
    assert problem in store.audit(declared).problems


def test_what_is_new_in_a_snapshot_is_its_day(store):
    declared = table(Write.SNAPSHOT)
    for day in (D1, D2):
        store.write(declared, [day], load(declared, things(("a", 1)), day), "r")
    assert store.audit(declared).problems == ()
    with store.connect() as con:
        con.execute(f"UPDATE raw.things SET _load_partition = '{D1}'")
    assert store.audit(declared).problems == (f"key stored twice: a, {D1}",)


def test_ensure_makes_empty_typed_tables_and_reading_binds(store):
    declared = table()
    store.ensure([declared, QUARANTINE])
    audit = store.audit(declared)
    assert (audit.rows, audit.problems, audit.quarantined) == (0, (), 0)
    store.write(declared, [D1], load(declared, [{"id": "x'; DROP TABLE raw.things; --"}], D1), "r")
    assert store.read("SELECT id FROM raw.things WHERE id = ?", ["x'; DROP TABLE raw.things; --"]).num_rows == 1
