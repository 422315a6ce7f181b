"""Shards straight from the BigQuery export's data set, spooled to Parquet. The client library loads on use."""

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests

from dreamclass_intel.defs.ga4.shards import SUFFIX, Shard
from dreamclass_intel.glance import glancing, time_limit
from dreamclass_intel.http import SourceError, retrying
from dreamclass_intel.settings import load_settings

AT_ONCE = 8
METADATA_BYTES = 2**30  # what a look at the data set's list of tables may read
LEGACY = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}  # newer names of types -> the schema file's


class BigQueryShards:
    """The tables `events_YYYYMMDD` of `analytics_<property>`. Reads tables whole; runs no query but one on metadata.

    `client` (a `google.cloud.bigquery.Client`) and `read_client` (BigQuery Storage) may be given; by default they
    are made from the BIGQUERY_ settings.
    """

    def __init__(self, project: str | None, property_id: str, *, client: Any = None, read_client: Any = None) -> None:
        self._project, self._client, self._read_client = project, client, read_client
        self._dataset = f"analytics_{property_id}"

    def list_shards(self) -> list[Shard]:
        """From the data set's `__TABLES__`: one cheap query for names, times and row counts."""
        from google.cloud import bigquery

        from dreamclass_intel.warehouse.bigquery_jobs import LABELS

        client = self._bigquery()
        sql = (
            f"SELECT table_id, last_modified_time, row_count FROM `{self._home}.{self._dataset}.__TABLES__` "
            "WHERE STARTS_WITH(table_id, 'events_')"
        )
        config = bigquery.QueryJobConfig(labels=LABELS, maximum_bytes_billed=METADATA_BYTES)
        rows = self._call("__TABLES__", lambda: list(client.query_and_wait(sql, job_config=config, **_limits())))
        return sorted(
            Shard(suffix, dt.datetime.fromtimestamp(row["last_modified_time"] / 1000, dt.UTC), row["row_count"])
            for row in rows
            if SUFFIX.fullmatch(suffix := row["table_id"].removeprefix("events_"))
        )

    def client(self) -> Any:
        """The `google.cloud.bigquery.Client` in use. Raises SourceError where there are no usable credentials."""
        return self._bigquery()

    @property
    def dataset(self) -> str:
        """The export's data set."""
        return self._dataset

    def table(self, shard: Shard) -> str:
        """The shard's table in full."""
        return f"{self._home}.{self._dataset}.{shard.table}"

    def schemas(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Each shard with its columns as in `export_schema.json`; free of charge."""
        tables = [self.table(shard) for shard in shards]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ga4") as pool:
            found = pool.map(lambda name: self._call(name, lambda: self._bigquery().get_table(name)), tables)
            for shard, table in zip(shards, found, strict=True):
                yield shard, _columns(table.schema)

    def open_shard(self, shard: Shard, folder: Path) -> list[Path]:
        """Stream the table into one Parquet file, a batch at a time."""
        target = folder / f"{shard.table}.parquet"
        self._call(shard.table, lambda: self._spool(shard, target))
        return [target]

    def _spool(self, shard: Shard, target: Path) -> None:
        client = self._bigquery()
        rows = client.list_rows(self.table(shard))
        writer: pq.ParquetWriter | None = None
        try:
            for batch in rows.to_arrow_iterable(bqstorage_client=self._storage()):
                writer = writer or pq.ParquetWriter(target, batch.schema, compression="zstd")
                writer.write_batch(batch)
            if writer is None:  # an empty shard
                pq.write_table(pa.table({"event_date": pa.array([], pa.string())}), target)
        finally:
            if writer is not None:
                writer.close()

    @property
    def _home(self) -> str:
        """The export's project."""
        return str(self._project or self._bigquery().project)

    def _bigquery(self) -> Any:
        if self._client is None:
            from dreamclass_intel.warehouse.bigquery_jobs import connect

            settings = load_settings().bigquery
            # Jobs run, and are paid for, in BIGQUERY_PROJECT, wherever the export lies.
            chosen = settings.model_copy(update={"project": settings.project or self._project})
            self._client = self._call("client", lambda: connect(chosen))
        return self._client

    def _storage(self) -> Any:
        """The Storage Read client; none for an emulator, whose rows come by REST."""
        if self._read_client is None and not load_settings().bigquery.emulated:
            from google.cloud import bigquery_storage

            credentials = self._bigquery()._credentials  # the one identity for both
            self._read_client = self._call(
                "storage client", lambda: bigquery_storage.BigQueryReadClient(credentials=credentials)
            )
        return self._read_client

    def _call(self, what: str, action: Any) -> Any:
        """`action()`, Google's errors in our words, transient ones retried."""
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError, TransportError

        def once() -> Any:
            try:
                return action()
            except GoogleAPICallError as error:
                status = int(error.code) if error.code else None
                raise SourceError(
                    "ga4", f"BigQuery {self._dataset}.{what}", str(error.message), status=status
                ) from None
            except (requests.RequestException, TransportError) as error:
                problem = f"no answer ({type(error).__name__})"
                raise SourceError("ga4", f"BigQuery {self._dataset}.{what}", problem) from None
            except GoogleAuthError as error:
                problem = f"no usable Google credentials ({type(error).__name__})"
                raise SourceError("ga4", f"BigQuery {self._dataset}.{what}", problem, status=401) from None

        return retrying()(once)


def _columns(fields: Sequence[Any]) -> dict[str, Any]:
    """Names and types; a record is a mapping, a repeated one a list of it."""

    def kind(field: Any) -> Any:
        inner = _columns(field.fields) if field.fields else LEGACY.get(field.field_type, field.field_type)
        return [inner] if field.mode == "REPEATED" else inner

    return {field.name: kind(field) for field in fields}


def _limits() -> dict[str, Any]:
    """Google's client retries for minutes by itself; a glance does not wait for that."""
    if not glancing():
        return {}
    seconds = time_limit(60)
    return {"retry": None, "job_retry": None, "api_timeout": seconds, "wait_timeout": seconds}
