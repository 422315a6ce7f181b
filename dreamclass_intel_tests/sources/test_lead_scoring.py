"""Supabase lead scoring through the public doors: the client, the raw assets, the stored tables."""

import datetime as dt
import importlib
import json
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import dagster as dg
import pytest

from dreamclass_intel.defs.lead_scoring import assets as module
from dreamclass_intel.defs.lead_scoring.assets import lead_scoring_lead_scores, lead_scoring_runs
from dreamclass_intel.defs.lead_scoring.client import LeadScoringResource
from dreamclass_intel.defs.lead_scoring.tables import LEAD_SCORES, RUNS
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.privacy import email_hash
from dreamclass_intel.sandbox.servers import _postgrest
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.conftest import NOW
from dreamclass_intel_tests.scoring import LAST_WINDOW, ScoringWorld, Windows, own_sandbox

BOTH = [lead_scoring_runs, lead_scoring_lead_scores]
FIRST = "2024-01-01"
ALL = [ScoringWindow.from_key(FIRST), ScoringWindow.from_key(LAST_WINDOW)]
SECRET = "sb_secret_s3cr3tValue"


@pytest.fixture
def no_waiting(monkeypatch):
    """Retries at once; returns the waits asked for."""
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def world(site):
    return ScoringWorld(site.world)


@pytest.fixture
def edited(world, settings_env, tmp_path):
    """A sandbox over `world`: what a test changes in it, Supabase shows."""
    with own_sandbox(world, NOW, tmp_path) as (own, url):
        settings_env(SANDBOX_URL=url)
        yield own


def truth(site, key=None):
    runs = [r for r in site.world.scoring_runs(site.now) if key in (None, r.window_start.date().isoformat())]
    return runs, [(run, score) for run in runs for score in site.world.lead_scores(run)]


def hashes():
    backend = WarehouseResource().backend()
    return [backend.content_hash(table) for table in (RUNS, LEAD_SCORES)]


# --- what is stored ----------------------------------------------------------------------------------------------
def test_stores_what_the_scoring_knows(sandbox, site, read):
    Windows().load(BOTH, FIRST, LAST_WINDOW)
    runs, scores = truth(site)
    stored = {r["run_id"]: r for r in read("SELECT * FROM raw.lead_scoring_runs")}
    assert set(stored) == {r.run_id for r in runs}
    assert len(runs) >= 6
    for run in runs:
        row = stored[run.run_id]
        assert row["_load_partition"] == run.window_start.date().isoformat()
        assert row["lqi"] == Decimal(run.lqi)
        assert row["window_start_at"] == run.window_start.replace(tzinfo=None)
        assert row["window_days"] == 14
        assert row["completed_at"] == run.completed_at.replace(tzinfo=None)
        assert [row[f"class_{c}_n"] for c in "abcd"] == [run.class_distribution[c] for c in "ABCD"]
        assert row["distribution_n"] == row["total_leads"] == run.total_leads
        assert json.loads(row["_raw"])["lqi"] == run.lqi
    found = {r["score_id"]: r for r in read("SELECT * FROM raw.lead_scoring_lead_scores")}
    assert set(found) == {s.id for _, s in scores}
    for run, score in scores:
        row = found[score.id]
        assert (row["run_id"], row["lead_id"]) == (run.run_id, score.lead_id)
        assert row["_load_partition"] == run.window_start.date().isoformat()
        assert (row["lead_class"], row["score"]) == (score.lead_class, Decimal(score.score))
        assert (row["source"], row["medium"], row["campaign"]) == (score.source, score.medium, score.campaign)
        assert row["scored_at"] == score.scored_at.replace(tzinfo=None)
        assert row["account_id"] == score.account_id


def test_keeps_no_address(sandbox, site, read):
    Windows().load(BOTH, FIRST)
    rows = read("SELECT * FROM raw.lead_scoring_lead_scores")
    _, scores = truth(site, FIRST)
    assert {r["email_hash"] for r in rows} == {email_hash(s.email) for _, s in scores}
    assert {r["email_domain"] for r in rows} == {s.email.split("@")[1].lower() for _, s in scores}
    text = " ".join(str(row) for row in rows)
    assert "@" not in text
    assert '"email":' not in text


def test_a_range_is_the_sum_of_its_windows_and_repeats_itself(sandbox, read):
    windows = Windows()
    windows.load(BOTH, FIRST, "2024-01-29")
    ranged = hashes()
    for key in ("2024-01-29", FIRST, "2024-01-15"):
        windows.load(BOTH, key)
    assert hashes() == ranged
    assert {
        r["_load_partition"] for r in read("SELECT DISTINCT _load_partition FROM raw.lead_scoring_lead_scores")
    } == {
        FIRST,
        "2024-01-15",
        "2024-01-29",
    }


def test_windows_out_of_order_each_get_their_own_runs(sandbox, site):
    asked = [ScoringWindow.from_key("2024-03-11"), ScoringWindow.from_key(FIRST)]
    found = LeadScoringResource().runs(asked)
    assert {r["window_start"][:10] for r in found} == {FIRST, "2024-03-11"}


def test_keeps_every_run_of_a_window_whatever_its_status(edited, world, site, read):
    first, second = site.world.scoring_runs(NOW)[:2]
    again = world.rescore(first, dt.datetime(2024, 1, 20, 9, tzinfo=dt.UTC), "00000000-0000-5000-8000-000000000001")
    running = replace(
        second, run_id="00000000-0000-5000-8000-000000000002", run_version=2, status="running", completed_at=None,
        lqi=None, total_leads=0, class_distribution={},
    )  # fmt: skip
    world.extra.append(running)
    Windows().load(BOTH, FIRST, "2024-01-15")
    stored = {r["run_id"]: r for r in read("SELECT * FROM raw.lead_scoring_runs")}
    assert set(stored) == {first.run_id, again.run_id, second.run_id, running.run_id}
    assert stored[again.run_id]["supersedes_run_id"] == first.run_id
    assert (stored[running.run_id]["lqi"], stored[running.run_id]["status"]) == (None, "running")
    counted = read("SELECT run_id, count(*) AS n FROM raw.lead_scoring_lead_scores GROUP BY run_id")
    assert {r["run_id"]: r["n"] for r in counted} == {
        first.run_id: first.total_leads,
        again.run_id: first.total_leads,
        second.run_id: second.total_leads,
    }


@pytest.mark.parametrize(
    ("shift_start", "shift_end", "field", "words"),
    [
        (dt.timedelta(days=1), dt.timedelta(days=1), "window_start", "off the 14-day grid anchored at 2024-01-01"),
        (dt.timedelta(hours=2), dt.timedelta(hours=2), "window_start", "starts at 2024-01-15T02:00:00+00:00"),
        (dt.timedelta(0), dt.timedelta(days=-1), "window_end", "13 days long, not 14"),
        (dt.timedelta(0), dt.timedelta(hours=12), "window_end", "14.5 days long, not 14"),
    ],
)
def test_a_run_off_the_grid_is_quarantined_with_its_reason(
    edited, world, site, read, shift_start, shift_end, field, words
):
    odd = site.world.scoring_runs(NOW)[1]

    def shift(run):
        if run.run_id != odd.run_id:
            return run
        return replace(run, window_start=run.window_start + shift_start, window_end=run.window_end + shift_end)

    world.change = shift
    result = Windows().load(BOTH, FIRST, "2024-01-29")
    assert odd.run_id not in {r["run_id"] for r in read("SELECT run_id FROM raw.lead_scoring_runs")}
    assert odd.run_id not in {r["run_id"] for r in read("SELECT run_id FROM raw.lead_scoring_lead_scores")}
    assert len(read("SELECT run_id FROM raw.lead_scoring_runs")) == 2
    (refused,) = read("SELECT * FROM raw.quarantine")
    assert words in refused["reason"]
    assert (refused["field"], refused["_load_partition"]) == (field, "2024-01-15")
    assert json.loads(refused["record"])["run_id"] == odd.run_id
    (event, *_) = result.asset_materializations_for_node("raw__lead_scoring_lead_scores")
    assert event.metadata["runs_quarantined"].value == 1


def test_off_means_typed_and_empty(sandbox, settings_env, read):
    settings_env(SUPABASE_MODE="off")
    try:
        off = importlib.reload(module)
        Windows().load([off.lead_scoring_runs, off.lead_scoring_lead_scores], FIRST)
    finally:
        settings_env(SUPABASE_MODE="auto")
        importlib.reload(module)
    assert read("SELECT lqi, run_id FROM raw.lead_scoring_runs") == []
    assert read("SELECT email_hash FROM raw.lead_scoring_lead_scores") == []


# --- paging ------------------------------------------------------------------------------------------------------
def test_pages_to_the_end(sandbox, site, settings_env):
    settings_env(SUPABASE_PAGE_SIZE=7)
    runs = LeadScoringResource().runs(ALL[:1])
    site.faults.requests.clear()
    found = list(LeadScoringResource().lead_scores(runs))
    _, scores = truth(site, FIRST)
    assert sorted(r["id"] for r in found) == sorted(s.id for _, s in scores)
    assert site.faults.requests["supabase"] == -(-len(scores) // 7) + 1  # every page, and the empty one


def test_a_server_that_caps_pages_lower_loses_nothing(sandbox, site, monkeypatch):
    monkeypatch.setattr(_postgrest, "MAX_ROWS", 50)
    runs = LeadScoringResource().runs([ScoringWindow.from_key(FIRST), *ALL])
    _, scores = truth(site, FIRST)
    assert len(scores) > 100
    assert len(list(LeadScoringResource().lead_scores(runs[:1]))) == len(scores)


def test_ties_in_time_lose_nothing(edited, world, site, settings_env):
    moment = dt.datetime(2024, 1, 15, 6, 0, 0, 123456, tzinfo=dt.UTC)
    world.change_scores = lambda scores: [replace(s, updated_at=moment) for s in scores]
    settings_env(SUPABASE_PAGE_SIZE=10)
    runs = LeadScoringResource().runs(ALL[:1])
    found = [r["id"] for r in LeadScoringResource().lead_scores(runs)]
    assert sorted(found) == sorted(s.id for s in site.world.lead_scores(site.world.scoring_runs(NOW)[0]))


def test_a_row_changed_while_paging_is_read_once_in_its_newest_form(edited, world, settings_env):
    """A row of the first page is touched before the second: it comes again at the end."""
    settings_env(SUPABASE_PAGE_SIZE=50)
    runs = LeadScoringResource().runs(ALL[:1])
    asked = []

    def touch(scores):
        asked.append(1)
        if len(asked) < 2:
            return scores
        later = max(s.updated_at for s in scores) + dt.timedelta(seconds=1)
        return [replace(s, lead_class="D", updated_at=later) if s.id == scores[0].id else s for s in scores]

    world.change = lambda run: run if run.window_index == 0 else None
    world.change_scores = touch
    edited.at_now = lambda name, compute: compute()
    found = list(LeadScoringResource().lead_scores(runs))
    assert len(asked) > 2
    assert len(found) == len({r["id"] for r in found}) == runs[0]["total_leads"]
    assert min(found, key=lambda r: r["id"])["lead_class"] == "D"


# --- failures ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "count"), [("429", 2), ("500", 1), ("503", 3), ("html", 1), ("truncated", 1), ("502", 1)]
)
def test_recovers_from_passing_trouble(sandbox, site, no_waiting, kind, count):
    site.faults.add("supabase", kind, count, retry_after=0)
    site.faults.requests.clear()
    runs = LeadScoringResource().runs(ALL[:1])
    assert [r["run_id"] for r in runs] == [truth(site, FIRST)[0][0].run_id]
    # Our own policy retries, not the library beneath it as well: rows, the empty page, and one a fault.
    assert site.faults.requests["supabase"] == 2 + count


def test_waits_as_long_as_asked(sandbox, site, no_waiting):
    site.faults.add("supabase", "429", 1, retry_after=7)
    LeadScoringResource().runs(ALL[:1])
    assert no_waiting == [7]


def test_halves_the_page_after_a_statement_timeout(sandbox, site, settings_env, no_waiting):
    settings_env(SUPABASE_PAGE_SIZE=100)
    runs = LeadScoringResource().runs(ALL[:1])
    total = len(truth(site, FIRST)[1])
    site.faults.add("supabase", "57014", 2)
    site.faults.requests.clear()
    assert len(list(LeadScoringResource().lead_scores(runs))) == total
    assert site.faults.requests["supabase"] == 2 + -(-total // 25) + 1  # 100 -> 50 -> 25


def test_an_empty_body_is_not_the_end_of_the_data(sandbox, site, no_waiting, monkeypatch):
    """supabase-py reads an empty body as no rows."""
    from dreamclass_intel.sandbox.servers import faults

    sent = []
    original = faults._send

    async def blank(send, fault):
        sent.append(fault)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(faults, "_send", blank)
    site.faults.add("supabase", "500", 1)
    assert len(LeadScoringResource().runs(ALL[:1])) == 1
    assert sent
    assert original is not blank


def live(settings_env, url, key=SECRET):
    settings_env(SUPABASE_MODE="live", SUPABASE_URL=url, SUPABASE_KEY=key, PII_KEY="test")


def test_a_wrong_key_fails_at_once_and_stays_secret(sandbox, site, settings_env):
    live(settings_env, f"{sandbox}/supabase")
    site.faults.requests.clear()
    result = Windows().load([lead_scoring_runs], FIRST, raise_on_error=False)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    text = failure.step_failure_data.error_display_string
    assert "lead_scoring scoring_runs: HTTP 401 the key was refused; Invalid API key" in text
    assert SECRET not in text
    assert site.faults.requests["supabase"] == 1
    assert not result.get_step_failure_events()[0].is_step_up_for_retry


def test_no_connection_is_said_plainly(settings_env, no_waiting):
    live(settings_env, "http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"no answer from 127\.0\.0\.1: ConnectError") as error:
        LeadScoringResource().runs(ALL[:1])
    assert not error.value.permanent
    assert len(no_waiting) == 5
    assert SECRET not in str(error.value)


def test_a_slow_answer_times_out(edited, world, settings_env, no_waiting):
    import threading

    blocked = threading.Event()
    world.change = lambda run: blocked.wait(5) and run
    settings_env(SUPABASE_TIMEOUT_S=0.05)
    try:
        with pytest.raises(SourceError, match="ReadTimeout"):
            LeadScoringResource().runs(ALL[:1])
    finally:
        blocked.set()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "42P01", "the table does not exist"),
        (404, "PGRST205", "the table does not exist"),
        (400, "42703", "lacks a column"),
        (401, "PGRST301", "the key was refused"),
        (406, "PGRST106", "schema is not exposed"),
        (403, "42501", "may not read this table"),
    ],
)
def test_postgrest_errors_are_explained_and_not_retried(sandbox, site, monkeypatch, status, code, words):
    from dreamclass_intel.sandbox.servers import supabase

    def refuse(*_):
        raise _postgrest.PostgrestError(status, code, f"bad token eyJhbGciOiJIUzI1NiJ9.eyJyb2xl.x and {SECRET}")

    monkeypatch.setattr(supabase, "_relation", refuse)
    site.faults.requests.clear()
    with pytest.raises(SourceError, match=words) as error:
        LeadScoringResource().runs(ALL[:1])
    assert error.value.permanent
    assert (error.value.status, code in str(error.value)) == (status, True)
    assert "eyJ" not in str(error.value)
    assert SECRET not in str(error.value)
    assert site.faults.requests["supabase"] == 1


def test_runs_hidden_by_row_level_security_are_a_failure(edited, world):
    world.change = lambda run: None
    result = Windows().load([lead_scoring_runs], FIRST, raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    text = failure.step_failure_data.error_display_string
    assert "row-level security" in text
    assert "SUPABASE_KEY" in text


def test_scores_hidden_by_row_level_security_are_a_failure(edited, world):
    world.change_scores = lambda scores: []
    runs = LeadScoringResource().runs(ALL[:1])
    with pytest.raises(SourceError, match=r"lead_scores: .*row-level security") as error:
        list(LeadScoringResource().lead_scores(runs))
    assert error.value.permanent


def test_a_window_without_a_run_is_empty_and_no_failure(edited, world, read):
    world.change = lambda run: run if run.window_index != 0 else None
    assert Windows().load(BOTH, FIRST).success
    assert read("SELECT run_id FROM raw.lead_scoring_runs") == []


def test_the_scores_follow_the_runs_window_by_window():
    (spec,) = lead_scoring_lead_scores.specs
    (dep,) = spec.deps
    assert dep.asset_key == dg.AssetKey(["raw", "lead_scoring_runs"])
    assert isinstance(dep.partition_mapping, dg.IdentityPartitionMapping)
