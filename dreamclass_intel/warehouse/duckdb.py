"""The embedded warehouse: one DuckDB file, short connections, one transaction per write."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import tenacity

from dreamclass_intel.contracts import PARTITION, QUARANTINE, ROW_HASH, SYSTEM_COLUMNS, Table, quote
from dreamclass_intel.loads import Data, Extract, Selection
from dreamclass_intel.records import BATCH_ROWS
from dreamclass_intel.warehouse.content import duckdb_hash
from dreamclass_intel.warehouse.duckdb_load import Load
from dreamclass_intel.warehouse.duckdb_tables import delete, ensure, sql_name, stored_types, types
from dreamclass_intel.warehouse.protocol import Audit, WriteResult, digest
from dreamclass_intel.warehouse.schema_drift import type_problems
from dreamclass_intel.warehouse.spool import Spool, fitted


def _locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "could not set lock" in str(error).lower()


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
                ensure(con, table)

    def write(self, table: Table, partitions: Sequence[str] | None, data: Data, run_id: str) -> WriteResult:
        """See `Warehouse.write`. Raises ContractError for rows the contract refuses; nothing is written then."""
        if isinstance(data, Selection):
            with data.parts as parts, self._writing(table) as con:
                return Load(con, table, partitions, run_id).selected(data, parts)
        if not isinstance(data, Extract):
            raise TypeError(f"{table.address}: neither an Extract nor a Selection: {type(data).__name__}")
        with Spool(table, data, partitions, self.path.parent / "spool") as spool, self._writing(table) as con:
            return Load(con, table, partitions, run_id).spooled(spool)

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
        with Spool(table, data, partitions, folder, schema=table.copied_schema) as spool, self._writing(table) as con:
            columns = ", ".join(map(quote, table.copied_schema.names))
            delete(con, table, partitions)
            con.execute(
                f"INSERT INTO {sql_name(table)} ({columns}, {quote(ROW_HASH.name)}) "
                f"SELECT {columns}, {duckdb_hash(table)} FROM read_parquet(?)",
                [str(spool.path)],
            )
            return WriteResult(spool.rows)

    def name(self, address: str) -> str:
        """See `Warehouse.name`."""
        return ".".join(map(quote, address.split(".")))

    def within(self, column: str) -> str:
        """See `Warehouse.within`."""
        return f"{column} IN (SELECT unnest(?))"

    def is_permanent(self, error: Exception) -> bool:
        """See `Warehouse.is_permanent`."""
        return False  # locks, memory and disks come and go

    def exists(self, address: str) -> bool:
        """See `Warehouse.exists`."""
        with self.connect() as con:
            return bool(stored_types(con, self.name(address)))

    def content_hash(self, table: Table) -> str:
        """Hash of the stored rows and their partitions, blind to order, load time and run."""
        with self.connect() as con:
            rows = con.sql(f"SELECT {ROW_HASH.name} || {PARTITION.name} AS h FROM {sql_name(table)} ORDER BY h")
            return digest(value for batch in rows.to_arrow_reader(BATCH_ROWS) for value in batch.column(0).to_pylist())

    def audit(self, table: Table) -> Audit:
        """See `Warehouse.audit`."""
        with self.connect() as con:
            ensure(con, QUARANTINE)
            stored = stored_types(con, sql_name(table))
            problems = type_problems(stored, types(table))
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

    @contextmanager
    def _writing(self, table: Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in one transaction, the table and the quarantine made."""
        with self.connect() as con:
            ensure(con, table)
            ensure(con, QUARANTINE)
            con.execute("BEGIN")
            try:
                yield con
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
