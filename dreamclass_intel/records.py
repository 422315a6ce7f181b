"""Vendor records (dicts) to Arrow batches of a declared table, in bounded memory.

Each value is converted strictly by its column's type; a value that does not fit raises ContractError naming
table, column, row and key, or (with `on_bad="quarantine"`) becomes a `Rejected`.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal, InvalidOperation
from itertools import islice
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dreamclass_intel.contracts import PARTITION, Column, ContractError, Rejected, Table, Type
from dreamclass_intel.loads import PROBLEM, Extract, Selection

BATCH_ROWS = 10_000
Record = Mapping[str, Any]
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NINE_PLACES, DIGITS = Decimal("1e-9"), Context(prec=38)


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(type(value).__name__)


def to_json(value: Any) -> str:
    """Canonical JSON (sorted keys, Decimals as exact strings), so equal records have equal text."""
    return orjson.dumps(value, default=_json_default, option=orjson.OPT_SORT_KEYS).decode()


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isascii() else value.encode().decode()  # a lone surrogate is a ValueError
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError
    return str(value)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    number = int(value if isinstance(value, int | float) else _digits(value))
    if not INT64_MIN <= number <= INT64_MAX:
        raise OverflowError
    return number


def _digits(value: Any) -> str:
    text = str(value)
    if "_" in text:  # Python reads 1_000; no vendor means it
        raise ValueError
    return text


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value if isinstance(value, int | float) else _digits(value))
    if not math.isfinite(number):
        raise ValueError
    return number


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[str(value).strip().lower()]


def timestamp(value: Any) -> dt.datetime:
    """Naive UTC datetime from an aware datetime or ISO 8601 text; text or datetime without offset is UTC."""
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if not isinstance(value, dt.datetime):
        raise TypeError
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        raise TypeError
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(_digits(value))
    if not number.is_finite():
        raise ValueError
    exact = number.quantize(NINE_PLACES, context=DIGITS)
    if exact != number:
        raise ValueError("more than 9 decimal places")
    return exact


def _json(value: Any) -> str:
    return to_json(value)


CONVERT: dict[Type, Callable[[Any], Any]] = {
    Type.STRING: _string,
    Type.INT: _int,
    Type.FLOAT: _float,
    Type.BOOL: _bool,
    Type.TIMESTAMP: timestamp,
    Type.DATE: _date,
    Type.DECIMAL: _decimal,
    Type.JSON: _json,
}


def set_aside(data: Selection, table: Table, row: Mapping[str, Any]) -> None:
    """Put a selected row with a `_problem` among the refused ones, without its personal columns."""
    shown = {f.name for f in table.arrow_schema} - {c.name for c in table.data_columns if c.pii}
    kept = {k: _plain(v) for k, v in row.items() if v is not None and k in shown}
    partition, problem = kept.pop(PARTITION.name), row[PROBLEM]
    item = Rejected(table.address, partition, problem, problem.split(":")[0], to_json(kept), kept.get(data.origin))
    data.rejected.append(item)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        value = timestamp(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def extract(
    table: Table,
    records: Iterable[Record],
    partition: Callable[[Record], str] | str,
    *,
    on_bad: Literal["fail", "quarantine"] = "fail",
    metadata: dict[str, Any] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Extract:
    """Stream `records` (dicts keyed by column name; unknown keys are an error) as batches of `table`.

    `partition` is the key for all rows or a function of the record. A record may carry `_origin` (file and
    row) for messages. Raises ContractError while being consumed.
    """
    result = Extract(iter(()), metadata=dict(metadata or {}))
    key_of = partition if callable(partition) else (lambda _record: partition)

    def convert(record: Record, number: int) -> list[Any] | None:
        where = key = ""
        try:
            key = key_of(record)
            where = _where(table, record, number)
            return [*(_value(table, column, record) for column in table.data_columns), key]
        except _BadValueError as error:
            if on_bad == "fail":
                raise ContractError(f"{table.address}.{error.column}: {where}: {error.reason}") from None
            result.rejected.append(
                Rejected(
                    table.address,
                    key,
                    f"{error.column}: {error.reason}",
                    error.column,
                    _kept(table, record),
                    record.get("_origin"),
                )
            )
            return None

    def stream() -> Iterator[pa.RecordBatch]:
        known = {c.name for c in table.data_columns} | {"_origin"}
        source, offset = iter(records), 0
        while chunk := list(islice(source, batch_rows)):
            unknown = set().union(*(r.keys() for r in chunk)) - known
            if unknown:
                raise ContractError(f"{table.address}: undeclared columns {sorted(unknown)}")
            rows = [row for n, r in enumerate(chunk, offset) if (row := convert(r, n)) is not None]
            offset += len(chunk)
            if rows:
                yield to_batch(table, rows)

    result.batches = stream()
    return result


def to_batch(table: Table, rows: list[list[Any]]) -> pa.RecordBatch:
    """One Arrow batch from converted rows in the order of `table.arrow_schema`."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(v, type=f.type) for v, f in zip(columns, table.arrow_schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema)


def conform(table: Table, data: pa.Table | pa.RecordBatch, partition: str | None = None) -> pa.Table:
    """Cast Arrow data to the contract: column order, types, required columns; adds `_load_partition` if given.

    Raises ContractError for missing required, undeclared or uncastable columns.
    """
    data = pa.table(data) if isinstance(data, pa.RecordBatch) else data
    if partition is not None:
        data = data.append_column(PARTITION.name, pa.array([partition] * data.num_rows, pa.string()))
    unknown = set(data.column_names) - set(table.arrow_schema.names)
    if unknown:
        raise ContractError(f"{table.address}: undeclared columns {sorted(unknown)}")
    arrays = []
    personal = {c.name for c in table.data_columns if c.pii}
    for item in table.arrow_schema:
        if item.name not in data.column_names:
            if not item.nullable:
                raise ContractError(f"{table.address}: required column {item.name} is missing")
            arrays.append(pa.nulls(data.num_rows, item.type))
            continue
        column = data.column(item.name)
        try:
            arrays.append(column.cast(item.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            detail = "a value of personal data" if item.name in personal else str(error)
            raise ContractError(f"{table.address}.{item.name}: {column.type} is not {item.type}: {detail}") from None
        if not item.nullable and column.null_count:
            raise ContractError(
                f"{table.address}.{item.name}: null in required column, first rows {_rows(column.is_null())}"
            )
        if pa.types.is_floating(column.type) and pc.all(finite := pc.is_finite(column)).as_py() is False:
            raise ContractError(f"{table.address}.{item.name}: not finite, first rows {_rows(pc.invert(finite))}")
    return pa.table(arrays, schema=table.arrow_schema)


def _rows(mask: pa.ChunkedArray) -> list[int]:
    return [i for i, hit in enumerate(mask.to_pylist()) if hit][:5]


def empty(table: Table, metadata: dict[str, Any] | None = None) -> Extract:
    """No rows, but typed: what a source that is off, or a quiet day, yields."""
    return Extract(iter(table.arrow_schema.empty_table().to_batches()), metadata=dict(metadata or {}))


class _BadValueError(Exception):
    def __init__(self, column: str, reason: str) -> None:
        self.column, self.reason = column, reason


def _records(column: Column, value: Any) -> list[dict[str, Any]]:
    """The items of a list, each with all its fields."""
    names = {f.name for f in column.fields}
    if not isinstance(value, list | tuple) or any(set(item) - names for item in value):
        raise TypeError

    def convert(field: Column, item: Record) -> Any:
        found = item.get(field.name)
        if found is None and field.required:
            raise ValueError(f"{field.name} is missing in a record")
        return None if found is None else CONVERT[field.type](found)

    return [{f.name: convert(f, item) for f in column.fields} for item in value]


def _value(table: Table, column: Column, record: Record) -> Any:
    value = record.get(column.name)
    if value is None and column.fields:
        return []
    if value is None:
        if column.name in table.required:
            raise _BadValueError(column.name, "missing in a required column")
        return None
    try:
        return _records(column, value) if column.fields else CONVERT[column.type](value)
    except (TypeError, ValueError, KeyError, InvalidOperation, OverflowError) as error:
        detail = f" ({error})" if type(error) is ValueError and "decimal" in str(error) else ""
        shown = "a value of personal data" if column.pii else repr(value)[:80]
        raise _BadValueError(column.name, f"{shown} is not {column.arrow}{detail}") from None


def _where(table: Table, record: Record, number: int) -> str:
    origin = record.get("_origin") or f"row {number}"
    personal = {c.name for c in table.data_columns if c.pii}
    key = ", ".join(f"{k}={'…' if k in personal else repr(record.get(k))[:80]}" for k in table.key)
    return f"{origin} ({key})"


def _kept(table: Table, record: Record) -> str:
    """The refused record for the quarantine: the vendor's own if the table keeps it, without personal columns else."""
    personal = {c.name for c in table.data_columns if c.pii}
    kept = record.get("_raw") or {k: v for k, v in record.items() if k not in personal}
    try:
        return to_json(kept)
    except TypeError:  # what JSON cannot hold: huge integers, lone surrogates, other types
        return to_json({str(k): ascii(v) for k, v in kept.items()} if isinstance(kept, Mapping) else ascii(kept))
