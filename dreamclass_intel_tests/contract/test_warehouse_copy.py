"""From one warehouse into the other, both ways: every row with its partition, load time and run, and the proof."""

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import QUARANTINE, Column, ContractError, Grain, Table, Type, Write
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse import copying
from dreamclass_intel.warehouse.copying import CopyError, Mark, chunks, copy, marks
from dreamclass_intel_tests.contract.stores import Store, by_hand, leftovers, rows
from dreamclass_intel_tests.contract.test_warehouse_content import TYPED, typed_rows
from dreamclass_intel_tests.core.helpers import DAYS, dated, full_row, load, partitions_of, table, things

D1, D2, D3 = DAYS[:3]
WRITES = {
    "replace": table(),
    "upsert": table(Write.UPSERT, Column("changed_at", Type.TIMESTAMP, "Last change"), version="changed_at"),
    "snapshot": table(Write.SNAPSHOT),
}


def filled(store: Store, declared: Table) -> None:
    """A history: three days, one of them loaded again, rows that moved to a later day."""
    store.write(declared, [D1, D2], dated(declared, ("a", 1, D1), ("b", 2, D1), ("c", 3, D2)), "first run")
    store.write(declared, [D2], load(declared, things(("c", 4), ("d", None)), D2), "second run")
    kept = () if declared.write is Write.REPLACE else (("a", 5),)
    store.write(declared, [D3], load(declared, things(*kept, ("e", 6)), D3), "third run")


def whole(store: Store, declared: Table) -> list[dict[str, Any]]:
    """Every row with all its stored columns, but the day that BigQuery partitions by."""
    found = store.read(f"SELECT * FROM {store.name(declared.address)}").select(
        [c.name for c in declared.stored_columns]
    )
    return sorted(found.to_pylist(), key=lambda row: (row["_load_partition"], row["_row_hash"]))


@pytest.fixture(params=["to bigquery", "to duckdb"])
def way(request: pytest.FixtureRequest, both: list[Store]) -> tuple[Store, Store]:
    """Source and target."""
    source, target = both
    return (source, target) if request.param == "to bigquery" else (target, source)


def silent(_line: str) -> None:
    pass


# --- scan and restore ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", WRITES.values(), ids=WRITES)
def test_a_scan_gives_the_rows_of_the_partitions_asked_for(store, declared):
    filled(store, declared)
    everything = pa.Table.from_batches(store.scan(declared), declared.copied_schema)
    assert everything.schema.names[-3:] == ["_load_partition", "_loaded_at", "_run_id"]
    assert everything.num_rows == len(rows(store))
    some = pa.Table.from_batches(store.scan(declared, [D2, D3]), declared.copied_schema).to_pylist()
    assert {row["_load_partition"] for row in some} <= {D2, D3}
    stored = [row for row in rows(store, "id, number, _run_id, _load_partition") if row[3] != D1]
    assert sorted((r["id"], r["number"] or 0, r["_run_id"]) for r in some) == [(i, n or 0, r) for i, n, r, _ in stored]
    assert sum(batch.num_rows for batch in store.scan(declared, [])) == 0


@pytest.mark.parametrize("declared", WRITES.values(), ids=WRITES)
def test_restored_rows_take_the_partitions_place_whatever_the_table_is_written_by(store, declared):
    filled(store, declared)
    kept = [row for row in whole(store, declared) if row["_load_partition"] != D2]
    moment = dt.datetime(2023, 5, 6, 7, 8, 9, 123456)
    new = {"id": "z", "number": 9, "_load_partition": D2, "_loaded_at": moment, "_run_id": "long ago"}
    batch = pa.RecordBatch.from_pylist([new], schema=declared.copied_schema)
    assert store.restore(declared, [D2], [batch]).rows == 1
    after = whole(store, declared)
    assert [row for row in after if row["_load_partition"] != D2] == kept
    (row,) = [row for row in after if row["_load_partition"] == D2]
    assert {name: row[name] for name in new} == new
    assert store.audit(declared).problems == (), "its hash is its own"
    assert store.restore(declared, [D2], []).rows == 0
    assert whole(store, declared) == kept
    assert store.restore(declared, None, []).rows == 0
    assert whole(store, declared) == []
    assert leftovers(store) == []


def test_rows_of_other_partitions_or_other_columns_are_not_restored(store):
    declared = table()
    filled(store, declared)
    before = whole(store, declared)
    good = pa.Table.from_batches(store.scan(declared), declared.copied_schema)
    with pytest.raises(ContractError, match=rf"rows of partitions \['{D2}', '{D3}'\] in a load of {D1}"):
        store.restore(declared, [D1], good.to_batches())
    with pytest.raises(ContractError, match="batch schema"):
        store.restore(declared, [D1], good.drop_columns(["_run_id"]).to_batches())

    def broken() -> Iterator[pa.RecordBatch]:
        yield from store.scan(declared, [D1])
        raise ConnectionError("the other side hung up")

    with pytest.raises(ConnectionError):
        store.restore(declared, [D1], broken())
    assert whole(store, declared) == before
    assert leftovers(store) == []


def test_big_partitions_stream(store):
    declared, count = table(), 25_000
    records = ({"id": f"{n:05}", "number": n, "text": "x" * 50} for n in range(count))
    store.write(declared, [D1], extract(declared, records, D1), "r")
    sizes = [batch.num_rows for batch in store.scan(declared)]
    assert sum(sizes) == count
    if "LOCAL_BIGQUERY" not in os.environ:  # which sends everything in one page
        assert len(sizes) > 1, "one batch would be the whole partition in memory"


# --- the copy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", WRITES.values(), ids=WRITES)
def test_a_copy_is_the_same_to_the_last_column(way, declared):
    source, target = way
    filled(source, declared)
    done = copy(declared, source, target, silent)
    assert done is not None
    assert (done.rows, done.content) == (len(rows(source)), source.content_hash(declared))
    assert whole(target, declared) == whole(source, declared)
    assert target.audit(declared).problems == ()
    # It goes on there as it would have here.
    for store in way:
        store.write(declared, [D3], load(declared, things(("b", 7)), D3), "next")
    assert source.content_hash(declared) == target.content_hash(declared)
    assert [r[:3] for r in rows(source)] == [r[:3] for r in rows(target)]


def test_every_type_and_records_within_records_arrive(way):
    source, target = way
    source.write(TYPED, [D1], load(TYPED, typed_rows(), D1), "r")
    copy(TYPED, source, target, silent)
    assert whole(target, TYPED) == whole(source, TYPED)


def test_every_declared_table_can_be_copied(both):
    source, target = both
    some = ("raw.ga4_events", "raw.chartmogul_customers", "raw.stripe_subscriptions", "core.companies", "xmr.points",
            "xmr.current", "raw.lead_scoring_lead_scores", "core.lqi")  # fmt: skip
    tables = [catalog.table(address) for address in some]
    assert {(t.grain, t.write) for t in tables} == {(t.grain, t.write) for t in catalog.tables().values()}
    for declared in tables:
        source.write(declared, partitions_of(declared), load(declared, [full_row(declared)], D1), "r")
        assert copy(declared, source, target, silent) is not None
        assert whole(target, declared) == whole(source, declared)


def test_the_quarantine_is_a_table_like_any_other(way):
    source, target = way
    declared = table()
    bad = [{"id": "a", "number": "many", "_origin": "f.csv row 1"}, {"id": "b", "number": "more"}]
    source.write(declared, [D1], extract(declared, [*bad, {"id": "c"}], D1, on_bad="quarantine"), "r")
    for each in (QUARANTINE, declared):
        copy(each, source, target, silent)
    assert whole(target, QUARANTINE) == whole(source, QUARANTINE)
    assert target.audit(declared).quarantined == 2
    target.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    assert target.audit(declared).quarantined == 0, "refusals give way with their partition there, too"


def test_unpartitioned_and_empty_tables(way):
    source, target = way
    declared = table(grain=Grain.NONE)
    assert copy(declared, source, target, silent) is None
    source.ensure([declared])
    target.write(declared, None, load(declared, things(("old", 1)), "all"), "r")
    assert (copy(declared, source, target, silent), rows(target)) == (
        copying.Copied(0, 0, source.content_hash(declared)),
        [],
    )
    source.write(declared, None, load(declared, things(("a", 1), ("b", 2)), "all"), "r")
    copy(declared, source, target, silent)
    assert whole(target, declared) == whole(source, declared)


def test_columns_declared_since_are_there_on_both_sides(way):
    source, target = way
    old, new = table(), table(Write.REPLACE, Column("more", Type.FLOAT, "x"))
    filled(source, old)
    copy(new, source, target, silent)
    assert whole(target, new) == whole(source, new)


# --- again, and after a cut ------------------------------------------------------------------------------------


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch, way: tuple[Store, Store]) -> list[list[str] | None]:
    """The partitions that were restored in the target."""
    target, asked = way[1], list[list[str] | None]()
    restore = target.restore

    def noted(declared: Table, partitions: Any, rows: Any) -> Any:
        asked.append(partitions)
        return restore(declared, partitions, rows)

    monkeypatch.setattr(target, "restore", noted)
    return asked


def test_a_copy_that_is_there_is_left_alone(way, restored):
    source, target = way
    filled(source, WRITES["upsert"])
    copy(WRITES["upsert"], source, target, silent)
    restored.clear()
    done = copy(WRITES["upsert"], source, target, silent)
    assert restored == []
    assert done is not None
    assert (done.rows, done.held) == (0, len(rows(source)))


def test_a_copy_that_was_cut_short_goes_on_where_it_stopped(way, restored, monkeypatch):
    source, target = way
    declared = table()
    monkeypatch.setattr(copying, "CHUNK_ROWS", 1)
    filled(source, declared)
    scan = source.scan

    def cut(of: Table, partitions: list[str]) -> Any:
        if partitions == [D3]:
            raise ConnectionError("the cable")
        return scan(of, partitions)

    monkeypatch.setattr(source, "scan", cut)
    with pytest.raises(ConnectionError):
        copy(declared, source, target, silent)
    assert restored == [[D1], [D2]]
    monkeypatch.setattr(source, "scan", scan)
    restored.clear()
    said: list[str] = []
    copy(declared, source, target, said.append)
    assert restored == [[D3]]
    assert said == [f"1 rows copied, up to {D3}"]
    assert whole(target, declared) == whole(source, declared)


def test_what_the_source_no_longer_has_goes(way, restored):
    source, target = way
    declared = table()
    filled(source, declared)
    copy(declared, source, target, silent)
    source.write(declared, [D1], load(declared, [], D1), "r")
    source.write(declared, [D2], load(declared, things(("c", 5)), D2), "r")
    restored.clear()
    copy(declared, source, target, silent)
    assert restored == [[D2], [D1]]
    assert whole(target, declared) == whole(source, declared)


def test_partitions_travel_in_groups_of_some_rows(monkeypatch):
    monkeypatch.setattr(copying, "CHUNK_ROWS", 10)
    sizes = {"a": Mark(4, 0, 0), "b": Mark(6, 0, 0), "c": Mark(1, 0, 0), "d": Mark(50, 0, 0), "e": Mark(1, 0, 0)}
    assert list(chunks(list(sizes), sizes)) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(chunks([], sizes)) == []


def test_marks_are_the_same_on_both_sides_and_see_any_change(both):
    seen = []
    for store in both:
        filled(store, table())
        first = marks(store, table())
        assert {key: mark.rows for key, mark in first.items()} == {D1: 2, D2: 2, D3: 1}
        store.write(table(), [D2], load(table(), things(("c", 4), ("d", 0)), D2), "r")
        second = marks(store, table())
        assert {key for key in first if first[key] != second[key]} == {D2}
        seen.append((first, second))
    assert seen[0] == seen[1]


def test_of_a_very_large_table_the_marks_are_compared(way, monkeypatch):
    source, target = way
    declared = table()
    filled(source, declared)
    monkeypatch.setattr(copying, "LISTED_ROWS", 4)
    for store in way:
        monkeypatch.setattr(store, "content_hash", None)
    first, second = (copy(declared, source, target, silent) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.rows, second.rows, first.content) == (5, 0, second.content)
    assert whole(target, declared) == whole(source, declared)
    by_hand(source, "UPDATE {things} SET number = 99 WHERE id = 'c'")
    target.restore(declared, [D2], [])
    with pytest.raises(CopyError, match=f"in {D2}; source: row altered"):
        copy(declared, source, target, silent)


# --- what is not equal is told ---------------------------------------------------------------------------------


def test_a_row_that_somebody_altered_is_named(way):
    source, target = way
    declared = table()
    filled(source, declared)
    by_hand(source, "UPDATE {things} SET number = 99 WHERE id = 'c'")
    with pytest.raises(CopyError) as caught:
        copy(declared, source, target, silent)
    assert str(caught.value) == (
        f"raw.things is not the same on both sides in {D2}; source: row altered since it was loaded: c"
    )


def test_a_table_that_is_written_meanwhile_is_told(way, monkeypatch):
    source, target = way
    declared = table()
    filled(source, declared)
    scan = source.scan

    def beside(of: Table, partitions: list[str]) -> Any:
        source.write(declared, [D3], load(declared, things(("new", 1)), D3), "beside")
        return scan(of, partitions)

    monkeypatch.setattr(source, "scan", beside)
    with pytest.raises(CopyError, match="things changed while it was copied: stop what writes to it"):
        copy(declared, source, target, silent)
