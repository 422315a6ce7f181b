"""What HubSpot stores about the world at a given now: companies, contacts, deals, associations, pipelines.

Every property value is text or None, as HubSpot stores them. How the API shows it is in `hubspot.py`.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.model import CrmCompany, Deal, Journey
from dreamclass_intel.sandbox.servers.site import iso
from dreamclass_intel.sandbox.spelling import view
from dreamclass_intel.sandbox.world import World

DAY = dt.timedelta(days=1)
MODIFIED = {
    "companies": "hs_lastmodifieddate",
    "contacts": "lastmodifieddate",
    "deals": "hs_lastmodifieddate",
}
STAGES = (  # id, label, probability, closed
    ("appointmentscheduled", "Demo scheduled", "0.2", False),
    ("qualifiedtobuy", "Qualified to buy", "0.4", False),
    ("presentationscheduled", "Demo held", "0.6", False),
    ("contractsent", "Offer sent", "0.9", False),
    ("closedwon", "Closed won", "1.0", True),
    ("closedlost", "Closed lost", "0.0", True),
)
OWNERS = (
    ("71001", "Ada", "Marlin"),
    ("71002", "Bruno", "Kestrel"),
    ("71003", "Chloe", "Drake"),
    ("71004", "Dion", "Wren"),
)
ANALYTICS = {
    "organic_search": "ORGANIC_SEARCH",
    "direct": "DIRECT_TRAFFIC",
    "paid_search": "PAID_SEARCH",
    "paid_social": "PAID_SOCIAL",
    "referral": "REFERRALS",
    "organic_social": "SOCIAL_MEDIA",
    "email": "EMAIL_MARKETING",
    "review_site": "REFERRALS",
    "ai_assistant": "AI_REFERRALS",
}
# object -> object: (primary type id or None, unlabelled type id)
ASSOCIATION_TYPES = {
    ("deals", "companies"): (5, 341),
    ("companies", "deals"): (6, 342),
    ("contacts", "companies"): (1, 279),
    ("companies", "contacts"): (2, 280),
    ("deals", "contacts"): (None, 3),
    ("contacts", "deals"): (None, 4),
}


@dataclass
class Record:
    """One object; `history` holds the revisions of the properties that keep any, newest first."""

    id: str
    created_at: dt.datetime
    updated_at: dt.datetime
    properties: dict[str, str | None]
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    archived_at: dt.datetime | None = None
    typed: dict[str, Any] = field(default_factory=dict)  # values as search compares them, filled by search


@dataclass
class Store:
    """Everything at one now; objects in order of id, associations as from id -> [(to id, is primary)]."""

    objects: dict[str, dict[str, Record]]
    links: dict[tuple[str, str], dict[str, list[tuple[str, bool]]]]


def build(world: World, now: dt.datetime) -> Store:
    """The store of `world` at `now`."""
    records = world.crm_companies(now)
    by_school: dict[str, list[CrmCompany]] = defaultdict(list)
    for record in records:
        by_school[record.school.school_id].append(record)
    links: dict[tuple[str, str], dict[str, list[tuple[str, bool]]]] = {
        pair: defaultdict(list) for pair in ASSOCIATION_TYPES
    }

    def link(kind: str, from_id: str, to: str, to_id: str, primary: bool) -> None:
        links[kind, to][from_id].append((to_id, primary))
        links[to, kind][to_id].append((from_id, primary))

    deals = {deal.lead_id: deal for deal in world.deals(now)}
    contacts = []
    for journey in world.journeys(now):
        known = by_school.get(journey.lead.school_id)
        if not known:
            continue
        # A later lead of the same school lands on the duplicate record, if there is one by then.
        at = max(journey.lead.created_at, known[0].created_at)
        homes = [c for c in known if c.created_at <= at]
        home = homes[-1] if journey.lead.is_repeat else homes[0]
        contact = _contact(journey, deals.get(journey.lead.lead_id), at, now)
        contact.properties["associatedcompanyid"] = home.company_id
        contacts.append(contact)
        link("contacts", contact.id, "companies", home.company_id, True)
        if journey.lead.lead_id in deals:
            deal_id = deals[journey.lead.lead_id].deal_id
            link("deals", deal_id, "contacts", contact.id, False)
            link("deals", deal_id, "companies", home.company_id, True)
    channel = {j.lead.lead_id: j.lead.channel for j in world.journeys(now) if j.deal is not None}
    objects = {
        "companies": [_company(record) for record in records],
        "contacts": contacts,
        "deals": [_deal(deal, channel[deal.lead_id]) for deal in deals.values()],
    }
    return Store({k: {r.id: r for r in sorted(v, key=lambda r: int(r.id))} for k, v in objects.items()}, links)


def _record(
    kind: str, id_: str, created: dt.datetime, updated: dt.datetime, properties: dict[str, str | None]
) -> Record:
    always = {"hs_object_id": id_, "createdate": iso(created), MODIFIED[kind]: iso(updated)}
    return Record(id_, created, updated, {**properties, **always})


def _company(record: CrmCompany) -> Record:
    shown = view(record.school, "hubspot", 2 if record.is_duplicate else 1)
    stage = record.lifecycle_stage
    properties = {
        "name": shown.name,
        "domain": shown.domain,
        "website": shown.website,
        "phone": shown.phone or "",
        "address": shown.street,
        "city": shown.city or "",
        "state": shown.region or None,
        "zip": shown.postcode,
        "country": shown.country_name,
        "industry": shown.industry,
        "numberofemployees": None if shown.employees is None else str(shown.employees),
        "lifecyclestage": stage,
        "stripe_customer_id": record.stripe_customer_id,
        "timetable_software": ("paper", "spreadsheet", "other")[int(record.company_id) % 3],
        "hubspot_owner_id": OWNERS[int(record.company_id) % 4][0] if stage != "subscriber" else None,
    }
    return _record("companies", record.company_id, record.created_at, record.updated_at, properties)


def _contact(journey: Journey, deal: Deal | None, at: dt.datetime, now: dt.datetime) -> Record:
    lead, person = journey.lead, journey.contact
    id_ = ids.hubspot_contact_id(lead.lead_id)
    updated, stage, status = at, "lead", "NEW"
    customer_at = None
    if deal is not None:
        updated, stage, status = max(deal.created_at, at), "opportunity", "OPEN_DEAL"
        if deal.outcome == "lost" and deal.closed_at is not None:
            updated, status = deal.closed_at, "UNQUALIFIED"
    elif lead.lead_class == "D" and at + 10 * DAY <= now:
        updated, status = at + 10 * DAY, "UNQUALIFIED"
    paid = journey.converted_at
    if paid is not None and max(paid + dt.timedelta(minutes=20), at) <= now:
        updated, stage, status = max(paid + dt.timedelta(minutes=20), at), "customer", "CONNECTED"
        customer_at = updated
    tagged = lead.medium not in ("(none)", "organic", "referral")
    analytics = ANALYTICS[lead.channel]
    properties = {
        "email": lead.email,
        "firstname": person.first_name,
        "lastname": person.last_name,
        "phone": person.phone,
        "jobtitle": person.role,
        "lifecyclestage": stage,
        "hs_lead_status": status,
        "hs_analytics_source": analytics,
        "hs_analytics_source_data_1": lead.campaign or lead.source,
        "hs_analytics_source_data_2": lead.source,
        "utm_source": lead.source if tagged else "",
        "utm_medium": lead.medium if tagged else "",
        "utm_campaign": (lead.campaign or "") if tagged else "",
        "hs_lifecyclestage_lead_date": iso(at),
        "hs_lifecyclestage_customer_date": None if customer_at is None else iso(customer_at),
        "lead_capture": lead.kind,
        "country": journey.school.country,
        "hubspot_owner_id": deal.owner_id if deal else None,
    }
    record = _record("contacts", id_, at, updated, properties)
    gone = at + 45 * DAY
    if stage == "lead" and int(id_) % 100 == 7 and gone <= now:  # asked to be forgotten
        record.archived_at = gone
    return record


def _deal(deal: Deal, channel: str) -> Record:
    updated = max([at for _, at in deal.stages] + [deal.created_at])
    closed = deal.outcome != "open"
    close_date = deal.closed_at if closed and deal.closed_at else deal.created_at + 30 * DAY
    properties = {
        "dealname": deal.name,
        "pipeline": deal.pipeline,
        "dealstage": deal.stages[-1][0],
        "amount": format(Decimal(deal.amount_minor) / 100, "f"),
        "deal_currency_code": deal.currency.upper(),
        "closedate": iso(close_date),
        "hs_is_closed": str(closed).lower(),
        "hs_is_closed_won": str(deal.outcome == "won").lower(),
        "closed_lost_reason": deal.lost_reason or "",
        "closed_won_reason": None,
        "hs_analytics_source": ANALYTICS[channel],
        "hubspot_owner_id": deal.owner_id,
    }
    record = _record("deals", deal.deal_id, deal.created_at, updated, properties)

    def revision(value: str, at: dt.datetime) -> dict[str, Any]:
        return {
            "value": value,
            "timestamp": iso(at),
            "sourceType": "CRM_UI",
            "sourceId": f"userId:{deal.owner_id}",
            "updatedByUserId": int(deal.owner_id),
        }

    record.history = {
        "dealstage": [revision(stage, at) for stage, at in reversed(deal.stages)],
        "pipeline": [revision(deal.pipeline, deal.created_at)],
    }
    return record


# --- what does not depend on now ----------------------------------------------------------------
PROPERTY_TYPES: dict[str, dict[str, str]] = {
    "companies": {"numberofemployees": "number", "hs_lastmodifieddate": "datetime"},
    "contacts": {
        "lastmodifieddate": "datetime",
        "hs_lifecyclestage_lead_date": "datetime",
        "hs_lifecyclestage_customer_date": "datetime",
        "lifecyclestage": "enumeration",
        "hs_lead_status": "enumeration",
    },
    "deals": {
        "amount": "number",
        "closedate": "datetime",
        "hs_lastmodifieddate": "datetime",
        "hs_is_closed": "bool",
        "hs_is_closed_won": "bool",
        "dealstage": "enumeration",
    },
}
for _types in PROPERTY_TYPES.values():
    _types |= {"createdate": "datetime", "hs_object_id": "number"}
CUSTOM = {
    "companies": {"stripe_customer_id": "string", "timetable_software": "enumeration"},
    "contacts": {
        "utm_source": "string",
        "utm_medium": "string",
        "utm_campaign": "string",
        "lead_capture": "string",
    },
    "deals": {},
}
DEFAULT_PROPERTIES = {
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "deals": (
        "amount",
        "closedate",
        "createdate",
        "dealname",
        "dealstage",
        "hs_lastmodifieddate",
        "hs_object_id",
        "pipeline",
    ),
}


def pipelines(now: dt.datetime) -> list[dict[str, Any]]:
    """The deal pipelines; HubSpot's default one says it was created at the epoch."""
    epoch = "1970-01-01T00:00:00Z"
    stages = [
        {
            "id": id_,
            "label": label,
            "displayOrder": order,
            "metadata": {"isClosed": str(closed).lower(), "probability": probability},
            "createdAt": epoch,
            "updatedAt": epoch,
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }
        for order, (id_, label, probability, closed) in enumerate(STAGES)
    ]
    return [
        {
            "id": "default",
            "label": "Sales pipeline",
            "displayOrder": 0,
            "stages": stages,
            "createdAt": epoch,
            "updatedAt": epoch,
            "archived": False,
        }
    ]


def owners() -> list[dict[str, Any]]:
    """The invented salespeople; the API shows their names and addresses."""
    return [
        {
            "id": id_,
            "email": f"{first.lower()}@dreamclass.example",
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": int(id_) + 500000,
            "userIdIncludingInactive": int(id_) + 500000,
            "createdAt": "2023-09-04T08:00:00.000Z",
            "updatedAt": "2023-11-20T10:30:00.000Z",
            "archived": False,
            "teams": [],
        }
        for id_, first, last in OWNERS
    ]


def properties_of(kind: str) -> list[dict[str, Any]]:
    """Property definitions of an object type: the ones it has defined types for, and the custom ones."""
    found = {**PROPERTY_TYPES[kind], **CUSTOM[kind]}
    fields = {"string": "text", "datetime": "date", "enumeration": "select", "bool": "booleancheckbox"}
    return [
        {
            "name": name,
            "label": name.replace("_", " ").capitalize(),
            "description": "",
            "groupName": f"{kind}information",
            "type": type_,
            "fieldType": fields.get(type_, type_),
            "options": [],
            "hubspotDefined": name not in CUSTOM[kind],
            "calculated": False,
            "archived": False,
        }
        for name, type_ in sorted(found.items())
    ]
