"""The truth: frozen dataclasses of everything that really happens in the simulated company.

Nothing here is in a vendor's format, and nothing computes. Times are aware UTC datetimes. What concerns
money is defined in `money.py` and can be imported from here.
A `Journey` holds a school's WHOLE future up to the horizon; use `as_of(now)` or the queries of `World`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from .money import Deal, Invoice, InvoiceLine, LedgerEntry, Subscription, SubscriptionChange

__all__ = [
    "Contact", "CrmCompany", "Deal", "G2Signal", "Hit", "Invoice", "InvoiceLine", "Journey", "Lead",
    "LeadScore",
    "LedgerEntry", "ProductEvent", "Prospect", "School", "ScoringRun", "Session", "ShardVersion",
    "Subscription",
    "SubscriptionChange", "SwanVisit", "Trial",
]  # fmt: skip


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
