"""All Stripe objects at one simulated now, newest first; bodies are rendered when asked for."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from dreamclass_intel.sandbox import ids, plans
from dreamclass_intel.sandbox.servers import _stripe_invoices as invoices
from dreamclass_intel.sandbox.servers import _stripe_objects as objects
from dreamclass_intel.sandbox.servers._stripe_books import Book, books
from dreamclass_intel.sandbox.servers._stripe_events import events
from dreamclass_intel.sandbox.servers._stripe_objects import Json
from dreamclass_intel.sandbox.world import World


class Entry(NamedTuple):
    """An object: what lists filter and sort by, and how to render it (with so many embedded members)."""

    created: int
    id: str
    facets: dict[str, str]
    render: Callable[[int], Json]


class Store:
    """Collections by name. `erased` customers are gone from lists but not forgotten."""

    def __init__(self, world: World, now: dt.datetime) -> None:
        self.now = now
        all_books = list(books(world, now))
        self.erased = {b.customer_id for b in all_books if b.erased is not None}
        made: dict[str, list[Entry]] = {
            "customers": [_customer(b, now) for b in all_books if b.erased is None],
            "products": [_product(plan, now) for plan in plans.PLANS],
            "prices": [_price(p, now) for p in plans.PRICES.values() if p.created_at <= now],
            "subscriptions": [e for b in all_books for e in _subscriptions(b, now)],
            "invoices": [e for b in all_books for e in _invoices(b, now)],
            "events": [
                Entry(_seconds(e.at), e.event_id, {"type": e.type}, _fixed(e.render)) for e in events(all_books, now)
            ],
        }
        self.listed = {k: sorted(v, key=lambda e: (e.created, e.id), reverse=True) for k, v in made.items()}
        self.found = {k: {e.id: e for e in v} for k, v in made.items()}


def _fixed(make: Callable[[], Json]) -> Callable[[int], Json]:
    """Rendering of what embeds no list."""
    return lambda _shown: make()


def _seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())


def _customer(book: Book, now: dt.datetime) -> Entry:
    facets = {"email": book.journey.contact.email}
    return Entry(_seconds(book.created), book.customer_id, facets, _fixed(partial(objects.customer, book, now)))


def _product(plan: str, now: dt.datetime) -> Entry:
    created = min(p.created_at for p in plans.PRICES.values() if p.plan_id == plan)
    product_id = ids.stripe_product_id(plan)
    return Entry(_seconds(created), product_id, {"active": "true"}, _fixed(partial(objects.product, plan, now)))


def _price(item: plans.Price, now: dt.datetime) -> Entry:
    facets = {
        "active": str(item.active_at(now)).lower(),
        "currency": item.currency,
        "product": item.product_id,
        "type": "recurring",
    }
    return Entry(_seconds(item.created_at), item.price_id, facets, _fixed(partial(objects.price, item, now)))


def _subscriptions(book: Book, now: dt.datetime) -> list[Entry]:
    found = []
    for sub in book.subscriptions:
        state = sub.as_of(now)
        if state is None:
            continue
        facets = {
            "status": state.current.status,
            "customer": sub.customer_id,
            "price": state.current.price_id,
            "collection_method": "charge_automatically",
        }
        found.append(
            Entry(
                _seconds(sub.created_at),
                sub.subscription_id,
                facets,
                partial(objects.subscription, book, sub, now),
            )
        )
    return found


def _invoices(book: Book, now: dt.datetime) -> list[Entry]:
    return [
        Entry(
            _seconds(bill.created),
            bill.bill_id,
            {
                "status": bill.status(now),
                "customer": book.customer_id,
                "subscription": bill.subscription.subscription_id,
                "collection_method": "charge_automatically",
            },
            partial(invoices.invoice, book, bill, now),
        )
        for bill in book.bills
        if bill.created <= now
    ]
