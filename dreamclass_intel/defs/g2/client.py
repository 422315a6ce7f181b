"""G2 API v2: buyer intent, an analytical query with explicit dimensions, a stable sort and cursor paging."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg

from dreamclass_intel.http import Api, SourceError, pages
from dreamclass_intel.partitions import Days
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
MEASURES = ("total_activity", "visitor_count", "last_seen_at")
SANDBOX_PRODUCT = "dreamclass"
# Above 100 requests a second G2 blocks the address for a minute, without a 429 to warn.
MIN_INTERVAL_S = 1 / 80


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
        params = {
            "dimensions": ",".join(DIMENSIONS),
            "measures": ",".join(MEASURES),
            "sort": "day",  # the default sort is a score that moves while we page
            "page[size]": self.page_size,
            "dimension_filters[day_gteq]": days.start.isoformat(),
            "dimension_filters[day_lt]": days.end.isoformat(),
        }
        ready_at = time.monotonic()

        def fetch(cursor: str | None) -> tuple[list[Any], str | None]:
            nonlocal ready_at
            time.sleep(max(ready_at - time.monotonic(), 0))
            ready_at = time.monotonic() + MIN_INTERVAL_S
            body = _get(api, path, {**params, "page[after]": cursor} if cursor else params)
            return body["data"], _after((body.get("links") or {}).get("next"))

        for page in pages(fetch, source="g2"):
            for row in page:
                yield row["attributes"]


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
