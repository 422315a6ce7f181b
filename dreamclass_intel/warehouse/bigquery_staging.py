"""Rows on their way into BigQuery: in a staging table, filled from a file or by queries, gone afterwards."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from dreamclass_intel.contracts import PARTITION, QUARANTINE, Rejected, Table
from dreamclass_intel.loads import PROBLEM, Selection
from dreamclass_intel.records import set_aside
from dreamclass_intel.warehouse import bigquery_sql as sql
from dreamclass_intel.warehouse.bigquery_jobs import Jobs
from dreamclass_intel.warehouse.bigquery_schema import fields, nullable
from dreamclass_intel.warehouse.spool import Spool, check_partitions, quarantine_batch, scratch

STAGING_LIFE = dt.timedelta(hours=6)  # of a killed load's staging table


@dataclass(frozen=True)
class Incoming:
    """What is staged; `name` is quoted, None where there are no rows."""

    name: str | None
    rows: int
    partitions: frozenset[str]


class Staging:
    """Staging tables of one write."""

    def __init__(self, client: bigquery.Client, jobs: Jobs, prefix: str) -> None:
        self._client, self._jobs, self._prefix = client, jobs, prefix

    @contextmanager
    def loaded(self, table: Table, spool: Spool) -> Iterator[Incoming]:
        """The spooled file's rows, by a load job."""
        if not spool.rows:
            yield Incoming(None, 0, frozenset())
            return
        names = set(spool.schema.names) - set(table.arrow_schema.names)  # rows that are restored bring more
        with self._filled(table, spool.path, *(nullable(f) for f in fields(table) if f.name in names)) as name:
            yield Incoming(name, spool.rows, frozenset(spool.found))

    @contextmanager
    def selected(self, table: Table, data: Selection, partitions: Sequence[str] | None) -> Iterator[Incoming]:
        """What the queries select; refused rows go to `data.rejected`. Raises ContractError for rows of partitions
        that were not asked for."""
        columns = sql.columns(table.arrow_schema.names)
        with data.parts as parts, self._made(table, bigquery.SchemaField(PROBLEM, "STRING")) as made:
            processed = sum(self._jobs.dry_run(part.query) for part in parts)
            data.metadata["dry_run_bytes"] = processed
            data.told(self._jobs.costs(processed))
            name = self._name(table, made)
            for part in parts:
                self._jobs.query(
                    f"INSERT INTO {name} ({columns}, {PROBLEM}, {sql.quote(sql.POSITION)}) "
                    f"SELECT {columns}, {PROBLEM}, 0 FROM ({part.query})"
                )
            refused = list(self._jobs.query(f"SELECT * FROM {name} WHERE {PROBLEM} IS NOT NULL"))
            if refused:
                for row in refused:
                    set_aside(data, table, dict(row))
                self._jobs.query(f"DELETE FROM {name} WHERE {PROBLEM} IS NOT NULL")
            partition = sql.quote(PARTITION.name)
            counted = self._jobs.query(f"SELECT {partition}, COUNT(*) FROM {name} GROUP BY {partition}")
            rows = {row[0]: row[1] for row in counted}
            check_partitions(table, rows, partitions)
            yield Incoming(name if rows else None, sum(rows.values()), frozenset(rows))

    @contextmanager
    def refused(self, rejected: Sequence[Rejected], folder: Path) -> Iterator[str | None]:
        """The refused records, as rows of `raw.quarantine`; None for none."""
        if not rejected:
            yield None
            return
        with scratch(folder, "refused") as made:
            file = made / "refused.parquet"
            pq.write_table(pa.Table.from_batches([dressed(quarantine_batch(rejected), 0)]), file)
            with self._filled(QUARANTINE, file) as name:
                yield name

    @contextmanager
    def _filled(self, table: Table, file: Path, *more: bigquery.SchemaField) -> Iterator[str]:
        with self._made(table, *more) as made:
            self._jobs.load(file, made.reference, made.schema)
            yield self._name(table, made)

    @contextmanager
    def _made(self, table: Table, *more: bigquery.SchemaField) -> Iterator[bigquery.Table]:
        columns = [nullable(f) for f in fields(table) if f.name in table.arrow_schema.names]
        dataset = bigquery.DatasetReference(self._client.project, f"{self._prefix}{table.schema}")
        made = bigquery.Table(
            dataset.table(f"{table.name}__load_{uuid.uuid4().hex[:12]}"),
            schema=[*columns, *more, bigquery.SchemaField(sql.POSITION, "INT64")],
        )
        made.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
        self._client.create_table(made, retry=self._jobs.retry)
        try:
            yield made
        finally:
            with suppress(
                GoogleAPIError, GoogleAuthError, requests.RequestException
            ):  # it expires anyway, and must not hide the load's own error
                self._client.delete_table(made, not_found_ok=True, retry=self._jobs.retry)

    def _name(self, table: Table, made: bigquery.Table) -> str:
        return sql.table_name(self._client.project, self._prefix, f"{table.schema}.{made.table_id}")


def dressed(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """As filed for BigQuery: timestamps say that they are UTC (else they would load as DATETIME), rows are numbered."""
    arrays = [c.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(c.type) else c for c in batch.columns]
    position = pa.array(range(first, first + batch.num_rows), pa.int64())
    return pa.RecordBatch.from_arrays([*arrays, position], names=[*batch.schema.names, sql.POSITION])
