"""The world simulator: deterministic, fixed past, the declared volumes, shifts of the declared size."""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest

from dreamclass_intel.sandbox import ids, regimes, scoring
from dreamclass_intel.sandbox.clock import INITIAL_NOW, SandboxClock
from dreamclass_intel.sandbox.spelling import VENDORS, view
from dreamclass_intel.sandbox.trials import ACTIVATION_STUDENTS
from dreamclass_intel.sandbox.truth import write_truth
from dreamclass_intel.sandbox.world import World, WorldConfig

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = INITIAL_NOW
FAR = datetime(2026, 4, 20, tzinfo=UTC)  # 60 whole windows


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=7, scale=0.2))


@pytest.fixture(scope="module")
def journeys(world):
    return list(world.journeys(FAR))


def week(at: datetime) -> int:
    return (at - START).days // 7


def week_of(day: date) -> int:
    return (day - START.date()).days // 7


def digest(world: World) -> str:
    seen = [
        repr(world.cohort(date(2025, 3, 4))),
        repr(world.sessions(date(2024, 2, 3))[:40]),
        repr(world.swan_visits(date(2024, 1, 20))),
        repr(world.g2_signals(date(2024, 1, 20))),
        repr(world.product_events(START, START + timedelta(days=9))),
    ]
    return hashlib.sha256("".join(seen).encode()).hexdigest()


def test_two_processes_agree():
    code = (
        "from dreamclass_intel_tests.sandbox.test_world import digest;"
        "from dreamclass_intel.sandbox.world import World; print(digest(World()))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "99"}
    )
    assert other.stdout.strip() == digest(World())


def test_another_seed_is_another_world():
    a, b = World(WorldConfig(seed=1)), World(WorldConfig(seed=2))
    assert [j.school.name for j in a.cohort(date(2024, 5, 6))] != [j.school.name for j in b.cohort(date(2024, 5, 6))]


def test_advancing_changes_nothing_earlier(world):
    early, late = datetime(2024, 6, 10, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)
    fresh = World(WorldConfig(seed=7, scale=0.2))
    before = (
        fresh.subscriptions(early),
        fresh.deals(early),
        fresh.invoices(early),
        fresh.scoring_runs(early),
        fresh.ledger(early),
        fresh.crm_companies(early),
        fresh.product_events(START, early),
        fresh.sessions(date(2024, 6, 1)),
        fresh.swan_visits(date(2024, 6, 1)),
    )
    list(world.journeys(late))
    after = (
        world.subscriptions(early),
        world.deals(early),
        world.invoices(early),
        world.scoring_runs(early),
        world.ledger(early),
        world.crm_companies(early),
        world.product_events(START, early),
        world.sessions(date(2024, 6, 1)),
        world.swan_visits(date(2024, 6, 1)),
    )
    assert before == after
    assert [r for r in world.scoring_runs(late) if r.completed_at and r.completed_at <= early] == [
        r for r in before[3] if r.completed_at
    ]
    assert [e for e in world.ledger(late) if e.at <= early] == before[4]
    assert [d.as_of(early) for d in world.deals(late) if d.as_of(early)] == before[1]


def test_volumes(world, journeys):
    by_year = Counter(j.lead.created_at.year for j in journeys)
    assert 3000 <= by_year[2024] <= 3300 and 3000 <= by_year[2025] <= 3300
    held: dict[str, Fraction] = {}
    for entry in world.ledger(NOW):
        held[entry.school_id] = entry.mrr_after_minor
    assert 350 <= sum(v > 0 for v in held.values()) <= 450
    events = world.product_events(START, NOW)
    assert 60_000 <= len(events) <= 100_000
    assert len({e.event_id for e in events}) == len(events)
    late = sum((e.received_at - e.occurred_at) > timedelta(minutes=30) for e in events) / len(events)
    assert 0.015 <= late <= 0.025
    assert all(timedelta(0) <= e.received_at - e.occurred_at <= timedelta(days=5) for e in events)


def test_web_volumes_and_scale(world):
    full = World(WorldConfig(seed=7, scale=1.0))
    days = [date(2025, 2, 3) + timedelta(days=n) for n in range(14)]
    sessions = {d: full.sessions(d) for d in days}
    hits = sum(len(s.pages) for found in sessions.values() for s in found) / 14 * 365
    assert 900_000 <= hits <= 1_150_000
    thin = [s for d in days for s in world.sessions(d)]
    known = [s for d in days for s in full.known_sessions(d)]
    assert [s for d in days for s in world.known_sessions(d)] == known
    anonymous = sum(len(v) for v in sessions.values()) - len(known)
    assert (len(thin) - len(known)) / anonymous == pytest.approx(0.2, abs=0.02)
    every = [s for found in sessions.values() for s in found]
    keys = [(s.client_id, s.ga_session_id) for s in every if s.consent]
    assert len(set(keys)) == len(keys)
    assert 0.04 <= sum(not s.consent for s in every) / len(every) <= 0.10
    assert all((s.client_id is None) == (not s.consent) for s in every)


def test_every_window_has_enough_leads(world):
    counts = [len(world.window_leads(k)) for k in range(60)]
    assert min(counts) >= 100
    assert statistics.stdev(counts) <= 7


def lqi(world: World, first: date, last: date) -> list[float]:
    a, b = ((d - START.date()).days // 14 for d in (first, last))
    found = (scoring.lqi([j.lead.lead_class for j in world.window_leads(k)]) for k in range(a, b))
    return [float(v) for v in found if v is not None]


def test_lqi_shifts(world):
    quiet = lqi(world, START.date(), date(2025, 6, 2))
    assert statistics.mean(quiet) == pytest.approx(regimes.true_lqi(START.date()), abs=1.2)
    assert abs(statistics.mean(quiet[:18]) - statistics.mean(quiet[18:])) < 2.0
    moving = statistics.mean(abs(a - b) for a, b in pairwise(quiet))
    low = statistics.mean(quiet) - 2.66 * moving
    for shift in "CG":
        s = regimes.BY_ID[shift]
        fallen = lqi(world, s.start, s.end)
        assert 8.5 <= statistics.mean(quiet) - statistics.mean(fallen) <= 13
        assert fallen[0] < low  # the first window of the shift is outside the natural limits
    between = lqi(world, date(2025, 8, 25), date(2025, 12, 29))
    assert statistics.mean(between) == pytest.approx(statistics.mean(quiet), abs=2)


def ratio(world, journeys, first: date, last: date, of) -> float:
    found = [x for x in map(of, journeys) if x is not None and first <= x[0].date() < last]
    return sum(x[1] for x in found) / len(found)


def test_activation_shift(world, journeys):
    def of(j):
        return (j.trial.started_at, j.trial.activated_at is not None) if j.trial else None

    assert ratio(world, journeys, date(2024, 1, 1), date(2024, 7, 15), of) == pytest.approx(0.38, abs=0.035)
    assert ratio(world, journeys, date(2024, 7, 15), date(2025, 2, 3), of) == pytest.approx(0.38, abs=0.035)
    assert ratio(world, journeys, date(2025, 2, 3), date(2026, 3, 2), of) == pytest.approx(0.58, abs=0.03)
    assert ratio(world, journeys, date(2026, 3, 2), date(2026, 4, 20), of) == pytest.approx(0.36, abs=0.06)


def test_activation_truth_follows_from_the_events(journeys):
    for j in journeys[:1500]:
        if j.trial is None:
            continue
        have: dict[str, list] = defaultdict(list)
        for e in j.product_events:
            if e.actor_type == "user" and not e.is_test and e.occurred_at < j.trial.started_at + timedelta(days=7):
                have[e.name].append((e.occurred_at, e.properties.get("count", 1)))
        total, reached = 0, None
        for at, count in sorted(have["student_added"]):
            total += count
            if total >= ACTIVATION_STUDENTS and reached is None:
                reached = at
        parts = [min(have["class_created"], default=None), min(have["teacher_added"], default=None)]
        done = reached is not None and all(parts)
        assert done == (j.trial.activated_at is not None), j.trial
        if done:
            assert j.trial.activated_at == max(reached, *(p[0] for p in parts))


def test_win_rate_and_deals(world, journeys):
    def of(j):
        return (j.deal.closed_at, j.deal.outcome == "won") if j.deal else None

    assert ratio(world, journeys, date(2024, 2, 26), date(2025, 1, 6), of) == pytest.approx(0.30, abs=0.045)
    assert ratio(world, journeys, date(2025, 1, 6), date(2025, 11, 10), of) == pytest.approx(0.30, abs=0.045)
    assert ratio(world, journeys, date(2025, 11, 10), date(2026, 1, 26), of) == pytest.approx(0.08, abs=0.045)
    created = Counter(week(j.deal.created_at) for j in journeys if j.deal)
    year1 = [created[w] for w in range(3, 52)]
    year2 = [created[w] for w in range(52, 104)]
    assert statistics.mean(year1) == pytest.approx(15, abs=1.3)
    assert statistics.mean(year2) == pytest.approx(statistics.mean(year1), abs=1.6)


def movements(world, kind: str, first: date, last: date) -> tuple[list[int], list[float]]:
    a, b = week_of(first), week_of(last)
    count, money = [0] * (b - a), [0.0] * (b - a)
    for e in world.ledger(FAR):
        if e.movement == kind and a <= week(e.at) < b:
            count[week(e.at) - a] += 1
            money[week(e.at) - a] += float(e.delta_minor) / 100
    return count, money


def test_churn_spike_and_quiet_before(world):
    before, _ = movements(world, "churn", date(2024, 4, 1), date(2025, 10, 6))
    during, _ = movements(world, "churn", date(2025, 10, 6), date(2025, 11, 3))
    after, _ = movements(world, "churn", date(2025, 11, 3), date(2026, 4, 20))
    assert 0.7 <= statistics.mean(before) <= 1.3 and 0.6 <= statistics.mean(after) <= 1.5
    assert 7.5 <= statistics.mean(during) <= 10.5


def test_price_change(world):
    def per_customer(first, last):
        count, money = movements(world, "new_biz", first, last)
        return sum(money) / sum(count)

    before = per_customer(date(2024, 4, 1), date(2025, 8, 25))
    assert per_customer(date(2024, 4, 1), date(2024, 12, 30)) == pytest.approx(before, rel=0.06)
    assert per_customer(date(2025, 9, 8), date(2026, 4, 20)) / before == pytest.approx(1.5, abs=0.13)
    old = {c.price_id for s in world.subscriptions(datetime(2025, 8, 24, tzinfo=UTC)) for c in s.changes}
    new = {s.changes[0].price_id for s in world.subscriptions(FAR) if s.created_at.date() >= date(2025, 8, 25)}
    assert not old & new


def test_net_new_mrr_has_no_drift(world):
    net = [0.0] * 200
    for e in world.ledger(FAR):
        net[week(e.at)] += float(e.delta_minor) / 100
    first = net[week_of(date(2024, 4, 1)) : week_of(date(2024, 12, 9))]
    second = net[week_of(date(2024, 12, 9)) : week_of(date(2025, 8, 25))]
    error = (statistics.variance(first) / len(first) + statistics.variance(second) / len(second)) ** 0.5
    assert abs(statistics.mean(first) - statistics.mean(second)) < 2.5 * error
    spike = net[week_of(date(2025, 10, 6)) : week_of(date(2025, 11, 3))]
    assert statistics.mean(spike) < statistics.mean(first) / 2


def test_organic_collapse(world):
    def organic(first):
        days = [first + timedelta(days=n) for n in range(28)]
        return sum(s.school_id is None and s.channel == "organic_search" for d in days for s in world.sessions(d))

    assert organic(date(2025, 4, 7)) / organic(date(2025, 3, 3)) == pytest.approx(0.45, abs=0.08)


def test_ledger_closes(world, journeys):
    held: dict[str, Fraction] = defaultdict(Fraction)
    for e in world.ledger(NOW):
        held[e.school_id] += e.delta_minor
        assert held[e.school_id] == e.mrr_after_minor
        assert (e.movement == "churn") == (e.mrr_after_minor == 0)
    now: dict[str, Fraction] = defaultdict(Fraction)
    for s in world.subscriptions(NOW):
        now[s.school_id] += s.current.mrr_minor
    assert {k: v for k, v in held.items() if v} == {k: v for k, v in now.items() if v}


def test_coherence(journeys):
    for j in journeys:
        if j.trial is not None:
            assert j.lead.created_at <= j.trial.created_at <= j.trial.started_at
            assert j.trial.account_id == j.lead.account_id
        if j.converted_at is not None:
            assert j.trial is not None and j.trial.started_at < j.converted_at
        if j.deal is not None:
            entered = [at for _, at in j.deal.stages]
            assert entered == sorted(entered) and j.lead.created_at < j.deal.created_at == entered[0]
            assert (j.deal.outcome == "won") == (j.converted_at is not None)
            if j.deal.outcome == "won":
                assert j.deal.closed_at < j.converted_at
        for s in j.subscriptions:
            times = [c.at for c in s.changes]
            assert times == sorted(times)
            if s.canceled_at is not None:
                assert [c.kind for c in s.changes].count("cancel") == 1
        assert sum(h.name in ("sign_up", "generate_lead") for s in j.sessions for h in s.pages) == 1
    schools = Counter(j.school.school_id for j in journeys if not j.lead.is_repeat)
    assert max(schools.values()) == 1


def test_scoring_runs(world):
    runs = world.scoring_runs(NOW)
    assert len({r.window_index for r in runs}) == 52
    again = [r for r in world.scoring_runs(datetime(2027, 1, 1, tzinfo=UTC)) if r.run_version == 2]
    assert again
    by_id = {r.run_id: r for r in world.scoring_runs(datetime(2027, 1, 1, tzinfo=UTC))}
    assert all(by_id[r.supersedes_run_id].window_index == r.window_index for r in again)
    last = 0
    for run in runs[:12]:
        rows = world.lead_scores(run)
        assert Counter(r.lead_class for r in rows) == {k: v for k, v in run.class_distribution.items() if v}
        assert len(rows) == run.total_leads
        assert str(scoring.lqi([r.lead_class for r in rows])) == run.lqi
        assert rows[0].id > last
        last = rows[-1].id
    assert world.lead_scores(runs[0]) == world.lead_scores(by_id[runs[0].run_id])


def test_shards(world):
    day = date(2025, 3, 5)
    first, _, last = world.shard_versions(day)
    assert world.shard(day, first.published_at - timedelta(seconds=1)) is None
    assert world.shard(day, last.published_at + timedelta(days=9)) == last
    share = len(world.hits(day, first.max_late)) / len(world.hits(day, last.max_late))
    assert share == pytest.approx(0.97, abs=0.02)


def test_the_same_school_is_spelt_differently(journeys):
    schools = [j.school for j in journeys[:400]]
    for school in schools:
        for vendor in VENDORS:
            assert view(school, vendor) == view(school, vendor)
    differ = sum(view(s, "hubspot").name != view(s, "stripe").name for s in schools)
    assert differ > 200
    typed = sum(view(s, "hubspot").name != s.name for s in schools) / len(schools)
    assert 0.4 < typed < 0.9
    without = sum(view(s, "hubspot").domain is None for s in schools) / len(schools)
    assert 0.1 < without < 0.35
    assert len({ids.hubspot_company_id(s.school_id) for s in schools}) == len({s.school_id for s in schools})


def test_truth_file(world, tmp_path):
    early = datetime(2024, 3, 1, tzinfo=UTC)
    path = write_truth(world, early, tmp_path / "truth.json")
    found = json.loads(path.read_text())
    assert {s["id"] for s in found["shifts"]} == set("ABCDEFGH")
    assert set(found["identity"]) >= {"stripe.customer", "hubspot.company", "product.account", "swan.visitor"}
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for e in found["ledger"]:
        totals[e["school_id"]] += Fraction(e["delta_minor"])
        assert totals[e["school_id"]] == Fraction(e["mrr_after"])
    assert [w["lqi"] for w in found["lqi"]] == [r.lqi for r in world.scoring_runs(early)]


def test_clock(tmp_path):
    clock = SandboxClock(tmp_path / "clock.json")
    assert clock.now() == INITIAL_NOW
    assert clock.advance(14) == INITIAL_NOW + timedelta(days=14)
    assert SandboxClock(tmp_path / "clock.json").now() == INITIAL_NOW + timedelta(days=14)
    with pytest.raises(ValueError, match="back"):
        clock.set(INITIAL_NOW)
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2026, 6, 1))
    with pytest.raises(ValueError, match="ends"):
        clock.advance(10_000)
    assert [p.name for p in tmp_path.iterdir()] == ["clock.json"]
