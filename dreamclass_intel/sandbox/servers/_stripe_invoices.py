"""Stripe invoices and their lines as they were at a moment, from the books. Pure."""

import datetime as dt

from dreamclass_intel.sandbox.servers._stripe_books import Bill, Book, Line, period
from dreamclass_intel.sandbox.servers._stripe_objects import EMBEDDED, Json, nested, unix


def line(bill: Bill, part: Line) -> Json:
    """A line of an invoice. A proration's unit amount is prorated too, as Stripe does it."""
    details = {
        "invoice_item": part.item,
        "proration": part.item is not None,
        "proration_details": {"credited_items": None},
        "subscription": bill.subscription.subscription_id,
        "subscription_item": bill.subscription.item_id,
    }
    return {
        "id": part.line_id,
        "object": "line_item",
        "amount": part.amount,
        "currency": bill.currency,
        "description": part.text,
        "discount_amounts": [],
        "discountable": part.item is None,
        "discounts": [],
        "invoice": bill.bill_id,
        "livemode": False,
        "metadata": {"account_id": bill.subscription.account_id},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"end": unix(part.end), "start": unix(part.start)},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": part.price.price_id, "product": part.price.product_id},
            "type": "price_details",
            "unit_amount_decimal": _unit(part.amount, part.quantity),
        },
        "quantity": part.quantity,
        "quantity_decimal": str(part.quantity),
        "subscription": bill.subscription.subscription_id,
        "subtotal": part.amount,
        "taxes": [],
    }


def _unit(amount: int, quantity: int) -> str:
    """amount / quantity with up to 12 decimals."""
    whole, rest = divmod(abs(amount), quantity)
    fraction = f".{rest * 10**12 // quantity:012d}".rstrip("0") if rest else ""
    return f"{'-' if amount < 0 else ''}{whole}{fraction}"


def invoice(book: Book, bill: Bill, now: dt.datetime, shown: int = EMBEDDED) -> Json:
    """An invoice at `now`."""
    status = bill.status(now)
    draft, paid = status == "draft", status == "paid"
    until = bill.paid if paid and bill.paid else now
    tries = 0 if draft or not bill.due else 1 + sum(until >= at for at in bill.retries)
    following = next((at for at in bill.retries if at > now), None) if status == "open" else None
    since = bill.created
    if bill.reason == "subscription_cycle":
        since = period(bill.subscription, bill.created - dt.timedelta(seconds=1))[0]
    seen = book.view
    return {
        "id": bill.bill_id,
        "object": "invoice",
        "account_country": "GR",
        "account_name": "DreamClass",
        "account_tax_ids": None,
        "amount_due": bill.due,
        "amount_overpaid": 0,
        "amount_paid": bill.due if paid else 0,
        "amount_remaining": 0 if paid else bill.due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": tries,
        "attempted": tries > 0,
        "auto_advance": status in ("draft", "open"),
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": unix(bill.finalized) if draft else None,
        "billing_reason": bill.reason,
        "collection_method": "charge_automatically",
        "created": unix(bill.created),
        "currency": bill.currency,
        "custom_fields": None,
        "customer": book.customer_id,
        "customer_account": None,
        "customer_address": None,
        "customer_email": book.journey.contact.email,
        "customer_name": seen.name,
        "customer_phone": seen.phone,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None if draft else unix(bill.finalized),
        "ending_balance": None if draft else bill.ending_balance,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None if draft else f"https://invoice.stripe.com/i/{bill.bill_id}",
        "invoice_pdf": None if draft else f"https://pay.stripe.com/invoice/{bill.bill_id}/pdf",
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": nested(f"/v1/invoices/{bill.bill_id}/lines", [line(bill, part) for part in bill.lines], shown),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": unix(following),
        "number": None if draft else bill.number,
        "on_behalf_of": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": {"account_id": bill.subscription.account_id},
                "subscription": bill.subscription.subscription_id,
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        # The window in which pending items are collected, not the service period (that is on lines).
        "period_end": unix(bill.created),
        "period_start": unix(since),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": bill.starting_balance,
        "statement_descriptor": None,
        "status": status,
        "status_transitions": {
            "finalized_at": None if draft else unix(bill.finalized),
            "marked_uncollectible_at": None,
            "paid_at": unix(bill.paid) if paid else None,
            "voided_at": unix(bill.voided) if status == "void" else None,
        },
        "subtotal": bill.total,
        "subtotal_excluding_tax": bill.total,
        "test_clock": None,
        "total": bill.total,
        "total_discount_amounts": [],
        "total_excluding_tax": bill.total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": unix(bill.created),
    }
