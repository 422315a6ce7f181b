"""Stripe's API through its official client: listing, retrieving, events. No asset and no table lives here.

`raw_request` keeps the SDK's keys, version pin and errors but leaves answers as plain JSON: building typed
objects costs milliseconds an invoice and turns decimal texts into objects that JSON then refuses. The SDK never
retries a 429, so all retrying is `http.retrying`'s; requests are sequential and so stay under 25 a second.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import requests
import stripe as sdk

from dreamclass_intel.glance import note, time_limit
from dreamclass_intel.http import SourceError, pages, retry_after, retrying
from dreamclass_intel.settings import load_settings

EVENT_HORIZON = dt.timedelta(days=30)


@dataclass(frozen=True)
class Kind:
    """A kind of object: where it lists, which queries together list all of it, which events touch it."""

    path: str
    queries: tuple[Mapping[str, Any], ...] = ({},)
    events: Mapping[str, Any] = field(default_factory=dict)
    expand: str | None = None
    children: str | None = None  # embedded list, of which a list or retrieve shows the first page only


KINDS = {
    "customer": Kind("customers", events={"types": ["customer.created", "customer.updated", "customer.deleted"]}),
    "product": Kind("products", ({"active": "true"}, {"active": "false"}), {"type": "product.*"}),
    "price": Kind("prices", ({"active": "true"}, {"active": "false"}), {"type": "price.*"}, expand="tiers"),
    "subscription": Kind("subscriptions", ({"status": "all"},), {"type": "customer.subscription.*"}, children="items"),
    "invoice": Kind("invoices", events={"type": "invoice.*"}, children="lines"),
}


class Reader:
    """One session with Stripe. Raises SourceError."""

    def __init__(self, page_size: int = 100) -> None:
        settings = load_settings().stripe
        session = requests.Session()
        session.trust_env = False  # a proxy or netrc on the machine must not see the key
        self.page_size = page_size
        self._client = sdk.StripeClient(
            settings.secret("api_key"),
            base_addresses={"api": settings.url(settings.api_base)},
            max_network_retries=0,
            http_client=sdk.RequestsClient(timeout=time_limit(settings.timeout_s), session=session),
        )

    def created(self, kind: Kind, start: dt.datetime | None, end: dt.datetime) -> Iterator[dict[str, Any]]:
        """Objects created in [start, end) as they are now, newest first within a query; None = from ever."""
        for query in kind.queries:
            extra = {"expand": [f"data.{kind.expand}"]} if kind.expand else {}
            yield from self._list(f"/v1/{kind.path}", {**query, **_created(start, end), **extra})

    def retrieve(self, kind: Kind, object_id: str) -> dict[str, Any] | None:
        """An object as it is now; None where Stripe knows it no more."""
        expand = {"expand": [kind.expand]} if kind.expand else {}
        try:
            return self._get(f"/v1/{kind.path}/{object_id}", expand)
        except SourceError as error:
            if error.status == 404 and "resource_missing" in str(error):
                return None
            raise

    def events(
        self, start: dt.datetime, end: dt.datetime, only: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Events created in [start, end), newest first; Stripe has those of the last 30 days."""
        if start < end:
            yield from self._list("/v1/events", {**(only or {}), **_created(start, end)})

    def whole(self, item: dict[str, Any], kind: Kind) -> dict[str, Any]:
        """The object with its embedded list read to the end (anew from the start: the last embedded member
        may be gone by now, and paging from it would fail)."""
        embedded = item.get(kind.children) if kind.children else None
        if not kind.children or not embedded or not embedded.get("has_more"):
            return item
        if kind.children == "items":
            members = self._list("/v1/subscription_items", {"subscription": item["id"]})
        else:
            members = self._list(f"/v1/invoices/{item['id']}/lines", {})
        return {**item, kind.children: {**embedded, "data": list(members)}}

    def _list(self, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        def fetch(after: str | None) -> tuple[list[Any], str | None]:
            page = {**params, "limit": self.page_size, **({"starting_after": after} if after else {})}
            answer = self._get(path, page)
            data = answer["data"]
            if answer["has_more"] and not data:
                raise SourceError("stripe", f"GET {path}", "an empty page says there is more", status=400)
            return data, data[-1]["id"] if answer["has_more"] else None

        for page in pages(fetch, source="stripe"):
            yield from page

    def _get(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return retrying()(self._once, path, params)

    def _once(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = self._client.raw_request("get", path, **params)
        except sdk.StripeError as error:
            if error.http_status:
                note(error.http_status, error.headers)
            raise _source_error(path, error) from None
        note(response.code, response.headers)
        answer: Any = response.data
        return answer


def _created(start: dt.datetime | None, end: dt.datetime) -> dict[str, Any]:
    bounds = {"lt": int(end.timestamp())}
    return {"created": bounds if start is None else {"gte": int(start.timestamp()), **bounds}}


def _source_error(path: str, error: sdk.StripeError) -> SourceError:
    status = error.http_status
    if isinstance(error, sdk.RateLimitError):
        status = 429  # also told as a 400 with code rate_limit
    elif status is not None and status < 400:
        status = None  # a success whose body is no JSON: transient
    words = {401: "the key was refused", 403: "the key lacks permission for this resource"}
    problem = words.get(status or 0) or "; ".join(filter(None, (error.code, _message(error))))
    asked = (error.headers or {}).get("Retry-After")
    return SourceError("stripe", f"GET {path}", problem, status=status, wait_s=retry_after(asked))


def _message(error: sdk.StripeError) -> str:
    if isinstance(error, sdk.APIConnectionError):
        return "no connection"
    if error.json_body is None:
        return "answer is not JSON"
    return (error.user_message or "failed")[:200]


class StripeResource(dg.ConfigurableResource):
    """Reads Stripe with a restricted, read-only key."""

    page_size: int = 100

    def reader(self) -> Reader:
        """A session with the key that settings name."""
        return Reader(self.page_size)


RESOURCES = {"stripe": StripeResource()}
