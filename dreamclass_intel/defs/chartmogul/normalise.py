"""ChartMogul's objects as records of the raw tables: mixed key styles, naive dates, fractional cents."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dreamclass_intel.privacy import email_domain, email_hash, scrub

# Removed from `_raw`: billing contact, account owner, and enrichment that describes persons.
PERSONAL_FIELDS = frozenset(
    {"email", "owner", "clearbit", "contacts", "phone", "first_name", "last_name", "linked_in", "twitter"}
)
_NINE_PLACES = Decimal("1e-9")
Object = Mapping[str, Any]


def minor(value: Any) -> Decimal | None:
    """An amount in minor units; floats such as 2416.6666666666665 keep nine decimals."""
    return None if value is None else Decimal(str(value)).quantize(_NINE_PLACES)


def activity(entry: Object) -> dict[str, Any]:
    """A record of `raw.chartmogul_activities`."""
    return {
        "activity_uuid": entry.get("uuid"),
        "activity_at": entry.get("date"),
        "activity_at_raw": entry.get("date"),
        "movement_type": entry.get("type"),
        "mrr_movement_minor": minor(entry.get("activity-mrr-movement")),
        "mrr_minor": minor(entry.get("activity-mrr")),
        "arr_minor": minor(entry.get("activity-arr")),
        "currency": entry.get("currency"),
        "customer_uuid": entry.get("customer-uuid"),
        "customer_external_id": entry.get("customer-external-id"),
        "customer_name": entry.get("customer-name"),
        "subscription_external_id": entry.get("subscription-external-id"),
        "subscription_set_external_id": entry.get("subscription-set-external-id"),
        "plan_external_id": entry.get("plan-external-id"),
        "billing_connector_uuid": entry.get("billing-connector-uuid"),
        "description": entry.get("description"),
        "_raw": scrub(entry, PERSONAL_FIELDS),
    }


def mrr_day(entry: Object, currency: str) -> dict[str, Any]:
    """A record of `raw.chartmogul_mrr_daily`."""
    return {
        "metric_date": str(entry.get("date"))[:10],
        "mrr_minor": minor(entry.get("mrr")),
        "new_business_minor": minor(entry.get("mrr-new-business")),
        "expansion_minor": minor(entry.get("mrr-expansion")),
        "contraction_minor": minor(entry.get("mrr-contraction")),
        "churn_minor": minor(entry.get("mrr-churn")),
        "reactivation_minor": minor(entry.get("mrr-reactivation")),
        "currency": currency,
        # Relative to the entry before, so it depends on the range asked for.
        "_raw": {k: v for k, v in entry.items() if k != "percentage-change"},
    }


def customer(entry: Object) -> dict[str, Any]:
    """A record of `raw.chartmogul_customers`."""
    address = entry.get("address") or {}
    return {
        "customer_uuid": entry.get("uuid"),
        "customer_id": entry.get("id"),
        "external_id": entry.get("external_id"),
        "external_ids": entry.get("external_ids"),
        "data_source_uuid": entry.get("data_source_uuid"),
        "billing_system_type": entry.get("billing-system-type"),
        "name": entry.get("name"),
        "company": entry.get("company") or None,
        "status": entry.get("status"),
        "customer_since_at": entry.get("customer-since"),
        "lead_created_at": entry.get("lead_created_at"),
        "free_trial_started_at": entry.get("free_trial_started_at"),
        "mrr_minor": minor(entry.get("mrr")),
        "arr_minor": minor(entry.get("arr")),
        "currency": entry.get("currency"),
        "city": entry.get("city") or address.get("city"),
        "state": entry.get("state") or address.get("state"),
        "country": entry.get("country") or address.get("country"),
        "zip": entry.get("zip") or address.get("address_zip"),
        "website_url": entry.get("website_url"),
        "email_hash": email_hash(entry.get("email")),
        "email_domain": email_domain(entry.get("email")),
        "tags": (entry.get("attributes") or {}).get("tags"),
        "_raw": scrub(entry, PERSONAL_FIELDS),
    }


def subscription(entry: Object) -> dict[str, Any]:
    """A record of `raw.chartmogul_subscriptions`."""
    return {
        "subscription_uuid": entry.get("uuid"),
        "customer_uuid": entry.get("customer_uuid"),
        "external_id": entry.get("external_id"),
        "subscription_set_external_id": entry.get("subscription_set_external_id"),
        "plan": entry.get("plan"),
        "quantity": entry.get("quantity"),
        "mrr_minor": minor(entry.get("mrr")),
        "arr_minor": minor(entry.get("arr")),
        "status": entry.get("status"),
        "billing_cycle": entry.get("billing-cycle"),
        "billing_cycle_count": entry.get("billing-cycle-count"),
        "start_at": entry.get("start-date"),
        "end_at": entry.get("end-date"),
        "currency": entry.get("currency"),
        "_raw": scrub(entry, PERSONAL_FIELDS),
    }


def plan(entry: Object) -> dict[str, Any]:
    """A record of `raw.chartmogul_plans`."""
    return {
        "plan_uuid": entry.get("uuid"),
        "external_id": entry.get("external_id"),
        "data_source_uuid": entry.get("data_source_uuid"),
        "name": entry.get("name"),
        "interval_unit": entry.get("interval_unit"),
        "interval_count": entry.get("interval_count"),
        "_raw": scrub(entry, PERSONAL_FIELDS),
    }
