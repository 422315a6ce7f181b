"""Product accounts: trials, activation and every backend event (contract dreamclass-events/1).

Lives here: what happens inside the product. Activation = a class, at least five students (by
`properties.count`, never by number of events) and a teacher, all by a user, within 7 days of the trial's
start.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from . import ids
from .model import ProductEvent, Subscription, Trial
from .rng import Draw, Weighted

TRIAL_DAYS = 14
ACTIVATION_DAYS = 7
ACTIVATION_STUDENTS = 5
TRIAL_EVENT_DAYS = 30
LATE_SHARE = 0.02
USAGE_WEEKLY = 2.1
_USAGE = Weighted(
    [
        ("attendance_recorded", 0.34),
        ("feature_used", 0.24),
        ("payment_recorded", 0.12),
        ("fee_created", 0.08),
        ("student_enrolled", 0.10),
        ("email_invitation_sent", 0.07),
        ("invitation_accepted", 0.05),
    ]
)
_FEATURES = ("gradebook", "calendar", "reports", "messaging", "admission_form", "timetable", "library")
# What a trial that does not activate in time gets done (late = all three, but after seven days).
_FAILURES = Weighted([("nothing", 0.36), ("class", 0.28), ("few_students", 0.18), ("no_teacher", 0.12), ("late", 0.06)])


class Recorder:
    """Collects one account's events."""

    def __init__(self, d: Draw, account_id: str, user_id: str, client_id: str | None):
        self.d, self.account_id, self.user_id, self.client_id = d, account_id, user_id, client_id
        self.events: list[ProductEvent] = []

    def add(
        self,
        at: datetime,
        name: str,
        properties: dict[str, Any] | None = None,
        *,
        actor: str = "user",
        source: str = "web",
        role: str = "admin",
        is_test: bool = False,
    ) -> datetime:
        """Record an event; returns when it occurred (to the millisecond)."""
        d = self.d
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        if d.chance(LATE_SHARE):
            delay = d.between(3600.0, 5 * 86400.0)
        else:
            delay = min(d.lognormal(1.5, 0.8), 90.0)
        received = at + timedelta(milliseconds=int(delay * 1000))
        user = self.user_id if actor == "user" else None if actor == "system" else "usr_support01"
        session = f"s_{self.account_id[:8]}{int(at.timestamp()) // 1800:x}" if actor == "user" else None
        self.events.append(
            ProductEvent(
                ids.uuid7(at, int(d.u() * (1 << 53)) << 21 | int(d.u() * (1 << 21))),
                name,
                self.account_id,
                user,
                role if actor == "user" else None,
                actor,
                session,
                self.client_id if actor == "user" else None,
                at,
                received,
                source,
                is_test,
                properties or {},
            )
        )
        return at

    def students(self, at: datetime, wanted: int) -> datetime:
        """Add `wanted` students, by hand or by an import; returns when the fifth (or last) was there."""
        d = self.d
        if wanted >= ACTIVATION_STUDENTS and d.chance(0.7):
            return self.add(
                at,
                "student_added",
                {"count": wanted, "import_id": ids.base62(8, self.account_id, at)},
                source="import",
            )
        left, reached = wanted, at
        while left > 0:
            step = left if left < 3 else min(left, 1 + d.below(4))
            done = self.add(at, "student_added", {"count": step})
            if wanted - left < ACTIVATION_STUDENTS:
                reached = done
            left -= step
            at += timedelta(minutes=d.between(1, 12))
        return reached


def trial_events(
    d: Draw,
    trial_id: str,
    account_id: str,
    created_at: datetime,
    started_at: datetime,
    activates: bool,
    students: int,
    client_id: str | None,
) -> tuple[Trial, tuple[ProductEvent, ...]]:
    """The trial and the events of its first days."""
    user_id = "usr_" + ids.base62(12, "user", account_id)
    r = Recorder(d, account_id, user_id, client_id)
    r.add(created_at, "account_created", {"locale": "en"})
    r.add(started_at, "trial_started", {"trial_id": trial_id, "days": TRIAL_DAYS}, actor="system", source="api")
    limit = started_at + timedelta(days=ACTIVATION_DAYS)
    fate = "activates" if activates else d.pick(_FAILURES)
    activated_at: datetime | None = None
    if fate == "activates":
        span = min(d.lognormal(26.0, 1.1), 24 * ACTIVATION_DAYS - 3.0)  # hours to the last of the three
        parts = sorted((span * d.u(), span * d.u()))
        order = [0.0, *parts, span]
        steps = [order[1], order[2], order[3]]
        made = r.add(started_at + timedelta(hours=steps[0]), "class_created", {"count": 1})
        had = r.students(started_at + timedelta(hours=steps[1]), min(max(5, int(students * d.between(0.05, 0.6))), 400))
        teacher = r.add(started_at + timedelta(hours=steps[2]), "teacher_added", {"count": 1 + d.below(3)})
        activated_at = max(made, had, teacher)
    elif fate != "nothing":
        at = started_at + timedelta(hours=d.between(0.2, 60))
        r.add(at, "class_created", {"count": 1})
        if fate == "few_students":
            r.students(at + timedelta(hours=d.between(0.1, 30)), 1 + d.below(4))
        elif fate == "no_teacher":
            r.students(at + timedelta(hours=d.between(0.1, 30)), 5 + d.below(40))
        elif fate == "late":
            r.students(limit + timedelta(hours=d.between(3, 90)), 5 + d.below(40))
            r.add(limit + timedelta(hours=d.between(3, 120)), "teacher_added", {"count": 1})
        if fate == "few_students" and d.chance(0.15):  # support staff showing the product: never activation
            r.add(at + timedelta(hours=31), "student_added", {"count": 10}, actor="impersonation")
            r.add(at + timedelta(hours=31.1), "teacher_added", {"count": 1}, actor="impersonation")
    for _ in range(d.poisson(4.0 if activates else 0.9)):
        at = started_at + timedelta(days=d.between(0.1, TRIAL_DAYS))
        name = d.pick(_USAGE)
        r.add(at, name, _properties(name, d))
    if d.chance(0.45 if activates else 0.12):
        r.add(started_at + timedelta(days=d.between(0.5, TRIAL_DAYS)), "billing_page_viewed")
    trial = Trial(
        account_id,
        trial_id,
        user_id,
        created_at,
        started_at,
        started_at + timedelta(days=TRIAL_DAYS),
        activated_at,
    )
    return trial, tuple(sorted(r.events, key=lambda e: (e.occurred_at, e.event_id)))


def _properties(name: str, d: Draw) -> dict[str, Any]:
    if name == "feature_used":
        return {"feature": d.one(_FEATURES)}
    if name == "email_invitation_sent":
        return {"trigger": d.one(("manual", "automatic", "bulk")), "count": 1 + d.below(20)}
    if name in ("attendance_recorded", "student_enrolled"):
        return {"count": 1 + d.below(25)}
    return {}


def billing_events(d: Draw, trial: Trial, subscriptions: Iterable[Subscription]) -> list[ProductEvent]:
    """What the product emits when a subscription changes."""
    r = Recorder(d, trial.account_id, trial.user_id, None)
    for sub in subscriptions:
        for change in sub.changes:
            if change.kind == "expand":
                r.add(change.at, "plan_upgraded", {"plan": change.plan_id, "quantity": change.quantity})
            elif change.kind == "cancel" and sub.paid_from is not None:
                r.add(
                    change.at,
                    "subscription_cancelled",
                    {"plan": change.plan_id},
                    actor="system",
                    source="api",
                )
    return r.events


def usage_events(seed: int, trial: Trial, subscriptions: Iterable[Subscription], monday: date) -> list[ProductEvent]:
    """A paying account's events of one week: few, a pure function of (seed, account, week)."""
    start = datetime.combine(monday, time(), UTC)
    spans = []
    for sub in subscriptions:
        begin, end = sub.paid_from, sub.canceled_at
        if begin is not None and begin < start + timedelta(days=7) and (end is None or end > start):
            spans.append((begin, end))
    if not spans:
        return []
    d = Draw(seed, monday.toordinal(), "usage:" + trial.account_id)
    r = Recorder(d, trial.account_id, trial.user_id, None)
    for _ in range(d.poisson(USAGE_WEEKLY)):
        day = d.below(7) if d.chance(0.2) else d.below(5)
        at = start + timedelta(days=day, seconds=int(d.between(6, 20) * 3600))
        name = d.pick(_USAGE)
        properties = _properties(name, d)
        if any(begin <= at and (end is None or at < end) for begin, end in spans):
            r.add(at, name, properties, role="teacher" if name == "attendance_recorded" else "admin")
    return r.events


def qa_events(seed: int, day: date) -> list[ProductEvent]:
    """Events of DreamClass's own test accounts (`is_test`), which must never count."""
    d = Draw(seed, day.toordinal(), "qa")
    if not d.chance(0.2):
        return []
    r = Recorder(d, ids.uuid_of("qa", seed, day), "usr_qa", None)
    at = datetime.combine(day, time(9), UTC) + timedelta(seconds=int(d.between(0, 28000)))
    for minute, name, properties in (
        (0, "account_created", {}),
        (1, "trial_started", {"days": TRIAL_DAYS}),
        (3, "class_created", {"count": 1}),
        (5, "student_added", {"count": 8}),
        (8, "teacher_added", {"count": 1}),
    ):
        r.add(at + timedelta(minutes=minute), name, dict(properties), is_test=True)
    return r.events
