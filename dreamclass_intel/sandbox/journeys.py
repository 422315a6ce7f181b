"""One lead's life, from the first visit to the last invoice, and the cohort of leads born on a day.

Lives here: how the parts of a journey follow from each other. A cohort is a pure function of (seed, day): it
never looks at another day's cohort, at the clock or at the scale.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from . import billing, ids, plans, regimes
from .channels import Tag, tag
from .model import Contact, Deal, Journey, Lead, ProductEvent, School, Session, Subscription, Trial
from .rng import Draw, Weighted, even
from .schools import COUNTRIES, make_contact, make_school
from .trials import billing_events, trial_events
from .visits import CONSENT_DENIED, Visitor, after, client_id, device, moment, session, whole

PRE_DAYS, POST_DAYS = 40, 45  # how far a journey's sessions reach before and after the lead
CARD_TRIAL_SHARE = 0.05  # of sign-ups without a deal that do not pay: a card on file, cancelled at the trial's end
OWNERS = ("71001", "71002", "71003", "71004")
PIPELINE = "default"
OPEN_STAGES = ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "contractsent")
WON, LOST = "closedwon", "closedlost"
_LOST = Weighted(
    [
        ("price", 0.27),
        ("no_decision", 0.30),
        ("competitor", 0.18),
        ("missing_feature", 0.15),
        ("timing", 0.10),
    ]
)
_SCORE = {"A": (80, 100), "B": (60, 80), "C": (35, 60), "D": (0, 35)}


def base_school(seed: int, day: int, index: int) -> School:
    """The school of lead `index` of a day, were it not a repeat."""
    return make_school(seed, day, "lead", index)


def _class_at(mix: dict[str, float], u: float) -> tuple[str, float]:
    """The class at quantile `u` (best first), and the score that goes with the place inside the class."""
    low = 0.0
    for name in regimes.CLASSES:
        share = mix[name]
        if u < low + share or name == "D":
            inside = min(max((u - low) / share, 0.0), 0.999) if share else 0.5
            worst, best = _SCORE[name]
            return name, round(best - (best - worst) * inside - 0.001, 3)
        low += share
    raise AssertionError


def cohort(seed: int, day: date) -> tuple[Journey, ...]:
    """All leads of a UTC day, in order of creation, each with its whole future."""
    ordinal = day.toordinal()
    d = Draw(seed, ordinal, "cohort")
    count = max(1, round(d.normal(regimes.LEADS_PER_WEEKDAY[day.weekday()], regimes.LEADS_DAY_SD)))
    channels = Weighted(list(regimes.lead_shares(day).items()))
    out = [_journey(seed, day, index, channels) for index in range(count)]
    return tuple(sorted(out, key=lambda j: (j.lead.created_at, j.lead.lead_id)))


def _journey(seed: int, day: date, index: int, channels: Weighted[str]) -> Journey:
    ordinal = day.toordinal()
    d = Draw(seed, ordinal, "lead", index)

    def fate(name: str) -> float:
        return even(d, seed, ordinal, index, name)

    channel = channels.at(fate("source"))
    repeat = d.chance(regimes.REPEAT_SHARE) and day >= regimes.START + timedelta(days=10)
    if repeat:
        back = 5 + d.below(min(120, (day - regimes.START).days - 4))
        school = base_school(seed, ordinal - back, d.below(4))
    else:
        school = base_school(seed, ordinal, index)
    contact = make_contact(school, d, regimes.FREEMAIL_SHARE)
    lead_id = ids.uuid_of("lead", seed, day, index)
    lead_class, score = _class_at(regimes.CLASS_MIX[channel], fate("class"))
    created = moment(day, d)
    sign_up = d.chance(regimes.SIGN_UP_SHARE)
    account_id = ids.uuid_of("account", lead_id)
    trial_id = "tri_" + ids.base62(14, "trial", lead_id)
    trial_start: datetime | None = None
    account_at: datetime | None = None
    if sign_up:
        account_at = created + timedelta(seconds=2 + d.below(9))
        delayed = d.chance(0.12)
        trial_start = after(account_at, d, 0.5, 40) if delayed else account_at + timedelta(seconds=5 + d.below(110))
    has_deal = not repeat and fate("deal") < regimes.deal_probability(lead_class, day)
    deal_at = after(created, d, 2, 168) if has_deal else None
    if deal_at is not None and account_at is None:
        account_at = after(deal_at, d, 20, 120)
        trial_start = account_at + timedelta(seconds=30)
    visitor_sessions, last_client = _visits(
        d, school, contact, channel, created, sign_up, account_at, account_id, trial_start
    )
    trial: Trial | None = None
    events: tuple[ProductEvent, ...] = ()
    if account_at is not None and trial_start is not None:
        activates = fate("activation") < regimes.activation_probability(lead_class, day, trial_start.date())
        trial, events = trial_events(
            d, trial_id, account_id, account_at, trial_start, activates, school.students, last_client
        )
    choice = plans.choose(d, school)
    deal, pays_at, card = _outcome(d, day, lead_id, lead_class, school, deal_at, trial, choice, repeat, fate)
    subs: tuple[Subscription, ...] = ()
    invoices: tuple = ()
    if trial is not None and (pays_at is not None or card):
        subs, invoices = billing.subscriptions(
            d, fate("churn"), school, account_id, choice, pays_at, trial if card else None
        )
        events += tuple(billing_events(d, trial, subs))
    reclass = None
    if d.chance(regimes.RECLASS_SHARE):
        near = {"A": "B", "B": d.one("AC"), "C": d.one("BD"), "D": "C"}[lead_class]
        worst, best = _SCORE[near]
        reclass = (near, round(d.between(worst, best - 0.01), 3), created + timedelta(days=d.between(3, 20)))
    # The converting session carries the lead's tags, so the two can never disagree.
    source, medium, campaign = next(
        (s.source, s.medium, s.campaign)
        for s in visitor_sessions
        if s.started_at <= created and (s.ended_at >= created)
    )
    lead = Lead(
        lead_id,
        school.school_id,
        created,
        source,
        medium,
        campaign,
        channel,
        "sign_up" if sign_up else "demo_request",
        contact.email,
        account_id if account_at is not None else None,
        account_at,
        lead_class,
        score,
        reclass[0] if reclass else None,
        reclass[1] if reclass else None,
        reclass[2] if reclass else None,
        repeat,
    )
    return Journey(school, contact, lead, trial, events, subs, invoices, deal, visitor_sessions)


def _outcome(
    d: Draw,
    day: date,
    lead_id: str,
    lead_class: str,
    school: School,
    deal_at: datetime | None,
    trial: Trial | None,
    choice: tuple[str, int, str, str],
    repeat: bool,
    fate: Callable[[str], float],
) -> tuple[Deal | None, datetime | None, bool]:
    """The deal, when the school starts to pay, and whether a card was given at trial start."""
    activated = trial is not None and trial.activated_at is not None
    if deal_at is None:
        if trial is None or repeat:
            return None, None, False
        if d.chance(regimes.self_serve_probability(lead_class, activated, day, trial.started_at.date())):
            if d.chance(0.5):
                return None, trial.ends_at, True
            return None, after(trial.started_at, d, 24 * 4, 24 * 21), False
        return None, None, d.chance(CARD_TRIAL_SHARE)
    assert trial is not None
    days = min(max(d.lognormal(21.0, 0.42), 5.0), 70.0)
    closed = max(deal_at + timedelta(days=days), trial.started_at + timedelta(days=2))
    if closed.weekday() >= 5:
        closed += timedelta(days=7 - closed.weekday())
    closed = whole(closed.replace(hour=8 + d.below(10)))
    won = fate("win") < regimes.win_probability(lead_class, activated, day, trial.started_at.date(), closed.date())
    reached = len(OPEN_STAGES) if won else 1 + d.below(len(OPEN_STAGES))
    marks = sorted(d.u() for _ in range(reached - 1))
    entered = [deal_at, *(whole(deal_at + (closed - deal_at) * m) for m in marks)]
    stages = [*zip(OPEN_STAGES, entered, strict=False), (WON if won else LOST, closed)]
    kind = {"year": "annual", "month": "monthly"}[choice[2]]
    deal = Deal(
        ids.hubspot_deal_id(lead_id),
        school.school_id,
        lead_id,
        f"{school.name} - {choice[0].title()} {kind}",
        deal_at,
        PIPELINE,
        tuple(stages),
        plans.first_year_minor(choice, deal_at.date()),
        choice[3],
        "won" if won else "lost",
        closed,
        None if won else d.pick(_LOST),
        d.one(OWNERS),
    )
    return deal, after(closed, d, 1, 40) if won else None, False


def _visits(
    d: Draw,
    school: School,
    contact: Contact,
    channel: str,
    created: datetime,
    sign_up: bool,
    account_at: datetime | None,
    account_id: str,
    trial_start: datetime | None,
) -> tuple[tuple[Session, ...], str | None]:
    """The web sessions before, at and after the lead, in order, and the client id at the lead."""
    lead_in = 60 + d.below(900)
    converting = created - timedelta(seconds=lead_in)
    first_day = datetime(regimes.START.year, regimes.START.month, regimes.START.day, tzinfo=UTC)
    starts = sorted(
        at
        for at in (
            whole(converting - timedelta(days=0.04 + min(d.expo(6.0), PRE_DAYS - 2))) for _ in range(d.poisson(1.5))
        )
        if at >= first_day
    )
    starts.append(converting)
    later = sorted(after(created, d, 2, 24 * min(1 + d.expo(9.0), POST_DAYS - 2)) for _ in range(d.poisson(2.0)))
    consent = not d.chance(CONSENT_DENIED)
    switch = d.below(len(starts) + len(later)) if d.chance(0.15) else -1
    language = COUNTRIES[school.country].language
    who: Visitor | None = None
    client_at_lead: str | None = None
    number, out = 0, []
    for index, at in enumerate([*starts, *later]):
        if who is None or index == switch:
            number = 0
            who = Visitor(
                client_id(at, d) if consent else None,
                device(d),
                school.country,
                school.city,
                language,
                school.school_id,
            )
        number += 1
        goal: tuple[tuple[int, str, str], ...] = ()
        tagged: Tag | None = None
        is_lead = at is converting
        if is_lead:
            client_at_lead = who.client_id
            tagged = tag(channel, at.date(), d)
            goal = ((lead_in, "sign_up" if sign_up else "generate_lead", "/signup" if sign_up else "/demo"),)
            if sign_up and trial_start is not None and trial_start < created + timedelta(minutes=5):
                goal += ((int((trial_start - converting).total_seconds()), "start_trial", "/welcome"),)
            way = channel
        else:
            way = (
                channel
                if index < len(starts) and d.chance(0.55)
                else d.one(("direct", "direct", "organic_search", "email"))
            )
        user = account_id if account_at is not None and at >= account_at else None
        out.append(session(d, who, number, at, way, 2.2, user, goal, tagged))
    return tuple(out), client_at_lead
