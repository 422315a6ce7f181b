"""The truth about money: deals, subscriptions, their changes, invoices and the movements of the MRR ledger.

Nothing here is in a vendor's format. Amounts are integer minor units of the record's currency; monthly
recurring revenue is an exact `Fraction` of minor units, because annual prices / 12 are not whole cents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """A state of a subscription from `at` on.

    kind: trial | start | expand | contract | past_due | recover | cancel | reactivate;
    status: trialing | active | past_due | canceled. Quantity and prices of a cancel are the last ones held.
    """

    at: datetime
    kind: str
    status: str
    plan_id: str
    interval: str
    price_id: str
    quantity: int
    unit_amount_minor: int
    currency: str

    @property
    def mrr_minor(self) -> Fraction:
        """Monthly recurring revenue in minor units, exact: 0 unless active or past due."""
        if self.status not in ("active", "past_due"):
            return Fraction(0)
        return Fraction(self.quantity * self.unit_amount_minor, 12 if self.interval == "year" else 1)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One billing subscription with one item; a comeback after a cancel is a new subscription."""

    subscription_id: str
    item_id: str
    customer_id: str
    school_id: str
    account_id: str
    created_at: datetime
    trial_start: datetime | None
    trial_end: datetime | None
    changes: tuple[SubscriptionChange, ...]

    @property
    def paid_from(self) -> datetime | None:
        """When it first counted for revenue, or None (a card trial that never paid)."""
        return next((c.at for c in self.changes if c.kind in ("start", "reactivate")), None)

    @property
    def canceled_at(self) -> datetime | None:
        """When it was cancelled, or None."""
        last = self.changes[-1]
        return last.at if last.kind == "cancel" else None

    @property
    def current(self) -> SubscriptionChange:
        """The last state it holds (of `World.subscriptions(now)`: the state at now)."""
        return self.changes[-1]

    def as_of(self, now: datetime) -> Subscription | None:
        """What is true at `now`, or None if it does not exist yet."""
        if self.created_at > now:
            return None
        if self.changes[-1].at <= now:
            return self
        return replace(self, changes=tuple(c for c in self.changes if c.at <= now))


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice, with its service period."""

    line_id: str
    description: str
    plan_id: str
    price_id: str
    quantity: int
    unit_amount_minor: int
    amount_minor: int
    proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; `paid_at` None = never paid (open until the subscription's cancel, then void)."""

    invoice_id: str
    number: str
    customer_id: str
    subscription_id: str
    school_id: str
    created_at: datetime
    billing_reason: str
    currency: str
    amount_minor: int
    paid_at: datetime | None
    voided_at: datetime | None
    period_start: datetime
    period_end: datetime
    lines: tuple[InvoiceLine, ...]

    def status_at(self, now: datetime) -> str:
        """open, paid or void at `now`."""
        if self.paid_at is not None and self.paid_at <= now:
            return "paid"
        return "void" if self.voided_at is not None and self.voided_at <= now else "open"


@dataclass(frozen=True, slots=True)
class Deal:
    """A sales opportunity; in `World.deals(now)` cut to what is known at now."""

    deal_id: str
    school_id: str
    lead_id: str
    name: str
    created_at: datetime
    pipeline: str
    stages: tuple[tuple[str, datetime], ...]
    amount_minor: int
    currency: str
    outcome: str  # won | lost | open
    closed_at: datetime | None
    lost_reason: str | None
    owner_id: str

    def as_of(self, now: datetime) -> Deal | None:
        """What is true at `now`, or None if it does not exist yet."""
        if self.created_at > now:
            return None
        if self.closed_at is None or self.closed_at <= now:
            return self
        stages = tuple(s for s in self.stages if s[1] <= now)
        return replace(self, stages=stages, outcome="open", closed_at=None, lost_reason=None)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of monthly recurring revenue of one customer (exact minor units of its currency)."""

    at: datetime
    school_id: str
    customer_id: str
    subscription_id: str
    movement: str  # new_biz | expansion | contraction | churn | reactivation
    delta_minor: Fraction
    currency: str
    mrr_after_minor: Fraction
