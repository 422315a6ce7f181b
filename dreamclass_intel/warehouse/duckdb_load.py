"""One load into DuckDB, inside its transaction: rows and refusals of some partitions give way to new ones."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from dreamclass_intel.contracts import (
    LOADED_AT,
    PARTITION,
    QUARANTINE,
    ROW_HASH,
    RUN_ID,
    ContractError,
    Rejected,
    Table,
    Write,
    quote,
)
from dreamclass_intel.loads import PROBLEM, Numbering, Part, Selection
from dreamclass_intel.records import BATCH_ROWS, set_aside
from dreamclass_intel.warehouse.content import duckdb_hash
from dreamclass_intel.warehouse.duckdb_tables import delete, sql_name, sql_type
from dreamclass_intel.warehouse.protocol import WriteResult
from dreamclass_intel.warehouse.spool import Spool, check_partitions, conflict, quarantine_batch, replaces

QUOTES = r"[\"']"
# What is wrong with the data, not with the machine.
UNREADABLE = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.ConstraintException,
    duckdb.BinderException,
)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Load:
    """Rows of one run for `partitions` of a table (None: all of it)."""

    con: duckdb.DuckDBPyConnection
    table: Table
    partitions: Sequence[str] | None
    run_id: str
    loaded_at: dt.datetime = field(default_factory=_now)

    def spooled(self, spool: Spool) -> WriteResult:
        """Take the rows of a spooled extract."""
        source, file = "read_parquet(?)", str(spool.path)
        replaced = replaces(self.table, self.partitions, spool.found, spool.rejected)
        if self.table.write is Write.REPLACE:
            self.con.execute("SET preserve_insertion_order = false")
            delete(self.con, self.table, replaced)
            self._insert(source, duckdb_hash(self.table), file)
            kept = spool.rows - self._drop_repeats()
        else:
            kept = self._choose(source, file, replaced)
        self._quarantine(replaced, spool.rejected)
        return WriteResult(kept, spool.rows - kept, len(spool.rejected))

    def selected(self, data: Selection, parts: Sequence[Part]) -> WriteResult:
        """Take what the queries give. Raises ContractError where one fails or its rows are not the contract's."""
        if self.table.write is not Write.REPLACE:
            raise TypeError(f"{self.table.address}: only a table whose partitions are replaced takes a Selection")
        self.con.execute("SET preserve_insertion_order = false")
        delete(self.con, self.table, self.partitions)
        columns = [*self.table.data_columns, PARTITION]
        typed = ", ".join(f"CAST({quote(c.name)} AS {sql_type(c)}) AS {quote(c.name)}" for c in columns)
        rows = 0
        for part in parts:
            fine = f"(SELECT {typed} FROM ({part.query}) WHERE {PROBLEM} IS NULL)"
            try:
                stored = self._insert(fine, duckdb_hash(self.table))
                if stored != part.rows:
                    refused = self.con.sql(f"FROM ({part.query}) WHERE {PROBLEM} IS NOT NULL")
                    for batch in refused.to_arrow_reader(BATCH_ROWS):
                        for row in batch.to_pylist():
                            set_aside(data, self.table, row)
            except UNREADABLE as error:
                raise unreadable(self.table.address, part, error) from None
            rows += stored
        fresh, stamp = self._fresh
        found = self.con.execute(f"SELECT DISTINCT {quote(PARTITION.name)} FROM {self._target} WHERE {fresh}", stamp)
        check_partitions(self.table, [name for (name,) in found.fetchall()], self.partitions)
        if data.numbering:
            self._number(data.numbering)
        kept = rows - self._drop_repeats()
        self._quarantine(self.partitions, data.rejected)
        return WriteResult(kept, rows - kept, len(data.rejected))

    @property
    def _target(self) -> str:
        return sql_name(self.table)

    @property
    def _key(self) -> str:
        return ", ".join(map(quote, self.table.row_key))

    @property
    def _fresh(self) -> tuple[str, list[Any]]:
        """The condition, and its parameters, that a stored row is of this load."""
        return f"{quote(RUN_ID.name)} = ? AND {quote(LOADED_AT.name)} = ?", [self.run_id, self.loaded_at]

    def _insert(self, source: str, row_hash: str, *parameters: Any) -> int:
        values = {LOADED_AT.name: "?", RUN_ID.name: "?", ROW_HASH.name: row_hash}
        stored = ", ".join(quote(c.name) for c in self.table.stored_columns)
        selected = ", ".join(values.get(c.name, quote(c.name)) for c in self.table.stored_columns)
        insert = f"INSERT INTO {self._target} ({stored}) SELECT {selected} FROM {source}"
        (count,) = self.con.execute(insert, [self.loaded_at, self.run_id, *parameters]).fetchone() or (0,)
        return int(count)

    def _number(self, numbering: Numbering) -> None:
        """Done to stored rows: few repeat, and a window over all that are read would hold them in memory."""
        fresh, stamp = self._fresh
        column, hashed = quote(numbering.column), quote(ROW_HASH.name)
        alike = ", ".join(quote(name) for name in self.table.row_key if name != numbering.column)
        order = ", ".join(f"{quote(name)} NULLS FIRST" for name in numbering.order)
        repeated = f"SELECT {alike} FROM {self._target} WHERE {fresh} GROUP BY ALL HAVING count(*) > 1"
        numbered = self.con.execute(
            f"UPDATE {self._target} AS stored SET {column} = found.number FROM (SELECT rowid AS place, "
            f"row_number() OVER (PARTITION BY {alike} ORDER BY {order}) - 1 AS number FROM {self._target} "
            f"SEMI JOIN ({repeated}) USING ({alike}) WHERE {fresh}) AS found "
            "WHERE stored.rowid = found.place AND found.number > 0",
            [*stamp, *stamp],
        )
        if numbered.fetchone() != (0,):
            changed = f"UPDATE {self._target} SET {hashed} = {duckdb_hash(self.table)} WHERE {fresh} AND {column} > 0"
            self.con.execute(changed, stamp)

    def _drop_repeats(self) -> int:
        """Identical rows read twice become one row; two different rows under one key are an error."""
        fresh, stamp = self._fresh
        own = f"FROM {self._target} WHERE {fresh}"
        if not self.con.execute(f"SELECT 1 {own} GROUP BY {self._key} HAVING count(*) > 1 LIMIT 1", stamp).fetchone():
            return 0
        version = f"{quote(ROW_HASH.name)} || {quote(PARTITION.name)}"
        torn = self.con.execute(
            f"SELECT {self._key} {own} GROUP BY ALL HAVING count(DISTINCT {version}) > 1 ORDER BY ALL LIMIT 3", stamp
        ).fetchall()
        if torn:
            raise conflict(self.table, torn)
        numbered = f"SELECT rowid AS place, row_number() OVER (PARTITION BY {self._key}) AS number {own}"
        dropped = self.con.execute(
            f"DELETE FROM {self._target} WHERE rowid IN (SELECT place FROM ({numbered}) WHERE number > 1)", stamp
        )
        (count,) = dropped.fetchone() or (0,)
        return int(count)

    def _choose(self, source: str, file: str, replaced: Sequence[str] | None) -> int:
        """Of rows with one key take the newest partition's, then the record read last. Returns the rows taken."""
        con, stored = self.con, self._target
        columns = ", ".join(quote(c.name) for c in [*self.table.data_columns, PARTITION])
        partition = quote(PARTITION.name)
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE chosen AS SELECT * EXCLUDE (position) FROM (SELECT {columns}, "
            f"{duckdb_hash(self.table)} AS {quote(ROW_HASH.name)}, row_number() OVER () AS position FROM {source}) "
            f"QUALIFY row_number() OVER (PARTITION BY {self._key} ORDER BY {partition} DESC, position DESC) = 1",
            [file],
        )
        (kept,) = con.execute("SELECT count(*) FROM chosen").fetchone() or (0,)
        if self.table.write is Write.UPSERT:
            same = " AND ".join(f"stored.{quote(k)} = chosen.{quote(k)}" for k in self.table.key)
            if self.table.version:
                newer = f"stored.{quote(self.table.version)} > chosen.{quote(self.table.version)}"
                con.execute(f"DELETE FROM chosen USING {stored} AS stored WHERE {same} AND {newer}")
            # Its newest partition stays on record, so loads commute in any order.
            con.execute(
                f"UPDATE chosen SET {partition} = greatest(chosen.{partition}, stored.{partition}) "
                f"FROM {stored} AS stored WHERE {same}"
            )
            con.execute(f"DELETE FROM {stored} AS stored USING chosen WHERE {same}")
        else:
            delete(con, self.table, replaced)
        self._insert("chosen", quote(ROW_HASH.name))
        con.execute("DROP TABLE chosen")
        return int(kept)

    def _quarantine(self, partitions: Sequence[str] | None, rejected: Sequence[Rejected]) -> None:
        """Replace the partitions' quarantined records along with their rows."""
        target, con = sql_name(QUARANTINE), self.con
        within, bound = "TRUE", list[Any]()
        if partitions is not None:
            within, bound = f"{quote(PARTITION.name)} IN (SELECT unnest(?))", [list(partitions)]
        con.execute(f"DELETE FROM {target} WHERE table_name = ? AND {within}", [self.table.address, *bound])
        if not rejected:
            return
        con.register("refused", pa.Table.from_batches([quarantine_batch(rejected)]))
        same = " AND ".join(f"stored.{quote(k)} = refused.{quote(k)}" for k in QUARANTINE.key)
        con.execute(f"DELETE FROM {target} AS stored USING refused WHERE {same}")
        con.execute(
            f"INSERT INTO {target} BY NAME SELECT *, ? AS {LOADED_AT.name}, ? AS {RUN_ID.name}, "
            f"{duckdb_hash(QUARANTINE)} AS {ROW_HASH.name} FROM refused",
            [self.loaded_at, self.run_id],
        )
        con.unregister("refused")


def unreadable(address: str, part: Part, error: duckdb.Error) -> ContractError:
    """Where reading failed, not what lies there: DuckDB quotes the offending value, and the record on further lines."""
    said = str(error).splitlines()[0]
    for file in part.files:
        said = said.replace(f'"{file}"', file.replace("'", "").replace('"', ""))
    return ContractError(f"{address}: {part.reads}: {re.split(QUOTES, said)[0].rstrip(' :(')}")
