"""G2 API v2, buyer intent: group by the dimensions asked for, filters, one sort field, cursor paging."""

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.model import G2Signal
from dreamclass_intel.sandbox.servers.site import Site, bearer_ok, iso
from dreamclass_intel.sandbox.spelling import view

MAX_SIZE, DEFAULT_SIZE = 250, 25
DAY = dt.timedelta(days=1)
SLUG, NAME = "dreamclass", "DreamClass"
PRODUCT_ID = ids.uuid_of("g2_product", SLUG)
MEASURES = ("total_activity", "visitor_count", "company_count", "last_seen_at")
NUMBERS = {"company_intent_score"}
_BANDS = ((10, "1-10"), (50, "11-50"), (200, "51-200"), (500, "201-500"), (1000, "501-1000"))
_FILTER = re.compile(r"dimension_filters\[(\w+?)_(not_eq|eq|not_cont|cont|gteq|gt|lteq|lt|present|empty)\]")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "not_eq": lambda a, b: a != b,
    "cont": lambda a, b: b.lower() in str(a or "").lower(),
    "not_cont": lambda a, b: b.lower() not in str(a or "").lower(),
    "gt": lambda a, b: a is not None and a > b,
    "gteq": lambda a, b: a is not None and a >= b,
    "lt": lambda a, b: a is not None and a < b,
    "lteq": lambda a, b: a is not None and a <= b,
    "present": lambda a, _: a not in (None, ""),
    "empty": lambda a, _: a in (None, ""),
}
_Row = dict[str, Any]


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /g2."""

    def buyer_intent(request: Request) -> Response:
        if not bearer_ok(request):
            return _error(401, "Unauthorized")
        if request.path_params["product"] not in (PRODUCT_ID, SLUG):
            return _error(404, "Not Found")
        try:
            return _answer(request, site)
        except (ValueError, KeyError, binascii.Error) as error:
            return _error(400, str(error))

    return [Route("/api/v2/products/{product}/buyer_intent", buyer_intent)]


def _error(status: int, title: str) -> Response:
    return _json({"errors": [{"status": str(status), "title": title}]}, status)


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/vnd.api+json")


def _answer(request: Request, site: Site) -> Response:
    query = request.query_params
    facts = _facts(site)
    known = {name for name in (facts[0] if facts else {}) if name not in ("activity", "visitors", "seen")}
    dimensions = [d for d in query.get("dimensions", "").split(",") if d]
    measures = [m for m in query.get("measures", "total_activity").split(",") if m]
    wrong = [d for d in dimensions if d not in known] if facts else []
    wrong += [m for m in measures if m not in MEASURES]
    if wrong:
        raise ValueError(f"unknown dimension or measure: {', '.join(wrong)}")
    size = int(query.get("page[size]", DEFAULT_SIZE))
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"page[size] must be 1 to {MAX_SIZE}")
    # The newest query's rows are kept for its next pages.
    kept: dict[tuple[tuple[str, str], ...], list[_Row]] = site.at_now("g2_query", dict)
    asked = tuple(sorted((k, v) for k, v in query.multi_items() if not k.startswith("page[")))
    rows = kept.get(asked)
    if rows is None:
        rows = _group([f for f in facts if _passes(f, request)], dimensions, measures)
        rows = _sorted(rows, query.get("sort", "-company_intent_score"))
        kept.clear()
        kept[asked] = rows
    first = json.loads(base64.urlsafe_b64decode(query["page[after]"])) if "page[after]" in query else 0
    if site.faults.take("g2", request.url.path, "unstable_ties"):
        # The one sort field says nothing of rows alike in it: each page may see them in another order.
        rows = _sorted(rows, query.get("sort", "-company_intent_score"), salt=first + 1)
    page, link = rows[first : first + size], str(request.url.replace(query=""))
    following = None
    if first + size < len(rows):
        after = base64.urlsafe_b64encode(json.dumps(first + size).encode()).decode()
        others = [(k, v) for k, v in query.multi_items() if k != "page[after]"]
        following = f"{link}?{urlencode([*others, ('page[after]', after)])}"
    data = [{"id": row.pop("_id"), "type": "buyer_intent", "attributes": row} for row in map(dict, page)]
    return _json({"data": data, "links": {"self": str(request.url), "next": following, "prev": None}})


def _passes(fact: _Row, request: Request) -> bool:
    for key, wanted in request.query_params.items():
        if not key.startswith("dimension_filters"):
            continue
        found = _FILTER.fullmatch(key)
        if found is None or found.group(1) not in fact:
            raise ValueError(f"unknown filter: {key}")
        name, test = found.groups()
        if not _TESTS[test](fact[name], float(wanted) if name in NUMBERS else wanted):
            return False
    return True


def _group(facts: list[_Row], dimensions: list[str], measures: list[str]) -> list[_Row]:
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for fact in facts:
        groups.setdefault(tuple(fact[d] for d in dimensions), []).append(fact)
    rows = []
    for key, members in groups.items():
        values = {
            "total_activity": sum(m["activity"] for m in members),
            "visitor_count": max(m["visitors"] for m in members),  # visitors overlap, they never add up
            "company_count": len({m["company_id"] for m in members}),
            "last_seen_at": max(m["seen"] for m in members),
        }
        row = {m: values[m] for m in measures} | dict(zip(dimensions, key, strict=True))
        row |= {"subject_product_id": PRODUCT_ID, "subject_product_slug": SLUG}
        # A hash of the aggregated row, measures included: it changes as activity comes in.
        row["_id"] = f"{ids.digest(*row.items()) % (1 << 128):032x}"
        rows.append(row)
    return rows


def _sorted(rows: list[_Row], sort: str, salt: int = 0) -> list[_Row]:
    name = sort.removeprefix("-")
    rows = sorted(rows, key=lambda r: ids.digest(salt, r["_id"]) if salt else r["_id"])
    if rows and name in rows[0]:
        rows.sort(key=lambda r: (r[name] is not None, r[name]), reverse=sort.startswith("-"))
    return rows


def _facts(site: Site) -> list[_Row]:
    """One row a signal with every dimension, at the site's now."""

    def build() -> list[_Row]:
        rows, day = [], site.world.config.start
        while day <= site.now.date():
            rows += [_fact(s) for s in site.world.g2_signals(day) if s.last_seen_at <= site.now]
            day += DAY
        return rows

    found: list[_Row] = site.at_now("g2", build)
    return found


def _fact(signal: G2Signal) -> _Row:
    shown = view(signal.school, "g2")
    kind = signal.signal_type.removesuffix("_visit")
    rival = signal.competitor and ids.uuid_of("g2_product", signal.competitor)
    competing = kind == "alternatives"  # a rival's page that lists us
    employees = next((text for top, text in _BANDS if (shown.employees or 0) <= top), "1001+")
    return {
        "day": signal.day.isoformat(),
        "week": (signal.day - signal.day.weekday() * DAY).isoformat(),
        "month": signal.day.replace(day=1).isoformat(),
        "time": iso(signal.last_seen_at),
        "signal_type": kind,
        "provider": signal.provider,
        "company_id": ids.g2_company_id(signal.school.school_id),
        "company_name": shown.name,
        "company_domain": shown.domain,
        "company_country": shown.country_name,
        "company_state": shown.region or None,
        "company_city": shown.city,
        "company_industry": shown.industry,
        "company_employees": employees,
        "company_intent_score": float(ids.digest("g2_score", signal.school.school_id) % 1000) / 10,
        "visitor_country": shown.country_name,
        "left_product_id": rival if competing else PRODUCT_ID,
        "left_product_name": signal.competitor if competing else NAME,
        "right_product_id": None if competing else rival,
        "right_product_name": None if competing else signal.competitor,
        "activity": signal.activity,
        "visitors": signal.visitor_count,
        "seen": iso(signal.last_seen_at),
    }
