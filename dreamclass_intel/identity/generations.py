"""One identity generation on top of the one before: only what a day's records touch is worked out again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from dreamclass_intel.identity import stable_ids
from dreamclass_intel.identity.clusters import Cluster, cluster
from dreamclass_intel.identity.edges import Features, block_edges, features, is_hub, vetoes
from dreamclass_intel.identity.model import BlockKey, Edge, Key, Role, Rule, SourceRecord

REVIVAL = timedelta(days=30)  # a record that comes back within this time finds its company again


class Event(StrEnum):
    """What a generation did to a company (first six) or to a record's membership (the rest)."""

    CREATED = "created"  # new id, records without a company before
    SPLIT = "split"  # new id, records that left another company
    MERGED = "merged"  # id gone, its records went to the successor
    RETIRED = "retired"  # id gone, no record left
    REVIVED = "revived"  # a retired id whose records came back
    RESTATED = "restated"  # id of an earlier publication of this day that the restated one does not issue
    OBSERVED = "observed"  # the record counts from this day on
    CHANGED = "changed"  # it says something else
    MOVED = "moved"  # it says the same and belongs to another company
    REMOVED = "removed"  # it is no longer there


ISSUING = frozenset([Event.CREATED, Event.SPLIT])
OF_RECORD = frozenset([Event.OBSERVED, Event.CHANGED, Event.MOVED, Event.REMOVED])


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the history. `other` is the company before (records, splits) or the successor (merges)."""

    day: date
    event: Event
    company: str
    other: str | None = None
    key: Key | None = None
    rule: Rule | None = None
    record: SourceRecord | None = None

    @property
    def subject(self) -> str:
        """What the event is about: one entry a day and subject."""
        return str(self.key) if self.key else self.company


@dataclass(slots=True)
class Company:
    """An id ever issued."""

    first_seen: date
    changed: date
    is_live: bool = True
    successor: str | None = None


@dataclass
class Generation:
    """The population as of a day. `apply` folds stored events in; `advance` works out the next day."""

    records: dict[Key, SourceRecord] = field(default_factory=dict)
    company_of: dict[Key, str] = field(default_factory=dict)
    joined: dict[Key, date] = field(default_factory=dict)
    members: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    companies: dict[str, Company] = field(default_factory=dict)
    left: dict[Key, tuple[str, date]] = field(default_factory=dict)
    rules: dict[Key, tuple[Rule, Key | None]] = field(default_factory=dict)
    hubs: set[BlockKey] = field(default_factory=set)
    features: dict[Key, Features] = field(default_factory=dict)
    blocks: dict[BlockKey, dict[Key, Role]] = field(default_factory=lambda: defaultdict(dict))
    _unsettled: bool = False  # folded from the history: the first advance looks at everything once

    def apply(self, entry: Entry) -> None:
        """Fold one stored event in; entries come in order of day."""
        self._unsettled = True
        if entry.key is None:
            self._apply_to_company(entry)
            return
        if entry.event is Event.REMOVED:
            self.forget(entry.key)
            self._leave(entry.key, entry.day)
            self.left[entry.key] = (entry.company, entry.day)
            return
        if entry.record is not None and self.records.get(entry.key) != entry.record:
            self.forget(entry.key)
            self.learn(entry.record)
        self._join(entry.key, entry.company, entry.day)

    def _apply_to_company(self, entry: Entry) -> None:
        match entry.event:
            case Event.CREATED | Event.SPLIT:
                self.companies[entry.company] = Company(entry.day, entry.day)
            case Event.RESTATED:
                self.companies[entry.company] = Company(entry.day, entry.day, is_live=False, successor=entry.other)
            case Event.REVIVED:
                self.companies[entry.company].is_live = True
            case Event.MERGED | Event.RETIRED:
                gone = self.companies[entry.company]
                gone.is_live, gone.successor, gone.changed = False, entry.other, entry.day

    def advance(
        self,
        day: date,
        changes: Mapping[Key, SourceRecord | None],
        mint: Callable[[Cluster, date], str],
    ) -> list[Entry]:
        """Publish the generation of `day`: `changes` are new and changed records, None for removed ones."""
        changes = {k: record for k, record in changes.items() if self.records.get(k) != record}
        touched = self._take(changes)
        if self._unsettled:
            touched, self._unsettled = set(self.records), False
        components = list(self._components(self._reach(touched)))
        clusters = [c for component in components for c in self._resolve(component)]
        clusters.sort(key=lambda c: c.seed)
        former = {k: c for cl in clusters for k in cl.members if (c := self._former(k, day)) is not None}
        age = {company: self.companies[company].first_seen for company in former.values()}
        ids = stable_ids.assign([c.members for c in clusters], former, age)
        return self._publish(day, changes, clusters, ids, former, mint)

    # --- what is touched ---------------------------------------------------------------------------
    def _take(self, changes: Mapping[Key, SourceRecord | None]) -> set[Key]:
        """Put the changes into the blocks; the records whose evidence may have changed."""
        blocks: set[BlockKey] = set()
        touched: set[Key] = set()
        for key, record in changes.items():
            blocks |= self.forget(key)
            if record is not None:
                blocks |= self.learn(record)
                touched.add(key)
            if key in self.company_of:
                touched |= self.members[self.company_of[key]]
        for block in sorted(blocks if not self._unsettled else self.blocks):
            members = self.blocks.get(block, {})
            was, now = block in self.hubs, is_hub(block, members, self.features)
            (self.hubs.add if now else self.hubs.discard)(block)
            if not (was and now):
                touched.update(members)
        return {key for key in touched if key in self.records}

    def learn(self, record: SourceRecord) -> set[BlockKey]:
        """Take a record in; the blocks it is in."""
        found = features(record)
        self.records[record.key], self.features[record.key] = record, found
        for block, role in found.keys.items():
            self.blocks[block][record.key] = role
        return set(found.keys)

    def forget(self, key: Key) -> set[BlockKey]:
        """Let a record go; the blocks it was in."""
        known = self.features.pop(key, None)
        self.records.pop(key, None)
        self.rules.pop(key, None)
        for block in known.keys if known else ():
            self.blocks[block].pop(key, None)
        return set(known.keys) if known else set()

    def _reach(self, start: Iterable[Key]) -> set[Key]:
        """Everything connected to `start` by evidence or by a company of the generation before."""
        found, todo = set(start), list(start)
        while todo:
            key = todo.pop()
            near = set(self._neighbours(key))
            if key in self.company_of:
                near.update(k for k in self.members[self.company_of[key]] if k in self.records)
            todo += near - found
            found |= near
        return found

    def _neighbours(self, key: Key) -> Iterable[Key]:
        for block in self.features[key].keys:
            if block not in self.hubs and len(self.blocks[block]) > 1:
                yield from self.blocks[block]

    def _components(self, keys: set[Key]) -> Iterable[set[Key]]:
        rest = set(keys)
        for start in sorted(keys):
            if start not in rest:
                continue
            part, todo = {start}, [start]
            while todo:
                new = set(self._neighbours(todo.pop())) - part
                part |= new
                todo += new
            rest -= part
            yield part

    def _resolve(self, component: set[Key]) -> list[Cluster]:
        if len(component) == 1:
            return [Cluster(frozenset(component), ())]
        blocks = {b for k in component for b in self.features[k].keys if b not in self.hubs}
        edges: list[Edge] = [e for b in blocks for e in block_edges(b, self.blocks[b])]
        return cluster(component, edges, vetoes(component, self.features))

    # --- what is published -------------------------------------------------------------------------
    def _former(self, key: Key, day: date) -> str | None:
        """Company of the generation before; for a record that came back in time, the one it left."""
        if key in self.company_of:
            return self.company_of[key]
        company, since = self.left.get(key, (None, day))
        if company is None or day - since > REVIVAL or self.companies[company].successor is not None:
            return None
        return company

    def _publish(
        self,
        day: date,
        changes: Mapping[Key, SourceRecord | None],
        clusters: list[Cluster],
        ids: list[str | None],
        former: Mapping[Key, str],
        mint: Callable[[Cluster, date], str],
    ) -> list[Entry]:
        before = {k: self.company_of.get(k) for c in clusters for k in c.members}
        entries: list[Entry] = []
        emptied = {c for c in before.values() if c}
        for key in sorted(k for k, record in changes.items() if record is None and k in self.company_of):
            entries.append(Entry(day, Event.REMOVED, self.company_of[key], key=key))
            emptied.add(self.company_of[key])
            self.left[key] = (self.company_of[key], day)
            self._leave(key, day)
        went: dict[str, Counter[str]] = defaultdict(Counter)
        for found, kept in zip(clusters, ids, strict=True):
            company = kept or mint(found, day)
            if kept is None:
                origin = Counter(former[k] for k in found.members if k in former)
                parent = min(origin, key=lambda c: (-origin[c], c), default=None)
                self.companies[company] = Company(day, day)
                entries.append(Entry(day, Event.SPLIT if parent else Event.CREATED, company, parent))
            elif not self.companies[company].is_live:
                self.companies[company].is_live = True
                entries.append(Entry(day, Event.REVIVED, company))
            evidence = found.evidence()
            for key in sorted(found.members):
                self.rules[key] = evidence[key]
                old = before[key]
                if old is not None:
                    went[old][company] += 1
                if old == company and key not in changes:
                    continue
                event = Event.OBSERVED if old is None else Event.CHANGED if key in changes else Event.MOVED
                entries.append(
                    Entry(
                        day,
                        event,
                        company,
                        old if old != company else None,
                        key,
                        evidence[key][0],
                        None if event is Event.MOVED else self.records[key],
                    )
                )
                self._join(key, company, day)
        for company in sorted(c for c in emptied if not self.members[c]):
            heirs = went[company]
            heir = min(heirs, key=lambda c: (-heirs[c], self.companies[c].first_seen, c), default=None)
            entries.append(Entry(day, Event.MERGED if heir else Event.RETIRED, company, heir))
            self._apply_to_company(entries[-1])
        return entries

    def _join(self, key: Key, company: str, day: date) -> None:
        if self.company_of.get(key) != company:
            self._leave(key, day)
            self.company_of[key], self.joined[key] = company, day
            self.members[company].add(key)
            self.left.pop(key, None)
        self.companies[company].changed = day

    def _leave(self, key: Key, day: date) -> None:
        old = self.company_of.pop(key, None)
        if old is not None:
            self.members[old].discard(key)
            self.companies[old].changed = day
