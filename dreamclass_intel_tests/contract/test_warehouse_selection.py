"""Rows that a warehouse selects itself, on both warehouses."""

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from dreamclass_intel.contracts import Column, ContractError, Table, Type, Write
from dreamclass_intel.loads import Numbering, Part, Selection
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.contract.stores import Store, by_hand, leftovers, rows
from dreamclass_intel_tests.core.helpers import DAYS, dated, load, table, things

D1, D2, D3 = DAYS[:3]
Row = tuple[str, int | None, str, str | None]  # id, number, day, problem


def query(*given: Row) -> str:
    """What both engines read."""

    def said(value: Any) -> str:
        return "NULL" if value is None else f"'{value}'"

    selected = [
        f"SELECT {said(name)} AS id, CAST({'NULL' if number is None else number} AS {{integer}}) AS number, "
        f"CAST(NULL AS {{text}}) AS text, {said(day)} AS _load_partition, CAST({said(problem)} AS {{text}}) AS _problem"
        for name, number, day, problem in given
    ]
    return " UNION ALL ".join(selected)


def selection(store: Store, *parts: Sequence[Row], counted: bool = True, **more: Any) -> Selection:
    """One part a sequence of rows."""
    types = ("BIGINT", "VARCHAR") if isinstance(store, DuckDBWarehouse) else ("INT64", "STRING")
    made = [
        Part(query(*given).format(integer=types[0], text=types[1]), f"part {n}", len(given) if counted else None)
        for n, given in enumerate(parts)
    ]
    return Selection(nullcontext(made), "id", **more)


@pytest.mark.parametrize("counted", [True, False])
def test_what_is_selected_is_what_would_be_loaded(store, counted):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 1, D1), ("old", 8, D1), ("b", None, D2)), "r")
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    loaded = store.content_hash(declared)
    by_hand(store, "DELETE FROM {things} WHERE id = 'a'")
    chosen = selection(store, [("a", 1, D1, None)], [("b", None, D2, None)], counted=counted)
    result = store.write(declared, [D1, D2], chosen, "r2")
    assert (result.rows, result.duplicates, result.rejected) == (2, 0, 0)
    assert store.content_hash(declared) == loaded
    assert store.audit(declared).problems == ()
    assert leftovers(store) == []


def test_nothing_selected_empties_the_partition(store):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 1, D1), ("b", 2, D2)), "r")
    assert store.write(declared, [D1], selection(store), "r2").rows == 0
    assert rows(store) == [("b", 2, D2)]


@pytest.mark.parametrize("counted", [True, False])
def test_rows_with_a_problem_are_quarantined(store, counted):
    declared = table()
    given = [("a", 1, D1, None), ("b", 2, D2, "number: too small"), ("c", 3, D2, None)]
    result = store.write(declared, [D1, D2], selection(store, given, counted=counted), "r")
    assert (result.rows, result.rejected) == (2, 1)
    assert rows(store) == [("a", 1, D1), ("c", 3, D2)]
    found = store.read(f"SELECT * FROM {store.name('raw.quarantine')}").to_pylist()
    assert [(r["reason"], r["field"], r["origin"], r["record"], r["_load_partition"]) for r in found] == [
        ("number: too small", "number", "b", '{"id":"b","number":2}', D2)
    ]
    store.write(declared, [D2], selection(store, [("b", 2, D2, None)]), "r2")
    assert store.audit(declared).quarantined == 0


def test_refused_rows_are_the_same_on_both_and_without_personal_columns(both):
    declared = Table(
        "raw",
        "things",
        "Things",
        (
            Column("id", Type.STRING, "Key", required=True),
            Column("at", Type.TIMESTAMP, "When"),
            Column("person", Type.STRING, "Who", pii="hashed"),
        ),
        key=("id",),
    )
    kept = []
    for store in both:
        query = (
            f"SELECT 'a' AS id, TIMESTAMP '2024-01-01 01:02:03.000004' AS at, 'anna' AS person, "
            f"'{D1}' AS _load_partition, 'at: too early' AS _problem"
        )
        store.write(declared, [D1], Selection(nullcontext([Part(query, "all")]), "id"), "r")
        found = store.read(f"SELECT record, record_hash FROM {store.name('raw.quarantine')}")
        kept += found.to_pylist()
    assert kept[0] == kept[1]
    assert kept[0]["record"] == '{"at":"2024-01-01T01:02:03.000004","id":"a"}'


def test_identical_rows_are_stored_once(store):
    chosen = selection(store, [("a", 1, D1, None), ("b", 2, D1, None)], [("a", 1, D1, None)])
    result = store.write(table(), [D1], chosen, "r")
    assert (result.rows, result.duplicates) == (2, 1)
    assert rows(store) == [("a", 1, D1), ("b", 2, D1)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([("a", 1, D1, None), ("a", 2, D1, None)], r"raw\.things: different rows share the key \(id=a"),
        ([("a", 1, D1, None), ("a", 1, D2, None)], r"raw\.things: different rows share the key \(id=a"),
        ([("n", 1, D3, None)], rf"raw\.things: rows of partitions \['{D3}'\] in a load of {D1}\.\.{D2}"),
    ],
)
def test_a_refused_selection_leaves_the_old_rows(store, given, words):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 7, D1), ("old", 8, D2)), "r")
    before = store.content_hash(declared)
    with pytest.raises(ContractError, match=words):
        store.write(declared, [D1, D2], selection(store, given), "r2")
    assert store.content_hash(declared) == before
    assert leftovers(store) == []


def test_what_parts_read_is_within_reach_only_while_they_run(store):
    declared, seen = table(), list[str]()

    @contextmanager
    def opened() -> Any:
        seen.append("open")
        try:
            yield []
        finally:
            seen.append("closed")

    store.write(declared, [D1], Selection(opened(), "id"), "r")
    assert seen == ["open", "closed"]


# --- DuckDB alone ----------------------------------------------------------------------------------------------


@pytest.fixture
def duckdb_store(tmp_path):
    return DuckDBWarehouse(tmp_path / "w.duckdb")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("SELECT 'a' AS id, CAST('anna@x.org' AS BIGINT) AS number", "Could not convert string"),
        ("SELECT NULL AS id, 1 AS number", "NOT NULL constraint failed: things.id"),
        ("SELECT 'a' AS id, 1 AS another", "Binder Error"),
    ],
)
def test_a_query_that_fails_is_named_without_a_value(duckdb_store, broken, words):
    declared = table()
    duckdb_store.write(declared, [D1], load(declared, things(("a", 7)), D1), "r")
    part = Part(f"{broken}, NULL AS text, '{D1}' AS _load_partition, NULL AS _problem", "file 1", 1)
    with pytest.raises(ContractError, match=r"^raw\.things: file 1: ") as caught:
        duckdb_store.write(declared, [D1], Selection(nullcontext([part]), "id"), "r2")
    assert words in str(caught.value)
    assert "anna" not in str(caught.value)
    assert rows(duckdb_store) == [("a", 7, D1)]


def test_rows_alike_are_numbered_in_order_and_keep_their_proof(duckdb_store):
    declared = Table(
        "raw",
        "things",
        "Things",
        (
            Column("id", Type.STRING, "Key", required=True),
            Column("number", Type.INT, "Which of those alike", required=True),
            Column("text", Type.STRING, "A text"),
        ),
        key=("id", "number"),
    )
    texts = ["c", "a", None, "b"]
    alike = " UNION ALL ".join(f"SELECT 'x' AS id, {'NULL' if t is None else repr(t)} AS text" for t in texts)
    part = Part(
        f"SELECT *, 0 AS number, '{D1}' AS _load_partition, NULL AS _problem FROM "
        f"({alike} UNION ALL SELECT 'y', 'alone')",
        "all",
        5,
    )
    numbering = Numbering("number", ("text",))
    for run in ("r", "r2"):
        duckdb_store.write(declared, [D1], Selection(nullcontext([part]), "id", numbering), run)
        assert rows(duckdb_store, "id, number, text") == [
            ("x", 0, None),
            ("x", 1, "a"),
            ("x", 2, "b"),
            ("x", 3, "c"),
            ("y", 0, "alone"),
        ]
        assert duckdb_store.audit(declared).problems == ()


@pytest.mark.parametrize("write", [Write.UPSERT, Write.SNAPSHOT])
def test_only_replaced_partitions_are_selected(duckdb_store, write):
    with pytest.raises(TypeError, match=r"raw\.things: only a table whose partitions are replaced"):
        duckdb_store.write(table(write), [D1], selection(duckdb_store), "r")
