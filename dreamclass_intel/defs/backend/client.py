"""The backend events API: cursor paging over received time. No Dagster asset and no table lives here."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.http import Api, SourceError, next_cursor, pages
from dreamclass_intel.settings import load_settings


class BackendResource(dg.ConfigurableResource):
    """Reads `GET /v1/events` (contract dreamclass-events/1)."""

    page_size: int = 1000

    def events(self, start: dt.datetime, end: dt.datetime) -> Iterator[dict[str, Any]]:
        """Events received in [start, end), oldest first. Raises SourceError."""
        settings = load_settings().backend
        api = Api(
            "backend",
            settings.url(settings.base_url or ""),
            headers={"Authorization": f"Bearer {settings.secret('token')}"},
            timeout_s=settings.timeout_s,
        )
        newest = start.isoformat()

        def fetch(cursor: str | None) -> tuple[list[Any], str | None]:
            params = {
                "received_after": since,
                "received_before": end.isoformat(),
                "limit": self.page_size,
            }
            body = api.get("/v1/events", {**params, "cursor": cursor} if cursor else params)
            return body["data"], next_cursor(body, "next_cursor", source="backend", endpoint="/v1/events")

        while True:
            since = newest
            try:
                for page in pages(fetch, source="backend"):
                    for event in page:
                        newest = event["received_at"]
                        yield event
                return
            except SourceError as error:
                # An expired cursor: go on from the newest event; those of its very moment come twice, which
                # the warehouse settles.
                if error.status != 410 or newest == since:
                    raise


RESOURCES = {"backend": BackendResource()}
