"""Objects as API versions before 2025-03-31 (basil) showed them. Pure.

An account keeps the API version of its youth for events, whatever version a client asks with; so event payloads
here are of 2024-06-20.
"""

from dreamclass_intel.sandbox import plans
from dreamclass_intel.sandbox.servers._stripe_objects import Json, price

ACCOUNT_VERSION = "2024-06-20"
BASIL = "2025-03-31"


def before_basil(item: Json) -> Json:
    """The older shape of any object or list."""
    kind = item.get("object")
    if kind == "list":
        return {**item, "data": [before_basil(one) for one in item["data"]]}
    return {"subscription": _subscription, "invoice": _invoice, "line_item": _line}.get(str(kind), dict)(item)


def _without(item: Json, *names: str) -> Json:
    return {k: v for k, v in item.items() if k not in names}


def _subscription(item: Json) -> Json:
    first = item["items"]["data"][0]
    members = [_without(m, "current_period_start", "current_period_end") for m in item["items"]["data"]]
    return {
        **_without(item, "billing_mode", "billing_schedules"),
        "items": {**item["items"], "data": members},
        "current_period_start": first["current_period_start"],
        "current_period_end": first["current_period_end"],
        "discount": None,
        "plan": first["plan"],
        "quantity": first["quantity"],
    }


def _invoice(item: Json) -> Json:
    details = item["parent"]["subscription_details"]
    return {
        **_without(item, "parent", "total_taxes", "amount_overpaid", "total_pretax_credit_amounts"),
        "application_fee_amount": None,
        "charge": None,
        "discount": None,
        "lines": before_basil(item["lines"]),
        "paid": item["status"] == "paid",
        "paid_out_of_band": False,
        "payment_intent": None,
        "quote": None,
        "subscription": details["subscription"],
        "subscription_details": {"metadata": details["metadata"]},
        "tax": None,
        "total_tax_amounts": [],
        "transfer_data": None,
    }


def _line(item: Json) -> Json:
    details = item["parent"]["subscription_item_details"]
    held = plans.BY_PRICE_ID[item["pricing"]["price_details"]["price"]]
    return {
        **_without(item, "parent", "pricing", "taxes", "subtotal", "quantity_decimal"),
        "amount_excluding_tax": item["amount"],
        "invoice_item": details["invoice_item"],
        "price": price(held, held.created_at),
        "proration": details["proration"],
        "proration_details": details["proration_details"],
        "subscription": details["subscription"],
        "subscription_item": details["subscription_item"],
        "tax_amounts": [],
        "type": "subscription",
        "unit_amount_excluding_tax": item["pricing"]["unit_amount_decimal"],
    }
