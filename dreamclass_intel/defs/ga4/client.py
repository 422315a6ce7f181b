"""GA4's two doors: the export's shards and the Data API through Google's client. No asset and no table here."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.normalise import Report
from dreamclass_intel.defs.ga4.shards import FolderShards, HttpShards, ShardSource
from dreamclass_intel.glance import glancing, note, time_limit
from dreamclass_intel.http import SourceError, retry_after, retrying
from dreamclass_intel.partitions import DAY, Days
from dreamclass_intel.settings import Mode, load_settings


class Ga4Resource(dg.ConfigurableResource):
    """Reads one GA4 property."""

    page_size: int = 10_000
    days_per_request: int = 92  # long ranges are what GA4 samples and folds into (other)

    def shards(self) -> ShardSource:
        """The export by the configured route; the sandbox lists its files over HTTP."""
        settings = load_settings().ga4
        if settings.mode is Mode.SANDBOX:
            return HttpShards(settings.url(""), settings.secret("token"), settings.timeout_s)
        if settings.route == "bigquery":
            return BigQueryShards(settings.bigquery_project, settings.property_number)
        return FolderShards(Path(settings.export_dir or ""))  # live has one

    def report(self, report: Report, days: Days) -> Iterator[Any]:
        """Pages (`RunReportResponse`) of a report by date, in order of date. Raises SourceError."""
        client = _data_client()
        start = days.start
        while start < days.end:
            last = min(start + dt.timedelta(days=self.days_per_request), days.end) - DAY
            offset = 0
            while True:
                answer = self._run(client, report, start, last, offset)
                yield answer
                offset += len(answer.rows)
                if not answer.rows or offset >= answer.row_count:
                    break
            start = last + DAY

    def _run(self, client: Any, report: Report, start: dt.date, last: dt.date, offset: int) -> Any:
        from google.analytics.data_v1beta import types

        request = types.RunReportRequest(
            property=f"properties/{load_settings().ga4.property_number}",
            date_ranges=[types.DateRange(start_date=start.isoformat(), end_date=last.isoformat())],
            dimensions=[types.Dimension(name=name) for name in report.dimensions],
            metrics=[types.Metric(name=name) for name in report.metrics],
            # Pages are only whole under an order that no two rows share.
            order_bys=[
                types.OrderBy(dimension=types.OrderBy.DimensionOrderBy(dimension_name=name))
                for name in report.dimensions
            ],
            limit=self.page_size,
            offset=offset,
            return_property_quota=True,
        )
        return retrying()(_once, client, request)


def _data_client() -> Any:
    """Google's client over REST: the sandbox takes anybody, the real API takes Application Default Credentials."""
    from google.analytics.data_v1beta import BetaAnalyticsDataClient
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError

    settings = load_settings().ga4
    anonymous = AnonymousCredentials() if settings.mode is Mode.SANDBOX else None
    try:
        client = BetaAnalyticsDataClient(
            credentials=anonymous,
            transport="rest",
            client_options=ClientOptions(api_endpoint=settings.url(settings.api_endpoint)),
        )
    except GoogleAuthError as error:
        problem = f"no usable Google credentials ({type(error).__name__})"
        raise SourceError("ga4", "Data API", problem, status=401) from None
    session = getattr(client.transport, "_session", None)  # the only way to the headers of a good answer
    if glancing() and session is not None:
        session.hooks["response"].append(lambda answer, **_: note(answer.status_code, answer.headers))
    return client


def _once(client: Any, request: Any) -> Any:
    """One request; the SDK retries nothing by itself, so every transient answer is made one that `retrying` knows."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.protobuf.json_format import ParseError
    from requests import RequestException

    try:
        return client.run_report(request, timeout=time_limit(load_settings().ga4.timeout_s))
    except GoogleAPICallError as error:
        wait_s = retry_after(getattr(error.response, "headers", {}).get("Retry-After"))
        problem = str(error.message).rpartition(": ")[2][:200]
        raise SourceError("ga4", "runReport", problem, status=int(error.code or 500), wait_s=wait_s) from None
    except ParseError:
        raise SourceError("ga4", "runReport", "answer is not JSON") from None
    except (RequestException, TransportError) as error:
        raise SourceError("ga4", "runReport", f"no answer ({type(error).__name__})") from None
    except GoogleAuthError as error:
        raise SourceError("ga4", "runReport", f"credentials refused ({type(error).__name__})", status=401) from None


RESOURCES = {"ga4": Ga4Resource()}
