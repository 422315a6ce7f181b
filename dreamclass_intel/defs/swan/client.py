"""The visitor feed's REST transport, contract visitor-feed/1 (docs/contracts/visitor-feed.md)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.http import Api, SourceError, next_cursor, pages
from dreamclass_intel.partitions import Days
from dreamclass_intel.settings import load_settings


class SwanResource(dg.ConfigurableResource):
    """Reads visits and companies. All methods raise SourceError."""

    page_size: int = 500

    def visits(self, days: Days) -> Iterator[dict[str, Any]]:
        """Visits seen on the days, oldest first."""
        return self._list("/v1/visits", {"from": days.start_at.isoformat(), "to": days.end_at.isoformat()})

    def companies(self, days: Days) -> Iterator[dict[str, Any]]:
        """Companies whose record last changed on the days."""
        return self._list(
            "/v1/companies",
            {"updated_after": days.start_at.isoformat(), "updated_before": days.end_at.isoformat()},
        )

    def _list(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        settings = load_settings().swan
        api = Api(
            "swan",
            settings.url(settings.base_url or ""),
            headers={"x-api-key": settings.secret("api_key")},
            timeout_s=settings.timeout_s,
        )

        def fetch(cursor: str | None) -> tuple[list[Any], str | None]:
            asked = {**params, "limit": self.page_size}
            body = api.get(path, {**asked, "cursor": cursor} if cursor else asked)
            if not isinstance(body, dict) or not isinstance(body.get("data"), list):
                raise SourceError("swan", path, "answer has no list 'data'", status=422)
            return body["data"], next_cursor(body, "next_cursor", source="swan", endpoint=path)

        for page in pages(fetch, source="swan"):
            yield from page


RESOURCES = {"swan": SwanResource()}
