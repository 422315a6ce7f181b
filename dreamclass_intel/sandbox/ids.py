"""Every vendor's record ids, as pure functions of the truth's ids. No state, no counters, no randomness."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

_B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TO_B62 = bytes(ord(_B62[n % 62]) for n in range(256))
_NAMESPACE = uuid.UUID("6f0a3c52-6d1e-5b7a-9a57-4e1d2f3c9b01")


def digest(*parts: object) -> int:
    """A 256-bit number that depends on the parts only."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest(), "big")


def base62(length: int, *parts: object) -> str:
    """A base-62 text of the given length (at most 32)."""
    raw = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return raw[:length].translate(_TO_B62).decode()


def numeric(digits: int, *parts: object) -> str:
    """A decimal id of exactly `digits` digits, not starting with 0."""
    low = 10 ** (digits - 1)
    return str(low + digest(*parts) % (9 * low))


def uuid_of(*parts: object) -> str:
    """A UUID (version 5) of the parts."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))


def uuid7(at: datetime, tail: int) -> str:
    """A UUIDv7-looking id: milliseconds first, then 74 bits of `tail`."""
    ms = int(at.timestamp() * 1000)
    tail &= (1 << 74) - 1
    value = (ms << 80) | (7 << 76) | ((tail >> 62) << 64) | (2 << 62) | (tail & ((1 << 62) - 1))
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def stripe_customer_id(school_id: str) -> str:
    """Stripe customer."""
    return "cus_" + base62(14, "stripe_customer", school_id)


def stripe_subscription_id(school_id: str, ordinal: int) -> str:
    """Stripe subscription (`ordinal` 0 = the first one of the school)."""
    return "sub_1" + base62(23, "stripe_subscription", school_id, ordinal)


def stripe_item_id(subscription_id: str) -> str:
    """Stripe subscription item."""
    return "si_" + base62(14, "stripe_item", subscription_id)


def stripe_invoice_id(subscription_id: str, ordinal: int) -> str:
    """Stripe invoice."""
    return "in_1" + base62(23, "stripe_invoice", subscription_id, ordinal)


def stripe_line_id(invoice_id: str, ordinal: int) -> str:
    """Stripe invoice line."""
    return "il_1" + base62(23, "stripe_line", invoice_id, ordinal)


def stripe_event_id(*parts: object) -> str:
    """Stripe event about anything."""
    return "evt_1" + base62(23, "stripe_event", *parts)


def stripe_price_id(plan_id: str, interval: str, currency: str, version: int) -> str:
    """Stripe price."""
    return "price_1" + base62(23, "stripe_price", plan_id, interval, currency, version)


def stripe_product_id(plan_id: str) -> str:
    """Stripe product."""
    return "prod_" + base62(14, "stripe_product", plan_id)


def chartmogul_customer_uuid(school_id: str) -> str:
    """ChartMogul customer."""
    return "cus_" + uuid_of("chartmogul_customer", school_id)


def chartmogul_uuid(prefix: str, *parts: object) -> str:
    """Any other ChartMogul uuid (`pl_`, `ds_`, `inv_`, `li_` ...)."""
    return f"{prefix}_{uuid_of('chartmogul', prefix, *parts)}"


def hubspot_company_id(record_key: str) -> str:
    """HubSpot company; a duplicate has the record key `<school_id>#2`."""
    return numeric(11, "hubspot_company", record_key)


def hubspot_contact_id(lead_id: str) -> str:
    """HubSpot contact."""
    return numeric(12, "hubspot_contact", lead_id)


def hubspot_deal_id(lead_id: str) -> str:
    """HubSpot deal."""
    return numeric(11, "hubspot_deal", lead_id)


def swan_visitor_id(client_id: str | None, school_id: str) -> str:
    """Swan visitor (a device of a company)."""
    return "swv_" + base62(16, "swan_visitor", client_id or "", school_id)


def swan_visit_id(school_id: str, ga_session_id: int, ordinal: int) -> str:
    """Swan visit."""
    return "vis_" + base62(18, "swan_visit", school_id, ga_session_id, ordinal)


def swan_company_id(school_id: str) -> str:
    """Swan company."""
    return "swc_" + base62(12, "swan_company", school_id)


def g2_company_id(school_id: str) -> str:
    """G2 company."""
    return numeric(8, "g2_company", school_id)
