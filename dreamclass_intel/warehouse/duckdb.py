"""The embedded warehouse: one DuckDB file, short connections, one transaction per write."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import tenacity

from dreamclass_intel.contracts import (
    LOADED_AT,
    PARTITION,
    QUARANTINE,
    ROW_HASH,
    RUN_ID,
    SYSTEM_COLUMNS,
    Column,
    Rejected,
    Table,
    Type,
    Write,
    quote,
)
from dreamclass_intel.records import BATCH_ROWS, Data, Extract
from dreamclass_intel.warehouse.content import duckdb_hash
from dreamclass_intel.warehouse.protocol import Audit, WriteResult, digest
from dreamclass_intel.warehouse.spool import (
    Spool,
    conflict,
    fitted,
    quarantine_batch,
    replaces,
    schema_difference,
    type_problems,
)

SQL_TYPE: dict[Type, str] = {
    Type.STRING: "VARCHAR",
    Type.INT: "BIGINT",
    Type.FLOAT: "DOUBLE",
    Type.BOOL: "BOOLEAN",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.DECIMAL: "DECIMAL(38,9)",
    Type.JSON: "JSON",
}


def sql_type(column: Column) -> str:
    """DuckDB's type of a column."""
    if column.fields:
        return f"STRUCT({', '.join(f'{quote(f.name)} {sql_type(f)}' for f in column.fields)})[]"
    return SQL_TYPE[column.type]


def _locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "could not set lock" in str(error).lower()


def sql_name(table: Table) -> str:
    """Quoted `schema.name`."""
    return f"{quote(table.schema)}.{quote(table.name)}"


class DuckDBWarehouse:
    """`Warehouse` on one DuckDB file; another process's lock is waited for up to two minutes."""

    def __init__(self, path: Path, *, memory_limit: str = "2GB") -> None:
        self.path, self.memory_limit = path, memory_limit
        path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is closed whatever happens; an open one locks the file for everyone."""
        opening = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_locked),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
            stop=tenacity.stop_after_delay(120),
            reraise=True,
        )
        connection = opening(duckdb.connect, str(self.path))
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET memory_limit = '{self.memory_limit}'")
            yield connection
        finally:
            connection.close()

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a query with bound `?` parameters."""
        with self.connect() as con:
            return con.sql(query, params=list(parameters)).to_arrow_table()

    def ensure(self, tables: Sequence[Table]) -> None:
        """Create what is missing; add new columns; ContractError for any other difference."""
        with self.connect() as con:
            for table in tables:
                _ensure(con, table)

    def write(self, table: Table, partitions: Sequence[str] | None, data: Data, run_id: str) -> WriteResult:
        """See `Warehouse.write`. Raises ContractError for rows the contract refuses; nothing is written then."""
        if not isinstance(data, Extract):
            raise TypeError(f"{table.address}: DuckDB takes an Extract, not a {type(data).__name__}")
        with Spool(table, data, partitions, self.path.parent / "spool") as spool, self.connect() as con:
            _ensure(con, table)
            _ensure(con, QUARANTINE)
            con.execute("BEGIN")
            try:
                result = self._swap(con, table, partitions, spool, run_id)
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
            return result

    def scan(self, table: Table, partitions: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Warehouse.scan`. The file stays open until the stream ends."""
        columns = ", ".join(map(quote, table.copied_schema.names))
        query, bound = f"SELECT {columns} FROM {sql_name(table)}", list[Any]()
        if partitions is not None:
            query, bound = f"{query} WHERE {PARTITION.name} IN (SELECT unnest(?))", [list(partitions)]
        with self.connect() as con:
            for batch in con.sql(query, params=bound).to_arrow_reader(BATCH_ROWS):
                yield fitted(table, batch)

    def restore(self, table: Table, partitions: Sequence[str] | None, rows: Iterable[pa.RecordBatch]) -> WriteResult:
        """See `Warehouse.restore`."""
        data, folder = Extract(iter(rows)), self.path.parent / "spool"
        with Spool(table, data, partitions, folder, schema=table.copied_schema) as spool, self.connect() as con:
            _ensure(con, table)
            columns = ", ".join(map(quote, table.copied_schema.names))
            con.execute("BEGIN")
            try:
                _delete(con, table, partitions)
                con.execute(
                    f"INSERT INTO {sql_name(table)} ({columns}, {quote(ROW_HASH.name)}) "
                    f"SELECT {columns}, {duckdb_hash(table)} FROM read_parquet(?)",
                    [str(spool.path)],
                )
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
            return WriteResult(spool.rows)

    def name(self, address: str) -> str:
        """See `Warehouse.name`."""
        return ".".join(map(quote, address.split(".")))

    def within(self, column: str) -> str:
        """See `Warehouse.within`."""
        return f"{column} IN (SELECT unnest(?))"

    def exists(self, address: str) -> bool:
        """See `Warehouse.exists`."""
        with self.connect() as con:
            return bool(_stored_types(con, self.name(address)))

    def content_hash(self, table: Table) -> str:
        """Hash of the stored rows and their partitions, blind to order, load time and run."""
        with self.connect() as con:
            rows = con.sql(f"SELECT {ROW_HASH.name} || {PARTITION.name} AS h FROM {sql_name(table)} ORDER BY h")
            return digest(value for batch in rows.to_arrow_reader(BATCH_ROWS) for value in batch.column(0).to_pylist())

    def audit(self, table: Table) -> Audit:
        """See `Warehouse.audit`."""
        with self.connect() as con:
            _ensure(con, QUARANTINE)
            stored = _stored_types(con, sql_name(table))
            problems = type_problems(stored, _types(table))
            if problems:
                return Audit(0, tuple(problems), 0)
            name = sql_name(table)
            (rows,) = con.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,)
            for column in sorted(table.required | {c.name for c in SYSTEM_COLUMNS}):
                (nulls,) = con.execute(f"SELECT count(*) FROM {name} WHERE {quote(column)} IS NULL").fetchone() or (0,)
                if nulls:
                    problems.append(f"{column} is null in {nulls} rows")
            key = ", ".join(quote(k) for k in table.row_key)
            twice = con.execute(
                f"SELECT {key} FROM {name} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 3"
            ).fetchall()
            problems += [f"key stored twice: {', '.join(map(str, row))}" for row in twice]
            altered = con.execute(
                f"SELECT {key} FROM {name} WHERE {quote(ROW_HASH.name)} != {duckdb_hash(table)} LIMIT 3"
            ).fetchall()
            problems += [f"row altered since it was loaded: {', '.join(map(str, row))}" for row in altered]
            (refused,) = con.execute(
                f"SELECT count(*) FROM {sql_name(QUARANTINE)} WHERE table_name = ?", [table.address]
            ).fetchone() or (0,)
            return Audit(rows, tuple(problems), refused)

    def _swap(
        self,
        con: duckdb.DuckDBPyConnection,
        table: Table,
        partitions: Sequence[str] | None,
        spool: Spool,
        run_id: str,
    ) -> WriteResult:
        loaded_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        replaced = replaces(table, partitions, spool.found, spool.rejected)
        if table.write is not Write.UPSERT and not _repeats(con, table, spool):
            _delete(con, table, replaced)
            _insert(con, table, loaded_at, run_id, "read_parquet(?)", duckdb_hash(table), [str(spool.path)])
            _quarantine(con, table, replaced, spool.rejected, loaded_at, run_id)
            return WriteResult(rows=spool.rows, rejected=len(spool.rejected))
        columns = ", ".join(quote(c.name) for c in table.data_columns)
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT {columns}, {quote(PARTITION.name)}, "
            f"{duckdb_hash(table)} AS {quote(ROW_HASH.name)}, row_number() OVER () AS position FROM read_parquet(?)",
            [str(spool.path)],
        )
        key = ", ".join(quote(name) for name in table.row_key)
        if table.write is Write.REPLACE:
            _refuse_conflicts(con, table)
        # The newest partition of a mutable object wins, then the record read last.
        con.execute(
            "CREATE OR REPLACE TEMP TABLE chosen AS SELECT * EXCLUDE (position) FROM incoming "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {quote(PARTITION.name)} DESC, position DESC) = 1"
        )
        (kept,) = con.execute("SELECT count(*) FROM chosen").fetchone() or (0,)
        if table.write is Write.UPSERT:
            same = " AND ".join(f"stored.{quote(k)} = chosen.{quote(k)}" for k in table.key)
            if table.version:
                newer = f"stored.{quote(table.version)} > chosen.{quote(table.version)}"
                con.execute(f"DELETE FROM chosen USING {sql_name(table)} AS stored WHERE {same} AND {newer}")
            # Its newest partition stays on record, so loads commute in any order.
            con.execute(
                f"UPDATE chosen SET {quote(PARTITION.name)} = greatest(chosen.{quote(PARTITION.name)}, "
                f"stored.{quote(PARTITION.name)}) FROM {sql_name(table)} AS stored WHERE {same}"
            )
            con.execute(f"DELETE FROM {sql_name(table)} AS stored USING chosen WHERE {same}")
        else:
            _delete(con, table, replaced)
        _insert(con, table, loaded_at, run_id, "chosen", quote(ROW_HASH.name), [])
        _quarantine(con, table, replaced, spool.rejected, loaded_at, run_id)
        con.execute("DROP TABLE incoming; DROP TABLE chosen")
        return WriteResult(rows=kept, duplicates=spool.rows - kept, rejected=len(spool.rejected))


def _repeats(con: duckdb.DuckDBPyConnection, table: Table, spool: Spool) -> bool:
    """Whether a key was read twice; the keys alone are quickly read."""
    key = ", ".join(quote(name) for name in table.row_key)
    twice = f"SELECT 1 FROM read_parquet(?) GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    return con.execute(twice, [str(spool.path)]).fetchone() is not None


def _delete(con: duckdb.DuckDBPyConnection, table: Table, partitions: Sequence[str] | None) -> None:
    if partitions is None:
        con.execute(f"DELETE FROM {sql_name(table)}")
    else:
        within = f"{quote(PARTITION.name)} IN (SELECT unnest(?))"
        con.execute(f"DELETE FROM {sql_name(table)} WHERE {within}", [list(partitions)])


def _insert(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    loaded_at: dt.datetime,
    run_id: str,
    source: str,
    row_hash: str,
    parameters: list[Any],
) -> None:
    values = {LOADED_AT.name: "?", RUN_ID.name: "?", ROW_HASH.name: row_hash}
    stored = ", ".join(quote(c.name) for c in table.stored_columns)
    selected = ", ".join(values.get(c.name, quote(c.name)) for c in table.stored_columns)
    insert = f"INSERT INTO {sql_name(table)} ({stored}) SELECT {selected} FROM {source}"
    con.execute(insert, [loaded_at, run_id, *parameters])


def _stored_types(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    try:  # the catalog's own view costs 25 ms on a fresh connection, this less than one
        stored = con.execute("SELECT name, type FROM pragma_table_info(?)", [name]).fetchall()
    except duckdb.CatalogException:
        return {}
    return {name: kind.replace('"', "") for name, kind in stored}  # quoted or not, as DuckDB sees need


def _types(table: Table) -> dict[str, str]:
    return {c.name: sql_type(c).replace('"', "") for c in table.stored_columns}


def _ensure(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    existing = _stored_types(con, sql_name(table))
    if not existing:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(table.schema)}")
        con.execute(_ddl(table))
        return
    new = schema_difference(table, sql_name(table), existing, _types(table))
    for name, sql_type in new.items():
        con.execute(f"ALTER TABLE {sql_name(table)} ADD COLUMN {quote(name)} {sql_type}")


def _ddl(table: Table) -> str:
    required = table.required | {c.name for c in SYSTEM_COLUMNS}

    def line(column: Column) -> str:
        return f"{quote(column.name)} {sql_type(column)}" + (" NOT NULL" if column.name in required else "")

    return f"CREATE TABLE {sql_name(table)} ({', '.join(line(c) for c in table.stored_columns)})"


def _refuse_conflicts(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Identical rows read twice are one row; two different rows under one key are an error."""
    key = ", ".join(quote(name) for name in table.row_key)
    bad = con.execute(
        f"SELECT {key}, count(DISTINCT {quote(ROW_HASH.name)}) FROM incoming GROUP BY ALL "
        f"HAVING count(DISTINCT {quote(ROW_HASH.name)} || {quote(PARTITION.name)}) > 1 ORDER BY ALL LIMIT 3"
    ).fetchall()
    if bad:
        raise conflict(table, bad)


def _quarantine(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    partitions: Sequence[str] | None,
    rejected: Sequence[Rejected],
    loaded_at: dt.datetime,
    run_id: str,
) -> None:
    """Replace the partition's quarantined records along with its rows."""
    target = sql_name(QUARANTINE)
    if partitions is None:
        con.execute(f"DELETE FROM {target} WHERE table_name = ?", [table.address])
    else:
        con.execute(
            f"DELETE FROM {target} WHERE table_name = ? AND {PARTITION.name} IN (SELECT unnest(?))",
            [table.address, list(partitions)],
        )
    if not rejected:
        return
    con.register("refused", pa.Table.from_batches([quarantine_batch(rejected)]))
    same = " AND ".join(f"stored.{quote(k)} = refused.{quote(k)}" for k in QUARANTINE.key)
    con.execute(f"DELETE FROM {target} AS stored USING refused WHERE {same}")
    con.execute(
        f"INSERT INTO {target} BY NAME SELECT *, ? AS {LOADED_AT.name}, ? AS {RUN_ID.name}, "
        f"{duckdb_hash(QUARANTINE)} AS {ROW_HASH.name} FROM refused",
        [loaded_at, run_id],
    )
    con.unregister("refused")
