"""DreamClass backend events, contract `dreamclass-events/1`: cursor paging by (received_at, event_id)."""

import base64
import datetime as dt
import json
from collections.abc import Iterator
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.model import ProductEvent
from dreamclass_intel.sandbox.servers.site import Site, answer, bearer_ok, iso

MAX_LIMIT = 1000


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /backend."""

    def events(request: Request) -> Response:
        if not bearer_ok(request):
            return answer({"message": "invalid token"}, 401)
        query = request.query_params
        if "cursor" in query and site.faults.take("backend", request.url.path, "410"):
            return answer({"message": "cursor expired"}, 410)
        try:
            limit = min(int(query.get("limit", 100)), MAX_LIMIT)
            after = dt.datetime.fromisoformat(query["received_after"])
            before = min(dt.datetime.fromisoformat(query["received_before"]), site.now)
            position = json.loads(base64.urlsafe_b64decode(query["cursor"])) if "cursor" in query else ["", ""]
        except (KeyError, ValueError) as error:
            return answer({"message": f"bad request: {error}"}, 400)
        if position[0]:
            after = dt.datetime.fromisoformat(position[0])
        wanted = (
            e
            for e in _received(site, after, before)
            if (iso(e.received_at), e.event_id) > (position[0], position[1]) and query.get("type") in (None, e.name)
        )
        found = list(islice(wanted, limit + 1))
        page, more = found[:limit], len(found) > limit
        cursor = None
        if more:
            last = page[-1]
            cursor = base64.urlsafe_b64encode(json.dumps([iso(last.received_at), last.event_id]).encode()).decode()
        return answer({"data": [_event(e) for e in page], "next_cursor": cursor, "has_more": more})

    return [Route("/v1/events", events)]


def _received(site: Site, after: dt.datetime, before: dt.datetime) -> Iterator[ProductEvent]:
    """Events received in [after, before), in order, a few days at a time so that a page stays cheap."""
    while after < before:
        stop = min(after + dt.timedelta(days=4), before)
        yield from site.world.product_events(after, stop)
        after = stop


def _event(event: ProductEvent) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "event_name": event.name,
        "event_version": event.event_version,
        "account_id": event.account_id,
        "user_id": event.user_id,
        "user_role": event.role,
        "actor_type": event.actor_type,
        "session_id": event.session_id,
        "ga_client_id": event.ga_client_id,
        "occurred_at": iso(event.occurred_at),
        "received_at": iso(event.received_at),
        "source": event.source,
        "is_test": event.is_test,
        "properties": event.properties,
    }
