"""ChartMogul API v1 over plain HTTP: the SDK truncates fractional cents and drops unknown fields."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.http import Api, SourceError, next_cursor, pages
from dreamclass_intel.partitions import DAY, Days
from dreamclass_intel.records import timestamp
from dreamclass_intel.settings import load_settings

# Requests go one after the other, so network latency alone keeps them under 40 a second; a 429 is retried.


class ChartMogulResource(dg.ConfigurableResource):
    """Reads ChartMogul. All methods raise SourceError."""

    page_size: int = 200

    def activities(self, days: Days) -> Iterator[dict[str, Any]]:
        """MRR movements that take effect on the days (UTC), oldest first."""
        # The API's dates are days of the account's time zone: ask for a day more on both sides.
        params = {
            "start-date": (days.start - DAY).isoformat(),
            "end-date": (days.end + DAY).isoformat(),
            "order": "date",
        }
        start, end = days.start_at.replace(tzinfo=None), days.end_at.replace(tzinfo=None)
        for entry in self._list("/activities", params):
            if start <= timestamp(entry["date"]) < end:
                yield entry

    def mrr(self, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
        """Daily MRR and its components from first to last, both included."""
        body = self._api().get(
            "/metrics/mrr",
            {"start-date": first.isoformat(), "end-date": last.isoformat(), "interval": "day"},
        )
        return _records(body, "/metrics/mrr", "entries")

    def account(self) -> dict[str, Any]:
        """The account's settings: currency, time zone, how churn is recognised."""
        found: dict[str, Any] = self._api().get("/account")
        return found

    def customers(self) -> Iterator[dict[str, Any]]:
        """All customers and leads."""
        return self._list("/customers", {})

    def subscriptions(self) -> Iterator[dict[str, Any]]:
        """All subscriptions, each with its `customer_uuid`; the API lists them customer by customer."""
        api = self._api()
        for customer in self._list("/customers", {}, api=api):
            if str(customer.get("status", "")).endswith("Lead"):
                continue  # leads have none: spares a request each
            path = f"/customers/{customer['uuid']}/subscriptions"
            try:
                found = list(self._list(path, {}, api=api))
            except SourceError as error:
                if error.status != 404:
                    raise
                continue  # deleted or merged since the list was read
            for subscription in found:
                yield {**subscription, "customer_uuid": customer["uuid"]}

    def plans(self) -> Iterator[dict[str, Any]]:
        """All plans."""
        return self._list("/plans", {}, root="plans")

    def _api(self) -> Api:
        settings = load_settings().chartmogul
        return Api(
            "chartmogul",
            settings.url(settings.api_base),
            auth=(settings.secret("api_key"), ""),
            timeout_s=settings.timeout_s,
        )

    def _list(
        self, path: str, params: dict[str, Any], *, root: str = "entries", api: Api | None = None
    ) -> Iterator[dict[str, Any]]:
        api = api or self._api()

        def fetch(cursor: str | None) -> tuple[list[Any], str | None]:
            asked = {**params, "per_page": self.page_size}
            body = api.get(path, {**asked, "cursor": cursor} if cursor else asked)
            found = _records(body, path, root)
            # A cursor comes with the last page, too.
            return found, next_cursor(body, "cursor", source="chartmogul", endpoint=path)

        for page in pages(fetch, source="chartmogul"):
            yield from page


def _records(body: Any, path: str, root: str) -> list[dict[str, Any]]:
    if not isinstance(body, dict) or not isinstance(body.get(root), list):
        raise SourceError("chartmogul", path, f"answer has no list {root!r}", status=422)
    found: list[dict[str, Any]] = body[root]
    return found


RESOURCES = {"chartmogul": ChartMogulResource()}
