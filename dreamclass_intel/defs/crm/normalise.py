"""HubSpot objects as records of the raw tables: text to values, allow-list of fields, merges as tombstones."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamclass_intel.privacy import email_domain, email_hash, scrub
from dreamclass_intel.records import timestamp

SOURCE = "hubspot"
LEAD_LIFECYCLE = frozenset(
    {"lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist"}
)
CONVERTED = frozenset({"customer", "evangelist"})

COMPANY_PROPERTIES = (
    "name", "domain", "website", "phone", "address", "city", "state", "zip", "country", "industry",
    "numberofemployees", "lifecyclestage", "stripe_customer_id", "hubspot_owner_id", "hs_merged_object_ids",
)  # fmt: skip
CONTACT_PROPERTIES = (
    "email", "lifecyclestage", "hs_lead_status", "hs_analytics_source", "hs_analytics_source_data_1",
    "utm_source", "utm_medium", "utm_campaign", "hubspot_owner_id", "associatedcompanyid",
    "hs_lifecyclestage_customer_date", "hs_lifecyclestage_lead_date", "lead_capture", "country",
    "hs_merged_object_ids",
)  # fmt: skip
DEAL_PROPERTIES = (
    "dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "closedate", "hs_is_closed",
    "hs_is_closed_won", "closed_lost_reason", "closed_won_reason", "hs_analytics_source", "hubspot_owner_id",
    "hs_merged_object_ids",
)  # fmt: skip
PERSONAL_FIELDS = frozenset({"email", "firstname", "lastname", "phone", "mobilephone", "jobtitle"})
Item = Mapping[str, Any]
Links = list[tuple[str, bool]]


def changed_day(record: Item) -> str:
    """The partition of a mutable object: the date it last changed (or was deleted)."""
    return timestamp(record["updated_at"]).date().isoformat()


def _common(item: Item, modified: str, personal: frozenset[str] = frozenset()) -> dict[str, Any]:
    properties = {k: v or None for k, v in item["properties"].items()}  # HubSpot's empty is null or ""
    deleted = bool(item.get("archived"))
    return {
        "source": SOURCE,
        "owner_id": properties.get("hubspot_owner_id"),
        "created_at": _moment(properties.get("createdate") or item["createdAt"]),
        "updated_at": _moment(item["archivedAt"] if deleted else properties.get(modified) or item["updatedAt"]),
        "merged_ids": _merged(properties.get("hs_merged_object_ids")),
        "merged_into_id": None,
        "_is_deleted": deleted,
        "_raw": scrub(item, personal),
    }


def _properties(item: Item) -> dict[str, Any]:
    return {k: v or None for k, v in item["properties"].items()}


def company(item: Item) -> dict[str, Any]:
    """A company."""
    p = _properties(item)
    return {
        **_common(item, "hs_lastmodifieddate"),
        "company_id": item["id"],
        "name": p.get("name"),
        "domain": p.get("domain"),
        "website": p.get("website"),
        "phone": p.get("phone"),
        "street": p.get("address"),
        "city": p.get("city"),
        "region": p.get("state"),
        "postcode": p.get("zip"),
        "country": p.get("country"),
        "industry": p.get("industry"),
        "employee_count": _whole(p.get("numberofemployees")),
        "lifecycle_stage": p.get("lifecyclestage"),
        "stripe_customer_id": p.get("stripe_customer_id"),
    }


def contact(item: Item, companies: Links) -> dict[str, Any]:
    """A contact and its companies."""
    p = _properties(item)
    return {
        **_common(item, "lastmodifieddate", PERSONAL_FIELDS),
        "contact_id": item["id"],
        "email_hash": email_hash(p.get("email")),
        "email_domain": email_domain(p.get("email")),
        "company_id": p.get("associatedcompanyid") or (companies[0][0] if companies else None),
        "company_ids": [i for i, _ in companies],
        "lifecycle_stage": p.get("lifecyclestage"),
        "lead_status": p.get("hs_lead_status"),
        "original_source": p.get("hs_analytics_source"),
        "original_source_detail": p.get("hs_analytics_source_data_1"),
        "utm_source": p.get("utm_source"),
        "utm_medium": p.get("utm_medium"),
        "utm_campaign": p.get("utm_campaign"),
        "became_customer_at": _moment(p.get("hs_lifecyclestage_customer_date")),
    }


def deal(item: Item, companies: Links, contacts: Links) -> dict[str, Any]:
    """A deal, its companies and contacts. The close date of an open deal is only planned."""
    p = _properties(item)
    closed = p.get("hs_is_closed") == "true"
    close_date = _moment(p.get("closedate"))
    return {
        **_common(item, "hs_lastmodifieddate"),
        "deal_id": item["id"],
        "deal_name": p.get("dealname"),
        "pipeline_id": p.get("pipeline"),
        "stage_id": p.get("dealstage"),
        "amount": p.get("amount"),
        "currency": p.get("deal_currency_code"),
        "is_closed": closed,
        "is_won": p.get("hs_is_closed_won") == "true",
        "lost_reason": _text(p.get("closed_lost_reason")),
        "won_reason": _text(p.get("closed_won_reason")),
        "lead_source": p.get("hs_analytics_source"),
        "company_id": companies[0][0] if companies else None,
        "company_name": None,
        "company_ids": [i for i, _ in companies],
        "contact_ids": [i for i, _ in contacts],
        "closed_at": close_date if closed else None,
        "expected_close_at": None if closed else close_date,
    }


def lead(item: Item) -> dict[str, Any] | None:
    """The lead a contact is, or None for one that is no lead (a mere subscriber, a supplier)."""
    p = _properties(item)
    if p.get("lifecyclestage") not in LEAD_LIFECYCLE:
        return None
    common = _common(item, "lastmodifieddate", PERSONAL_FIELDS)
    del common["merged_ids"], common["merged_into_id"]
    converted = p["lifecyclestage"] in CONVERTED
    lost = p.get("hs_lead_status") == "UNQUALIFIED"
    return {
        **common,
        "lead_id": item["id"],
        "email_hash": email_hash(p.get("email")),
        "email_domain": email_domain(p.get("email")),
        "company_id": p.get("associatedcompanyid"),
        "lead_source": p.get("utm_source") or p.get("hs_analytics_source"),
        "medium": p.get("utm_medium"),
        "campaign": p.get("utm_campaign"),
        "lead_origin": p.get("lead_capture"),
        "country": p.get("country"),
        "lead_status": p.get("hs_lead_status"),
        "outcome": "converted" if converted else "lost" if lost else "open",
        "is_converted": converted,
        "created_at": _moment(p.get("hs_lifecyclestage_lead_date")) or common["created_at"],
        "converted_at": _moment(p.get("hs_lifecyclestage_customer_date")) if converted else None,
    }


def no_leads(item: Item) -> Iterator[dict[str, Any]]:
    """Tombstones of the leads a contact's record ended: those merged into it, itself once it is none any more."""
    common = _common(item, "lastmodifieddate")
    ended = list(common["merged_ids"] or [])
    if _properties(item).get("lifecyclestage") not in LEAD_LIFECYCLE:
        ended.append(item["id"])
    for lead_id in ended:
        yield {"source": SOURCE, "lead_id": lead_id, "updated_at": common["updated_at"], "_is_deleted": True}


def merged_away(record: Item, id_column: str) -> Iterator[dict[str, Any]]:
    """Tombstones of the records that were merged into `record`; the API no longer knows their ids."""
    for loser in record["merged_ids"] or []:
        yield {
            "source": SOURCE,
            id_column: loser,
            "updated_at": record["updated_at"],
            "merged_into_id": record[id_column],
            "_is_deleted": True,
        }


def stage_changes(item: Item) -> Iterator[dict[str, Any]]:
    """Each stage a deal entered, from its history; a rewrite of the stage it is in is no change."""
    history = item.get("propertiesWithHistory") or {}
    pipelines = _oldest_first(history.get("pipeline"))
    before = None
    for revision in _oldest_first(history.get("dealstage")):
        at, stage = timestamp(revision["timestamp"]), revision["value"]
        if stage and stage != before:
            known = [r["value"] for r in pipelines if timestamp(r["timestamp"]) <= at]
            yield {
                "source": SOURCE,
                "deal_id": item["id"],
                "changed_at": at,
                "to_stage": stage,
                "pipeline_id": known[-1] if known else None,
                "time_precision": "event",
                "change_source": revision.get("sourceType"),
            }
        before = stage


def _oldest_first(revisions: Sequence[Item] | None) -> list[Item]:
    """HubSpot gives newest first; revisions of one instant keep their order."""
    found = list(revisions or [])
    found.reverse()
    return sorted(found, key=lambda r: timestamp(r["timestamp"]))


def stages(pipeline: Item) -> Iterator[dict[str, Any]]:
    """The stages of a pipeline, one record each."""
    for stage in pipeline["stages"]:
        metadata = stage.get("metadata") or {}
        probability = metadata.get("probability")
        closed = metadata.get("isClosed") == "true"
        yield {
            "source": SOURCE,
            "pipeline_id": pipeline["id"],
            "stage_id": stage["id"],
            "pipeline_label": pipeline["label"],
            "pipeline_order": pipeline["displayOrder"],
            "stage_label": stage["label"],
            "stage_order": stage["displayOrder"],
            "probability": probability or None,
            "is_closed": closed,
            "is_won": closed and float(probability or 0) == 1.0,
            "is_archived": bool(pipeline.get("archived") or stage.get("archived")),
            "created_at": stage["createdAt"],
            "updated_at": stage["updatedAt"],
            "_raw": stage,
        }


def owner(item: Item) -> dict[str, Any]:
    """An owner without name."""
    user = item.get("userId") or item.get("userIdIncludingInactive")
    return {
        "source": SOURCE,
        "owner_id": item["id"],
        "user_id": None if user is None else str(user),
        "email_hash": email_hash(item.get("email")),
        "email_domain": email_domain(item.get("email")),
        "is_archived": bool(item.get("archived")),
        "created_at": item["createdAt"],
        "updated_at": item["updatedAt"],
    }


def _moment(text: str | None) -> dt.datetime | None:
    """A moment as HubSpot writes one: ISO 8601, or epoch milliseconds in older properties."""
    if not text:
        return None
    if text.lstrip("-").isdigit():
        return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC).replace(tzinfo=None)
    return timestamp(text)


def _merged(text: Any) -> list[str] | None:
    """`hs_merged_object_ids`: ids with semicolons; a single id may come as a number."""
    return sorted(part.strip() for part in str(text).split(";") if part.strip()) if text else None


def _whole(text: str | None) -> Any:
    """A count, which HubSpot may write as 12.0."""
    return text.removesuffix(".0") if text else None


def _text(text: str | None) -> str | None:
    """Free text without e-mail addresses."""
    return scrub({"text": text}, ())["text"] if text else None
