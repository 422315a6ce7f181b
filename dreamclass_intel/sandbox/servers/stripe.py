"""Stripe's API v1, API version 2026-10-28.endive: lists, retrieves and events as the official SDK expects them."""

import base64
import hashlib
import operator
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.servers._stripe_legacy import BASIL, before_basil
from dreamclass_intel.sandbox.servers._stripe_objects import EMBEDDED, Json, deleted, listing
from dreamclass_intel.sandbox.servers._stripe_store import Entry, Store
from dreamclass_intel.sandbox.servers.site import Site, answer
from dreamclass_intel.settings import SANDBOX_KEY

VERSION = "2026-10-28.endive"
PAGING = {"limit", "starting_after", "ending_before", "expand"}
# Property paths an object expands, and the collection the id is looked up in (None: nothing to look up here).
EXPANDS: dict[str, dict[str, str | None]] = {
    "customers": {"default_source": None, "discount": None},
    "products": {"default_price": "prices"},
    "prices": {"product": "products", "tiers": None},
    "subscriptions": {"customer": "customers", "latest_invoice": "invoices", "discounts": None, "schedule": None},
    "subscription_items": {"discounts": None},
    "invoices": {"customer": "customers", "discounts": None},
    "events": {},
}
FILTERS = {
    "customers": {"created", "email"},
    "products": {"created", "active"},
    "prices": {"created", "active", "currency", "product", "type"},
    "subscriptions": {"created", "status", "customer", "price", "collection_method"},
    "invoices": {"created", "status", "customer", "subscription", "collection_method"},
    "events": {"created", "type", "types"},
}


class Refusal(Exception):  # noqa: N818
    """An answer in Stripe's error envelope."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
        self.body = {"error": {k: v for k, v in error.items() if v is not None}}


class Call(NamedTuple):
    """A request taken apart."""

    store: Store
    query: Mapping[str, Any]
    shown: int


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /stripe."""

    def serve(make: Callable[[Call, Request], Json]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            version = request.headers.get("stripe-version", VERSION)
            seed = hashlib.sha256(str(request.url).encode()).hexdigest()[:14]
            headers = {"Request-Id": f"req_{seed}", "Stripe-Version": version}
            try:
                _limited(site, request, headers)
                _authorised(request)
                if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.\w+)?", version):
                    raise Refusal(400, f"Invalid Stripe API version: {version}")
                short = site.faults.take("stripe", request.url.path, "short_lists")
                store = site.at_now("stripe", lambda: Store(site.world, site.now))
                body = make(Call(store, parse(request.query_params.multi_items()), 1 if short else EMBEDDED), request)
                return answer(before_basil(body) if version < BASIL else body, 200, headers)
            except Refusal as refusal:
                return answer(refusal.body, refusal.status, headers)

        return endpoint

    found = [Route(f"/v1/{name}", serve(_lister(name))) for name in FILTERS]
    found += [Route(f"/v1/{name}/{{id}}", serve(_retriever(name))) for name in FILTERS]
    found += [
        Route("/v1/subscription_items", serve(_items)),
        Route("/v1/invoices/{id}/lines", serve(_lines)),
        Route("/{path:path}", serve(_unknown)),
    ]
    return list(found)


def parse(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Stripe's bracketed query: `a[b]=1` to {"a": {"b": "1"}}, `a[]=` and `a[0]=` to {"a": [..]}."""
    out: dict[str, Any] = {}
    for name, value in pairs:
        match = re.fullmatch(r"(\w+)(?:\[(\w*)\])?", name)
        if match is None:
            raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        root, inner = match.groups()
        if inner is None:
            out[root] = value
        elif inner == "" or inner.isdigit():
            out.setdefault(root, []).append(value)
        else:
            out.setdefault(root, {})[inner] = value
    return out


def _authorised(request: Request) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        given = base64.b64decode(given).decode(errors="replace").partition(":")[0]
    if not given:
        raise Refusal(401, "You did not provide an API key. You need to provide your API key in the Authorization "
                      "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').")  # fmt: skip
    if given != SANDBOX_KEY:
        raise Refusal(401, f"Invalid API Key provided: {given[:8]}{'*' * 8}{given[-4:]}")


def _limited(site: Site, request: Request, headers: dict[str, str]) -> None:
    """Faults in Stripe's own words: a rate limit, as 429 or (`rate_limit_400`) as the older 400."""
    fault = site.faults.take("stripe", request.url.path, "rate_limit", "rate_limit_400")
    if fault is None:
        return
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    headers["Stripe-Rate-Limited-Reason"] = "endpoint-rate"
    status = 400 if fault.kind == "rate_limit_400" else 429
    raise Refusal(status, "Request rate limit exceeded. Learn more about rate limits here "
                  "https://stripe.com/docs/rate-limits.", "rate_limit")  # fmt: skip


def _unknown(_call: Call, request: Request) -> Json:
    path = request.url.path.removeprefix("/stripe")
    raise Refusal(404, f"Unrecognized request URL ({request.method}: {path}). Please see "
                  "https://stripe.com/docs or we can help at https://support.stripe.com/.")  # fmt: skip


def _retriever(name: str) -> Callable[[Call, Request], Json]:
    def retrieve(call: Call, request: Request) -> Json:
        _known(call.query, {"expand"})
        object_id = request.path_params["id"]
        if name == "customers" and object_id in call.store.erased:
            return deleted("customer", object_id)
        entry = call.store.found[name].get(object_id)
        if entry is None:
            raise Refusal(404, f"No such {name.removesuffix('s')}: '{object_id}'", "resource_missing", "id")
        return _expanded(call, name, entry.render(call.shown), _expansions(call))

    return retrieve


def _lister(name: str) -> Callable[[Call, Request], Json]:
    def list_all(call: Call, _request: Request) -> Json:
        _known(call.query, FILTERS[name] | PAGING)
        chosen = [e for e in call.store.listed[name] if all(f(e) for f in _filters(name, call.query))]
        entries, more = _page(chosen, call.query, name, call.store.found[name])
        paths = _expansions(call)
        if wrong := [p for p in paths if not p.startswith("data.")]:
            raise Refusal(400, f"This property cannot be expanded ({wrong[0]}). You may want to try expanding "
                          f"'data.{wrong[0]}' instead.", None, "expand")  # fmt: skip
        inner = [p.removeprefix("data.") for p in paths]
        data = [_expanded(call, name, e.render(call.shown), inner) for e in entries]
        return listing(f"/v1/{name}", data, more)

    return list_all


def _items(call: Call, _request: Request) -> Json:
    _known(call.query, {"subscription"} | PAGING)
    if "subscription" not in call.query:
        raise Refusal(400, "Missing required param: subscription.", "parameter_missing", "subscription")
    return _children(call, "subscriptions", call.query["subscription"], "items", "/v1/subscription_items")


def _lines(call: Call, request: Request) -> Json:
    _known(call.query, PAGING)
    invoice_id = request.path_params["id"]
    return _children(call, "invoices", invoice_id, "lines", f"/v1/invoices/{invoice_id}/lines")


def _children(call: Call, name: str, parent_id: str, field: str, url: str) -> Json:
    parent = call.store.found[name].get(parent_id)
    if parent is None:
        raise Refusal(404, f"No such {name.removesuffix('s')}: '{parent_id}'", "resource_missing", "id")
    members = parent.render(1_000_000)[field]["data"]
    entries = [Entry(-n, m["id"], {}, partial(_itself, m)) for n, m in enumerate(members)]
    page, more = _page(entries, call.query, field, {e.id: e for e in entries})
    return listing(url, [e.render(0) for e in page], more)


def _known(query: Mapping[str, Any], allowed: set[str]) -> None:
    for name in query:
        if name not in allowed:
            raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)


def _whole(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Refusal(400, f"Invalid integer: {value}", "parameter_invalid_integer", name) from None


def _page(
    entries: list[Entry], query: Mapping[str, Any], name: str, known: Mapping[str, Entry]
) -> tuple[list[Entry], bool]:
    """One page of entries that are newest first. A cursor is a position, wherever the filter leaves it."""
    limit = _whole(query.get("limit", 10), "limit")
    if not 1 <= limit <= 100:
        raise Refusal(400, "This value must be between 1 and 100 (inclusive).", None, "limit")

    def position(param: str) -> tuple[int, str]:
        entry = known.get(query[param])
        if entry is None:
            raise Refusal(400, f"No such {name.removesuffix('s')}: '{query[param]}'", "resource_missing", param)
        return entry.created, entry.id

    if "ending_before" in query:
        edge = position("ending_before")
        newer = [e for e in entries if (e.created, e.id) > edge]
        return newer[-limit:], len(newer) > limit
    if "starting_after" in query:
        edge = position("starting_after")
        entries = [e for e in entries if (e.created, e.id) < edge]
    return entries[:limit], len(entries) > limit


Filter = Callable[[Entry], bool]


def _itself(body: Json, _shown: int) -> Json:
    return body


def _has(field: str, value: str, entry: Entry) -> bool:
    return entry.facets[field] == value


def _bounded(test: Callable[[int, int], bool], edge: int, entry: Entry) -> bool:
    return test(entry.created, edge)


def _filters(name: str, query: Mapping[str, Any]) -> list[Filter]:
    found = _created(query.get("created"))
    if name == "subscriptions":
        wanted = query.get("status")
        ended = {"canceled", "incomplete_expired"}
        if wanted is None:
            found.append(lambda e: e.facets["status"] != "canceled")
        elif wanted == "ended":
            found.append(lambda e: e.facets["status"] in ended)
        elif wanted != "all":
            found.append(lambda e: e.facets["status"] == wanted)
    if name == "prices" and "active" not in query:
        found.append(lambda e: e.facets["active"] == "true")
    if name == "events":
        found += _types(query)
    for field in FILTERS[name] - {"created", "types"} - ({"status"} if name == "subscriptions" else set()):
        if field in query and not (name == "events" and field == "type"):
            found.append(partial(_has, field, query[field]))
    return found


def _created(value: Any) -> list[Filter]:
    if value is None:
        return []
    if not isinstance(value, dict):
        exact = _whole(value, "created")
        return [lambda e: e.created == exact]
    tests = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
    out: list[Filter] = []
    for name, bound in value.items():
        if name not in tests:
            raise Refusal(400, f"Received unknown parameter: created[{name}]", "parameter_unknown", "created")
        edge, test = _whole(bound, f"created[{name}]"), tests[name]
        out.append(partial(_bounded, test, edge))
    return out


def _types(query: Mapping[str, Any]) -> list[Filter]:
    if "type" in query and "types" in query:
        raise Refusal(400, "You may only specify one of these parameters: type, types.", None, "types")
    if "types" in query:
        if len(query["types"]) > 20:
            raise Refusal(400, "You may specify at most 20 event types.", None, "types")
        names = set(query["types"])
        return [lambda e: e.facets["type"] in names]
    if "type" in query:
        pattern = re.compile(re.escape(query["type"]).replace(r"\*", ".*"))
        return [lambda e: pattern.fullmatch(e.facets["type"]) is not None]
    return []


def _expansions(call: Call) -> list[str]:
    paths: list[str] = call.query.get("expand", [])
    if any(path.count(".") > 3 for path in paths):
        raise Refusal(400, "You cannot expand more than 4 levels of a property.", None, "expand")
    return paths


def _expanded(call: Call, name: str, body: Json, paths: list[str]) -> Json:
    """The object with references replaced by the objects; deeper paths only where nothing is found there."""
    for path in paths:
        head = path.split(".")[0]
        if head in ("items", "lines", "data"):
            continue
        if head not in EXPANDS[name]:
            raise Refusal(400, f"This property cannot be expanded ({head}).", None, "expand")
        where = EXPANDS[name][head]
        if where and isinstance(body.get(head), str):
            reference = body[head]
            if where == "customers" and reference in call.store.erased:
                body = {**body, head: deleted("customer", reference)}
            elif reference in call.store.found[where]:
                body = {**body, head: call.store.found[where][reference].render(call.shown)}
    return body
