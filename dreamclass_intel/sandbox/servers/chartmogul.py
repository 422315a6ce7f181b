"""ChartMogul API v1 (read part): HTTP Basic, cursor paging, hyphens beside underscores."""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.servers import _chartmogul_objects as objects
from dreamclass_intel.sandbox.servers.site import Site, answer
from dreamclass_intel.settings import SANDBOX_KEY

MAX_PER_PAGE = 200
DAY = dt.timedelta(days=1)


class Refusal(Exception):  # noqa: N818 (an HTTP answer, not a bug)
    """A 4xx answer in ChartMogul's form."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": status, "message": message, "param": param}


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /chartmogul."""

    def route(path: str, handler: Callable[[Request], Any]) -> Route:
        def endpoint(request: Request) -> Response:
            try:
                if not _authorised(request):
                    raise Refusal(401, "No valid API key provided")
                return answer(handler(request))
            except Refusal as refusal:
                return answer(refusal.body, refusal.status)

        return Route(f"/v1{path}", endpoint)

    def customers(request: Request) -> Any:
        query = request.query_params
        found = [
            c
            for c in objects.store(site).customers
            if query.get("status") in (None, c["status"])
            and query.get("external_id") in (None, c["external_id"])
            and query.get("data_source_uuid") in (None, c["data_source_uuid"])
            and query.get("system") in (None, c["billing-system-type"])
        ]
        return _page(request, found, lambda c: [f"{c['id']:020}"])

    def customer(request: Request) -> dict[str, Any]:
        uuid = request.path_params["uuid"]
        for found in objects.store(site).customers:
            if found["uuid"] == uuid:
                return found
        raise Refusal(404, "Customer not found")

    def subscriptions(request: Request) -> Any:
        found = objects.store(site).subscriptions[customer(request)["uuid"]]
        return _page(request, found, lambda s: [s["start-date"], s["uuid"]])

    def customer_activities(request: Request) -> Any:
        uuid = customer(request)["uuid"]
        found = [a for a in objects.store(site).activities if a["customer-uuid"] == uuid]
        return _page(request, found, lambda a: [a["date"], a["uuid"]])

    def activities(request: Request) -> Any:
        query = request.query_params
        start, end = _bound(query.get("start-date"), 0), _bound(query.get("end-date"), 1)
        found = [
            a
            for a in objects.store(site).activities
            if (start is None or a["date"] >= start)
            and (end is None or a["date"] < end)
            and query.get("type") in (None, a["type"])
        ]
        return _page(request, found, lambda a: [a["date"], a["uuid"]], descending=query.get("order") == "-date")

    def plans(request: Request) -> Any:
        return _page(request, objects.store(site).plans, lambda p: [p["external_id"]], root="plans")

    def mrr(request: Request) -> Any:
        return _mrr(request, objects.store(site).daily)

    def data_sources(_request: Request) -> Any:
        source = {
            "uuid": objects.DATA_SOURCE,
            "name": "Stripe",
            "created_at": objects.DATA_SOURCE_CREATED,
            "status": "idle",
            "system": "Stripe",
        }
        return {"data_sources": [source]}

    return [
        route("/ping", lambda _request: {"data": "pong!"}),
        route("/account", lambda _request: ACCOUNT),
        route("/data_sources", data_sources),
        route("/customers", customers),
        route("/customers/{uuid}", customer),
        route("/customers/{uuid}/subscriptions", subscriptions),
        route("/customers/{uuid}/activities", customer_activities),
        route("/activities", activities),
        route("/plans", plans),
        route("/metrics/mrr", mrr),
    ]


ACCOUNT = {
    "id": "acc_00000000-0000-4000-8000-000000000001",
    "name": "DreamClass",
    "currency": objects.CURRENCY,
    "time_zone": "UTC",
    "week_start_on": "monday",
    "churn_recognition": "churn_at_cancellation",
    "churn_when_zero_mrr": "exclude",
    "auto_churn_subscription": False,
    "refund_handling": "ignore",
    "proximate_movement_reclassification": "enabled",
}


def _authorised(request: Request) -> bool:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return kind == "Basic" and user == SANDBOX_KEY and password in ("", SANDBOX_KEY)


def _page(
    request: Request,
    found: list[dict[str, Any]],
    position: Callable[[dict[str, Any]], list[str]],
    *,
    root: str = "entries",
    descending: bool = False,
) -> dict[str, Any]:
    """One page; the cursor is the last position, so that objects arriving meanwhile shift nothing."""
    query = request.query_params
    if "page" in query:
        raise Refusal(400, "Page-number pagination is no longer supported, use cursor", "page")
    try:
        size = int(query.get("per_page", MAX_PER_PAGE))
        after = json.loads(base64.urlsafe_b64decode(query["cursor"])) if "cursor" in query else None
    except (ValueError, binascii.Error):
        raise Refusal(400, "Invalid cursor or per_page", "cursor") from None
    size = min(max(size, 1), MAX_PER_PAGE)
    found = sorted(found, key=position, reverse=descending)
    if after is not None:
        found = [f for f in found if (position(f) < after if descending else position(f) > after)]
    page = found[:size]
    last = position(page[-1]) if page else after
    # As in the original a cursor comes even with the last page: has_more alone says whether to go on.
    cursor = base64.urlsafe_b64encode(json.dumps(last).encode()).decode() if last else None
    return {root: page, "cursor": cursor, "has_more": len(found) > size}


def _bound(text: str | None, days: int) -> str | None:
    """A start or end date (a bare end date includes its day) as comparable text."""
    if not text:
        return None
    try:
        if len(text) == 10:
            at = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC) + days * DAY
        else:
            at = dt.datetime.fromisoformat(text)
            at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    except ValueError:
        raise Refusal(400, f"Invalid date {text}", "start-date") from None
    return objects.moment(at)


def _period_end(day: dt.date, interval: str) -> dt.date:
    if interval == "week":
        return day + (6 - day.weekday()) * DAY
    if interval in ("month", "quarter", "year"):
        span = {"month": 1, "quarter": 3, "year": 12}[interval]
        month = (day.month - 1) // span * span + span
        return dt.date(day.year + month // 12, month % 12 + 1, 1) - DAY
    return day


def _mrr(request: Request, daily: dict[dt.date, dict[str, Decimal]]) -> dict[str, Any]:
    query = request.query_params
    interval = query.get("interval", "month")
    try:
        start = dt.date.fromisoformat(query["start-date"])
        end = dt.date.fromisoformat(query["end-date"])
    except (KeyError, ValueError):
        raise Refusal(400, "start-date and end-date must be dates", "start-date") from None
    if interval not in ("day", "week", "month", "quarter", "year") or start > end:
        raise Refusal(400, "Invalid interval or range", "interval")
    held = sum((v for day, sums in daily.items() if day < start for v in sums.values()), Decimal(0))
    entries: list[dict[str, Any]] = []
    opening, day = held, start
    while day <= end:
        stop = min(_period_end(day, interval), end)
        sums = dict.fromkeys(objects.COMPONENTS.values(), Decimal(0))
        before = held
        while day <= stop:
            for name, value in daily.get(day, {}).items():
                sums[name] += value
                held += value
            day += DAY
        entries.append(
            {
                "date": stop.isoformat(),
                "mrr": objects.number(held),
                "percentage-change": _change(before, held),
                **{name: objects.number(value) for name, value in sums.items()},
            }
        )
    summary = {
        "current": objects.number(held),
        "previous": objects.number(opening),
        "percentage-change": _change(opening, held),
    }
    return {"entries": entries, "summary": summary}


def _change(before: Decimal, after: Decimal) -> float:
    return float(round((after - before) / before * 100, 2)) if before else 0.0
