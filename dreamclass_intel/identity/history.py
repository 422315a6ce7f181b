"""The ledger of identity: what each published day knew and decided, and how days are published again.

A record's version counts from the day it was first published with, and stays there, so publishing again with
unchanged records repeats the same events. A day that was never published takes its records by their own dates.
An id that a restated day no longer issues keeps resolving: it is redirected to the company its records are in.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from dreamclass_intel.identity import stable_ids
from dreamclass_intel.identity.clusters import Cluster
from dreamclass_intel.identity.generations import ISSUING, OF_RECORD, Entry, Event, Generation
from dreamclass_intel.identity.model import Key, SourceRecord


@dataclass(frozen=True, slots=True)
class Observation:
    """A source record as it is now, with when its system first knew it and when it last changed."""

    record: SourceRecord
    observed: date | None = None
    updated: date | None = None


@dataclass
class Publication:
    """What a publication wrote: its days, all their events, and the newest generation."""

    days: list[date]
    entries: list[Entry]
    newest: Generation
    published: dict[date, tuple[int, int]] = field(default_factory=dict)  # day -> records, companies

    def count(self, event: Event, days: Iterable[date] | None = None) -> int:
        """Number of events of a kind (on the days given)."""
        wanted = None if days is None else set(days)
        return sum(e.event is event and (wanted is None or e.day in wanted) for e in self.entries)


def as_of(entries: Iterable[Entry], day: date) -> Generation:
    """The generation of a past day, rebuilt from the ledger."""
    generation = Generation()
    for entry in sorted((e for e in entries if e.day <= day), key=_order):
        generation.apply(entry)
    return generation


def _order(entry: Entry) -> tuple[date, bool, bool, str]:
    """By day: ids issued first, then records, then ids that go."""
    gone = entry.event in (Event.MERGED, Event.RETIRED)
    return entry.day, gone, entry.event in OF_RECORD, entry.subject


def publish(
    ledger: Sequence[Entry],
    published: Iterable[date],
    observations: Iterable[Observation],
    first: date,
    last: date,
) -> Publication:
    """Publish first..last, and again every later day that was published before, from the records as they are now.

    Returns the events of all those days; earlier ones stand.
    """
    known_days = set(published)
    run = {date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)}
    days = sorted(run | {d for d in known_days if d >= first})
    before = [e for e in ledger if e.day < first]
    replaced = [e for e in ledger if e.day >= first]
    plan = _plan(ledger, known_days, observations, days)
    issue = _Issuer(replaced, {e.company for e in before if e.key is None})
    generation = as_of(before, first)
    result = Publication(days, [], generation)
    for day in days:
        result.entries += generation.advance(day, plan.get(day, {}), issue)
        result.published[day] = (len(generation.records), sum(map(bool, generation.members.values())))
    for entry in issue.orphans(result):
        result.entries.append(entry)
        generation.apply(entry)
    result.entries.sort(key=_order)
    return result


Versions = dict[date, SourceRecord | None]


def _plan(
    ledger: Sequence[Entry], published: set[date], observations: Iterable[Observation], days: Sequence[date]
) -> dict[date, dict[Key, SourceRecord | None]]:
    """Which version of which record counts from which of `days` on."""
    first = days[0]
    logged: dict[Key, Versions] = defaultdict(dict)
    for entry in sorted(ledger, key=lambda e: e.day):
        if entry.key is not None and (entry.record is not None or entry.event is Event.REMOVED):
            logged[entry.key][entry.day] = entry.record

    def from_day(wanted: date | None) -> date | None:
        """First of `days` on or after `wanted`."""
        at = 0 if wanted is None else bisect_left(days, wanted)
        return days[at] if at < len(days) else None

    plan: dict[date, dict[Key, SourceRecord | None]] = defaultdict(dict)
    present: set[Key] = set()
    for seen in observations:
        key = seen.record.key
        present.add(key)
        versions = logged.get(key, {})
        if not versions:
            start = from_day(seen.observed)
            if start is not None:
                plan[start][key] = seen.record
            continue
        start = from_day(seen.observed)
        earliest = next(iter(versions))
        if start is not None and start < earliest and earliest >= first and start not in published:
            versions = {start: versions.pop(earliest), **versions}
        if versions[max(versions)] != seen.record:
            start = from_day(seen.updated)
            if start is not None:
                versions = {d: v for d, v in versions.items() if d < start} | {start: seen.record}
        _schedule(plan, key, versions, first)
    for key, versions in logged.items():
        if key not in present:
            if versions[max(versions)] is not None:
                versions = {d: v for d, v in versions.items() if d < days[-1]} | {days[-1]: None}
            _schedule(plan, key, versions, first)
    return plan


def _schedule(
    plan: dict[date, dict[Key, SourceRecord | None]],
    key: Key,
    versions: Mapping[date, SourceRecord | None],
    first: date,
) -> None:
    for day, version in versions.items():
        if day >= first:
            plan[day][key] = version


class _Issuer:
    """Gives new companies their ids: the one an earlier publication of the same days gave, else a new one."""

    def __init__(self, replaced: Sequence[Entry], taken: set[str]) -> None:
        self.taken = taken
        self.replaced = sorted(replaced, key=_order)
        self.issued_before = {e.company: e.day for e in self.replaced if e.key is None and e.event in ISSUING}
        self.timeline: dict[Key, list[tuple[date, str]]] = defaultdict(list)
        for entry in self.replaced:
            if entry.key is not None and entry.event is not Event.REMOVED:
                self.timeline[entry.key].append((entry.day, entry.company))

    def __call__(self, found: Cluster, day: date) -> str:
        company = self._as_before(found, day) or stable_ids.new_id(found.seed, day)
        salt = 0
        while company in self.taken:
            salt += 1
            company = stable_ids.new_id(found.seed, day, salt)
        self.taken.add(company)
        return company

    def _as_before(self, found: Cluster, day: date) -> str | None:
        """The id most of the records had on this day when it was published before, or got first after it."""
        votes: Counter[str] = Counter()
        for key in found.members:
            past = [c for d, c in self.timeline.get(key, ()) if d <= day]
            later = [c for d, c in self.timeline.get(key, ()) if d > day]
            for company in past[-1:] or later[:1]:
                if company in self.issued_before and company not in self.taken:
                    votes[company] += 1
        return min(votes, key=lambda c: (-votes[c], self.issued_before[c], c), default=None)

    def orphans(self, result: Publication) -> Iterable[Entry]:
        """Redirects of ids that were issued on these days before and are not any more."""
        last = {key: steps[-1][1] for key, steps in self.timeline.items()}
        held: dict[str, set[Key]] = defaultdict(set)
        for key, steps in self.timeline.items():
            for _, company in steps:
                held[company].add(key)
        old = {e.company: e for e in self.replaced if e.event is Event.RESTATED}
        for company, day in sorted(self.issued_before.items()):
            if company in self.taken:
                continue
            own = [k for k in held[company] if last[k] == company] or list(held[company])
            heirs = Counter(result.newest.company_of[k] for k in own if k in result.newest.company_of)
            heir = min(heirs, key=lambda c: (-heirs[c], c), default=None)
            yield Entry(day, Event.RESTATED, company, heir)
        for company, entry in sorted(old.items()):
            if company not in self.taken and company not in self.issued_before:
                yield entry
