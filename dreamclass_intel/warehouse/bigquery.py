"""The distributed warehouse: BigQuery. Loads go to disk, into a staging table, then in by one atomic step.

Imported only when WAREHOUSE=bigquery: the client library takes seconds to load.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery

from dreamclass_intel.contracts import PARTITION, QUARANTINE, ROW_HASH, Column, Table, Write, describe
from dreamclass_intel.records import Extract
from dreamclass_intel.settings import BigQuerySettings
from dreamclass_intel.warehouse import bigquery_sql as sql
from dreamclass_intel.warehouse.bigquery_jobs import Jobs, connect
from dreamclass_intel.warehouse.protocol import Audit, WriteResult, digest
from dreamclass_intel.warehouse.spool import Spool, conflict, quarantine_batch, schema_difference, type_problems

STAGING_LIFE = dt.timedelta(hours=6)  # of a killed load's staging table
LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}  # the API's names of types


class BigQueryWarehouse:
    """`Warehouse` on BigQuery: data set `<prefix><schema>` a schema, in one project and location."""

    def __init__(self, settings: BigQuerySettings, spool: Path) -> None:
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

    def exists(self, table: Table) -> bool:
        """See `Warehouse.exists`."""
        return self._stored(table) is not None

    def ensure(self, tables: Sequence[Table]) -> None:
        """Create what is missing; add new columns; ContractError for any other difference."""
        for table in tables:
            stored = self._stored(table)
            if stored is None:
                self._create(table)
                continue
            new = schema_difference(table, self.name(table.address), _types(stored), sql.stored_types(table))
            if new:
                fields = {field.name: field for field in _fields(table)}
                # Old rows have no value: a new column cannot be REQUIRED.
                stored.schema = [*stored.schema, *(_nullable(fields[name]) for name in new)]
                self.client.update_table(stored, ["schema"], retry=self._jobs().retry)

    def write(self, table: Table, partitions: Sequence[str] | None, data: Extract, run_id: str) -> WriteResult:
        """See `Warehouse.write`. Raises ContractError for rows the contract refuses; nothing is written then."""
        jobs = self._jobs()
        with Spool(table, data, partitions, self.spool, _dressed) as spool, ExitStack() as staged:
            self.ensure([table, QUARANTINE])
            staging = staged.enter_context(self._staged(jobs, table, spool.path)) if spool.rows else None
            refused = staged.enter_context(self._staged_refusals(jobs, spool)) if spool.rejected else None
            swap = sql.Swap(
                table,
                self.name(table.address),
                staging,
                spool.replaces(partitions),
                self.name(QUARANTINE.address),
                refused,
                dt.datetime.now(dt.UTC),
                run_id,
            )
            kept = self._swap(jobs, swap)
            return WriteResult(kept, spool.rows - kept, len(spool.rejected), jobs.statistics)

    def content_hash(self, table: Table) -> str:
        """Hash of the stored rows and their partitions, blind to order, load time and run."""
        both = f"CONCAT({sql.quote(ROW_HASH.name)}, {sql.quote(PARTITION.name)})"
        rows = self._jobs().query(f"SELECT {both} AS h FROM {self.name(table.address)} ORDER BY h")
        return digest(row[0] for row in rows)  # page by page

    def audit(self, table: Table) -> Audit:
        """See `Warehouse.audit`. Reads the table once whole, and its key once more."""
        self.ensure([QUARANTINE])
        stored = self._stored(table)
        problems = type_problems(_types(stored) if stored else {}, sql.stored_types(table))
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

    @contextmanager
    def _staged(self, jobs: Jobs, table: Table, file: Path) -> Iterator[str]:
        """A staging table filled from the file, gone afterwards; quoted name."""
        staging = self._staging(table)
        self.client.create_table(staging, retry=jobs.retry)
        try:
            jobs.load(file, staging.reference, staging.schema)
            yield self.name(f"{table.schema}.{staging.table_id}")
        finally:
            with suppress(GoogleAPICallError):  # it expires anyway, and must not hide the load's own error
                self.client.delete_table(staging, not_found_ok=True, retry=jobs.retry)

    @contextmanager
    def _staged_refusals(self, jobs: Jobs, spool: Spool) -> Iterator[str]:
        file = spool.path.with_name("refused.parquet")
        pq.write_table(pa.Table.from_batches([_dressed(quarantine_batch(spool.rejected), 0)]), file)
        with self._staged(jobs, QUARANTINE, file) as name:
            yield name

    def _staging(self, table: Table) -> bigquery.Table:
        fields = [_nullable(f) for f in _fields(table) if f.name in table.arrow_schema.names]
        schema = [*fields, bigquery.SchemaField(sql.POSITION, "INT64")]
        reference = self._reference(table, f"{table.name}__load_{uuid.uuid4().hex[:12]}")
        staging = bigquery.Table(reference, schema=schema)
        staging.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
        return staging

    def _create(self, table: Table) -> None:
        made = bigquery.Table(self._reference(table, table.name), schema=_fields(table))
        made.description = table.description
        if sql.partitioned(table):
            made.time_partitioning = bigquery.TimePartitioning(field=sql.DAY)
        made.clustering_fields = sql.clustering(table) or None
        retry = self._jobs().retry
        try:
            self.client.create_table(made, exists_ok=True, retry=retry)
        except NotFound:  # asked for only then: a narrow role may not create data sets
            dataset = bigquery.Dataset(self._dataset(table))
            dataset.location = self.settings.location
            self.client.create_dataset(dataset, exists_ok=True, retry=retry)
            self.client.create_table(made, exists_ok=True, retry=retry)

    def _reference(self, table: Table, name: str) -> bigquery.TableReference:
        return self._dataset(table).table(name)

    def _dataset(self, table: Table) -> bigquery.DatasetReference:
        return bigquery.DatasetReference(self.client.project, f"{self.settings.dataset_prefix}{table.schema}")

    def _stored(self, table: Table) -> bigquery.Table | None:
        try:
            return self.client.get_table(self._reference(table, table.name), retry=self._jobs().retry)
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


def _fields(table: Table) -> list[bigquery.SchemaField]:
    required = set(sql.never_null(table))
    fields = [_field(c, required=c.name in required) for c in table.stored_columns]
    if sql.partitioned(table):
        fields.append(
            bigquery.SchemaField(sql.DAY, "DATE", description=f"Day of {PARTITION.name}; filter to read less")
        )
    return fields


def _field(column: Column, *, required: bool) -> bigquery.SchemaField:
    if column.fields:
        fields = [_field(f, required=False) for f in column.fields]
        return bigquery.SchemaField(column.name, "RECORD", "REPEATED", fields=fields, description=describe(column))
    mode = "REQUIRED" if required else "NULLABLE"
    return bigquery.SchemaField(column.name, sql.SQL_TYPE[column.type], mode, description=describe(column))


def _nullable(field: bigquery.SchemaField) -> bigquery.SchemaField:
    if field.mode == "REPEATED":
        return field
    return bigquery.SchemaField(field.name, field.field_type, description=field.description)


def _types(stored: bigquery.Table) -> dict[str, str]:
    return {field.name: _type(field) for field in stored.schema}


def _type(field: bigquery.SchemaField) -> str:
    if field.fields:
        return f"ARRAY<STRUCT<{', '.join(f'{f.name} {_type(f)}' for f in field.fields)}>>"
    return LEGACY.get(field.field_type, field.field_type)


def _dressed(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """As filed for BigQuery: timestamps say that they are UTC (else they would load as DATETIME), rows are numbered."""
    arrays = [c.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(c.type) else c for c in batch.columns]
    position = pa.array(range(first, first + batch.num_rows), pa.int64())
    return pa.RecordBatch.from_arrays([*arrays, position], names=[*batch.schema.names, sql.POSITION])
