"""Stripe objects to records. Pure; reads the shapes before and after API 2025-03-31 (basil) alike.

`records_of(object)` is the one way in: loaders and tests give it any object as a dict (as JSON has it) and get
the records of every raw table that object feeds, children included. Event payloads are frozen in the API
version of their day, which is why both shapes stay readable.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from dreamclass_intel.defs.stripe import tables
from dreamclass_intel.privacy import email_domain, email_hash, scrub

Object = Mapping[str, Any]
Records = dict[str, list[dict[str, Any]]]

# Persons, payment details, free text of customers, and links that open an invoice without a login.
PERSONAL_FIELDS = frozenset(
    {
        "address",
        "billing_details",
        "comment",
        "customer_address",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "email",
        "hosted_invoice_url",
        "individual_name",
        "invoice_pdf",
        "ip_address",
        "phone",
        "receipt_email",
        "shipping",
        "shipping_details",
        "sources",
        "tax_ids",
    }
)


def records_of(item: Object, only: str | None = None) -> Records:
    """Records by table address of one Stripe object; `only` leaves out all other tables.

    Empty for kinds that no table holds, and for the bare `{id, deleted: true}` Stripe answers after a deletion:
    that row then comes from the event's last payload.
    """
    if item.get("deleted"):
        return {}
    makers = _MAKERS.get(item.get("object", ""), {})
    return {address: make(item) for address, make in makers.items() if only in (None, address)}


def id_of(value: Any) -> str | None:
    """Id of a reference that may be expanded to the object."""
    return value.get("id") if isinstance(value, Mapping) else value


def at(seconds: int | None) -> dt.datetime | None:
    """Unix seconds as aware UTC."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def decimal(value: Any) -> Decimal | None:
    """Stripe's decimals have up to 12 places, the warehouse nine; half-even."""
    return None if value is None else Decimal(str(value)).quantize(Decimal("1e-9"), ROUND_HALF_EVEN)


def _get(item: Object | None, *path: str) -> Any:
    for name in path:
        if not isinstance(item, Mapping):
            return None
        item = item.get(name)
    return item


def _listed(value: Any) -> list[Any]:
    """The members of a list object, a plain list, or nothing."""
    found = value.get("data") if isinstance(value, Mapping) else value
    return list(found or [])


def _sum(parts: Iterable[Object] | None) -> int | None:
    return None if parts is None else sum(part["amount"] for part in parts)


def _common(item: Object, parent: Object | None = None, *without: str) -> dict[str, Any]:
    livemode = item.get("livemode")
    return {
        "metadata": scrub(item.get("metadata") or {}, PERSONAL_FIELDS),
        "livemode": (parent or {}).get("livemode") if livemode is None else livemode,
        "_is_deleted": False,
        "_raw": scrub({k: v for k, v in item.items() if k not in without}, PERSONAL_FIELDS),
    }


def _discount_ids(item: Object) -> list[str | None]:
    return [id_of(d) for d in item.get("discounts") or filter(None, [item.get("discount")])]


def _pricing(price: Object) -> dict[str, Any]:
    recurring = price.get("recurring") or {}
    transform = price.get("transform_quantity") or {}
    return {
        "unit_amount_minor": price.get("unit_amount"),
        "unit_amount_decimal": decimal(price.get("unit_amount_decimal") or price.get("unit_amount")),
        "billing_scheme": price.get("billing_scheme"),
        "tiers_mode": price.get("tiers_mode"),
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "usage_type": recurring.get("usage_type"),
        "transform_divide_by": transform.get("divide_by"),
        "transform_round": transform.get("round"),
    }


def _price_of(item: Object) -> Object:
    """The price of an item or legacy line; before 2020 there was only a plan."""
    if isinstance(price := item.get("price"), Mapping):
        return price
    plan = item.get("plan") or {}
    return {
        **plan,
        "unit_amount": plan.get("amount"),
        "unit_amount_decimal": plan.get("amount_decimal"),
        "recurring": plan,
        "transform_quantity": plan.get("transform_usage"),
    }


def _customer(item: Object) -> dict[str, Any]:
    address = item.get("address") or {}
    # `name` may be a person's where a business name is known separately.
    name = item.get("business_name") or item.get("name")
    return {
        "customer_id": item["id"],
        "account_id": _get(item, "metadata", "account_id"),
        "name": None if name == item.get("individual_name") else name,
        "email_hash": email_hash(item.get("email")),
        "email_domain": email_domain(item.get("email")),
        "phone": item.get("phone"),
        "country": address.get("country"),
        "region": address.get("state"),
        "city": address.get("city"),
        "postcode": address.get("postal_code"),
        "currency": item.get("currency"),
        "balance_minor": item.get("balance"),
        "delinquent": item.get("delinquent"),
        "created_at": at(item.get("created")),
        **_common(item),
    }


def _product(item: Object) -> dict[str, Any]:
    return {
        "product_id": item["id"],
        "name": item.get("name"),
        "active": item.get("active"),
        "unit_label": item.get("unit_label"),
        "created_at": at(item.get("created")),
        "updated_at": at(item.get("updated")),
        **_common(item),
    }


def _price(item: Object) -> dict[str, Any]:
    return {
        "price_id": item["id"],
        "product_id": id_of(item.get("product")),
        "active": item.get("active"),
        "price_type": item.get("type"),
        "currency": item.get("currency"),
        **_pricing(item),
        "tiers": item.get("tiers"),
        "lookup_key": item.get("lookup_key"),
        "nickname": item.get("nickname"),
        "tax_behavior": item.get("tax_behavior"),
        "created_at": at(item.get("created")),
        **_common(item),
    }


def _periods(item: Object, parent: Object) -> tuple[int | None, int | None]:
    """A current period: on items since basil, on the subscription before."""
    return (
        item.get("current_period_start") or parent.get("current_period_start"),
        item.get("current_period_end") or parent.get("current_period_end"),
    )


def _subscription(item: Object) -> dict[str, Any]:
    items = _listed(item.get("items"))
    periods = [_periods(one, item) for one in items] or [_periods({}, item)]
    return {
        "subscription_id": item["id"],
        "customer_id": id_of(item.get("customer")),
        "account_id": _get(item, "metadata", "account_id"),
        "status": item.get("status"),
        "currency": item.get("currency"),
        "collection_method": item.get("collection_method"),
        "created_at": at(item.get("created")),
        "start_at": at(item.get("start_date")),
        "billing_cycle_anchor_at": at(item.get("billing_cycle_anchor")),
        "current_period_start_at": at(min((p[0] for p in periods if p[0]), default=None)),
        "current_period_end_at": at(max((p[1] for p in periods if p[1]), default=None)),
        "trial_start_at": at(item.get("trial_start")),
        "trial_end_at": at(item.get("trial_end")),
        "cancel_at": at(item.get("cancel_at")),
        "cancel_at_period_end": item.get("cancel_at_period_end"),
        "canceled_at": at(item.get("canceled_at")),
        "ended_at": at(item.get("ended_at")),
        "cancellation_reason": _get(item, "cancellation_details", "reason"),
        "cancellation_feedback": _get(item, "cancellation_details", "feedback"),
        "paused_at": at(_get(item, "status_details", "paused", "transitioned_at"))
        if item.get("status") == "paused"
        else None,
        "pause_behavior": _get(item, "pause_collection", "behavior"),
        "pause_resumes_at": at(_get(item, "pause_collection", "resumes_at")),
        "item_count": len(items),
        "item_ids": sorted(one["id"] for one in items),
        "discount_ids": _discount_ids(item),
        "schedule_id": id_of(item.get("schedule")),
        "latest_invoice_id": id_of(item.get("latest_invoice")),
        **_common(item, None, "items"),
    }


def _items(item: Object) -> list[dict[str, Any]]:
    return [_item_record(one, item) for one in _listed(item.get("items"))]


def _item_record(item: Object, parent: Object) -> dict[str, Any]:
    price = _price_of(item)
    start, end = _periods(item, parent)
    trial = item.get("current_trial") or {}
    return {
        "item_id": item["id"],
        "subscription_id": id_of(item.get("subscription")) or parent.get("id"),
        "subscription_status": parent.get("status"),
        "account_id": _get(parent, "metadata", "account_id"),
        "price_id": price.get("id"),
        "product_id": id_of(price.get("product")),
        "currency": price.get("currency") or parent.get("currency"),
        "quantity": item.get("quantity"),
        **_pricing(price),
        "current_period_start_at": at(start),
        "current_period_end_at": at(end),
        "trial_start_at": at(trial.get("start_date") or parent.get("trial_start")),
        "trial_end_at": at(trial.get("end_date") or parent.get("trial_end")),
        "start_at": at(parent.get("start_date")),
        "canceled_at": at(parent.get("canceled_at")),
        "ended_at": at(parent.get("ended_at")),
        "discount_ids": _discount_ids(item),
        "created_at": at(item.get("created")),
        # An item has no livemode of its own; its price and its subscription do.
        **_common(item, parent if parent else price),
    }


def _line_parent(line: Object) -> tuple[str | None, Object]:
    """Kind and details of what a line came from, in the names used since basil."""
    if parent := line.get("parent"):
        return parent.get("type"), parent.get(parent.get("type")) or {}
    kinds = {"subscription": "subscription_item_details", "invoiceitem": "invoice_item_details"}
    return kinds.get(line.get("type") or ""), line


def _invoice_subscription(item: Object) -> str | None:
    found = id_of(_get(item, "parent", "subscription_details", "subscription")) or id_of(item.get("subscription"))
    if found:
        return found
    details = (_line_parent(line)[1] for line in _listed(item.get("lines"))[:1])
    return next((id_of(d.get("subscription")) for d in details), None)


def _tax(item: Object) -> int | None:
    for name in ("total_taxes", "taxes", "total_tax_amounts", "tax_amounts"):
        if item.get(name) is not None:
            return _sum(item[name])
    return item.get("tax")


def _invoice(item: Object) -> dict[str, Any]:
    moved = item.get("status_transitions") or {}
    parent_type = _get(item, "parent", "type")
    subscription_id = _invoice_subscription(item)
    if parent_type is None and id_of(item.get("subscription")):
        parent_type = "subscription_details"
    return {
        "invoice_id": item["id"],
        "number": item.get("number"),
        "customer_id": id_of(item.get("customer")),
        "subscription_id": subscription_id,
        "parent_type": parent_type,
        "status": item.get("status"),
        "billing_reason": item.get("billing_reason"),
        "collection_method": item.get("collection_method"),
        "currency": item.get("currency"),
        "subtotal_minor": item.get("subtotal"),
        "discount_minor": _sum(item.get("total_discount_amounts")),
        "tax_minor": _tax(item),
        "total_minor": item.get("total"),
        "total_excluding_tax_minor": item.get("total_excluding_tax"),
        "amount_due_minor": item.get("amount_due"),
        "amount_paid_minor": item.get("amount_paid"),
        "amount_remaining_minor": item.get("amount_remaining"),
        "starting_balance_minor": item.get("starting_balance"),
        "ending_balance_minor": item.get("ending_balance"),
        "attempt_count": item.get("attempt_count"),
        "created_at": at(item.get("created")),
        "due_at": at(item.get("due_date")),
        "next_payment_attempt_at": at(item.get("next_payment_attempt")),
        "finalized_at": at(moved.get("finalized_at")),
        "paid_at": at(moved.get("paid_at")),
        "voided_at": at(moved.get("voided_at")),
        "marked_uncollectible_at": at(moved.get("marked_uncollectible_at")),
        "lines_truncated": bool(_get(item, "lines", "has_more")),
        **_common(item, None, "lines"),
    }


def _lines(item: Object) -> list[dict[str, Any]]:
    context = {**item, "subscription": _invoice_subscription(item)}
    return [_line_record(line, context) for line in _listed(item.get("lines"))]


def _line_record(line: Object, invoice: Object) -> dict[str, Any]:
    kind, details = _line_parent(line)
    pricing = line.get("pricing") or {}
    price = _price_of(line)
    unit = pricing.get("unit_amount_decimal") or line.get("unit_amount_excluding_tax")
    return {
        "invoice_id": id_of(line.get("invoice")) or invoice.get("id"),
        "line_id": line["id"],
        "invoice_status": invoice.get("status"),
        "billing_reason": invoice.get("billing_reason"),
        "invoice_created_at": at(invoice.get("created")),
        "customer_id": id_of(invoice.get("customer")),
        "subscription_id": id_of(details.get("subscription"))
        or id_of(line.get("subscription"))
        or id_of(invoice.get("subscription")),
        "subscription_item_id": details.get("subscription_item"),
        "invoice_item_id": id_of(details.get("invoice_item")),
        "parent_type": kind,
        "price_id": id_of(_get(pricing, "price_details", "price")) or price.get("id"),
        "product_id": _get(pricing, "price_details", "product") or id_of(price.get("product")),
        "currency": line.get("currency"),
        "quantity": line.get("quantity"),
        "unit_amount_decimal": decimal(unit),
        "amount_minor": line.get("amount"),
        "discount_minor": _sum(line.get("discount_amounts")),
        "tax_minor": _tax(line),
        "proration": bool(details.get("proration")),
        "period_start_at": at(_get(line, "period", "start")),
        "period_end_at": at(_get(line, "period", "end")),
        "description": scrub({"text": line.get("description")}, ())["text"],
        **_common(line, invoice),
    }


def _event(item: Object) -> dict[str, Any]:
    payload = _get(item, "data", "object") or {}
    kind = payload.get("object")
    subscription_id = id_of(payload.get("subscription"))
    if kind == "invoice":
        subscription_id = _invoice_subscription(payload)
    return {
        "event_id": item["id"],
        "event_type": item["type"],
        "created_at": at(item["created"]),
        "api_version": item.get("api_version"),
        "object_type": kind,
        "object_id": payload.get("id"),
        "customer_id": payload.get("id") if kind == "customer" else id_of(payload.get("customer")),
        "subscription_id": payload.get("id") if kind == "subscription" else subscription_id,
        "request_id": _get(item, "request", "id"),
        "previous_attributes": scrub(_get(item, "data", "previous_attributes") or {}, PERSONAL_FIELDS) or None,
        "livemode": item.get("livemode"),
        # Webhook delivery is no state of the business and would change the row on every load.
        "_raw": scrub({k: v for k, v in item.items() if k != "pending_webhooks"}, PERSONAL_FIELDS),
    }


def _one(make: Callable[[Object], dict[str, Any]]) -> Callable[[Object], list[dict[str, Any]]]:
    return lambda item: [make(item)]


_MAKERS: dict[str, dict[str, Callable[[Object], list[dict[str, Any]]]]] = {
    "customer": {tables.CUSTOMERS.address: _one(_customer)},
    "product": {tables.PRODUCTS.address: _one(_product)},
    "price": {tables.PRICES.address: _one(_price)},
    "subscription": {tables.SUBSCRIPTIONS.address: _one(_subscription), tables.SUBSCRIPTION_ITEMS.address: _items},
    "subscription_item": {tables.SUBSCRIPTION_ITEMS.address: lambda item: [_item_record(item, {})]},
    "invoice": {tables.INVOICES.address: _one(_invoice), tables.INVOICE_LINES.address: _lines},
    "line_item": {tables.INVOICE_LINES.address: lambda item: [_line_record(item, {})]},
    "event": {tables.EVENTS.address: _one(_event)},
}
