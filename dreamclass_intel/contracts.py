"""What a table is: columns, key, partition, how it is written. The only schema there is.

From a `Table` come the Arrow schema, both warehouses' DDL, Dagster's column schema, dbt's sources.yml and
docs/tables.md. Knows neither Dagster nor a warehouse; records become Arrow in `records.py`.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]{0,62}\Z")
# BigQuery refuses these beginnings of a column name, in any case.
RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")


class ContractError(ValueError):
    """Data or a declaration broke a contract; the message names table, column and offending rows."""


class Type(StrEnum):
    """Column types both warehouses share."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIMESTAMP = "timestamp"  # UTC, microseconds
    DATE = "date"
    DECIMAL = "decimal"  # (38, 9): BigQuery's NUMERIC
    JSON = "json"
    RECORDS = "records"  # a list of records of `Column.fields`, in order; empty rather than null


ARROW: dict[Type, pa.DataType] = {
    Type.STRING: pa.string(),
    Type.INT: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.TIMESTAMP: pa.timestamp("us"),
    Type.DATE: pa.date32(),
    Type.DECIMAL: pa.decimal128(38, 9),
    Type.JSON: pa.string(),
}
IN_RECORDS = (Type.STRING, Type.INT, Type.FLOAT, Type.BOOL)


class Write(StrEnum):
    """How a materialisation changes the stored table. Each is one atomic step."""

    REPLACE = "replace"  # the partition's rows are replaced whole
    UPSERT = "upsert"  # objects created or changed on D replace their stored version by key
    SNAPSHOT = "snapshot"  # full state as observed on D; a past D cannot be taken any more


class Grain(StrEnum):
    """Which partitions definition a table follows."""

    DAILY = "daily"
    WEEKLY = "weekly"
    SCORING_WINDOW = "scoring_window"
    NONE = "none"


@dataclass(frozen=True)
class Column:
    """One column. `unit` is shown to people (`USD minor units`, `s`, `0-1`); `pii` says what was done to it;
    `fields` are those of a list of records."""

    name: str
    type: Type
    description: str
    required: bool = False
    unit: str | None = None
    pii: str | None = None
    fields: tuple["Column", ...] = ()

    def __post_init__(self) -> None:
        if not IDENTIFIER.match(self.name):
            raise ContractError(f"column name {self.name!r} is not {IDENTIFIER.pattern}")
        if self.name.startswith(RESERVED):
            raise ContractError(f"column name {self.name!r} begins as BigQuery's own do: {', '.join(RESERVED)}")
        if bool(self.fields) != (self.type is Type.RECORDS):
            raise ContractError(f"column {self.name}: fields belong to a list of records, and to nothing else")
        if wrong := [f.name for f in self.fields if f.type not in IN_RECORDS]:
            raise ContractError(f"column {self.name}: fields of records are {', '.join(IN_RECORDS)}, not {wrong}")

    @property
    def arrow(self) -> pa.DataType:
        """Its Arrow type."""
        if self.fields:
            return pa.list_(pa.struct([pa.field(f.name, f.arrow) for f in self.fields]))
        return ARROW[self.type]


def describe(column: Column) -> str:
    """The description with unit and what was done to personal data."""
    unit = f" [{column.unit}]" if column.unit else ""
    return column.description + unit + (f" (personal data: {column.pii})" if column.pii else "")


PARTITION = Column("_load_partition", Type.STRING, "Partition key that wrote the row", required=True)
LOADED_AT = Column("_loaded_at", Type.TIMESTAMP, "When the row was written (UTC)", required=True)
RUN_ID = Column("_run_id", Type.STRING, "Dagster run that wrote the row", required=True)
ROW_HASH = Column("_row_hash", Type.STRING, "MD5 of the row's own columns", required=True)
SYSTEM_COLUMNS = (PARTITION, LOADED_AT, RUN_ID, ROW_HASH)
RAW = Column("_raw", Type.JSON, "The vendor's record as JSON, personal data removed or hashed")
IS_DELETED = Column("_is_deleted", Type.BOOL, "True once the vendor reports the object deleted", required=True)


@dataclass(frozen=True)
class Table:
    """A declared table `schema.name`.

    `key` identifies a row within the table (within a partition for snapshots); `keep_raw` adds `_raw`,
    `deletes` adds `_is_deleted`; `version` names the column that says which of two upserted versions is newer (without
    it the one loaded last is: APIs answer with the present). Columns of system use are appended by the warehouse.
    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    grain: Grain = Grain.DAILY
    write: Write = Write.REPLACE
    cluster: tuple[str, ...] = ()
    keep_raw: bool = False
    deletes: bool = False
    version: str | None = None
    tags: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for part in (self.schema, self.name):
            if not IDENTIFIER.match(part):
                raise ContractError(f"{part!r} is not {IDENTIFIER.pattern}")
        names = [column.name for column in self.data_columns]
        if len(names) != len(set(names)):
            raise ContractError(f"{self.address}: duplicate column names")
        missing = set(self.key + self.cluster + ((self.version,) if self.version else ())) - set(names)
        if missing or not self.key:
            raise ContractError(f"{self.address}: key, cluster or version names no column: {sorted(missing)}")

    @property
    def address(self) -> str:
        """`schema.name`, as in SQL."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def data_columns(self) -> tuple[Column, ...]:
        """The columns an asset provides (system columns excluded)."""
        extra = ((IS_DELETED,) if self.deletes else ()) + ((RAW,) if self.keep_raw else ())
        return self.columns + extra

    @cached_property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns as stored, system columns last."""
        return self.data_columns + SYSTEM_COLUMNS

    @cached_property
    def required(self) -> frozenset[str]:
        """Columns that may not be null: declared ones, lists of records and the key."""
        return frozenset(c.name for c in self.data_columns if c.required or c.fields) | frozenset(self.key)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Arrow schema of the data columns plus `_load_partition`; timestamps are naive UTC microseconds."""
        return pa.schema(
            [
                pa.field(c.name, c.arrow, nullable=c is not PARTITION and c.name not in self.required)
                for c in (*self.data_columns, PARTITION)
            ]
        )

    @cached_property
    def copied_schema(self) -> pa.Schema:
        """Arrow schema of a row on its way from one warehouse to the other: all but its hash, which is formed anew."""
        extra = [pa.field(c.name, c.arrow, nullable=False) for c in (LOADED_AT, RUN_ID)]
        return pa.schema([*self.arrow_schema, *extra])

    @property
    def row_key(self) -> tuple[str, ...]:
        """What must be unique in the stored table."""
        return (*self.key, PARTITION.name) if self.write is Write.SNAPSHOT else self.key


@dataclass(frozen=True)
class Rejected:
    """A vendor record that cannot be stored as declared, kept with its reason instead of being lost."""

    table: str
    partition: str
    reason: str
    field: str | None
    record: str  # JSON, personal data already removed
    origin: str | None = None  # file and row, or endpoint and id


QUARANTINE = Table(
    schema="raw",
    name="quarantine",
    description="Records refused by a contract, each with its reason; nothing is dropped silently.",
    columns=(
        Column("table_name", Type.STRING, "Table the record was meant for", required=True),
        Column("reason", Type.STRING, "Why it was refused, in words", required=True),
        Column("field", Type.STRING, "Offending field"),
        Column("origin", Type.STRING, "File and row, or endpoint and id"),
        Column("record", Type.JSON, "The record, personal data removed", required=True),
        Column("record_hash", Type.STRING, "Hash of table, reason and record", required=True),
    ),
    key=("table_name", "record_hash"),
)


def quote(identifier: str) -> str:
    """Quote a checked identifier for SQL; raises ContractError for anything but a plain lower-case name."""
    if not IDENTIFIER.match(identifier):
        raise ContractError(f"{identifier!r} is not an identifier")
    return f'"{identifier}"'
