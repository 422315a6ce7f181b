"""The distributed warehouse: BigQuery. Loads go to disk, into a staging table, then in by one atomic step.

Imported only when WAREHOUSE=bigquery: the client library takes seconds to load.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from dreamclass_intel.contracts import PARTITION, QUARANTINE, ROW_HASH, Table, Write
from dreamclass_intel.loads import Data, Extract, Selection
from dreamclass_intel.settings import BigQuerySettings, SettingsError
from dreamclass_intel.warehouse import bigquery_sql as sql
from dreamclass_intel.warehouse.bigquery_jobs import Jobs, connect, is_permanent
from dreamclass_intel.warehouse.bigquery_schema import fields, nullable, types
from dreamclass_intel.warehouse.bigquery_staging import Staging, dressed
from dreamclass_intel.warehouse.protocol import Audit, WriteResult, digest
from dreamclass_intel.warehouse.schema_drift import schema_difference, type_problems
from dreamclass_intel.warehouse.spool import Spool, conflict, fitted, replaces


class BigQueryWarehouse:
    """`Warehouse` on BigQuery: data set `<prefix><schema>` a schema, in one project and location."""

    def __init__(self, settings: BigQuerySettings, spool: Path) -> None:
        if not settings.project:
            raise SettingsError("WAREHOUSE=bigquery needs BIGQUERY_PROJECT")
        self.settings, self.spool = settings, spool
        self.client = connect(settings)

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a query with bound `?` parameters; timestamps come as naive UTC."""
        return self._read(self._jobs(), query, parameters)

    def name(self, address: str) -> str:
        """See `Warehouse.name`."""
        return sql.table_name(self.client.project, self.settings.dataset_prefix, address)

    def within(self, column: str) -> str:
        """See `Warehouse.within`."""
        return f"{column} IN UNNEST(?)"

    def is_permanent(self, error: Exception) -> bool:
        """See `Warehouse.is_permanent`."""
        return is_permanent(error)

    def exists(self, address: str) -> bool:
        """See `Warehouse.exists`."""
        return self._stored(address) is not None

    def ensure(self, tables: Sequence[Table]) -> None:
        """Create what is missing; add new columns; ContractError for any other difference."""
        for table in tables:
            stored = self._stored(table.address)
            if stored is None:
                self._create(table)
                continue
            new = schema_difference(table, self.name(table.address), types(stored), sql.stored_types(table))
            if new:
                made = {field.name: field for field in fields(table)}
                # Old rows have no value: a new column cannot be REQUIRED.
                stored.schema = [*stored.schema, *(nullable(made[name]) for name in new)]
                self.client.update_table(stored, ["schema"], retry=self._jobs().retry)

    def write(self, table: Table, partitions: Sequence[str] | None, data: Data, run_id: str) -> WriteResult:
        """See `Warehouse.write`. Raises ContractError for rows the contract refuses; nothing is written then."""
        jobs = self._jobs()
        staging = Staging(self.client, jobs, self.settings.dataset_prefix)
        with ExitStack() as held:
            if isinstance(data, Selection):
                self.ensure([table, QUARANTINE])
                incoming = held.enter_context(staging.selected(table, data, partitions))
            elif isinstance(data, Extract):
                spool = held.enter_context(Spool(table, data, partitions, self.spool, dressed))
                self.ensure([table, QUARANTINE])
                incoming = held.enter_context(staging.loaded(table, spool))
            else:
                raise TypeError(f"{table.address}: neither an Extract nor a Selection: {type(data).__name__}")
            refused = held.enter_context(staging.refused(data.rejected, self.spool))
            swap = sql.Swap(
                table,
                self.name(table.address),
                incoming.name,
                replaces(table, partitions, incoming.partitions, data.rejected),
                self.name(QUARANTINE.address),
                refused,
                dt.datetime.now(dt.UTC),
                run_id,
            )
            kept = self._swap(jobs, swap)
            return WriteResult(kept, incoming.rows - kept, len(data.rejected), jobs.statistics)

    def scan(self, table: Table, partitions: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Warehouse.scan`. Page by page."""
        names = sql.columns(table.copied_schema.names)
        where = sql.in_partitions(table, partitions)
        rows = self._jobs().query(f"SELECT {names} FROM {self.name(table.address)} WHERE {where}")
        storage = self.client._ensure_bqstorage_client() if self.settings.storage_api else None
        for batch in rows.to_arrow_iterable(bqstorage_client=storage):
            yield fitted(table, batch)

    def restore(self, table: Table, partitions: Sequence[str] | None, rows: Iterable[pa.RecordBatch]) -> WriteResult:
        """See `Warehouse.restore`."""
        jobs = self._jobs()
        staging = Staging(self.client, jobs, self.settings.dataset_prefix)
        spool = Spool(table, Extract(iter(rows)), partitions, self.spool, dressed, table.copied_schema)
        with spool, ExitStack() as held:
            self.ensure([table])
            incoming = held.enter_context(staging.loaded(table, spool))
            jobs.script(sql.restoring(table, self.name(table.address), incoming.name, partitions))
        return WriteResult(spool.rows, statistics=jobs.statistics)

    def content_hash(self, table: Table) -> str:
        """Hash of the stored rows and their partitions, blind to order, load time and run."""
        both = f"CONCAT({sql.quote(ROW_HASH.name)}, {sql.quote(PARTITION.name)})"
        rows = self._jobs().query(f"SELECT {both} AS h FROM {self.name(table.address)} ORDER BY h")
        return digest(row[0] for row in rows)  # page by page

    def audit(self, table: Table) -> Audit:
        """See `Warehouse.audit`. Reads the table once whole, and its key once more."""
        self.ensure([QUARANTINE])
        stored = self._stored(table.address)
        problems = type_problems(types(stored) if stored else {}, sql.stored_types(table))
        if problems:
            return Audit(0, tuple(problems), 0)
        jobs, target = self._jobs(), self.name(table.address)
        query = sql.audit_counts(table, target, self.name(QUARANTINE.address))
        (found,) = self._read(jobs, query, [table.address]).to_pylist()
        nulls = [(column, found[f"nulls_{n}"]) for n, column in enumerate(sql.never_null(table))]
        problems += [f"{column} is null in {count} rows" for column, count in nulls if count]
        twice = self._keys(jobs, sql.audit_twice(table, target))
        problems += [f"key stored twice: {', '.join(map(str, key))}" for key in twice]
        altered = self._keys(jobs, sql.audit_altered(table, target)) if found["altered"] else []
        problems += [f"row altered since it was loaded: {', '.join(map(str, key))}" for key in altered]
        return Audit(found["stored"], tuple(problems), found["refused"])

    def _swap(self, jobs: Jobs, swap: sql.Swap) -> int:
        """Look at what is staged, refuse conflicts, then replace in one step. Returns the rows kept."""
        scope = [swap.table.address, *([] if swap.replaced is None else [list(swap.replaced)])]
        (found,) = self._read(jobs, swap.counts(), scope).to_pylist()
        if swap.table.write is Write.REPLACE and found["torn"]:
            raise conflict(swap.table, self._keys(jobs, swap.torn()))
        script = swap.script(clear_refused=found["refused"] > 0)
        if script:
            jobs.script(script)
        kept: int = found["kept"]
        return kept

    def _create(self, table: Table) -> None:
        made = bigquery.Table(self._reference(table.address), schema=fields(table))
        made.description = table.description
        if sql.partitioned(table):
            made.time_partitioning = bigquery.TimePartitioning(field=sql.DAY)
        made.clustering_fields = sql.clustering(table) or None
        retry = self._jobs().retry
        try:
            self.client.create_table(made, exists_ok=True, retry=retry)
        except NotFound:  # asked for only then: a narrow role may not create data sets
            dataset = bigquery.Dataset(self._dataset(table.schema))
            dataset.location = self.settings.location
            self.client.create_dataset(dataset, exists_ok=True, retry=retry)
            self.client.create_table(made, exists_ok=True, retry=retry)

    def _reference(self, address: str) -> bigquery.TableReference:
        schema, _, name = address.partition(".")
        return self._dataset(schema).table(name)

    def _dataset(self, schema: str) -> bigquery.DatasetReference:
        return bigquery.DatasetReference(self.client.project, f"{self.settings.dataset_prefix}{schema}")

    def _stored(self, address: str) -> bigquery.Table | None:
        try:
            return self.client.get_table(self._reference(address), retry=self._jobs().retry)
        except NotFound:
            return None

    def _jobs(self) -> Jobs:
        return Jobs(self.client, self.settings)

    def _read(self, jobs: Jobs, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        found = jobs.query(query, parameters).to_arrow(create_bqstorage_client=self.settings.storage_api)
        plain = [pa.field(f.name, pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in found.schema]
        return found.cast(pa.schema(plain))

    def _keys(self, jobs: Jobs, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self._read(jobs, query).to_pylist()]
