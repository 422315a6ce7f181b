"""The truth: frozen dataclasses of everything that really happens in the simulated company.

Nothing here is in a vendor's format, and nothing computes. Times are aware UTC datetimes. Money is in integer
minor units, except monthly recurring revenue, which is an exact `Fraction` of minor units (annual / 12).
A `Journey` holds a school's WHOLE future up to the horizon; use `as_of(now)` or the queries of `World`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class School:
    """A school as it really is; vendors only ever show a `spelling.VendorView` of it."""

    school_id: str
    name: str
    legal_name: str
    country: str
    city: str
    region: str
    postcode: str
    street: str
    phone: str
    domain: str | None
    website: str | None
    vertical: str
    students: int
    employees: int
    quality: float


@dataclass(frozen=True, slots=True)
class Contact:
    """An invented person at a school."""

    first_name: str
    last_name: str
    email: str
    phone: str
    role: str
    is_freemail: bool


class Hit(NamedTuple):
    """One web analytics event of a session; `late` = first publication (0, 1, 2) of the shard that has it."""

    offset_s: int
    name: str
    path: str
    late: int


@dataclass(frozen=True, slots=True)
class Session:
    """A visit to the web site; `client_id` is None where consent was denied."""

    client_id: str | None
    ga_session_id: int
    ga_session_number: int
    started_at: datetime
    source: str
    medium: str
    campaign: str | None
    channel: str
    referrer: str | None
    landing_page: str
    pages: tuple[Hit, ...]
    country: str
    city: str
    device: str
    browser: str
    os: str
    language: str
    consent: bool
    user_id: str | None
    school_id: str | None

    @property
    def ended_at(self) -> datetime:
        """The moment of the last event."""
        return self.started_at + timedelta(seconds=self.pages[-1].offset_s if self.pages else 0)


@dataclass(frozen=True, slots=True)
class Lead:
    """A person of a school who left an e-mail address (sign-up or demo request)."""

    lead_id: str
    school_id: str
    created_at: datetime
    source: str
    medium: str
    campaign: str | None
    channel: str
    kind: str  # sign_up | demo_request
    email: str
    account_id: str | None
    account_created_at: datetime | None
    lead_class: str
    score: float
    reclass: str | None
    reclass_score: float | None
    reclassified_at: datetime | None
    is_repeat: bool  # a second lead of a school that came earlier


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """One backend event, contract dreamclass-events/1."""

    event_id: str
    name: str
    account_id: str
    user_id: str | None
    role: str | None
    actor_type: str
    session_id: str | None
    ga_client_id: str | None
    occurred_at: datetime
    received_at: datetime
    source: str
    is_test: bool
    properties: dict[str, Any]
    event_version: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A product account and its 14-day trial."""

    account_id: str
    trial_id: str
    user_id: str
    created_at: datetime
    started_at: datetime
    ends_at: datetime
    activated_at: datetime | None


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
class Journey:
    """One lead's life, complete up to the horizon (`product_events`: the first 30 days after trial start)."""

    school: School
    contact: Contact
    lead: Lead
    trial: Trial | None
    product_events: tuple[ProductEvent, ...]
    subscriptions: tuple[Subscription, ...]
    invoices: tuple[Invoice, ...]
    deal: Deal | None
    sessions: tuple[Session, ...]

    @property
    def subscription(self) -> Subscription | None:
        """The first subscription, or None."""
        return self.subscriptions[0] if self.subscriptions else None

    @property
    def converted_at(self) -> datetime | None:
        """When the school became a paying customer, or None."""
        return self.subscriptions[0].paid_from if self.subscriptions else None


@dataclass(frozen=True, slots=True)
class Prospect:
    """A school that visits but never leaves an address."""

    school: School
    first_seen_at: datetime
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class SwanVisit:
    """A visit whose company was identified; `session` is the very session the web analytics saw."""

    visit_id: str
    visitor_id: str
    school: School
    seen_at: datetime
    session: Session
    pageviews: int
    duration_s: float
    confidence: float
    intent_signal: str


@dataclass(frozen=True, slots=True)
class G2Signal:
    """Buyer intent of one company on one day and signal type."""

    day: date
    school: School
    signal_type: str
    activity: int
    visitor_count: int
    provider: str
    last_seen_at: datetime
    competitor: str | None


@dataclass(frozen=True, slots=True)
class CrmCompany:
    """A company record in the CRM; a duplicate is a second record of the same school, with its own view."""

    record_key: str  # what `ids.hubspot_company_id` takes
    company_id: str
    school: School
    created_at: datetime
    is_duplicate: bool
    stripe_customer_id: str | None
    lifecycle_stage: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ScoringRun:
    """One run of the lead scoring over one 14-day window."""

    run_id: str
    window_index: int
    window_start: datetime
    window_end: datetime
    status: str
    run_version: int
    supersedes_run_id: str | None
    model_version: str
    weights_version: str
    created_at: datetime
    completed_at: datetime | None
    updated_at: datetime
    lqi: str | None  # numeric(6,3) as text
    total_leads: int
    class_distribution: dict[str, int]


@dataclass(frozen=True, slots=True)
class LeadScore:
    """One lead's score in one run."""

    id: int
    run_id: str
    lead_id: str
    lead_class: str
    score: str  # numeric(6,3) as text
    account_id: str | None
    email: str
    source: str
    medium: str
    campaign: str | None
    scored_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ShardVersion:
    """A publication of a day's analytics shard: it holds the hits with `late <= max_late`."""

    version: int
    published_at: datetime
    max_late: int


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
