"""Stripe objects (API 2026-10-28.endive) as they were at a moment, from the books. Pure."""

import datetime as dt
from typing import Any

from dreamclass_intel.sandbox import ids, plans
from dreamclass_intel.sandbox.model import Subscription, SubscriptionChange
from dreamclass_intel.sandbox.plans import Price
from dreamclass_intel.sandbox.servers._stripe_books import Book, anchor, period

Json = dict[str, Any]
EMBEDDED = 10  # members of a nested list that a list or retrieve shows
FEEDBACK = ("too_expensive", "missing_features", "switched_service", "unused", "customer_service", None)


def unix(moment: dt.datetime | None) -> int | None:
    """Whole seconds, as Stripe counts time."""
    return None if moment is None else int(moment.timestamp())


def listing(url: str, data: list[Json], has_more: bool = False) -> Json:
    """A list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def nested(url: str, data: list[Json], shown: int) -> Json:
    """An embedded list: its first page only."""
    return listing(url, data[:shown], len(data) > shown)


def deleted(kind: str, object_id: str) -> Json:
    """What is left of a deleted object."""
    return {"id": object_id, "object": kind, "deleted": True}


def product(plan_id: str, now: dt.datetime) -> Json:
    """A plan as sold."""
    prices = [p for p in plans.PRICES.values() if p.plan_id == plan_id]
    created = min(p.created_at for p in prices)
    default = next(p for p in prices if p.active_at(now) and p.interval == "month" and p.currency == "usd")
    return {
        "id": ids.stripe_product_id(plan_id),
        "object": "product",
        "active": True,
        "created": unix(created),
        "default_price": default.price_id,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {"plan_id": plan_id},
        "name": plans.PLAN_NAMES[plan_id],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": "50 students",
        "updated": unix(default.created_at),
        "url": None,
    }


def price(item: Price, now: dt.datetime) -> Json:
    """A price; one that is no longer sold is inactive."""
    return {
        "id": item.price_id,
        "object": "price",
        "active": item.active_at(now),
        "billing_scheme": "per_unit",
        "created": unix(item.created_at),
        "currency": item.currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {"version": str(item.version)},
        "nickname": f"{item.plan_id} {item.interval}ly {item.currency} v{item.version}",
        "product": item.product_id,
        "recurring": {
            "interval": item.interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": item.unit_amount_minor,
        "unit_amount_decimal": str(item.unit_amount_minor),
    }


def plan(item: Price, now: dt.datetime) -> Json:
    """The same as the older plan object, which items still carry."""
    return {
        "id": item.price_id,
        "object": "plan",
        "active": item.active_at(now),
        "amount": item.unit_amount_minor,
        "amount_decimal": str(item.unit_amount_minor),
        "billing_scheme": "per_unit",
        "created": unix(item.created_at),
        "currency": item.currency,
        "interval": item.interval,
        "interval_count": 1,
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": item.product_id,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def customer(book: Book, now: dt.datetime) -> Json:
    """A school as billed, with a person's billing contact."""
    seen, contact = book.view, book.journey.contact
    bills = [b for b in book.bills if b.finalized <= now]
    late = [b for b in bills if b.failed and b.status(now) == "open"]
    return {
        "id": book.customer_id,
        "object": "customer",
        "address": {
            "city": seen.city,
            "country": seen.country,
            "line1": seen.street,
            "line2": None,
            "postal_code": seen.postcode,
            "state": seen.region,
        },
        "balance": bills[-1].ending_balance if bills else 0,
        "business_name": seen.name,
        "created": unix(book.created),
        "currency": book.subscriptions[0].changes[0].currency,
        "customer_account": None,
        "default_source": None,
        "delinquent": bool(late),
        "description": None,
        "discount": None,
        "email": contact.email,
        "individual_name": f"{contact.first_name} {contact.last_name}",
        "invoice_prefix": ids.base62(8, "invoice", book.journey.school.school_id).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {"account_id": book.subscriptions[0].account_id},
        "name": seen.name,
        "next_invoice_sequence": len(bills) + 1,
        "phone": seen.phone,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def _state(sub: Subscription, now: dt.datetime) -> SubscriptionChange:
    return [c for c in sub.changes if c.at <= now][-1]


def item(sub: Subscription, now: dt.datetime) -> Json:
    """A subscription's only item."""
    state = _state(sub, now)
    start, end = period(sub, state.at if state.status == "canceled" else now)
    held = plans.BY_PRICE_ID[state.price_id]
    return {
        "id": sub.item_id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": unix(sub.created_at),
        "current_period_end": unix(end),
        "current_period_start": unix(start),
        "discounts": [],
        "metadata": {},
        "plan": plan(held, now),
        "price": price(held, now),
        "quantity": state.quantity,
        "subscription": sub.subscription_id,
        "tax_rates": [],
    }


def subscription(book: Book, sub: Subscription, now: dt.datetime, shown: int = EMBEDDED) -> Json:
    """A subscription; a cancel ends it at once."""
    state = _state(sub, now)
    bills = book.bills_of(sub.subscription_id, now)
    ended = state.at if state.status == "canceled" else None
    unpaid = any(b.voided is not None for b in bills)
    reason = None
    if ended is not None:
        reason = "payment_failed" if unpaid else "cancellation_requested"
    feedback = FEEDBACK[ids.digest("feedback", sub.subscription_id) % len(FEEDBACK)]
    return {
        "id": sub.subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": unix(anchor(sub)),
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": unix(ended),
        "cancellation_details": {
            "comment": None,
            "feedback": feedback if reason == "cancellation_requested" else None,
            "reason": reason,
        },
        "collection_method": "charge_automatically",
        "created": unix(sub.created_at),
        "currency": state.currency,
        "customer": sub.customer_id,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": unix(ended),
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": nested(f"/v1/subscription_items?subscription={sub.subscription_id}", [item(sub, now)], shown),
        "latest_invoice": bills[-1].bill_id if bills else None,
        "livemode": False,
        "metadata": {"account_id": sub.account_id},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": unix(sub.created_at),
        "status": state.status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": unix(sub.trial_end),
        "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        "trial_start": unix(sub.trial_start),
    }
