"""Stripe's events of the last 30 days, from the books. Payloads are rendered when asked for."""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from dreamclass_intel.sandbox import ids, plans
from dreamclass_intel.sandbox.model import Subscription
from dreamclass_intel.sandbox.servers import _stripe_invoices as invoices
from dreamclass_intel.sandbox.servers import _stripe_objects as objects
from dreamclass_intel.sandbox.servers._stripe_books import UPCOMING, Bill, Book
from dreamclass_intel.sandbox.servers._stripe_legacy import ACCOUNT_VERSION, before_basil
from dreamclass_intel.sandbox.servers._stripe_objects import Json, unix

HORIZON = dt.timedelta(days=30)
SECOND = dt.timedelta(seconds=1)


class Event(NamedTuple):
    """An event: `before` is the object a moment earlier, whose differing attributes it names."""

    at: dt.datetime
    type: str
    object_id: str
    now: Callable[[], Json]
    before: Callable[[], Json] | None = None

    @property
    def event_id(self) -> str:
        """Id, a function of what happened."""
        return ids.stripe_event_id(self.type, self.object_id, unix(self.at))

    def render(self) -> Json:
        """The event object, its payload in the account's own, older API version."""
        payload = before_basil(self.now())
        data: Json = {"object": payload}
        if self.before is not None:
            old = before_basil(self.before())
            data["previous_attributes"] = {k: v for k, v in old.items() if payload.get(k) != v}
        return {
            "id": self.event_id,
            "object": "event",
            "api_version": ACCOUNT_VERSION,
            "created": unix(self.at),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": self.type,
        }


def events(books: list[Book], now: dt.datetime) -> list[Event]:
    """Everything Stripe still remembers at `now`, newest first."""
    since = now - HORIZON
    found = [e for e in _catalogue() if since <= e.at <= now]
    for book in books:
        found += [e for e in _of_book(book, since, now) if since <= e.at <= now]
    return sorted(found, key=lambda e: (unix(e.at), e.event_id), reverse=True)


def _catalogue() -> Iterator[Event]:
    """Products and prices made; prices taken from sale, which moves a product's default price."""
    for name in plans.PLANS:
        mine = [p for p in plans.PRICES.values() if p.plan_id == name]
        product_id, made = mine[0].product_id, mine[0].created_at
        gone = {p.retired_at for p in mine if p.retired_at is not None}
        yield Event(made, "product.created", product_id, partial(objects.product, name, made))
        for at in gone:
            now, before = partial(objects.product, name, at), partial(objects.product, name, at - SECOND)
            yield Event(at, "product.updated", product_id, now, before)
    for item in plans.PRICES.values():
        made, retired = item.created_at, item.retired_at
        yield Event(made, "price.created", item.price_id, partial(objects.price, item, made))
        if retired is not None:
            now, before = partial(objects.price, item, retired), partial(objects.price, item, retired - SECOND)
            yield Event(retired, "price.updated", item.price_id, now, before)


def _of_book(book: Book, since: dt.datetime, now: dt.datetime) -> Iterator[Event]:
    def show(at: dt.datetime) -> Callable[[], Json]:
        return lambda: objects.customer(book, at)

    yield Event(book.created, "customer.created", book.customer_id, show(book.created))
    if book.erased is not None:
        yield Event(book.erased, "customer.deleted", book.customer_id, show(book.erased))
    for bill in book.bills:
        moments = [bill.finalized] if bill.failed or bill.ending_balance != bill.starting_balance else []
        if bill.failed:
            moments += filter(None, [bill.paid, bill.voided])
        for at in moments:  # its credit, or its being delinquent
            yield Event(at, "customer.updated", book.customer_id, show(at), show(at - SECOND))
        if bill.created >= since - dt.timedelta(days=40):
            yield from _of_bill(book, bill)
    for sub in book.subscriptions:
        if sub.created_at <= now and (sub.canceled_at is None or sub.canceled_at >= since):
            yield from _of_subscription(book, sub)


def _of_subscription(book: Book, sub: Subscription) -> Iterator[Event]:
    def show(at: dt.datetime) -> Callable[[], Json]:
        return lambda: objects.subscription(book, sub, at)

    for number, change in enumerate(sub.changes):
        at = change.at
        if number == 0:
            yield Event(at, "customer.subscription.created", sub.subscription_id, show(at))
        elif change.kind == "cancel":
            yield Event(at, "customer.subscription.deleted", sub.subscription_id, show(at))
        else:
            yield Event(at, "customer.subscription.updated", sub.subscription_id, show(at), show(at - SECOND))
    known = {change.at for change in sub.changes}
    for bill in book.bills:
        at = bill.created
        if bill.subscription is sub and bill.reason == "subscription_cycle" and at not in known:
            yield Event(at, "customer.subscription.updated", sub.subscription_id, show(at), show(at - SECOND))
    if sub.trial_end is not None and sub.trial_end - UPCOMING > sub.created_at:
        at = sub.trial_end - UPCOMING
        yield Event(at, "customer.subscription.trial_will_end", sub.subscription_id, show(at))


def _of_bill(book: Book, bill: Bill) -> Iterator[Event]:
    def show(at: dt.datetime) -> Callable[[], Json]:
        return lambda: invoices.invoice(book, bill, at)

    def event(at: dt.datetime, name: str) -> Event:
        return Event(at, f"invoice.{name}", bill.bill_id, show(at))

    if bill.reason == "subscription_cycle":
        # A preview: no id, nothing to retrieve.
        preview = {"id", "number", "hosted_invoice_url", "invoice_pdf"}
        ahead = bill.created - UPCOMING
        yield Event(
            ahead,
            "invoice.upcoming",
            bill.bill_id,
            lambda: {k: v for k, v in invoices.invoice(book, bill, ahead).items() if k not in preview},
        )
    yield event(bill.created, "created")
    yield event(bill.finalized, "finalized")
    if bill.paid is not None:
        yield event(bill.paid, "paid")
        yield event(bill.paid, "payment_succeeded")
    if bill.failed:
        over = bill.paid or bill.voided
        yield event(bill.finalized, "payment_failed")
        yield from (event(at, "payment_failed") for at in bill.retries if over is None or at < over)
    if bill.voided is not None:
        yield event(bill.voided, "voided")
