"""G2 API v2: buyer intent, an analytical query with explicit dimensions and cursor paging.

The API sorts by one field and counts no rows, so hundreds of rows tie and a page may repeat some and skip others.
What it does tell is each day's total activity, which adds up: a day is whole when its rows do too.
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg

from dreamclass_intel.http import Api, SourceError, pages
from dreamclass_intel.partitions import DAY, Days
from dreamclass_intel.settings import Mode, load_settings

DIMENSIONS = (
    "day",
    "company_id",
    "company_name",
    "company_domain",
    "company_country",
    "company_state",
    "company_city",
    "company_industry",
    "company_employees",
    "signal_type",
    "provider",
    "left_product_id",
    "left_product_name",
    "right_product_id",
    "right_product_name",
)
TOTAL = "total_activity"
MEASURES = (TOTAL, "visitor_count", "last_seen_at")
AGAIN = ("day", "company_id", "-company_id")  # sorts of the further readings of a day that came incomplete
SANDBOX_PRODUCT = "dreamclass"
# Above 100 requests a second G2 blocks the address for a minute, without a 429 to warn.
MIN_INTERVAL_S = 1 / 80


Row = dict[str, Any]


class G2Resource(dg.ConfigurableResource):
    """Reads buyer intent for our product."""

    page_size: int = 250

    def buyer_intent(self, days: Days) -> Iterator[dict[str, Any]]:
        """Rows of the days at the grain of DIMENSIONS, oldest first. Raises SourceError."""
        settings = load_settings().g2
        product = SANDBOX_PRODUCT if settings.mode is Mode.SANDBOX else settings.product_id
        path = f"/api/v2/products/{product}/buyer_intent"
        api = Api(
            "g2",
            settings.url(settings.api_base),
            headers={
                "Authorization": f"Bearer {settings.secret('api_token')}",
                "Accept": "application/vnd.api+json",
            },
            timeout_s=settings.timeout_s,
        )
        yield from _Query(api, path, self.page_size).rows(days)


class _Query:
    """Readings of one product's buyer intent, each row once."""

    def __init__(self, api: Api, path: str, page_size: int) -> None:
        self._api, self._path, self._page_size = api, path, page_size
        self._ready_at = time.monotonic()

    def rows(self, days: Days) -> Iterator[Row]:
        """The days' rows, a day at a time in memory."""
        paged = False
        totals: dict[str, int] | None = None

        def read() -> Iterator[Row]:
            nonlocal paged
            for page, more in self._pages(days, DIMENSIONS, MEASURES, "day"):
                paged = paged or more
                yield from page

        for day, group in groupby(read(), key=lambda row: str(row["day"])):
            found = list(group)
            if paged:  # a single page holds everything
                if totals is None:
                    totals = self._totals(days)
                found = self._whole(day, found, totals.pop(day, 0))
            yield from found
        for day, total in (totals or {}).items():
            yield from self._whole(day, [], total)

    def _whole(self, day: str, found: list[Row], total: int) -> list[Row]:
        """The day's rows, read again in other orders until together they add up to its total."""
        distinct = {_grain(row): row for row in found}
        date = dt.date.fromisoformat(day)
        for sort in AGAIN:
            if _activity(distinct) == total:
                break
            only = Days(date, date + DAY)
            if _activity(distinct) > total:  # it moved meanwhile
                distinct.clear()
            for page, _ in self._pages(only, DIMENSIONS, MEASURES, sort):
                distinct |= {_grain(row): row for row in page if str(row["day"]) == day}
            total = self._totals(only).get(day, 0)
        if _activity(distinct) != total:
            problem = f"{day}: rows of {_activity(distinct)} signals out of {total}, read {1 + len(AGAIN)} times"
            raise SourceError("g2", self._path, problem, status=422)
        return list(distinct.values())

    def _totals(self, days: Days) -> dict[str, int]:
        """Signals of each day."""
        pages_ = self._pages(days, ("day",), (TOTAL,), "day")
        return {str(row["day"]): int(row[TOTAL] or 0) for page, _ in pages_ for row in page}

    def _pages(
        self, days: Days, dimensions: Sequence[str], measures: Sequence[str], sort: str
    ) -> Iterator[tuple[list[Row], bool]]:
        """Pages of rows, and whether there are more."""
        params = {
            "dimensions": ",".join(dimensions),
            "measures": ",".join(measures),
            "sort": sort,  # the default sort is a score that moves while we page
            "page[size]": self._page_size,
            "dimension_filters[day_gteq]": days.start.isoformat(),
            "dimension_filters[day_lt]": days.end.isoformat(),
        }

        def fetch(cursor: str | None) -> tuple[list[Any], str | None]:
            time.sleep(max(self._ready_at - time.monotonic(), 0))
            self._ready_at = time.monotonic() + MIN_INTERVAL_S
            body = _get(self._api, self._path, {**params, "page[after]": cursor} if cursor else params)
            after = _after((body.get("links") or {}).get("next"))
            return [([row["attributes"] for row in body["data"]], after is not None)], after

        for page in pages(fetch, source="g2"):
            yield from page


def _grain(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in DIMENSIONS)


def _activity(rows: dict[tuple[Any, ...], Row]) -> int:
    return sum(int(row[TOTAL] or 0) for row in rows.values())


def _get(api: Api, path: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        body = api.get(path, params)
    except SourceError as error:
        if error.status != 403:
            raise
        raise SourceError(
            "g2",
            error.endpoint,
            "the account or token has no access to Buyer Intent (entitlement, scope buyer_intent.read)",
            status=403,
        ) from None
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        raise SourceError("g2", path, "answer has no list 'data'", status=422)
    return body


def _after(link: str | None) -> str | None:
    """The cursor in a `links.next`; the rest of that link is ours already."""
    return parse_qs(urlsplit(link).query)["page[after]"][0] if link else None


RESOURCES = {"g2": G2Resource()}
