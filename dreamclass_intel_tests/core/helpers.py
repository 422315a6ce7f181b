"""Small tables for tests of the core, and rows of any declared table."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from dreamclass_intel.contracts import Column, Grain, Table, Type, Write
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract

DAYS = [f"2024-01-{n:02}" for n in range(1, 8)]


def table(write: Write = Write.REPLACE, *more: Column, name: str = "things", **overrides: Any) -> Table:
    """`raw.things`: a key, a number, a text."""
    return Table(
        schema="raw",
        name=name,
        description="Things",
        columns=(
            Column("id", Type.STRING, "Key", required=True),
            Column("number", Type.INT, "A number"),
            Column("text", Type.STRING, "A text"),
            *more,
        ),
        key=("id",),
        write=write,
        **overrides,
    )


def load(declared: Table, rows: Iterable[dict[str, Any]], day: str) -> Extract:
    """An extract of `rows`, all of one day."""
    return extract(declared, rows, day)


def things(*numbers: tuple[str, int | None]) -> list[dict[str, Any]]:
    """Rows of `raw.things`."""
    return [{"id": name, "number": number} for name, number in numbers]


def dated(declared: Table, *triples: tuple[str, int | None, str]) -> Extract:
    """An extract of rows, each of its own day."""
    days = {name: day for name, _, day in triples}
    return extract(declared, things(*((n, v) for n, v, _ in triples)), lambda r: days[r["id"]])


VALUES: dict[Type, Any] = {
    Type.STRING: "text, with 'quotes'",
    Type.INT: 7,
    Type.FLOAT: 0.25,
    Type.BOOL: True,
    Type.TIMESTAMP: dt.datetime(2024, 1, 1, 12, 30, tzinfo=dt.UTC),
    Type.DATE: dt.date(2024, 1, 1),
    Type.DECIMAL: Decimal("12.345678901"),
    Type.JSON: {"b": [1, None], "a": "é"},
}

# Another valid value of the type as SQL, to alter a stored row with.
OTHER_SQL: dict[Type, str] = {
    Type.STRING: "'another'",
    Type.INT: "8",
    Type.FLOAT: "0.5",
    Type.BOOL: "false",
    Type.TIMESTAMP: "TIMESTAMP '2024-02-02 00:00:00'",
    Type.DATE: "DATE '2024-02-02'",
    Type.DECIMAL: "1.5",
    Type.JSON: "'{}'",
    Type.RECORDS: "[]",
}


def _row(columns: Iterable[Column]) -> dict[str, Any]:
    return {c.name: VALUES[c.type] for c in columns}


def full_row(declared: Table) -> dict[str, Any]:
    """A valid row with every column filled."""
    return {c.name: [_row(c.fields)] if c.fields else VALUES[c.type] for c in declared.data_columns}


def partitions_of(declared: Table) -> list[str] | None:
    """A partition of the table's grain, None for an unpartitioned one."""
    return None if declared.grain is Grain.NONE else ["2024-01-01"]
