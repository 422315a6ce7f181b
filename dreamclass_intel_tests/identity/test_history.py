"""Generations over random days: order, replay, as-of, restating, and that every id ever issued resolves."""

import datetime as dt
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.identity.generations import ISSUING, Entry, Event, Generation
from dreamclass_intel.identity.history import Observation, Publication, as_of, publish
from dreamclass_intel.identity.model import Key, SourceRecord
from dreamclass_intel.identity.stable_ids import resolve

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 1, 8)
DOMAINS = [None, "a.com", "b.com", "c.com"]
ACCOUNTS = [None, "acc1", "acc2"]


def day(n: int) -> dt.date:
    return FIRST + dt.timedelta(days=n)


def record(n: int, domain: str | None = None, account: str | None = None, **more: str | None) -> SourceRecord:
    return SourceRecord("swan", str(n), domain=domain, account_id=account, **more)  # type: ignore[arg-type]


Spec = tuple[int, int, int]
SPECS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 7)), min_size=1, max_size=14)


def observe(specs: list[Spec]) -> list[Observation]:
    return [
        Observation(record(n, DOMAINS[d], ACCOUNTS[a]), day(seen), day(seen)) for n, (d, a, seen) in enumerate(specs)
    ]


def ledger_after(old: list[Entry], new: Publication) -> list[Entry]:
    return [e for e in old if e.day < new.days[0]] + new.entries


def resolves(entries: list[Entry]) -> None:
    """Every id issued once, and all of them live, redirected to a live one, or retired."""
    issued = [e.company for e in entries if e.key is None and e.event in ISSUING]
    assert len(issued) == len(set(issued))
    newest = as_of(entries, dt.date.max)
    live = set(newest.company_of.values())
    gone = {c: s.successor for c, s in newest.companies.items() if not s.is_live}
    for company in newest.companies:
        assert company in live or company in gone
        end = resolve(company, gone)
        assert end is None or end in live


@given(SPECS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_blind_to_order_and_days_equal_range(specs: list[Spec], shuffler: random.Random) -> None:
    seen = observe(specs)
    whole = publish([], [], seen, FIRST, LAST)
    shuffler.shuffle(seen)
    assert publish([], [], seen, FIRST, LAST).entries == whole.entries
    entries: list[Entry] = []
    days: list[dt.date] = []
    for n in range(8):
        shuffler.shuffle(seen)
        step = publish(entries, days, seen, day(n), day(n))
        entries, days = ledger_after(entries, step), [*days, day(n)]
    assert entries == whole.entries
    resolves(entries)


@given(SPECS, SPECS, st.lists(st.integers(0, 7), max_size=5))
@settings(deadline=None, max_examples=80)
def test_changes_removals_and_reruns(before: list[Spec], after: list[Spec], reruns: list[int]) -> None:
    """Two states of the input; every id resolves, and reruns with unchanged input change nothing."""
    first = publish([], [], observe(before), FIRST, day(5))
    entries, days = first.entries, set(first.days)
    changed = [replace(o, updated=None) for o in observe(after)]
    step = publish(entries, days, changed, day(6), day(7))
    entries, days = ledger_after(entries, step), days | set(step.days)
    resolves(entries)
    for n in reruns:
        again = publish(entries, days, changed, day(n), day(n))
        assert ledger_after(entries, again) == entries
    stored = as_of(entries, dt.date.max)
    assert stored.company_of == step.newest.company_of
    assert stored.joined == step.newest.joined
    assert stored.companies == step.newest.companies


@given(SPECS, SPECS, st.integers(0, 7))
@settings(deadline=None, max_examples=80)
def test_restating_a_past_day_loses_no_id(before: list[Spec], after: list[Spec], n: int) -> None:
    first = publish([], [], observe(before), FIRST, LAST)
    issued = {e.company for e in first.entries if e.key is None}
    step = publish(first.entries, first.days, observe(after), day(n), day(n))
    entries = ledger_after(first.entries, step)
    resolves(entries)
    assert issued <= as_of(entries, dt.date.max).companies.keys()
    again = publish(entries, first.days, observe(after), day(n), day(n))
    assert ledger_after(entries, again) == entries


def test_incremental_equals_looking_at_everything() -> None:
    """A day's work on touched records only gives the clusters that a full look gives."""
    rng = random.Random(5)
    seen = observe([(rng.randrange(4), rng.randrange(3), rng.randrange(8)) for _ in range(40)])
    newest = publish([], [], seen, FIRST, LAST).newest
    full = Generation()
    full.advance(LAST, {o.record.key: o.record for o in seen}, lambda c, d: str(c.seed))
    assert {frozenset(m) for m in newest.members.values() if m} == {frozenset(m) for m in full.members.values() if m}


def test_a_merge_redirects_and_a_split_issues() -> None:
    one = Observation(record(1, "a.com"), day(0))
    two = Observation(record(2, "b.com"), day(1))
    start = publish([], [], [one, two], day(0), day(1))
    old, young = (start.newest.company_of[Key("swan", n)] for n in "12")
    joined = [one, replace(two, record=record(2, "a.com"))]
    merged = publish(start.entries, start.days, joined, day(2), day(2))
    assert merged.newest.company_of[Key("swan", "2")] == old
    assert [(e.company, e.other) for e in merged.entries if e.event is Event.MERGED] == [(young, old)]
    entries = ledger_after(start.entries, merged)
    split = publish(entries, [*start.days, day(2)], [one, two], day(3), day(3))
    (new,) = [e for e in split.entries if e.event is Event.SPLIT]
    assert new.company not in (old, young) and new.other == old
    assert as_of(ledger_after(entries, split), day(1)).company_of == start.newest.company_of


def test_a_late_record_joins_in_the_run_that_first_has_it() -> None:
    early = [Observation(record(1, "a.com"), day(3))]
    start = publish([], [], early, day(0), day(4))
    company = start.newest.company_of[Key("swan", "1")]
    late = [*early, Observation(record(2, "a.com"), day(1))]
    daily = publish(start.entries, start.days, late, day(5), day(5))
    assert daily.newest.company_of == {Key("swan", "1"): company, Key("swan", "2"): company}
    assert daily.newest.joined[Key("swan", "2")] == day(5)
    # Republishing the day it was observed on puts it there; the id issued on day 3 lives on as a redirect.
    again = publish(start.entries, start.days, late, day(1), day(1))
    assert again.newest.joined[Key("swan", "2")] == day(1)
    assert again.days == [day(n) for n in (1, 2, 3, 4)]
    gone = {c: s.successor for c, s in again.newest.companies.items() if not s.is_live}
    assert resolve(company, gone) == again.newest.company_of[Key("swan", "1")]


def test_a_first_day_and_then_its_past_keep_ids() -> None:
    """Today first, two years later: ids of today stay."""
    seen = observe([(1, 0, 2), (2, 0, 4), (1, 0, 6)])
    today = publish([], [], seen, day(7), day(7))
    past = publish(today.entries, today.days, seen, day(0), day(6))
    assert past.newest.company_of == today.newest.company_of
    assert past.newest.joined[Key("swan", "0")] == day(2)


def test_a_record_that_comes_back_finds_its_company() -> None:
    seen = observe([(1, 0, 0), (2, 0, 0)])
    start = publish([], [], seen, day(0), day(0))
    away = publish(start.entries, start.days, seen[1:], day(1), day(1))
    assert Key("swan", "0") not in away.newest.company_of
    assert away.count(Event.RETIRED) == 1
    entries = ledger_after(start.entries, away)
    back = publish(entries, [day(0), day(1)], seen, day(2), day(2))
    assert back.newest.company_of == start.newest.company_of
    assert back.count(Event.REVIVED) == 1
