"""HubSpot CRM v3 (objects, search, pipelines, owners, properties) and v4 associations, to a private app."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.servers import _hubspot_objects as objects
from dreamclass_intel.sandbox.servers._hubspot_objects import Record, Store
from dreamclass_intel.sandbox.servers._hubspot_search import BadRequestError, search
from dreamclass_intel.sandbox.servers.site import Site, answer, bearer_ok, iso

LIST_LIMIT = 100
HISTORY_LIMIT = 50
ASSOCIATION_INPUTS = 1000
ASSOCIATION_PAGE = 500
NAMES = (("contacts", "contact", "0-1"), ("companies", "company", "0-2"), ("deals", "deal", "0-3"))
KINDS = {alias: names[0] for names in NAMES for alias in names}
QUOTA = {
    "X-HubSpot-RateLimit-Max": "190",
    "X-HubSpot-RateLimit-Remaining": "189",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    "X-HubSpot-RateLimit-Daily": "650000",
    "X-HubSpot-RateLimit-Daily-Remaining": "649000",
}
SCOPES = (
    "crm.objects.companies.read",
    "crm.objects.contacts.read",
    "crm.objects.deals.read",
    "crm.objects.owners.read",
    "crm.schemas.deals.read",
)
NO_KEY = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
    "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)
Handler = Callable[[Request, Store, dict[str, Any]], Response]


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /hubspot."""

    def guarded(handler: Handler) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def endpoint(request: Request) -> Response:
            if not bearer_ok(request):
                return _error(request, 401, NO_KEY, "INVALID_AUTHENTICATION")
            if site.faults.take("hubspot", request.url.path, "ten_secondly"):
                return _rate_limited(request)
            try:
                body = orjson.loads(await request.body() or b"{}")
                store = site.at_now("hubspot", lambda: objects.build(site.world, site.now))
                return handler(request, store, body)
            except BadRequestError as error:
                return _error(request, 400, str(error), "VALIDATION_ERROR")
            except (KeyError, ValueError, TypeError) as error:
                return _error(request, 400, f"Invalid input JSON: {error!r}", "VALIDATION_ERROR")

        return endpoint

    def batch(results: list[Any], errors: list[Any] | None = None) -> Response:
        moment = iso(site.now)
        whole = {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}
        if errors:
            return _answer({**whole, "numErrors": len(errors), "errors": errors}, 207)
        return _answer(whole)

    def find(request: Request, store: Store, body: dict[str, Any]) -> Response:
        kind = _kind(request)
        total, page, following = search(kind, store.objects[kind].values(), body)
        names = body.get("properties") or []
        out: dict[str, Any] = {"total": total, "results": [_shown(kind, r, names) for r in page]}
        return _answer(out | _paging(request, following))

    def read(request: Request, store: Store, body: dict[str, Any]) -> Response:
        kind, archived = _kind(request), _flag(request, "archived")
        history = body.get("propertiesWithHistory") or []
        cap = HISTORY_LIMIT if history else LIST_LIMIT
        if len(body["inputs"]) > cap:
            raise BadRequestError(f"The maximum number of inputs supported in a batch request is {cap}")
        found, missing = [], []
        for item in body["inputs"]:
            record = store.objects[kind].get(str(item["id"]))
            if record is None or (record.archived_at is not None) != archived:
                missing.append(str(item["id"]))
            else:
                found.append(_shown(kind, record, body.get("properties") or [], history))
        errors = _missing(missing, "Could not get some objects, they may be deleted or not exist.")
        return batch(found, errors)

    def associated(request: Request, store: Store, body: dict[str, Any]) -> Response:
        pair = (KINDS[request.path_params["source"]], KINDS[request.path_params["target"]])
        if len(body["inputs"]) > ASSOCIATION_INPUTS:
            raise BadRequestError(f"Inputs size must not exceed {ASSOCIATION_INPUTS}")
        primary_type, plain_type = objects.ASSOCIATION_TYPES[pair]
        found, missing = [], []
        for item in body["inputs"]:
            everything = store.links[pair].get(str(item["id"]), [])
            begin = int(item.get("after") or 0)
            if not everything:
                missing.append(str(item["id"]))
                continue
            to = []
            for to_id, primary in everything[begin : begin + ASSOCIATION_PAGE]:
                types = [{"category": "HUBSPOT_DEFINED", "typeId": plain_type, "label": None}]
                if primary and primary_type:
                    types.insert(0, {"category": "HUBSPOT_DEFINED", "typeId": primary_type, "label": "Primary"})
                to.append({"toObjectId": int(to_id), "associationTypes": types})
            entry: dict[str, Any] = {"from": {"id": str(item["id"])}, "to": to}
            if begin + ASSOCIATION_PAGE < len(everything):
                entry["paging"] = {"next": {"after": str(begin + ASSOCIATION_PAGE), "link": "?"}}
            found.append(entry)
        errors = _missing(missing, f"No {pair[1]} is associated with {pair[0]}.", "NO_ASSOCIATIONS_FOUND")
        return batch(found, errors)

    def listing(request: Request, store: Store, _body: dict[str, Any]) -> Response:
        kind, archived, query = _kind(request), _flag(request, "archived"), request.query_params
        history = _many(request, "propertiesWithHistory")
        limit, cap = int(query.get("limit", 10)), HISTORY_LIMIT if history else LIST_LIMIT
        if not 0 < limit <= cap:
            raise BadRequestError(f"Invalid limit: {limit}. limit must be between 1 and {cap}")
        after = int(query.get("after") or 0)
        found = [
            r for r in store.objects[kind].values() if int(r.id) >= after and (r.archived_at is not None) == archived
        ]
        page = [_shown(kind, r, _many(request, "properties"), history) for r in found[:limit]]
        for target in _many(request, "associations"):
            for entry in page:
                links = store.links[kind, KINDS[target]].get(entry["id"], [])
                if links:
                    entry.setdefault("associations", {})[KINDS[target]] = {
                        "results": [{"id": i, "type": f"{kind}_to_{target}"} for i, _ in links]
                    }
        following = int(found[limit].id) if len(found) > limit else None
        return _answer({"results": page} | _paging(request, following))

    def one(request: Request, store: Store, _body: dict[str, Any]) -> Response:
        kind = _kind(request)
        record = store.objects[kind].get(request.path_params["id"])
        if record is None or (record.archived_at is not None) != _flag(request, "archived"):
            return _error(request, 404, "resource not found", "OBJECT_NOT_FOUND")
        history = _many(request, "propertiesWithHistory")
        return _answer(_shown(kind, record, _many(request, "properties"), history))

    def pipelines(_request: Request, _store: Store, _body: dict[str, Any]) -> Response:
        return _answer({"results": objects.pipelines(site.now)})

    def owners(request: Request, _store: Store, _body: dict[str, Any]) -> Response:
        everyone = [] if _flag(request, "archived") else objects.owners()
        begin, limit = (
            int(request.query_params.get("after") or 0),
            int(request.query_params.get("limit", 100)),
        )
        following = begin + limit if begin + limit < len(everyone) else None
        return _answer({"results": everyone[begin : begin + limit]} | _paging(request, following))

    def properties(request: Request, _store: Store, _body: dict[str, Any]) -> Response:
        return _answer({"results": objects.properties_of(_kind(request))})

    def token_info(request: Request, _store: Store, body: dict[str, Any]) -> Response:
        if f"Bearer {body['tokenKey']}" != request.headers["authorization"]:
            return _error(request, 404, "token not found", "OBJECT_NOT_FOUND")
        return _answer({"userId": 1, "hubId": 62515, "appId": 1, "scopes": ["oauth", *SCOPES]})

    v3 = "/crm/v3"
    return [
        Route(f"{v3}/objects/{{kind}}/search", guarded(find), methods=["POST"]),
        Route(f"{v3}/objects/{{kind}}/batch/read", guarded(read), methods=["POST"]),
        Route("/crm/v4/associations/{source}/{target}/batch/read", guarded(associated), methods=["POST"]),
        Route(f"{v3}/objects/{{kind}}", guarded(listing)),
        Route(f"{v3}/objects/{{kind}}/{{id}}", guarded(one)),
        Route(f"{v3}/pipelines/deals", guarded(pipelines)),
        Route(f"{v3}/owners", guarded(owners)),
        Route(f"{v3}/owners/", guarded(owners)),
        Route(f"{v3}/properties/{{kind}}", guarded(properties)),
        Route("/oauth/v2/private-apps/get/access-token-info", guarded(token_info), methods=["POST"]),
    ]


def _answer(body: Any, status: int = 200) -> Response:
    return answer(body, status, QUOTA)


def _correlation(request: Request) -> str:
    digest = hashlib.sha256(str(request.url.path).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _error(request: Request, status: int, message: str, category: str) -> Response:
    body = {
        "status": "error",
        "message": message,
        "correlationId": _correlation(request),
        "category": category,
    }
    return answer(body, status, None if status == 401 else QUOTA)


def _rate_limited(request: Request) -> Response:
    """HubSpot's own 429, which often comes without Retry-After."""
    body = {
        "status": "error",
        "message": "You have reached your ten_secondly_rolling limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": _correlation(request),
        "policyName": "TEN_SECONDLY_ROLLING",
        "groupName": "publicapi:private-apps",
    }
    return answer(body, 429, QUOTA | {"X-HubSpot-RateLimit-Remaining": "0"})


def _missing(missing: list[str], message: str, sub: str | None = None) -> list[dict[str, Any]]:
    if not missing:
        return []
    found = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "errors": [], "links": {}}
    return [found | {"context": {"ids": missing}} | ({"subCategory": f"crm.associations.{sub}"} if sub else {})]


def _kind(request: Request) -> str:
    return KINDS[request.path_params["kind"]]


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "false").lower() == "true"  # the official client sends False


def _many(request: Request, name: str) -> list[str]:
    values = request.query_params.getlist(name)
    return [part for value in values for part in value.split(",") if part]


def _paging(request: Request, following: int | None) -> dict[str, Any]:
    if following is None:
        return {}
    return {"paging": {"next": {"after": str(following), "link": f"{request.url.path}?after={following}"}}}


def _shown(kind: str, record: Record, names: list[str], history: list[str] | None = None) -> dict[str, Any]:
    wanted = dict.fromkeys((*(names or objects.DEFAULT_PROPERTIES[kind]), "createdate", "hs_object_id"))
    wanted[objects.MODIFIED[kind]] = None
    out: dict[str, Any] = {
        "id": record.id,
        "properties": {n: record.properties.get(n) for n in wanted},
        "createdAt": iso(record.created_at),
        "updatedAt": iso(record.updated_at),
        "archived": record.archived_at is not None,
    }
    if record.archived_at is not None:
        out["archivedAt"] = iso(record.archived_at)
    if history:
        out["propertiesWithHistory"] = {n: record.history[n] for n in history if n in record.history}
    return out
