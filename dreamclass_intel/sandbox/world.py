"""The World: every query the stand-in servers and the tests ask of the simulated company.

Lives here: caching, indexes and "as of now" cuts. What happens is decided in the other modules. All queries
take an aware UTC `now`; what they return for a moment never changes when the clock advances.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, NamedTuple

from . import crm, intent, journeys, ledger, regimes, scoring, trials
from .model import (
    CrmCompany,
    Deal,
    G2Signal,
    Hit,
    Invoice,
    Journey,
    LeadScore,
    LedgerEntry,
    ProductEvent,
    Prospect,
    ScoringRun,
    Session,
    ShardVersion,
    Subscription,
    SwanVisit,
)
from .traffic import anonymous_sessions, day_bounds, local_day, shard_versions

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What fixes a world; `scale` thins anonymous web sessions only."""

    seed: int = 7
    start: ClassVar[date] = regimes.START  # the planted shifts have dates
    scale: float = 1.0


class DayHit(NamedTuple):
    """A hit with its session and its moment."""

    at: datetime
    session: Session
    hit: Hit


class World:
    """A deterministic company. Safe to share between threads."""

    def __init__(self, config: WorldConfig | None = None):
        self.config = config or WorldConfig()
        self._lock = threading.RLock()
        self._cohorts: dict[date, tuple[Journey, ...]] = {}
        self._prospects: dict[date, tuple[Prospect, ...]] = {}
        self._sessions: defaultdict[date, list[Session]] = defaultdict(list)
        self._swan: defaultdict[date, list[SwanVisit]] = defaultdict(list)
        self._g2: defaultdict[date, list[G2Signal]] = defaultdict(list)
        self._events: defaultdict[date, list[ProductEvent]] = defaultdict(list)
        self._payers: list[Journey] = []
        self._usage: OrderedDict[date, list[ProductEvent]] = OrderedDict()
        self._anonymous: OrderedDict[date, list[Session]] = OrderedDict()

    # --- cohorts ---------------------------------------------------------------------------------
    def cohort(self, day: date) -> tuple[Journey, ...]:
        """The journeys of the leads created on a UTC day (empty before the start and after the horizon)."""
        if day < self.config.start or day >= regimes.HORIZON:
            return ()
        with self._lock:
            found = self._cohorts.get(day)
            if found is None:
                found = self._cohorts[day] = journeys.cohort(self.config.seed, day)
                for journey in found:
                    self._index(journey)
            return found

    def prospects(self, day: date) -> tuple[Prospect, ...]:
        """The schools first seen on a UTC day that never become leads."""
        if day < self.config.start or day >= regimes.HORIZON:
            return ()
        with self._lock:
            found = self._prospects.get(day)
            if found is None:
                found = self._prospects[day] = intent.prospects(self.config.seed, day)
                for prospect in found:
                    self._index_visits(prospect.sessions, *intent.of_prospect(self.config.seed, prospect))
            return found

    def _index(self, journey: Journey) -> None:
        self._index_visits(journey.sessions, *intent.of_journey(self.config.seed, journey))
        for event in journey.product_events:
            self._events[event.received_at.date()].append(event)
        if journey.converted_at is not None:
            self._payers.append(journey)

    def _index_visits(self, visits: tuple[Session, ...], swan: list[SwanVisit], g2: list[G2Signal]) -> None:
        for session in visits:
            self._sessions[local_day(session.started_at)].append(session)
        for visit in swan:
            self._swan[visit.seen_at.date()].append(visit)
        for signal in g2:
            self._g2[signal.day].append(signal)

    def _load(self, first: date, last: date, prospects: bool = False) -> None:
        day = max(first, self.config.start)
        while day <= last:
            self.cohort(day)
            if prospects:
                self.prospects(day)
            day += _DAY

    def journeys(self, until: datetime) -> Iterator[Journey]:
        """Journeys whose lead exists at `until`, in order. Each holds its WHOLE future: cut what you show."""
        day = self.config.start
        while day <= until.date():
            for journey in self.cohort(day):
                if journey.lead.created_at <= until:
                    yield journey
            day += _DAY

    def all_prospects(self, until: datetime) -> Iterator[Prospect]:
        """Prospects first seen by `until`."""
        day = self.config.start
        while day <= until.date():
            for prospect in self.prospects(day):
                if prospect.first_seen_at <= until:
                    yield prospect
            day += _DAY

    # --- web -------------------------------------------------------------------------------------
    def known_sessions(self, day: date) -> list[Session]:
        """Sessions of leads and prospects that start on a day of the reporting time zone."""
        with self._lock:
            self._load(
                day - timedelta(days=journeys.POST_DAYS + 2),
                day + timedelta(days=journeys.PRE_DAYS + 1),
                True,
            )
            return sorted(self._sessions.get(day, ()), key=lambda s: (s.started_at, s.client_id or "", s.landing_page))

    def sessions(self, day: date) -> list[Session]:
        """All sessions that start on a day of the reporting time zone, in order of time."""
        if day < self.config.start:
            return []
        with self._lock:
            found = self._anonymous.get(day)
            if found is None:
                found = anonymous_sessions(self.config.seed, day, self.config.scale)
                self._anonymous[day] = found
                if len(self._anonymous) > 8:
                    self._anonymous.popitem(last=False)
            self._anonymous.move_to_end(day)
            both = found + self.known_sessions(day)
        both.sort(key=lambda s: (s.started_at, s.client_id or "", s.landing_page))
        return both

    def hits(self, day: date, max_late: int = 2) -> list[DayHit]:
        """Hits of a day of the reporting zone, as of a publication (`ShardVersion.max_late`)."""
        start, end = day_bounds(day)
        out = []
        for session in (*self.sessions(day - _DAY), *self.sessions(day)):
            for hit in session.pages:
                at = session.started_at + timedelta(seconds=hit.offset_s)
                if start <= at < end and hit.late <= max_late:
                    out.append(DayHit(at, session, hit))
        return out

    def shard_versions(self, day: date) -> list[ShardVersion]:
        """The publications of a day's shard: the next afternoon, then twice more with late hits."""
        return shard_versions(day) if day >= self.config.start else []

    def shard(self, day: date, now: datetime) -> ShardVersion | None:
        """The publication that is current at `now`, or None before the first."""
        return next((v for v in reversed(self.shard_versions(day)) if v.published_at <= now), None)

    # --- product ---------------------------------------------------------------------------------
    def product_events(self, received_from: datetime, received_to: datetime) -> list[ProductEvent]:
        """Backend events received in [from, to), in order of (received_at, event_id)."""
        out: list[ProductEvent] = []
        with self._lock:
            self._load(self.config.start, received_to.date())
            day = received_from.date()
            while day <= received_to.date():
                out += self._events.get(day, ())
                day += _DAY
            day = max(received_from.date() - timedelta(days=6), self.config.start)
            while day <= received_to.date():
                out += trials.qa_events(self.config.seed, day)
                day += _DAY
            first = received_from.date() - timedelta(days=6)
            monday = first - timedelta(days=first.weekday())
            while monday <= received_to.date():
                out += self._week_usage(monday)
                monday += timedelta(days=7)
        out = [e for e in out if received_from <= e.received_at < received_to]
        out.sort(key=lambda e: (e.received_at, e.event_id))
        return out

    def _week_usage(self, monday: date) -> list[ProductEvent]:
        found = self._usage.get(monday)
        if found is None:
            self._load(self.config.start, monday + timedelta(days=6))
            end = datetime.combine(monday, time(), UTC) + timedelta(days=7)
            found = []
            for journey in self._payers:
                if journey.trial is not None and journey.lead.created_at < end:
                    found += trials.usage_events(self.config.seed, journey.trial, journey.subscriptions, monday)
            self._usage[monday] = found
            if len(self._usage) > 30:
                self._usage.popitem(last=False)
        self._usage.move_to_end(monday)
        return found

    # --- billing and CRM -------------------------------------------------------------------------
    def subscriptions(self, now: datetime) -> list[Subscription]:
        """Subscriptions that exist at `now`, with only the changes up to now; in order of creation."""
        found = [s.as_of(now) for j in self.journeys(now) for s in j.subscriptions]
        return sorted((s for s in found if s is not None), key=lambda s: (s.created_at, s.subscription_id))

    def invoices(self, now: datetime) -> list[Invoice]:
        """Invoices created by `now` in order of creation; ask `status_at(now)` for their status."""
        found = [i for j in self.journeys(now) for i in j.invoices if i.created_at <= now]
        return sorted(found, key=lambda i: (i.created_at, i.invoice_id))

    def deals(self, now: datetime) -> list[Deal]:
        """Deals that exist at `now`, open unless decided by now; in order of creation."""
        found = [j.deal.as_of(now) for j in self.journeys(now) if j.deal is not None]
        return sorted((d for d in found if d is not None), key=lambda d: (d.created_at, d.deal_id))

    def crm_companies(self, now: datetime) -> list[CrmCompany]:
        """Company records in the CRM at `now`, duplicates included; in order of creation."""
        found = [c for j in self.journeys(now) for c in crm.companies(self.config.seed, j, now)]
        found += [c for p in self.all_prospects(now) for c in crm.prospect_companies(self.config.seed, p, now)]
        return sorted(found, key=lambda c: (c.created_at, c.record_key))

    def ledger(self, now: datetime) -> list[LedgerEntry]:
        """The MRR ledger up to `now`."""
        return [e for e in ledger.ledger(self.journeys(now)) if e.at <= now]

    # --- scoring ---------------------------------------------------------------------------------
    def window_leads(self, index: int) -> list[Journey]:
        """The journeys whose lead was created in a window."""
        start, _ = scoring.window_bounds(index)
        return [j for n in range(regimes.WINDOW_DAYS) for j in self.cohort(start.date() + timedelta(days=n))]

    def scoring_runs(self, now: datetime) -> list[ScoringRun]:
        """Runs that exist at `now` in order of creation."""
        out = []
        for index in range(max((now.date() - self.config.start).days // regimes.WINDOW_DAYS, 0)):
            for version, created, completed in scoring.versions(self.config.seed, index):
                item = None
                if created <= now:
                    item = scoring.run(
                        self.config.seed, index, version, created, completed, self.window_leads(index), now
                    )
                if item is not None:
                    out.append(item)
        return sorted(out, key=lambda r: (r.created_at, r.run_id))

    def lead_scores(self, run: ScoringRun) -> list[LeadScore]:
        """The rows of a run (none while it is running)."""
        return scoring.scores(run, self.window_leads(run.window_index))

    # --- intent ----------------------------------------------------------------------------------
    def swan_visits(self, day: date) -> list[SwanVisit]:
        """Identified visits of a UTC day, in order of time."""
        with self._lock:
            self._load(
                day - timedelta(days=journeys.POST_DAYS + 2),
                day + timedelta(days=journeys.PRE_DAYS + 1),
                True,
            )
            return sorted(self._swan.get(day, ()), key=lambda v: (v.seen_at, v.visit_id))

    def g2_signals(self, day: date) -> list[G2Signal]:
        """Buyer-intent signals of a UTC day."""
        reach = timedelta(days=intent.SIGNAL_DAYS + 1)
        with self._lock:
            self._load(day - reach, day + reach, True)
            return sorted(self._g2.get(day, ()), key=lambda s: (s.school.school_id, s.signal_type))
