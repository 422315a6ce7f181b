"""The sandbox's schools as `int_company_records` would show them, each record with the school it really is.

Built from the planted truth and the vendors' spellings, without servers or warehouse, so that identity can be
measured in seconds. `device_links` adds Swan's link through a device that used one product account alone.
"""

import datetime as dt
import hashlib
from collections import defaultdict
from typing import Any

from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.model import School
from dreamclass_intel.sandbox.spelling import view
from dreamclass_intel.sandbox.world import World

Row = dict[str, Any]


def _row(system: str, record_id: str, observed: dt.datetime, vendor: str | None, school: School, **more: Any) -> Row:
    row: Row = {"source_system": system, "source_record_id": record_id, "observed_at": observed.replace(tzinfo=None)}
    if vendor:
        seen = view(school, vendor, more.pop("record", 1))
        row |= {"name": seen.name, "domain": seen.domain, "website": seen.website, "city": seen.city or None}
        row["country"] = seen.country_name if vendor in ("hubspot", "g2") else seen.country
    return {**row, **more, "updated_at": row["observed_at"], "school_id": school.school_id}


def _mail(email: str) -> dict[str, str]:
    hashed = hashlib.sha256(email.lower().encode()).hexdigest()[:32]
    return {"email_domain": email.rpartition("@")[2], "email_hash": hashed}


def planted(world: World, now: dt.datetime, *, device_links: bool = True) -> list[Row]:
    """One row a source record known by `now`, plus `school_id`."""
    rows: list[Row] = []
    companies = {c.company_id: c for c in world.crm_companies(now)}
    mails: dict[str, str] = {}
    accounts_of: dict[str, set[str]] = defaultdict(set)
    for journey in world.journeys(now):
        lead, school = journey.lead, journey.school
        mails.setdefault(school.school_id, lead.email)
        crm_id = ids.hubspot_company_id(school.school_id)
        rows.append(
            _row(
                "leads",
                lead.lead_id,
                lead.created_at,
                None,
                school,
                **_mail(lead.email),
                account_id=lead.account_id,
                crm_company_id=crm_id if crm_id in companies else None,
            )
        )
        has_account = lead.account_id and lead.account_created_at and lead.account_created_at <= now
        if has_account and not any(r["source_record_id"] == lead.account_id for r in rows[-400:]):
            rows.append(
                _row("product", str(lead.account_id), lead.account_created_at, None, school, account_id=lead.account_id)
            )
        for visit in journey.sessions:
            if visit.client_id and visit.user_id and visit.started_at <= now:
                accounts_of[visit.client_id].add(visit.user_id)
        paid = [s for s in journey.subscriptions if s.created_at <= now][:1]
        for sub in paid:
            mail = _mail(lead.email)
            stripe = {"stripe_customer_id": sub.customer_id}
            linked = {**stripe, **mail, "account_id": lead.account_id, "domain": None, "website": None}
            rows.append(_row("stripe", sub.customer_id, sub.created_at, "stripe", school, **linked))
            uuid = ids.chartmogul_customer_uuid(school.school_id)
            later = sub.created_at + dt.timedelta(hours=30)
            rows.append(_row("chartmogul", uuid, later, "chartmogul", school, **mail, **stripe, domain=None))
    for company in companies.values():
        mail = _mail(mails[company.school.school_id]) if company.school.school_id in mails else {}
        rows.append(
            _row(
                "crm",
                company.company_id,
                company.created_at,
                "hubspot",
                company.school,
                record=2 if company.is_duplicate else 1,
                stripe_customer_id=company.stripe_customer_id,
                crm_company_id=company.company_id,
                **({} if company.is_duplicate else mail),
            )
        )
    rows += _seen(world, now, accounts_of if device_links else {})
    first: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda r: r["observed_at"]):
        first.setdefault((row["source_system"], row["source_record_id"]), row)
    return [r for r in first.values() if r["observed_at"] <= now.replace(tzinfo=None)]


def _seen(world: World, now: dt.datetime, accounts_of: dict[str, set[str]]) -> list[Row]:
    """Swan and G2: companies seen on the site or on G2."""
    swan: dict[str, tuple[dt.datetime, School]] = {}
    used: dict[str, set[str]] = defaultdict(set)
    rows: list[Row] = []
    day = world.config.start
    while day <= now.date():
        for visit in world.swan_visits(day):
            company = ids.swan_company_id(visit.school.school_id)
            swan.setdefault(company, (visit.seen_at, visit.school))
            found = accounts_of.get(visit.session.client_id or "", set())
            if len(found) == 1:
                used[company] |= found
        for signal in world.g2_signals(day):
            midnight = dt.datetime.combine(signal.day, dt.time())
            rows.append(_row("g2", ids.g2_company_id(signal.school.school_id), midnight, "g2", signal.school))
        day += dt.timedelta(days=1)
    for company, (seen_at, school) in swan.items():
        account = next(iter(used[company])) if len(used[company]) == 1 else None
        rows.append(_row("swan", company, seen_at, "swan", school, ga_account_id=account))
    return rows
