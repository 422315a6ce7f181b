"""What Stripe's ledger holds of each school: customer, subscriptions and the bills they cause.

The world knows what was agreed and charged; Stripe adds its own bookkeeping: a zero invoice opens a trial, an
hour as draft before a cycle's invoice, an increase billed as a credit for unused and a charge for remaining time,
a decrease as an invoice below zero whose credit pays later invoices.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamclass_intel.sandbox import ids, plans
from dreamclass_intel.sandbox.billing import add_months
from dreamclass_intel.sandbox.model import Invoice, Journey, Subscription, SubscriptionChange
from dreamclass_intel.sandbox.spelling import VendorView, view
from dreamclass_intel.sandbox.world import World

UPCOMING = dt.timedelta(days=3)  # how long before a cycle its invoice is announced
DRAFT = dt.timedelta(hours=1)
ERASED_AFTER = dt.timedelta(days=20)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bill; `item` is the pending invoice item a proration came from."""

    line_id: str
    item: str | None
    text: str
    price: plans.Price
    quantity: int
    amount: int
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice with its whole life; balances are the customer's, negative = credit."""

    bill_id: str
    number: str
    subscription: Subscription
    created: dt.datetime
    finalized: dt.datetime
    paid: dt.datetime | None
    voided: dt.datetime | None
    reason: str
    currency: str
    lines: tuple[Line, ...]
    starting_balance: int = 0
    ending_balance: int = 0

    @property
    def total(self) -> int:
        """Sum of the lines."""
        return sum(line.amount for line in self.lines)

    @property
    def due(self) -> int:
        """What is to be paid after the customer's credit."""
        return max(self.total + self.starting_balance, 0)

    @property
    def failed(self) -> bool:
        """Whether its first payment failed."""
        return self.paid is None or self.paid - self.finalized > dt.timedelta(hours=1)

    @property
    def retries(self) -> list[dt.datetime]:
        """When payment is tried again while it stays open."""
        return [self.finalized + dt.timedelta(days=n) for n in (3, 5, 7)]

    def status(self, now: dt.datetime) -> str:
        """draft, open, paid or void at `now`."""
        if now < self.finalized:
            return "draft"
        if self.paid is not None and self.paid <= now:
            return "paid"
        return "void" if self.voided is not None and self.voided <= now else "open"


@dataclass(frozen=True, slots=True)
class Book:
    """One customer; `bills` may hold announced ones that are created after now."""

    journey: Journey
    customer_id: str
    view: VendorView
    created: dt.datetime
    erased: dt.datetime | None
    subscriptions: tuple[Subscription, ...]
    bills: tuple[Bill, ...]

    def bills_of(self, subscription_id: str, now: dt.datetime) -> list[Bill]:
        """A subscription's bills at `now`, in order of creation."""
        return [b for b in self.bills if b.subscription.subscription_id == subscription_id and b.created <= now]


def books(world: World, now: dt.datetime) -> Iterator[Book]:
    """Every customer that exists at `now`."""
    for journey in world.journeys(now):
        if journey.subscriptions and (found := _book(journey, now)).created <= now:
            yield found


def _book(journey: Journey, now: dt.datetime) -> Book:
    first = journey.subscriptions[0]
    # A few who tried with a card and never paid ask to be forgotten.
    erased = None
    if first.paid_from is None and first.trial_end and ids.digest("erased", first.customer_id) % 8 == 0:
        erased = first.trial_end + ERASED_AFTER
    return Book(
        journey,
        first.customer_id,
        view(journey.school, "stripe"),
        first.created_at - dt.timedelta(seconds=20),
        erased if erased is not None and erased <= now else None,
        journey.subscriptions,
        tuple(_balanced(_bills(journey, now + UPCOMING))),
    )


def anchor(subscription: Subscription) -> dt.datetime:
    """Start of the first paid period: trials move the billing cycle."""
    return subscription.paid_from or subscription.trial_end or subscription.created_at


def period(subscription: Subscription, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The service period that `now` lies in; the trial is one of its own."""
    first = anchor(subscription)
    if now < first or subscription.paid_from is None:
        return subscription.created_at, first
    months = 12 if subscription.changes[0].interval == "year" else 1
    k = max(((now.year - first.year) * 12 + now.month - first.month) // months - 1, 0)
    while add_months(first, months * (k + 1)) <= now:
        k += 1
    return add_months(first, months * k), add_months(first, months * (k + 1))


def _bills(journey: Journey, until: dt.datetime) -> list[Bill]:
    out: list[Bill] = []
    prefix = ids.base62(8, "invoice", journey.school.school_id).upper()
    by_id = {s.subscription_id: s for s in journey.subscriptions}
    for sub in journey.subscriptions:
        if sub.trial_start is not None and sub.trial_start <= until:
            out.append(_trial_bill(sub, prefix))
        held = sub.changes[0]
        for change in sub.changes[1:]:
            if change.kind == "contract" and change.at <= until:
                out.append(_credit_bill(sub, held, change, prefix))
            held = change
    out += [_charge_bill(by_id[i.subscription_id], i) for i in journey.invoices if i.created_at <= until]
    return sorted(out, key=lambda b: (b.created, b.bill_id))


def _trial_bill(sub: Subscription, prefix: str) -> Bill:
    change, start, end = sub.changes[0], sub.created_at, anchor(sub)
    bill_id = ids.stripe_invoice_id(sub.subscription_id, -1)
    text = f"Trial period for {plans.PLAN_NAMES[change.plan_id]}"
    price = plans.BY_PRICE_ID[change.price_id]
    line = Line(ids.stripe_line_id(bill_id, 0), None, text, price, change.quantity, 0, start, end)
    return Bill(
        bill_id, f"{prefix}-0000", sub, start, start, start, None, "subscription_create", change.currency, (line,)
    )


def _charge_bill(sub: Subscription, invoice: Invoice) -> Bill:
    reason, created = invoice.billing_reason, invoice.created_at
    if reason == "subscription_create" and sub.trial_start is not None:
        reason = "subscription_cycle"  # the trial's zero invoice created the subscription
    finalized = created
    if reason == "subscription_cycle":
        finalized = min(created + DRAFT, invoice.paid_at or created + DRAFT)
    if reason == "subscription_update":
        held, change = _around(sub, created)
        lines = _proration(invoice.invoice_id, sub, held, change, invoice.amount_minor)
    else:
        lines = tuple(
            Line(
                one.line_id,
                None,
                f"{one.quantity} × {plans.PLAN_NAMES[one.plan_id]}",
                plans.BY_PRICE_ID[one.price_id],
                one.quantity,
                one.amount_minor,
                one.period_start,
                one.period_end,
            )
            for one in invoice.lines
        )
    return Bill(
        invoice.invoice_id,
        invoice.number,
        sub,
        created,
        finalized,
        invoice.paid_at,
        invoice.voided_at,
        reason,
        invoice.currency,
        lines,
    )


def _credit_bill(sub: Subscription, held: SubscriptionChange, change: SubscriptionChange, prefix: str) -> Bill:
    number = [c for c in sub.changes if c.kind == "contract"].index(change)
    bill_id = ids.stripe_invoice_id(sub.subscription_id, -2 - number)
    tag = f"{prefix}-{'C' if sub.trial_start or sub.changes[0].kind == 'start' else 'D'}{number:03d}"
    lines = _proration(bill_id, sub, held, change, None)
    at = change.at
    return Bill(bill_id, tag, sub, at, at, at, None, "subscription_update", change.currency, lines)


def _around(sub: Subscription, at: dt.datetime) -> tuple[SubscriptionChange, SubscriptionChange]:
    index = next(n for n, c in enumerate(sub.changes) if c.at == at and c.kind == "expand")
    return sub.changes[index - 1], sub.changes[index]


def _proration(
    bill_id: str, sub: Subscription, held: SubscriptionChange, change: SubscriptionChange, total: int | None
) -> tuple[Line, ...]:
    """The unused rest of what was held and the remaining rest of what is; `total` absorbs the rounding."""
    start, end = period(sub, change.at)
    left = Fraction(int((end - change.at).total_seconds()), int((end - start).total_seconds()))
    charge = round(change.quantity * change.unit_amount_minor * left)
    credit = -round(held.quantity * held.unit_amount_minor * left) if total is None else total - charge

    def line(number: int, words: str, state: SubscriptionChange, amount: int) -> Line:
        text = f"{words} time on {state.quantity} × {plans.PLAN_NAMES[state.plan_id]} after {change.at:%d %b %Y}"
        item = "ii_1" + ids.base62(23, "stripe_invoice_item", bill_id, number)
        price = plans.BY_PRICE_ID[state.price_id]
        return Line(ids.stripe_line_id(bill_id, number), item, text, price, state.quantity, amount, change.at, end)

    return line(1, "Unused", held, credit), line(0, "Remaining", change, charge)


def _balanced(bills: list[Bill]) -> Iterator[Bill]:
    """Carry the customer's credit from bill to bill."""
    balance = 0
    for bill in bills:
        after = min(balance + bill.total, 0)
        yield replace(bill, starting_balance=balance, ending_balance=after)
        balance = after
