"""ChartMogul's objects as of a simulated now, derived from the world's MRR ledger.

The account's currency is USD. Subscriptions in other currencies are converted at the fixed rates below, so FX
makes no movements. Money is in cents rounded to 4 decimals: a customer's MRR is rounded, its movements are
differences of rounded MRR, so movements add up to MRR exactly.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dreamclass_intel.sandbox import ids, plans
from dreamclass_intel.sandbox.model import Journey
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.sandbox.spelling import view

USD_PER = {"usd": Fraction(1), "eur": Fraction(108, 100), "gbp": Fraction(127, 100)}
CURRENCY, SIGN = "USD", "$"
DATA_SOURCE = ids.chartmogul_uuid("ds", "stripe")
DATA_SOURCE_CREATED = "2024-01-01T00:00:00.000Z"
COMPONENTS = {
    "new_biz": "mrr-new-business",
    "expansion": "mrr-expansion",
    "contraction": "mrr-contraction",
    "churn": "mrr-churn",
    "reactivation": "mrr-reactivation",
}
_WORDS = {
    "new_biz": "purchased the {plan} plan",
    "expansion": "upgraded to the {plan} plan",
    "contraction": "downgraded to the {plan} plan",
    "churn": "cancelled the {plan} plan",
    "reactivation": "reactivated the {plan} plan",
}


@dataclass
class Store:
    """Everything ChartMogul shows at one moment."""

    customers: list[dict[str, Any]] = field(default_factory=list)
    subscriptions: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    activities: list[dict[str, Any]] = field(default_factory=list)  # by (date, uuid)
    plans: list[dict[str, Any]] = field(default_factory=list)
    daily: dict[dt.date, dict[str, Decimal]] = field(default_factory=dict)


def cents(value: Fraction, currency: str) -> Decimal:
    """Minor units of `currency` as USD cents, rounded half-even to 4 decimals."""
    return Decimal(round(value * USD_PER[currency] * 10_000)) / 10_000


def number(value: Decimal) -> int | float:
    """As ChartMogul writes it: an integer where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)


def moment(at: dt.datetime | None) -> str | None:
    """ISO 8601 with offset, to the second."""
    return at.astimezone(dt.UTC).replace(microsecond=0).isoformat() if at else None


def plan_name(price_id: str) -> str:
    """A plan's name as the Stripe connector makes it."""
    price = plans.BY_PRICE_ID[price_id]
    every = "Annual" if price.interval == "year" else "Monthly"
    return f"{plans.PLAN_NAMES[price.plan_id]} {every} {price.currency.upper()} v{price.version}"


def store(site: Site) -> Store:
    """The objects at the site's now, built once per now."""
    found: Store = site.at_now("chartmogul", lambda: _build(site))
    return found


def _build(site: Site) -> Store:
    now, result = site.now, Store()
    paid_until: dict[str, dt.datetime] = {}
    for invoice in site.world.invoices(now):
        newest = max(line.period_end for line in invoice.lines)
        paid_until[invoice.subscription_id] = max(paid_until.get(invoice.subscription_id, newest), newest)
    journeys = {}
    for journey in site.world.journeys(now):
        if any(s.created_at <= now for s in journey.subscriptions):
            journeys[journey.subscriptions[0].customer_id] = journey
    mrr = _activities(site, journeys, result)
    for customer_id, journey in journeys.items():
        customer = _customer(journey, customer_id, mrr.get(customer_id, Decimal(0)), now)
        result.customers.append(customer)
        result.subscriptions[customer["uuid"]] = _subscriptions(journey, paid_until, now)
    result.customers.sort(key=lambda c: int(c["id"]))
    result.plans = [
        {
            "uuid": ids.chartmogul_uuid("pl", price.price_id),
            "data_source_uuid": DATA_SOURCE,
            "name": plan_name(price.price_id),
            "interval_count": 1,
            "interval_unit": price.interval,
            "external_id": price.price_id,
        }
        for price in sorted(plans.PRICES.values(), key=lambda p: p.price_id)
        if price.created_at <= now
    ]
    return result


def _activities(site: Site, journeys: dict[str, Journey], result: Store) -> dict[str, Decimal]:
    """Fill activities and daily sums; returns each customer's MRR."""
    price_at: dict[tuple[str, dt.datetime], str] = {
        (s.subscription_id, c.at): c.price_id for j in journeys.values() for s in j.subscriptions for c in s.changes
    }
    mrr: dict[str, Decimal] = {}
    for entry in site.world.ledger(site.now):
        after = cents(entry.mrr_after_minor, entry.currency)
        moved = after - mrr.get(entry.customer_id, Decimal(0))
        mrr[entry.customer_id] = after
        price_id = price_at[entry.subscription_id, entry.at]
        school = journeys[entry.customer_id].school
        result.activities.append(
            {
                "description": _WORDS[entry.movement].format(plan=plan_name(price_id)),
                "activity-mrr-movement": number(moved),
                "activity-mrr": number(after),
                "activity-arr": number(after * 12),
                "date": moment(entry.at),
                "type": entry.movement,
                "currency": CURRENCY,
                "subscription-external-id": entry.subscription_id,
                "plan-external-id": price_id,
                "customer-name": view(school, "chartmogul").name,
                "customer-uuid": ids.chartmogul_customer_uuid(entry.school_id),
                "customer-external-id": entry.customer_id,
                "billing-connector-uuid": DATA_SOURCE,
                "uuid": ids.uuid_of("chartmogul_activity", entry.subscription_id, entry.at.isoformat()),
            }
        )
        day = result.daily.setdefault(entry.at.date(), defaultdict(Decimal))
        day[COMPONENTS[entry.movement]] += moved
    result.activities.sort(key=lambda a: (a["date"], a["uuid"]))
    return mrr


def _customer(journey: Journey, customer_id: str, mrr: Decimal, now: dt.datetime) -> dict[str, Any]:
    seen = view(journey.school, "chartmogul")
    subscriptions = [s for s in (sub.as_of(now) for sub in journey.subscriptions) if s is not None]
    since = min((s.paid_from for s in subscriptions if s.paid_from), default=None)
    states = {s.current.status for s in subscriptions}
    status = "New_Lead" if since is None else "Active" if mrr else "Cancelled"
    status = "Past_Due" if "past_due" in states else status
    identity = int(ids.numeric(8, "chartmogul_customer_id", journey.school.school_id))
    trials = [s.trial_start for s in subscriptions if s.trial_start]
    return {
        "id": identity,
        "uuid": ids.chartmogul_customer_uuid(journey.school.school_id),
        "external_id": customer_id,
        "name": seen.name,
        "email": journey.contact.email,
        "status": status,
        "customer-since": moment(since),
        "attributes": {"tags": [], "stripe": {}, "clearbit": {}, "custom": {}},
        "address": {
            "address_zip": seen.postcode,
            "city": seen.city,
            "state": seen.region,
            "country": seen.country,
        },
        "data_source_uuid": DATA_SOURCE,
        "data_source_uuids": [DATA_SOURCE],
        "external_ids": [customer_id],
        "company": "",
        "country": seen.country,
        "state": seen.region,
        "city": seen.city,
        "zip": seen.postcode,
        "lead_created_at": moment(trials[0]) if trials else None,
        "free_trial_started_at": moment(trials[0]) if trials else None,
        "website_url": seen.website,
        "mrr": number(mrr),
        "arr": number(mrr * 12),
        "billing-system-url": f"https://dashboard.stripe.com/customers/{customer_id}",
        "chartmogul-url": f"https://app.chartmogul.com/#/customers/{identity}",
        "billing-system-type": "Stripe",
        "currency": CURRENCY,
        "currency-sign": SIGN,
    }


def _subscriptions(journey: Journey, paid_until: dict[str, dt.datetime], now: dt.datetime) -> list[dict[str, Any]]:
    """Subscriptions with at least one invoice; a trial that never paid is none to ChartMogul."""
    found = []
    for sub in (s.as_of(now) for s in journey.subscriptions):
        if sub is None or sub.paid_from is None:
            continue
        held = sub.current
        mrr = cents(held.mrr_minor, held.currency)
        found.append(
            {
                "id": int(ids.numeric(8, "chartmogul_subscription_id", sub.subscription_id)),
                "external_id": sub.subscription_id,
                "plan": plan_name(held.price_id),
                "quantity": held.quantity,
                "uuid": ids.uuid_of("chartmogul_subscription", sub.subscription_id),
                "mrr": number(mrr),
                "arr": number(mrr * 12),
                "status": "inactive" if sub.canceled_at else "active",
                "billing-cycle": held.interval,
                "billing-cycle-count": 1,
                "start-date": moment(sub.paid_from),
                "end-date": moment(sub.canceled_at or paid_until.get(sub.subscription_id)),
                "currency": CURRENCY,
                "currency-sign": SIGN,
            }
        )
    return found
