"""Shards straight from the BigQuery export's data set, spooled to Parquet. The client library loads on use."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests

from dreamclass_intel.defs.ga4.shards import SUFFIX, Shard
from dreamclass_intel.glance import glancing, time_limit
from dreamclass_intel.http import SourceError, retrying


class BigQueryShards:
    """The tables `events_YYYYMMDD` of `analytics_<property>`. Reads tables whole; runs no query but one on metadata.

    `client` (a `google.cloud.bigquery.Client`) and `read_client` (BigQuery Storage) may be given; by default they
    are made with Application Default Credentials.
    """

    def __init__(self, project: str | None, property_id: str, *, client: Any = None, read_client: Any = None) -> None:
        self._project, self._client, self._read_client = project, client, read_client
        self._dataset = f"analytics_{property_id}"

    def list_shards(self) -> list[Shard]:
        """From the data set's `__TABLES__`: one cheap query for names, times and row counts."""
        client = self._bigquery()
        sql = (
            f"SELECT table_id, last_modified_time, row_count FROM `{client.project}.{self._dataset}.__TABLES__` "
            "WHERE STARTS_WITH(table_id, 'events_')"
        )
        rows = self._call("__TABLES__", lambda: list(client.query_and_wait(sql, **_limits())))
        return sorted(
            Shard(suffix, dt.datetime.fromtimestamp(row["last_modified_time"] / 1000, dt.UTC), row["row_count"])
            for row in rows
            if SUFFIX.fullmatch(suffix := row["table_id"].removeprefix("events_"))
        )

    def open_shard(self, shard: Shard, folder: Path) -> list[Path]:
        """Stream the table into one Parquet file, a batch at a time."""
        target = folder / f"{shard.table}.parquet"
        self._call(shard.table, lambda: self._spool(shard, target))
        return [target]

    def allowed(self, shard: Shard, permissions: Sequence[str]) -> list[str]:
        """Which of the permissions this identity has on the shard's table."""
        client = self._bigquery()
        table = f"{client.project}.{self._dataset}.{shard.table}"
        limits = {"retry": None, "timeout": time_limit(60)}
        answer = self._call("permissions", lambda: client.test_iam_permissions(table, list(permissions), **limits))
        return list(answer.get("permissions", []))

    def _spool(self, shard: Shard, target: Path) -> None:
        client = self._bigquery()
        rows = client.list_rows(f"{client.project}.{self._dataset}.{shard.table}")
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

    def _bigquery(self) -> Any:
        if self._client is None:
            from google.cloud import bigquery

            self._client = self._call("client", lambda: bigquery.Client(project=self._project))
        return self._client

    def _storage(self) -> Any:
        if self._read_client is None:
            from google.cloud import bigquery_storage

            self._read_client = self._call("storage client", bigquery_storage.BigQueryReadClient)
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


def _limits() -> dict[str, Any]:
    """Google's client retries for minutes by itself; a glance does not wait for that."""
    if not glancing():
        return {}
    seconds = time_limit(60)
    return {"retry": None, "job_retry": None, "api_timeout": seconds, "wait_timeout": seconds}
