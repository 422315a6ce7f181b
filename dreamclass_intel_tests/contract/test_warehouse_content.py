"""What is stored, on either warehouse: types to the last digit, equal hashes, additive schemas, audits that see."""

import datetime as dt
import hashlib
import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from dreamclass_intel.contracts import QUARANTINE, Column, ContractError, Table, Type, Write
from dreamclass_intel.records import to_json
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.contract.stores import Store, by_hand, rows
from dreamclass_intel_tests.core.helpers import DAYS, load, table, things

D1, D2 = DAYS[:2]

# --- types -----------------------------------------------------------------------------------------------------

FIELDS = (
    Column("key", Type.STRING, "k", required=True),
    Column("text", Type.STRING, "x"),
    Column("number", Type.INT, "x"),
    Column("real", Type.FLOAT, "x"),
    Column("yes", Type.BOOL, "x"),
)


def typed(kind: Type) -> Column:
    return Column(f"a_{kind.value}", kind, "x", fields=FIELDS if kind is Type.RECORDS else ())


TYPED = Table(
    "raw",
    "things",
    "Every type",
    (Column("id", Type.INT, "k"), *map(typed, Type)),
    key=("id",),
    cluster=("a_string",),
)
UTC = dt.UTC
VALUES: dict[Type, list[Any]] = {
    Type.STRING: ["", " ", "é 😀 ‮ e\u0301", "'", '"', "\\'; --", "a\nb\r\tc", "null", "`{}`", "x" * 70_000],
    Type.INT: [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1],
    Type.FLOAT: [0.0, -0.0, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -1e22, 1e-7, 123456789.125, 1.0],
    Type.BOOL: [True, False],
    Type.TIMESTAMP: [
        dt.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC),
        dt.datetime(1970, 1, 1, tzinfo=UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
        dt.datetime(1, 1, 1, tzinfo=UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ],
    Type.DATE: [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    Type.DECIMAL: [
        *map(Decimal, ("0", "-0.000000001", "12.345678901", "100", "1.5", "-1000000")),
        Decimal("99999999999999999999999999999.999999999"),
    ],
    Type.JSON: [{"b": [1, None], "a": "é"}, [], "text", 0.1, None, {"n": 2**53 + 1}, "\u2028</script>"],
    Type.RECORDS: [
        [],
        [{"key": "a"}],
        [
            {"key": "b", "text": "}{;é'", "number": 2**60, "real": 0.1, "yes": True},
            {"key": "b"},
            {"key": "", "real": 0},
        ],
        [{"key": "n", "text": ""}] * 300,
    ],
}


def typed_rows() -> list[dict[str, Any]]:
    """A row of nulls, then rows that hold every value of every type."""
    filled = [
        {f"a_{kind.value}": values[n % len(values)] for kind, values in VALUES.items()}
        for n in range(max(map(len, VALUES.values())))
    ]
    return [{"id": n, **row} for n, row in enumerate([{}, *filled])]


def stored_value(kind: Type, value: Any) -> Any:
    if kind is Type.RECORDS:
        return [{f.name: item.get(f.name) for f in FIELDS} for item in value or []]
    if value is None:
        return None
    if kind is Type.JSON:
        return to_json(value)
    return value.replace(tzinfo=None) if kind is Type.TIMESTAMP else value


def test_every_type_comes_back_as_it_went(store):
    store.write(TYPED, [D1], load(TYPED, typed_rows(), D1), "r")
    found = store.read(f"SELECT * FROM {store.name('raw.things')} ORDER BY id")
    kinds = [found.schema.field(c.name).type for c in TYPED.columns]
    assert kinds == [TYPED.arrow_schema.field(c.name).type for c in TYPED.columns]
    for given, row in zip(typed_rows(), found.to_pylist(), strict=True):
        for kind in Type:
            assert row[f"a_{kind.value}"] == stored_value(kind, given.get(f"a_{kind.value}")), kind
    assert store.audit(TYPED).problems == ()
    store.write(TYPED, [D1], load(TYPED, [], D1), "r")
    empty = store.read(f"SELECT * FROM {store.name('raw.things')}")
    assert empty.num_rows == 0
    assert empty.schema.field("a_decimal").type == found.schema.field("a_decimal").type


# --- hashes ----------------------------------------------------------------------------------------------------


def told(kind: Type, value: Any) -> str:
    """A value as the text that is hashed, in Python's own words."""
    match kind:
        case Type.STRING | Type.JSON:
            return f"{len(value)}:{value}"
        case Type.BOOL:
            return str(value).lower()
        case Type.FLOAT:
            return "%.16e" % value if value else "0"  # noqa: UP031
        case Type.DECIMAL:
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case Type.TIMESTAMP:
            return str((value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1))
        case Type.RECORDS:
            return "".join(f"{{{row_text(FIELDS, item)}}}" for item in value)
    return str(value)


def row_text(columns: Sequence[Column], row: dict[str, Any]) -> str:
    held = [c for c in sorted(columns, key=lambda c: c.name) if row[c.name] not in (None, [])]
    return "".join(f"{c.name}={told(c.type, row[c.name])};" for c in held)


def hash_of(declared: Table, row: dict[str, Any]) -> str:
    return hashlib.md5(row_text(declared.columns, row).encode()).hexdigest()


def test_a_rows_hash_is_the_same_wherever_it_is_stored(both):
    for store in both:
        store.write(TYPED, [D1], load(TYPED, typed_rows(), D1), "r")
    for store in both:
        for row in store.read(f"SELECT * FROM {store.name('raw.things')}").to_pylist():
            assert row["_row_hash"] == hash_of(TYPED, row), (type(store), row["id"])
    assert both[0].content_hash(TYPED) == both[1].content_hash(TYPED)


NASTY = [None, "NULL", "null", "", " ", "a", ";", "text=", "1:a;", "text=1:a;", "'", "''", "\\", '"', "a\x00", "\u0301"]


def test_different_rows_have_different_hashes(store):
    declared = table(Write.REPLACE, Column("more", Type.STRING, "x"))
    pairs = list(itertools.product(NASTY, NASTY))
    records = [{"id": str(n), "number": None, "text": a, "more": b} for n, (a, b) in enumerate(pairs)]
    store.write(declared, [D1], load(declared, records, D1), "r")
    hashes = {row[0]: row[1] for row in rows(store, "id, _row_hash")}
    assert hashes == {record["id"]: hash_of(declared, record) for record in records}
    assert len({hash_of(declared, {**record, "id": ""}) for record in records}) == len(pairs)


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
        store.ensure([declared])
        by_hand(store, "DROP TABLE {things}")
        hashes = set()
        for order in (numbers, numbers[::-1]):
            store.write(declared, [day], load(declared, things(*order), day), str(order))
            hashes.add(store.content_hash(declared))
        assert len(hashes) == 1
        seen |= hashes
    assert len(seen) == 6


def test_moving_a_column_in_the_declaration_alters_no_row(store):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    moved = Table("raw", "things", "x", declared.columns[::-1], key=("id",))
    assert store.audit(moved).problems == ()
    store.write(moved, [D2], load(moved, things(("b", 2)), D2), "r")
    assert rows(store) == [("a", 1, D1), ("b", 2, D2)]
    assert store.audit(declared).problems == ()


# --- schema changes --------------------------------------------------------------------------------------------


def test_a_new_column_is_added_and_old_rows_stay_sound(store):
    old, new = table(), table(Write.REPLACE, Column("more", Type.FLOAT, "x"), keep_raw=True)
    store.write(old, [D1], load(old, things(("a", 1), ("b", 2)), D1), "r")
    by_hand(store, "UPDATE {things} SET number = 3 WHERE id = 'b'")
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
    by_hand(store, sql)
    store.write(other, [D1], load(other, [{"id": "z"}], D1), "r")
    assert rows(store, "id") == [("z",)]


# --- the audit -------------------------------------------------------------------------------------------------

# Statements and what the audit then says; INT and STRING stand for the warehouse's own names.
CORRUPTIONS = {
    "null in a required column": (
        ["ALTER TABLE {things} ALTER COLUMN id DROP NOT NULL", "UPDATE {things} SET id = NULL WHERE id = 'b'"],
        "id is null in 1 rows",
    ),
    "null in a system column": (
        [
            "ALTER TABLE {things} ALTER COLUMN _row_hash DROP NOT NULL",
            "UPDATE {things} SET _row_hash = NULL WHERE id = 'b'",
        ],
        "_row_hash is null in 1 rows",
    ),
    "duplicate key": (["INSERT INTO {things} SELECT * FROM {things} WHERE id = 'b'"], "key stored twice: b"),
    "altered value": (["UPDATE {things} SET number = 99 WHERE id = 'b'"], "row altered since it was loaded: b"),
    "value lost": (["UPDATE {things} SET number = NULL WHERE id = 'b'"], "row altered since it was loaded: b"),
    "changed type": (
        ["ALTER TABLE {things} DROP COLUMN number", "ALTER TABLE {things} ADD COLUMN number STRING"],
        "column number is STRING, not INT",
    ),
    "dropped column": (["ALTER TABLE {things} DROP COLUMN number"], "column number is missing, not INT"),
    "extra column": (["ALTER TABLE {things} ADD COLUMN extra STRING"], "column extra is not declared"),
    "dropped table": (["DROP TABLE {things}"], "column id is missing, not STRING"),
}


def own_words(store: Store, problem: str) -> str:
    names = ("VARCHAR", "BIGINT") if isinstance(store, DuckDBWarehouse) else ("STRING", "INT64")
    return problem.replace("STRING", names[0]).replace("INT", names[1])


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_audit_finds_a_corruption(store, corruption):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2), ("c", 3)), D1), "r")
    sound = store.audit(declared)
    assert (sound.rows, sound.problems) == (3, ())
    statements, problem = CORRUPTIONS[corruption]
    by_hand(store, *statements)
    assert own_words(store, problem) in store.audit(declared).problems


def test_what_is_new_in_a_snapshot_is_its_day(store):
    declared = table(Write.SNAPSHOT)
    for day in (D1, D2):
        store.write(declared, [day], load(declared, things(("a", 1)), day), "r")
    assert store.audit(declared).problems == ()
    by_hand(store, f"UPDATE {{things}} SET _load_partition = '{D1}' WHERE true")
    assert store.audit(declared).problems == (f"key stored twice: a, {D1}",)


def test_ensure_makes_empty_typed_tables_and_reading_binds(store):
    declared = table()
    store.ensure([declared, QUARANTINE])
    audit = store.audit(declared)
    assert (audit.rows, audit.problems, audit.quarantined) == (0, (), 0)
    store.write(declared, [D1], load(declared, [{"id": "x'; DROP TABLE raw.things; --"}], D1), "r")
    name = store.name("raw.things")
    assert store.read(f"SELECT id FROM {name} WHERE id = ?", ["x'; DROP TABLE raw.things; --"]).num_rows == 1
    assert store.read(f"SELECT id FROM {name} WHERE {store.within('id')}", [["a", "b"]]).num_rows == 0
    assert store.exists(declared.address)
    assert not store.exists("raw.nothings")
