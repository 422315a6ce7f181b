"""Schools that show intent: prospects that never leave an address, Swan's identifications and G2's signals.

Lives here: who is identified, where and how surely. Identified visits are the very sessions web analytics
saw.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from . import ids, regimes
from .model import G2Signal, Journey, Prospect, School, Session, SwanVisit
from .rng import Draw, Weighted
from .schools import COUNTRIES, make_school
from .visits import CONSENT_DENIED, Visitor, client_id, device, moment, session

PROSPECTS_PER_DAY = 5.0
PROSPECT_DAYS = 40
SIGNAL_DAYS = 35
SWAN_LEAD, SWAN_PROSPECT = 0.42, 0.75  # share of schools (with a network of their own) that Swan identifies
G2_LEAD, G2_PROSPECT = 0.16, 0.22
SIGNAL_TYPES = Weighted(
    [
        ("profile_visit", 0.42),
        ("category_visit", 0.22),
        ("comparison", 0.16),
        ("pricing_visit", 0.12),
        ("alternatives_visit", 0.08),
    ]
)
COMPETITORS = ("Classhub", "SchoolPilot", "Edumate One", "TermTracker")
_WAYS = Weighted([("organic_search", 0.4), ("direct", 0.25), ("paid_search", 0.15), ("referral", 0.1), ("email", 0.1)])


def prospects(seed: int, day: date) -> tuple[Prospect, ...]:
    """Schools first seen on a UTC day that will never become leads, with all their visits."""
    ordinal = day.toordinal()
    head = Draw(seed, ordinal, "prospects")
    weekday = 0.4 if day.weekday() >= 5 else 1.24
    out = []
    for index in range(head.poisson(PROSPECTS_PER_DAY * weekday)):
        d = Draw(seed, ordinal, "prospect", index)
        school = make_school(seed, ordinal, "prospect", index)
        first = moment(day, d, 0.7)
        times = [first]
        for _ in range(d.poisson(1.1)):
            later = moment(day + timedelta(days=1 + d.below(PROSPECT_DAYS - 2)), d, 0.7)
            times.append(later)
        times.sort()
        who = Visitor(
            client_id(first, d) if not d.chance(CONSENT_DENIED) else None,
            device(d),
            school.country,
            school.city,
            COUNTRIES[school.country].language,
            school.school_id,
        )
        visits = tuple(session(d, who, n + 1, at, d.pick(_WAYS), 2.0) for n, at in enumerate(times))
        out.append(Prospect(school, first, visits))
    return tuple(out)


def swan_visits(d: Draw, school: School, sessions: tuple[Session, ...], until: datetime | None) -> list[SwanVisit]:
    """Which of a school's sessions Swan identifies (before `until`, the sign-up)."""
    share = (SWAN_LEAD if until is not None else SWAN_PROSPECT) * (0.4 if school.domain is None else 1.0)
    if not d.chance(share):
        return []
    sure = 0.35 + 0.63 * (1 - (1 - d.u()) ** 1.8)
    out = []
    for n, visit in enumerate(sessions):
        if (until is not None and visit.started_at >= until) or not d.chance(0.85):
            continue
        paths = {h.path for h in visit.pages}
        signal = "pricing" if "/pricing" in paths else "demo" if "/demo" in paths else "research"
        views = sum(h.name == "page_view" for h in visit.pages)
        out.append(
            SwanVisit(
                ids.swan_visit_id(school.school_id, visit.ga_session_id, n),
                ids.swan_visitor_id(visit.client_id, school.school_id),
                school,
                visit.started_at,
                visit,
                views,
                float((visit.ended_at - visit.started_at).total_seconds()),
                round(min(max(sure + d.normal(0, 0.05), 0.3), 0.99), 2),
                signal,
            )
        )
    return out


def g2_signals(d: Draw, school: School, at: datetime, share: float) -> list[G2Signal]:
    """A school's buyer-intent signals in the weeks around `at`."""
    if not d.chance(share):
        return []
    found: dict[tuple[date, str], G2Signal] = {}
    for _ in range(1 + d.poisson(2.2)):
        day = at.date() + timedelta(days=round(d.normal(-6, 9)))
        day = min(max(day, at.date() - timedelta(days=SIGNAL_DAYS)), at.date() + timedelta(days=SIGNAL_DAYS))
        kind = d.pick(SIGNAL_TYPES)
        seen = datetime(day.year, day.month, day.day, 6 + d.below(16), d.below(60), d.below(60), tzinfo=UTC)
        activity = 1 + d.poisson(1.3)
        found[day, kind] = G2Signal(
            day,
            school,
            kind,
            activity,
            1 + d.below(min(activity, 3)),
            "g2" if d.chance(0.75) else "capterra",
            seen,
            d.one(COMPETITORS) if kind in ("comparison", "alternatives_visit") else None,
        )
    return [s for s in found.values() if s.day >= regimes.START]


def of_journey(seed: int, journey: Journey) -> tuple[list[SwanVisit], list[G2Signal]]:
    """What Swan and G2 see of a school that becomes a lead."""
    at = journey.lead.created_at
    d = Draw(seed, at.toordinal(), "intent:" + journey.lead.lead_id)
    visits = swan_visits(d, journey.school, journey.sessions, at)
    return visits, [] if journey.lead.is_repeat else g2_signals(d, journey.school, at, G2_LEAD)


def of_prospect(seed: int, prospect: Prospect) -> tuple[list[SwanVisit], list[G2Signal]]:
    """What Swan and G2 see of a school that does not."""
    d = Draw(seed, prospect.first_seen_at.toordinal(), "intent:" + prospect.school.school_id)
    visits = swan_visits(d, prospect.school, prospect.sessions, None)
    return visits, g2_signals(d, prospect.school, prospect.first_seen_at, G2_PROSPECT)
