"""SwanAI as the visitor feed, contract visitor-feed/1. Serves the whole history (the real one keeps 90 days)."""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.model import School, SwanVisit
from dreamclass_intel.sandbox.servers.site import Site, answer, iso
from dreamclass_intel.sandbox.spelling import view
from dreamclass_intel.settings import SANDBOX_KEY

MAX_LIMIT, DEFAULT_LIMIT = 1000, 100
DAY = dt.timedelta(days=1)
SITE = "https://www.dreamclass.io"
_TECH = ("WordPress", "Wix", "Squarespace", "Google Analytics", "HubSpot", "Stripe", "Moodle", "Mailchimp", "Zoom")
_SIZES = (10, 50, 200, 500, 1000)
_REVENUES = ("<1M", "1M-5M", "5M-20M", "20M-50M", "50M-100M", ">100M")
_SCORES = {"research": 20, "demo": 60, "pricing": 75}
_Row = dict[str, Any]


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /swan."""

    def listing(path: str, objects: Callable[[], list[_Row]], at: str, key: str, after: str, before: str) -> Route:
        def endpoint(request: Request) -> Response:
            if request.headers.get("x-api-key") != SANDBOX_KEY:
                return answer({"error": {"code": "unauthorized", "message": "unknown API key"}}, 401)
            query = request.query_params
            try:
                start, end = (iso(_moment(query[name])) for name in (after, before))
                limit = int(query.get("limit", DEFAULT_LIMIT))
                position = json.loads(base64.urlsafe_b64decode(query["cursor"])) if "cursor" in query else []
                if not 1 <= limit <= MAX_LIMIT:
                    raise ValueError(f"limit must be 1 to {MAX_LIMIT}")
            except (KeyError, ValueError, binascii.Error) as error:
                return answer({"error": {"code": "bad_request", "message": str(error)}}, 400)
            found = [o for o in objects() if start <= o[at] < end and [o[at], o[key]] > position]
            page, more = found[:limit], len(found) > limit
            cursor = json.dumps([page[-1][at], page[-1][key]]).encode() if more else None
            following = base64.urlsafe_b64encode(cursor).decode() if cursor else None
            return answer({"data": page, "next_cursor": following, "has_more": more})

        return Route(path, endpoint)

    return [
        listing("/v1/visits", lambda: _store(site)[0], "seen_at", "visit_id", "from", "to"),
        listing(
            "/v1/companies",
            lambda: _store(site)[1],
            "updated_at",
            "company_id",
            "updated_after",
            "updated_before",
        ),
    ]


def _moment(text: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _store(site: Site) -> tuple[list[_Row], list[_Row]]:
    """Visits by (seen_at, visit_id) and companies by (updated_at, company_id) at the site's now."""
    found: tuple[list[_Row], list[_Row]] = site.at_now("swan", lambda: _build(site))
    return found


def _build(site: Site) -> tuple[list[_Row], list[_Row]]:
    seen: list[SwanVisit] = []
    day = site.world.config.start
    while day <= site.now.date():
        seen += [v for v in site.world.swan_visits(day) if v.seen_at <= site.now]
        day += DAY
    by_company: dict[str, list[SwanVisit]] = {}
    for visit in seen:
        by_company.setdefault(visit.school.school_id, []).append(visit)
    companies = [_company(visits, site.now) for visits in by_company.values()]
    return (
        sorted(map(_visit, seen), key=lambda v: (v["seen_at"], v["visit_id"])),
        sorted(companies, key=lambda c: (c["updated_at"], c["company_id"])),
    )


def _visit(visit: SwanVisit) -> _Row:
    shown, session = view(visit.school, "swan"), visit.session
    tags = f"?utm_source={session.source}&utm_medium={session.medium}" if session.campaign else ""
    return {
        "visit_id": visit.visit_id,
        "visitor_id": visit.visitor_id,
        "ga_client_id": session.client_id,
        "company_id": ids.swan_company_id(visit.school.school_id),
        "company_domain": shown.domain,
        "company_name": shown.name,
        "seen_at": iso(visit.seen_at),
        "page_url": f"{SITE}{session.landing_page}{tags}",
        "referrer": session.referrer,
        "utm_source": session.source if session.campaign else None,
        "utm_medium": session.medium if session.campaign else None,
        "utm_campaign": session.campaign,
        "pageviews": visit.pageviews,
        "duration_s": visit.duration_s,
        "intent_signal": visit.intent_signal,
        "confidence": visit.confidence,
        "person": _person(visit.school),
    }


def _person(school: School) -> _Row | None:
    """Feeds may name a visitor; the pipeline must never store it. Invented."""
    if ids.digest("swan_person", school.school_id) % 3:
        return None
    address = f"alex.example@{school.domain or 'example.org'}"
    return {
        "first_name": "Alex",
        "last_name": "Example",
        "job_title": "Principal",
        "business_email": address,
        "linkedin_url": "https://www.linkedin.com/in/alex-example",
    }


def _company(visits: list[SwanVisit], now: dt.datetime) -> _Row:
    """Identified at the first visit; firmographics come up to a day later."""
    school = visits[0].school
    shown, draw = view(school, "swan"), ids.digest("swan_company_facts", school.school_id)
    first, last = min(v.seen_at for v in visits), max(v.seen_at for v in visits)
    enriched = first + dt.timedelta(minutes=5 + draw % 1440)
    known = enriched <= now
    band = sum((shown.employees or 0) > size for size in _SIZES)
    low = _SIZES[band - 1] + 1 if band else 1
    score = min(max(_SCORES.get(v.intent_signal, 10) for v in visits) + 5 * (len(visits) - 1), 100)
    return {
        "company_id": ids.swan_company_id(school.school_id),
        "company_domain": shown.domain,
        "company_name": shown.name,
        "website": shown.website,
        "industry": shown.industry if known else None,
        "employee_count": shown.employees if known else None,
        "employee_range": (f"{low}-{_SIZES[band]}" if band < len(_SIZES) else f"{low}+") if known else None,
        "revenue_range": _REVENUES[band] if known else None,
        "country": shown.country,
        "region": shown.region,
        "city": shown.city,
        "tech_stack": sorted({_TECH[(draw >> n) % len(_TECH)] for n in (8, 16, 24)}) if known else [],
        "first_seen_at": iso(first),
        "last_seen_at": iso(last),
        "visit_count": len(visits),
        "intent_score": float(score),
        "enriched_at": iso(enriched) if known else None,
        "updated_at": iso(max(last, enriched) if known else last),
    }
