"""Subscriptions and invoices of one school, from the first charge to the last.

Lives here: what is bought, when it changes, what is billed. Prices are in `plans.py`, hazards in
`regimes.py`. Rules: an increase is billed at once by a prorated invoice; a decrease takes effect without
credit; a cancel ends the subscription at that moment without refund.
"""

from __future__ import annotations

import bisect
import calendar
import math
from datetime import datetime, timedelta
from fractions import Fraction

from . import ids, plans, regimes
from .model import Invoice, InvoiceLine, School, Subscription, SubscriptionChange, Trial
from .rng import Draw

LATE_PAYMENT = 0.03
FAILED_CHURN = 0.15  # of cancels: the last invoice was never paid
REACTIVATION = 0.08
_Life = list[tuple[datetime, str, tuple[str, int] | None]]


def add_months(at: datetime, months: int) -> datetime:
    """The same moment some months later, the day clamped to the month's length."""
    index = at.year * 12 + at.month - 1 + months
    year, month = divmod(index, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))


def _when(kind: str, since: datetime, d: Draw, quantile: float | None = None) -> datetime | None:
    """The next event of a cumulative hazard after `since`, or None before the horizon."""
    hazard = regimes.cumulative_hazard(kind)
    start = (since.date() - regimes.START).days
    target = hazard[min(start + 1, len(hazard) - 1)] + (d.expo(1.0) if quantile is None else -math.log1p(-quantile))
    index = bisect.bisect_left(hazard, target)
    if index >= len(hazard):
        return None
    day = regimes.START + timedelta(days=index - 1)
    return datetime(day.year, day.month, day.day, 7 + d.below(12), d.below(60), d.below(60), tzinfo=since.tzinfo)


def _life(d: Draw, luck: float, start: datetime, plan: str, quantity: int) -> tuple[_Life, datetime | None]:
    """Expansions and contractions, and the cancel, after a start."""
    end = _when("churn", start + timedelta(days=2), d, luck)
    life: _Life = []
    for kind in ("expand", "contract"):
        at = _when(kind, start + timedelta(days=5), d)
        while at is not None and (end is None or at < end):
            life.append((at, kind, None))
            at = _when(kind, at, d)
    life.sort(key=lambda item: item[0])
    out: _Life = []
    for at, kind, _ in life:
        if kind == "expand":
            if plan != "school" and d.chance(0.3):
                plan = plans.PLANS[plans.PLANS.index(plan) + 1]
            else:
                quantity += 1 + (d.u() < 0.25)
        elif quantity > 1:
            quantity -= 1
        elif plan != "starter":
            plan = plans.PLANS[plans.PLANS.index(plan) - 1]
        else:
            continue
        out.append((at, kind, (plan, quantity)))
    return out, end


def _invoices(
    d: Draw, head: dict[str, str], changes: list[SubscriptionChange], end: datetime | None, ordinal: int
) -> tuple[list[Invoice], list[tuple[datetime, str]]]:
    """Invoices of one subscription and the status changes that late payment causes."""
    first = changes[0]
    horizon = datetime.combine(regimes.HORIZON, first.at.timetz())
    months = 12 if first.interval == "year" else 1
    stop = min(end, horizon) if end is not None else horizon
    due: list[tuple[datetime, datetime, datetime, str, SubscriptionChange, int]] = []
    period, k = first.at, 0
    while period < stop:
        following = add_months(first.at, months * (k + 1))
        held = [c for c in changes if c.at <= period][-1]
        due.append(
            (
                period,
                period,
                following,
                "subscription_create" if k == 0 else "subscription_cycle",
                held,
                held.quantity * held.unit_amount_minor,
            )
        )
        previous = held
        for change in changes:
            if period < change.at < min(following, stop):
                delta = change.quantity * change.unit_amount_minor - previous.quantity * previous.unit_amount_minor
                if delta > 0:
                    left = Fraction(
                        int((following - change.at).total_seconds()),
                        int((following - period).total_seconds()),
                    )
                    due.append((change.at, change.at, following, "subscription_update", change, round(delta * left)))
                previous = change
        period, k = following, k + 1
    out: list[Invoice] = []
    late: list[tuple[datetime, str]] = []
    failed = end is not None and d.chance(FAILED_CHURN)
    for number, (at, begin, finish, reason, held, amount) in enumerate(due):
        invoice_id = ids.stripe_invoice_id(head["subscription_id"], number)
        paid_at: datetime | None = at + timedelta(
            minutes=61 if reason == "subscription_cycle" else 0, seconds=d.below(40)
        )
        voided: datetime | None = None
        if (
            reason == "subscription_cycle"
            and number == len(due) - 1
            and failed
            and end is not None
            and at < end - timedelta(days=1)
        ):
            paid_at, voided = None, end
            late.append((at + timedelta(hours=1), "past_due"))
        elif reason == "subscription_cycle" and d.chance(LATE_PAYMENT):
            paid = at + timedelta(days=d.between(2, 9))
            paid = paid.replace(microsecond=0)
            if end is None or paid < end:
                paid_at = paid
                late += [(at + timedelta(hours=1), "past_due"), (paid, "recover")]
        proration = reason == "subscription_update"
        text = f"{'Remaining time on ' if proration else ''}{held.quantity} × {plans.PLAN_NAMES[held.plan_id]}"
        line = InvoiceLine(
            ids.stripe_line_id(invoice_id, 0),
            text,
            held.plan_id,
            held.price_id,
            held.quantity,
            held.unit_amount_minor,
            amount,
            proration,
            begin,
            finish,
        )
        out.append(
            Invoice(
                invoice_id,
                f"{ids.base62(8, 'invoice', head['school_id']).upper()}-{ordinal}{number + 1:03d}",
                head["customer_id"],
                head["subscription_id"],
                head["school_id"],
                at,
                reason,
                held.currency,
                amount,
                paid_at,
                voided,
                begin,
                finish,
                (line,),
            )
        )
    return out, late


def _subscribe(
    d: Draw,
    luck: float,
    school: School,
    account_id: str,
    ordinal: int,
    start: datetime,
    plan: str,
    quantity: int,
    interval: str,
    currency: str,
    trial: Trial | None,
) -> tuple[Subscription, list[Invoice]]:
    version = regimes.price_version((trial.started_at if trial is not None else start).date())
    subscription_id = ids.stripe_subscription_id(school.school_id, ordinal)
    head = {
        "subscription_id": subscription_id,
        "customer_id": ids.stripe_customer_id(school.school_id),
        "school_id": school.school_id,
    }

    def change(at: datetime, kind: str, status: str, plan_id: str, count: int) -> SubscriptionChange:
        price = plans.price(plan_id, interval, currency, version)
        return SubscriptionChange(
            at, kind, status, plan_id, interval, price.price_id, count, price.unit_amount_minor, currency
        )

    life, end = _life(d, luck, start, plan, quantity)
    held = [change(start, "start" if ordinal == 0 else "reactivate", "active", plan, quantity)]
    held += [change(at, kind, "active", *state) for at, kind, state in life if state is not None]
    invoices, late = _invoices(d, head, held, end, ordinal)
    events: list[tuple[datetime, str, SubscriptionChange | None]] = [(c.at, c.kind, c) for c in held]
    events += [(at, kind, None) for at, kind in late]
    events.sort(key=lambda item: item[0])
    changes = [change(trial.started_at, "trial", "trialing", plan, quantity)] if trial is not None else []
    status, last = "active", held[0]
    for at, kind, state in events:
        if state is None:
            status = "past_due" if kind == "past_due" else "active"
        else:
            last = state
        changes.append(change(at, kind, status, last.plan_id, last.quantity))
    if end is not None:
        changes.append(change(end, "cancel", "canceled", last.plan_id, last.quantity))
    sub = Subscription(
        subscription_id,
        ids.stripe_item_id(subscription_id),
        head["customer_id"],
        school.school_id,
        account_id,
        trial.started_at if trial is not None else start,
        trial.started_at if trial is not None else None,
        trial.ends_at if trial is not None else None,
        tuple(changes),
    )
    return sub, invoices


def subscriptions(
    d: Draw,
    luck: float,
    school: School,
    account_id: str,
    choice: tuple[str, int, str, str],
    start: datetime | None,
    trial: Trial | None,
) -> tuple[tuple[Subscription, ...], tuple[Invoice, ...]]:
    """All subscriptions and invoices of a school.

    `luck` in [0, 1) is the quantile of its life time: 0 leaves at once, 1 never.
    `start` None with a `trial`: a trial with a card that ends unpaid. Both: the card trial turns into
    `start`.
    """
    plan, quantity, interval, currency = choice
    if start is None:
        assert trial is not None
        price = plans.price(plan, interval, currency, regimes.price_version(trial.started_at.date()))
        subscription_id = ids.stripe_subscription_id(school.school_id, 0)
        states = tuple(
            SubscriptionChange(
                at, kind, status, plan, interval, price.price_id, quantity, price.unit_amount_minor, currency
            )
            for at, kind, status in (
                (trial.started_at, "trial", "trialing"),
                (trial.ends_at, "cancel", "canceled"),
            )
        )
        return (
            Subscription(
                subscription_id,
                ids.stripe_item_id(subscription_id),
                ids.stripe_customer_id(school.school_id),
                school.school_id,
                account_id,
                trial.started_at,
                trial.started_at,
                trial.ends_at,
                states,
            ),
        ), ()
    sub, invoices = _subscribe(d, luck, school, account_id, 0, start, plan, quantity, interval, currency, trial)
    subs = [sub]
    if sub.canceled_at is not None and d.chance(REACTIVATION):
        back = sub.canceled_at + timedelta(days=20 + d.below(100), hours=d.below(9))
        if back.date() < regimes.HORIZON:
            last = sub.current
            again, more = _subscribe(
                d, d.u(), school, account_id, 1, back, last.plan_id, last.quantity, interval, currency, None
            )
            subs.append(again)
            invoices += more
    return tuple(subs), tuple(invoices)
