"""Which schools have company records in the CRM, since when, and which are there twice.

Lives here: membership and record keys. How a record is spelt is in `spelling.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from . import ids
from .model import CrmCompany, Journey, Prospect
from .rng import Draw

LEAD_SHARE = {
    "A": 0.95,
    "B": 0.80,
    "C": 0.45,
    "D": 0.25,
}  # of leads without a deal that sales puts in the CRM
PROSPECT_SHARE = 0.10
DUPLICATES = 0.03
STRIPE_LINKED = 0.60  # of customers whose CRM record carries the Stripe customer id


def companies(seed: int, journey: Journey, now: datetime) -> list[CrmCompany]:
    """The company records of a lead's school at `now` (none, one, or two)."""
    if journey.lead.is_repeat:
        return []
    d = Draw(seed, journey.lead.created_at.toordinal(), "crm:" + journey.lead.lead_id)
    chosen, hours, twice, linked = d.u(), d.between(0.1, 60), d.chance(DUPLICATES), d.chance(STRIPE_LINKED)
    created = journey.lead.created_at + timedelta(hours=hours)
    if journey.deal is not None:
        created = min(created, journey.deal.created_at - timedelta(minutes=7))
    elif chosen >= LEAD_SHARE[journey.lead.lead_class]:
        if journey.converted_at is None:
            return []
        created = journey.converted_at + timedelta(hours=hours)
    created = created.replace(microsecond=0)
    if created > now:
        return []
    updated, stage, stripe = created, "lead", None
    if journey.deal is not None and journey.deal.created_at <= now:
        updated, stage = journey.deal.created_at, "opportunity"
    paid = journey.converted_at
    if paid is not None and paid <= now:
        updated, stage = max(paid + timedelta(minutes=20), created), "customer"
        stripe = ids.stripe_customer_id(journey.school.school_id) if linked and updated <= now else None
    key = journey.school.school_id
    out = [
        CrmCompany(key, ids.hubspot_company_id(key), journey.school, created, False, stripe, stage, min(updated, now))
    ]
    again = (created + timedelta(days=d.between(2, 90))).replace(microsecond=0)
    if twice and again <= now:
        key += "#2"
        out.append(CrmCompany(key, ids.hubspot_company_id(key), journey.school, again, True, None, "lead", again))
    return out


def prospect_companies(seed: int, prospect: Prospect, now: datetime) -> list[CrmCompany]:
    """The company record of a school that sales found by itself."""
    d = Draw(seed, prospect.first_seen_at.toordinal(), "crm:" + prospect.school.school_id)
    created = (prospect.first_seen_at + timedelta(hours=d.between(2, 200))).replace(microsecond=0)
    if not d.chance(PROSPECT_SHARE) or created > now:
        return []
    key = prospect.school.school_id
    return [CrmCompany(key, ids.hubspot_company_id(key), prospect.school, created, False, None, "subscriber", created)]
