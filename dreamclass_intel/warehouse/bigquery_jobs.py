"""Jobs on BigQuery: the client, bound parameters, the cost limit, retries, and what the jobs did."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import tenacity
from google.api_core.exceptions import BadRequest, GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY
from google.cloud.bigquery.table import RowIterator
from google.oauth2 import service_account

from dreamclass_intel.contracts import ContractError
from dreamclass_intel.settings import BigQuerySettings, SettingsError

LABELS = {"app": "dreamclass-intel"}
# https://cloud.google.com/bigquery/docs/error-messages
RETRYABLE = {"rateLimitExceeded", "jobRateLimitExceeded", "backendError", "internalError", "jobInternalError"}
GIB, TIB = 2**30, 2**40
TYPES: tuple[tuple[type, str], ...] = (  # a bool is an int, a datetime a date
    (str, "STRING"),
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (Decimal, "NUMERIC"),
    (dt.datetime, "TIMESTAMP"),
    (dt.date, "DATE"),
)


def connect(settings: BigQuerySettings) -> bigquery.Client:
    """A client by the settings; an endpoint over plain http is an emulator and gets no credentials.

    Raises SettingsError for a key file that cannot be read.
    """
    options = {"api_endpoint": settings.api_endpoint} if settings.api_endpoint else None
    credentials: Any = None
    if settings.emulated:
        credentials = AnonymousCredentials()
    elif settings.keyfile:
        try:
            credentials = service_account.Credentials.from_service_account_file(str(settings.keyfile))
        except (OSError, ValueError) as error:
            raise SettingsError(f"BIGQUERY_KEYFILE: {type(error).__name__}, not a service account's key") from None
    return bigquery.Client(
        project=settings.project, location=settings.location, credentials=credentials, client_options=options
    )


def parameter(value: Any) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    """A bound `?`; naive timestamps are UTC. Raises TypeError for a type BigQuery is not asked about."""
    if isinstance(value, list | tuple):
        return bigquery.ArrayQueryParameter(None, _type(next(iter(value), "")), [_plain(v) for v in value])
    return bigquery.ScalarQueryParameter(None, "STRING" if value is None else _type(value), _plain(value))


def _type(value: Any) -> str:
    for kind, name in TYPES:
        if isinstance(value, kind):
            return name
    raise TypeError(f"{type(value).__name__} cannot be bound to a query")


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value


class Jobs:
    """The jobs of one operation; `statistics` adds them up."""

    def __init__(self, client: bigquery.Client, settings: BigQuerySettings) -> None:
        self._client, self._settings = client, settings
        self._queries: list[bigquery.QueryJob] = []
        self._loads: list[bigquery.LoadJob] = []
        # The library's own predicates: retryable reasons and lost connections only.
        self.retry = DEFAULT_RETRY.with_timeout(settings.retry_s)
        self._job_retry = DEFAULT_JOB_RETRY.with_timeout(settings.retry_s)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> RowIterator:
        """Run a query, or a script, to its end under the limits on cost and time."""
        config = bigquery.QueryJobConfig(
            query_parameters=[parameter(value) for value in parameters],
            labels=LABELS,
            job_timeout_ms=int(self._settings.timeout_s * 1000),
        )
        if self._settings.maximum_gib_billed:
            config.maximum_bytes_billed = int(self._settings.maximum_gib_billed * GIB)
        try:
            job = self._client.query(sql, job_config=config, retry=self.retry, job_retry=self._job_retry)
            self._queries.append(job)
            return job.result(retry=self.retry, job_retry=self._job_retry)
        except GoogleAPICallError as error:
            if "limit for bytes billed" in str(error):
                error.add_note("BIGQUERY_MAXIMUM_GIB_BILLED is the limit.")
            raise

    def dry_run(self, sql: str) -> int:
        """Bytes the query would read, without running it. Raises what running it would, the cost limit's too."""
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, labels=LABELS)
        job = self._client.query(sql, job_config=config, retry=self.retry, job_retry=None)
        processed = int(job.total_bytes_processed or 0)
        limit = self._settings.maximum_gib_billed
        if limit and processed > limit * GIB:
            raise ContractError(
                f"A query would read {processed / GIB:,.1f} GiB: over BIGQUERY_MAXIMUM_GIB_BILLED={limit:g}"
            )
        return processed

    def costs(self, processed: int) -> str:
        """Bytes and their price in words."""
        usd = processed / TIB * self._settings.usd_per_tib
        return f"{processed / GIB:,.2f} GiB to read, about {usd:,.2f} USD"

    def script(self, sql: str) -> None:
        """Run one atomic step again while other writers of its tables make BigQuery abort it."""
        attempt = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_aborted),
            wait=tenacity.wait_random_exponential(multiplier=1, max=20),
            stop=tenacity.stop_after_delay(self._settings.retry_s),
            reraise=True,
        )
        attempt(self.query, sql)

    def load(self, path: Path, destination: bigquery.TableReference, schema: Sequence[bigquery.SchemaField]) -> None:
        """Append a Parquet file to an existing table; uploaded in resumable pieces of 100 MB."""
        lists = bigquery.ParquetOptions()
        lists.enable_list_inference = True  # a list is a repeated record, not a record with a list
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            parquet_options=lists,
            schema=schema,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            labels=LABELS,
            job_timeout_ms=int(self._settings.timeout_s * 1000),
        )
        with path.open("rb") as file:
            job = self._client.load_table_from_file(file, destination, job_config=config, size=None)
        self._loads.append(job)
        job.result(retry=self.retry)

    @property
    def statistics(self) -> dict[str, Any]:
        """Job ids of the last query and the loads, bytes processed, slot ms, estimated cost in USD (loads are free)."""
        billed = sum(job.total_bytes_billed or 0 for job in self._queries)
        return {
            **({"bigquery_job_id": self._queries[-1].job_id} if self._queries else {}),
            **({"bigquery_load_job_id": ", ".join(str(job.job_id) for job in self._loads)} if self._loads else {}),
            "bytes_processed": sum(job.total_bytes_processed or 0 for job in self._queries),
            "slot_ms": sum(job.slot_millis or 0 for job in self._queries),
            "estimated_cost_usd": round(billed / TIB * self._settings.usd_per_tib, 6),
        }


def is_permanent(error: Exception) -> bool:
    """Whether Google would refuse again: a grant, a limit, a query that is wrong. Not a rate, nor another writer."""
    if not isinstance(error, GoogleAPICallError) or _aborted(error):
        return False
    reasons = {e.get("reason") for e in error.errors if isinstance(e, dict)}
    return error.code in (400, 401, 403, 404) and not reasons & RETRYABLE


def _aborted(error: BaseException) -> bool:
    return isinstance(error, BadRequest) and "due to concurrent update" in str(error)
