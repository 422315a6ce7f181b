"""BigQuery's form of a declared table: types, partitioning, clustering and the SQL of a load. Only text is made here.

The SQL keeps to what BigQuery and its emulators both run; scripts carry literals, since emulators drop the bound
parameters of a script.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from dreamclass_intel.contracts import (
    LOADED_AT,
    PARTITION,
    QUARANTINE,
    ROW_HASH,
    RUN_ID,
    SYSTEM_COLUMNS,
    Column,
    ContractError,
    Grain,
    Table,
    Type,
    Write,
)
from dreamclass_intel.contracts import quote as checked
from dreamclass_intel.warehouse.content import bigquery_hash

SQL_TYPE: dict[Type, str] = {
    Type.STRING: "STRING",
    Type.INT: "INT64",
    Type.FLOAT: "FLOAT64",
    Type.BOOL: "BOOL",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.DECIMAL: "NUMERIC",  # (38, 9) by itself
    Type.JSON: "STRING",  # JSON would reorder keys and round numbers: text stays the vendor's, byte for byte
}
DAY = "_load_day"  # DATE of the partition key: what the table is partitioned by
POSITION = "_position"  # in a staging table: which row was read later
MAX_CLUSTER = 4


def quote(name: str) -> str:
    """A checked identifier in backticks; raises ContractError for anything else."""
    return f"`{checked(name)[1:-1]}`"


def literal(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def partitioned(table: Table) -> bool:
    """Whether the table has day partitions: daily ones that grow by days. An upsert looks for keys, not for days."""
    return table.grain is Grain.DAILY and table.write is not Write.UPSERT


def sql_type(column: Column) -> str:
    """BigQuery's type of a column."""
    if column.fields:
        return f"ARRAY<STRUCT<{', '.join(f'{f.name} {sql_type(f)}' for f in column.fields)}>>"
    return SQL_TYPE[column.type]


def stored_types(table: Table) -> dict[str, str]:
    """Every stored column and its type, the partitioning day last."""
    types = {c.name: sql_type(c) for c in table.stored_columns}
    return types | ({DAY: "DATE"} if partitioned(table) else {})


def clustering(table: Table) -> list[str]:
    """Columns to cluster by: what loads and readers look for."""
    if table.write is Write.UPSERT:
        chosen = table.cluster or table.key
    elif partitioned(table) or table.grain is Grain.NONE:
        chosen = table.cluster
    else:
        chosen = (PARTITION.name, *table.cluster)
    return list(chosen[:MAX_CLUSTER])


def columns(names: Sequence[str]) -> str:
    """A list of quoted columns."""
    return ", ".join(map(quote, names))


@dataclass(frozen=True)
class Swap:
    """One load, staged and ready to take the place of stored rows. `staging` and `refused` are None when empty.

    All names come quoted. `replaced`: partitions that give way, None for all.
    """

    table: Table
    target: str
    staging: str | None
    replaced: Sequence[str] | None
    quarantine: str
    refused: str | None
    loaded_at: dt.datetime
    run_id: str

    def counts(self) -> str:
        """Query, with the quarantine's parameters: rows kept, keys with different rows, refusals that give way."""
        # Rows of one key may repeat in a replaced partition, but only word by word.
        versions = f"COUNT(DISTINCT {self._version})" if self.table.write is Write.REPLACE else "1"
        keys = columns(self.table.row_key)
        incoming = (
            f"(SELECT COUNT(*) AS kept, COUNTIF(versions > 1) AS torn "
            f"FROM (SELECT {versions} AS versions FROM {self.staging} GROUP BY {keys}))"
            if self.staging
            else "(SELECT 0 AS kept, 0 AS torn)"
        )
        within = "" if self.replaced is None else f" AND {quote(PARTITION.name)} IN UNNEST(?)"
        return (
            f"SELECT kept, torn, (SELECT COUNT(*) FROM {self.quarantine} WHERE table_name = ?{within}) AS refused "
            f"FROM {incoming}"
        )

    def torn(self) -> str:
        """Query: the first keys under which different rows lie."""
        keys = columns(self.table.row_key)
        return (
            f"SELECT {keys} FROM {self.staging} GROUP BY {keys} HAVING COUNT(DISTINCT {self._version}) > 1 "
            f"ORDER BY {keys} LIMIT 3"
        )

    def script(self, *, clear_refused: bool) -> str | None:
        """The one atomic step, None if there is nothing to do. `clear_refused`: stored refusals give way."""
        return atomic([*self._rows(), *self._refusals(clear_refused)])

    @property
    def _version(self) -> str:
        return f"CONCAT({bigquery_hash(self.table)}, {quote(PARTITION.name)})"

    def _rows(self) -> list[str]:
        insert = [] if self.staging is None else [self._insert(self.table, self.target, self.staging)]
        if self.table.write is Write.UPSERT:
            # Inserted first: the new rows need the newest partition and version of the old ones.
            return insert and [*insert, self._delete_old(self.table, self.target)]
        return [f"DELETE FROM {self.target} WHERE {in_partitions(self.table, self.replaced)}", *insert]

    def _refusals(self, clear: bool) -> list[str]:
        steps = []
        if clear:
            steps.append(
                f"DELETE FROM {self.quarantine} WHERE table_name = {literal(self.table.address)} "
                f"AND {in_partitions(QUARANTINE, self.replaced)}"
            )
        if self.refused:
            steps.append(self._insert(QUARANTINE, self.quarantine, self.refused))
            steps.append(self._delete_old(QUARANTINE, self.quarantine))
        return steps

    @property
    def _stamp(self) -> str:
        return f"TIMESTAMP '{self.loaded_at:%Y-%m-%d %H:%M:%S.%f}+00:00'"

    def _insert(self, table: Table, target: str, staging: str) -> str:
        """The chosen rows: of each key the newest partition's, then the one read last."""
        keys, partition = columns(table.row_key), quote(PARTITION.name)
        data = columns([c.name for c in table.data_columns])
        chosen = (
            f"SELECT {data}, {partition}, {bigquery_hash(table)} AS row_hash, ROW_NUMBER() OVER "
            f"(PARTITION BY {keys} ORDER BY {partition} DESC, {quote(POSITION)} DESC) AS choice FROM {staging}"
        )
        carried, join, where = f"chosen.{partition}", "", "chosen.choice = 1"
        if table.write is Write.UPSERT:  # so that loads commute in any order
            carried = f"GREATEST(chosen.{partition}, IFNULL(stored.newest, chosen.{partition}))"
            version = f", MAX({quote(table.version)}) AS version" if table.version else ""
            join = (
                f" LEFT JOIN (SELECT {keys}, MAX({partition}) AS newest{version} FROM {target} GROUP BY {keys}) "
                f"AS stored ON {_same(table, 'stored', 'chosen')}"
            )
            if table.version:
                where += f" AND NOT IFNULL(stored.version > chosen.{quote(table.version)}, FALSE)"
        values = {c.name: f"chosen.{quote(c.name)}" for c in table.data_columns} | {
            PARTITION.name: carried,
            LOADED_AT.name: self._stamp,
            RUN_ID.name: literal(self.run_id),
            ROW_HASH.name: "chosen.row_hash",
        }
        if partitioned(table):
            values[DAY] = f"SAFE_CAST(chosen.{partition} AS DATE)"
        return (
            f"INSERT INTO {target} ({columns(list(values))}) SELECT {', '.join(values.values())} "
            f"FROM ({chosen}) AS chosen{join} WHERE {where}"
        )

    def _delete_old(self, table: Table, target: str) -> str:
        """What the rows inserted just now have replaced."""

        def new(rows: str) -> str:
            run, at = f"{rows}.{quote(RUN_ID.name)}", f"{rows}.{quote(LOADED_AT.name)}"
            return f"{run} = {literal(self.run_id)} AND {at} = {self._stamp}"

        return (
            f"DELETE FROM {target} AS stored WHERE NOT ({new('stored')}) AND EXISTS "
            f"(SELECT 1 FROM {target} AS fresh WHERE {new('fresh')} AND {_same(table, 'fresh', 'stored')})"
        )


def in_partitions(table: Table, partitions: Sequence[str] | None) -> str:
    """The condition that a stored row is of these partitions; None for any."""
    if not partitions:
        return "TRUE" if partitions is None else "FALSE"
    where = f"{quote(PARTITION.name)} IN ({', '.join(map(literal, partitions))})"
    days = [day for day in map(_date, partitions) if day]
    if partitioned(table) and len(days) == len(partitions):  # reads these days only
        where += f" AND {quote(DAY)} BETWEEN DATE '{min(days)}' AND DATE '{max(days)}'"
    return where


def atomic(steps: Sequence[str]) -> str | None:
    """Statements as one step; None for none."""
    if len(steps) < 2:
        return steps[0] if steps else None
    return "BEGIN TRANSACTION;\n" + "".join(f"{step};\n" for step in steps) + "COMMIT TRANSACTION;"


def restoring(table: Table, target: str, staging: str | None, partitions: Sequence[str] | None) -> str:
    """The one atomic step that puts staged rows, load times and runs included, in the partitions' place."""
    delete = f"DELETE FROM {target} WHERE {in_partitions(table, partitions)}"
    values = {name: quote(name) for name in table.copied_schema.names} | {ROW_HASH.name: bigquery_hash(table)}
    if partitioned(table):
        values[DAY] = f"SAFE_CAST({quote(PARTITION.name)} AS DATE)"
    insert = f"INSERT INTO {target} ({columns(list(values))}) SELECT {', '.join(values.values())} FROM {staging}"
    return atomic([delete, insert] if staging else [delete]) or ""


def audit_counts(table: Table, target: str, quarantine: str) -> str:
    """Query, with the table's address as parameter: rows, nulls a column (`nulls_0` …), altered rows, refusals."""
    nulls = [f"COUNTIF({quote(c)} IS NULL) AS nulls_{n}" for n, c in enumerate(never_null(table))]
    return (
        f"SELECT COUNT(*) AS stored, {', '.join(nulls)}, "
        f"COUNTIF({quote(ROW_HASH.name)} != {bigquery_hash(table)}) AS altered, "
        f"(SELECT COUNT(*) FROM {quarantine} WHERE table_name = ?) AS refused FROM {target}"
    )


def audit_twice(table: Table, target: str) -> str:
    """Query: the first keys stored more than once."""
    keys = columns(table.row_key)
    return f"SELECT {keys} FROM {target} GROUP BY {keys} HAVING COUNT(*) > 1 ORDER BY {keys} LIMIT 3"


def audit_altered(table: Table, target: str) -> str:
    """Query: the first keys whose rows are not what was loaded."""
    return (
        f"SELECT {columns(table.row_key)} FROM {target} WHERE {quote(ROW_HASH.name)} != {bigquery_hash(table)} LIMIT 3"
    )


def never_null(table: Table) -> list[str]:
    """Columns that may not be null, in order."""
    return sorted(table.required | {c.name for c in SYSTEM_COLUMNS})


def _same(table: Table, one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quote(k)} = {other}.{quote(k)}" for k in table.key)


def _date(key: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(key)
    except ValueError:
        return None


def table_name(project: str, prefix: str, address: str) -> str:
    """`schema.table` in full: project, prefixed data set, table. Raises ContractError for any other address."""
    schema, dot, name = address.partition(".")
    if not dot:
        raise ContractError(f"{address!r} is not schema.table")
    return f"`{project}.{prefix}{checked(schema)[1:-1]}.{checked(name)[1:-1]}`"
