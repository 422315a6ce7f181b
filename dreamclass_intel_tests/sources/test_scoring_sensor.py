"""The scoring sensor on a real instance over a real sandbox whose clock moves."""

import datetime as dt
import json
from dataclasses import replace

import dagster as dg
import pytest

from dreamclass_intel.defs.lead_scoring import sensors
from dreamclass_intel.defs.lead_scoring.client import LeadScoringResource
from dreamclass_intel.defs.lead_scoring.normalise import run_record
from dreamclass_intel.defs.lead_scoring.sensors import BATCH, Cursor, plan, run_key, scoring_runs
from dreamclass_intel.defs.lead_scoring.tables import RUNS
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.scoring import ScoringWorld, own_sandbox

NOW = dt.datetime(2024, 2, 12, 12, tzinfo=dt.UTC)  # three windows are scored
KEYS = ["2024-01-01", "2024-01-15", "2024-01-29"]
RESCORED = "00000000-0000-5000-8000-000000000001"


class Daemon:
    """What the sensor daemon does with a tick: partitions, then runs, then the cursor. Each run succeeds."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.report_runless_asset_event(dg.AssetMaterialization(["marts", "metric_series"]))
        self.cursor: str | None = None
        self.launched: list[tuple[str, str]] = []

    def tick(self, *, load: bool = True) -> dg.SensorResult | dg.SkipReason:
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            result = scoring_runs(context, lead_scoring=LeadScoringResource(), warehouse=WarehouseResource())
        if isinstance(result, dg.SkipReason):
            return result
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        for request in result.run_requests or []:
            assert request.partition_key in self.windows()
            self.launched.append((request.partition_key, request.run_key))
            if load:
                self.store(request.partition_key)
        self.cursor = result.cursor
        return result

    def store(self, key: str) -> None:
        found = [run_record(run) for run in LeadScoringResource().runs([ScoringWindow.from_key(key)])]
        on_grid = [run for run in found if run["window_start_at"].isoformat().startswith(key)]
        WarehouseResource().backend().write(RUNS, [key], extract(RUNS, on_grid, key), "test")

    def windows(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions("scoring_window"))

    def take(self) -> list[str]:
        keys, self.launched = [key for key, _ in self.launched], []
        return keys


@pytest.fixture
def world(site):
    return ScoringWorld(site.world)


@pytest.fixture
def own(world, settings_env, tmp_path):
    with own_sandbox(world, NOW, tmp_path) as (own, url):
        settings_env(SANDBOX_URL=url)
        yield own


@pytest.fixture
def daemon(own):
    return Daemon()


def runs_of(world, now=NOW):
    return [r for r in world.scoring_runs(now) if r.completed_at]


def test_the_first_tick_registers_every_window_and_requests_each_once(daemon, world):
    result = daemon.tick()
    assert daemon.windows() == KEYS
    assert daemon.launched == [
        (r.window_start.date().isoformat(), f"{r.run_id}:{r.completed_at.isoformat()}") for r in runs_of(world)
    ]
    assert [r.tags["scoring_run_id"] for r in result.run_requests] == [r.run_id for r in runs_of(world)]
    assert daemon.take() == KEYS
    assert not daemon.tick().run_requests


def test_a_new_run_is_requested_once_when_it_completes(daemon, own):
    daemon.tick()
    daemon.take()
    own.clock.advance(14)
    daemon.tick()
    assert daemon.take() == ["2024-02-12"]
    assert daemon.windows() == [*KEYS, "2024-02-12"]
    daemon.tick()
    assert daemon.take() == []


def test_a_run_that_is_still_running_waits(daemon, own, world):
    daemon.tick()
    daemon.take()
    (coming,) = [r for r in world.scoring_runs(NOW + dt.timedelta(days=14)) if r.window_index == 3]
    own.clock.set(coming.completed_at - dt.timedelta(minutes=1))
    daemon.tick()
    assert daemon.take() == []
    own.clock.set(coming.completed_at)
    daemon.tick()
    assert daemon.take() == ["2024-02-12"]


def test_two_runs_at_once_are_two_requests_in_order(daemon, own):
    daemon.tick()
    daemon.take()
    own.clock.advance(28)
    result = daemon.tick()
    assert daemon.take() == ["2024-02-12", "2024-02-26"]
    assert len({r.run_key for r in result.run_requests}) == 2
    assert daemon.windows() == [*KEYS, "2024-02-12", "2024-02-26"]


def test_a_rescore_is_a_second_request_for_its_window(daemon, own, world):
    daemon.tick()
    first = dict(daemon.launched)
    daemon.take()
    world.rescore(runs_of(world)[1], NOW + dt.timedelta(days=1), RESCORED)
    own.clock.advance(2)
    daemon.tick()
    ((key, again),) = daemon.launched
    assert key == "2024-01-15"
    assert again.startswith(RESCORED)
    assert again != first[key]
    assert daemon.windows() == KEYS


def test_a_run_completed_again_under_its_own_id_is_requested_again(daemon, own, world):
    daemon.tick()
    daemon.take()
    later = NOW + dt.timedelta(hours=3)

    def again(run):
        return replace(run, completed_at=later, updated_at=later) if run.window_index == 0 else run

    world.change = again
    own.clock.advance(1)
    daemon.tick()
    ((key, name),) = daemon.launched
    assert (key, name.split(":", 1)[1]) == ("2024-01-01", later.isoformat())


def test_a_restart_requests_nothing_twice(daemon, own):
    daemon.tick()
    daemon.take()
    own.clock.advance(14)
    daemon.tick()
    restarted = Daemon()
    restarted.instance, restarted.cursor = daemon.instance, daemon.cursor
    restarted.tick(), restarted.tick()
    assert restarted.take() == []


def test_a_crash_before_the_cursor_is_saved_repeats_the_same_run_keys(daemon):
    daemon.tick(load=False)
    names = [name for _, name in daemon.launched]
    daemon.cursor, daemon.launched = None, []
    daemon.tick(load=False)
    assert [name for _, name in daemon.launched] == names  # Dagster skips keys it has launched


def test_an_api_that_is_down_fails_the_tick_and_keeps_the_cursor(daemon, own, monkeypatch):
    daemon.tick()
    daemon.take()
    cursor = daemon.cursor
    own.clock.advance(14)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _s: None)
    own.faults.add("supabase", "503", 2, retry_after=0)
    with pytest.raises(SourceError, match="lead_scoring scoring_runs: HTTP 503"):
        daemon.tick()
    assert daemon.cursor == cursor
    daemon.tick()
    assert daemon.take() == ["2024-02-12"]


def test_nobody_listening_fails_the_tick_in_words(daemon, settings_env, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _s: None)
    settings_env(SANDBOX_URL="http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"no answer from 127\.0\.0\.1: ConnectError"):
        daemon.tick()


# --- first fill --------------------------------------------------------------------------------------------------
def test_windows_that_are_stored_already_are_not_requested_again(daemon):
    for key in KEYS:
        daemon.store(key)
    daemon.tick()
    assert daemon.take() == []
    assert daemon.windows() == KEYS


def test_only_the_missing_window_is_requested_and_later_runs_as_usual(daemon, own):
    daemon.store(KEYS[0])
    daemon.store(KEYS[2])
    daemon.tick()
    assert daemon.take() == [KEYS[1]]
    own.clock.advance(14)
    daemon.store("2024-02-12")  # stored or not: it completed after the first fill
    daemon.tick()
    assert daemon.take() == ["2024-02-12"]


def test_a_window_scored_twice_is_filled_once_by_its_newest_run(daemon, own, world):
    world.rescore(runs_of(world)[0], NOW - dt.timedelta(days=1), RESCORED)
    daemon.tick()
    assert sorted(daemon.take()) == KEYS
    daemon.tick()
    assert daemon.take() == []


def test_a_long_first_fill_goes_in_batches_oldest_first(daemon, own):
    own.clock.advance(14 * 9)  # twelve windows or so, more than one batch
    batches = []
    while True:
        daemon.tick()
        keys = daemon.take()
        if not keys:
            break
        batches.append(keys)
    assert [len(b) for b in batches][:-1] == [BATCH] * (len(batches) - 1)
    assert len(batches) == 2
    assert [key for batch in batches for key in batch] == daemon.windows()
    assert len(daemon.windows()) == 12


# --- odd runs ----------------------------------------------------------------------------------------------------
def test_an_off_grid_run_asks_for_the_window_that_will_quarantine_it(daemon, world):
    odd = runs_of(world)[0]
    day = dt.timedelta(days=1)
    world.change = lambda run: (
        replace(run, window_start=run.window_start + day, window_end=run.window_end + day)
        if run.run_id == odd.run_id
        else run
    )
    daemon.tick()
    assert daemon.take() == KEYS


@pytest.mark.parametrize("start", [dt.datetime(2023, 12, 18, tzinfo=dt.UTC), dt.datetime(2031, 1, 6, tzinfo=dt.UTC)])
def test_a_run_without_a_closed_window_registers_nothing(daemon, world, start):
    odd = runs_of(world)[1]
    world.change = lambda run: replace(run, window_start=start) if run.run_id == odd.run_id else run
    daemon.tick()
    assert daemon.take() == [KEYS[0], KEYS[2]]
    assert daemon.windows() == KEYS
    daemon.tick()
    assert daemon.take() == []


def test_nothing_visible_is_a_skip_with_its_likely_cause(daemon, world):
    world.change = lambda run: None
    assert "row-level security" in daemon.tick().skip_message


def test_off_is_a_skip(daemon, settings_env):
    settings_env(SUPABASE_MODE="off")
    assert daemon.tick().skip_message == "Lead scoring is off."


# --- plan and cursor ---------------------------------------------------------------------------------------------
def run(n: int, completed: str, start: str = "2024-01-01") -> dict[str, str]:
    return {
        "run_id": f"run{n}",
        "window_start": f"{start}T00:00:00+00:00",
        "completed_at": f"2024-03-01T{completed}+00:00",
    }


def keys(requested) -> list[str]:
    return [r["run_id"] for r, _ in requested]


def test_a_run_that_becomes_visible_late_is_not_lost():
    first, late = run(1, "10:00:00"), run(2, "09:59:58", "2024-01-15")
    _, cursor = plan([first], Cursor(), ())
    requested, cursor = plan([late, first], cursor, ())
    assert keys(requested) == ["run2"]
    requested, _ = plan([late, first], cursor, ())
    assert keys(requested) == []


def test_runs_of_the_same_second_are_all_requested_across_batches(monkeypatch):
    monkeypatch.setattr(sensors, "BATCH", 2)
    many = [run(n, "10:00:00", f"2024-01-{1 if n < 3 else 15:02d}") for n in range(5)]
    cursor, found = Cursor(until=dt.datetime(2024, 3, 1, tzinfo=dt.UTC)), []
    for _ in range(4):
        requested, cursor = plan(many, cursor, ())
        found.append(keys(requested))
    assert found == [["run0", "run1"], ["run2", "run3"], ["run4"], []]


def test_the_cursor_survives_storage_and_remembers_only_the_overlap():
    many = [run(1, "08:00:00"), run(2, "10:00:00", "2024-01-15")]
    _, cursor = plan(many, Cursor(), ())
    assert Cursor.parse(cursor.dump()) == cursor
    assert json.loads(cursor.dump())["version"] == 1
    assert cursor.seen == {run_key(many[1])}


@pytest.mark.parametrize("text", [None, "", "7", "{}", "not json", '{"version": 0, "until": null}', '{"version": 1}'])
def test_another_versions_cursor_starts_anew(text):
    assert Cursor.parse(text) == Cursor()


def test_the_sensor_is_on_for_the_job_score_window():
    assert scoring_runs.default_status is dg.DefaultSensorStatus.RUNNING
    assert scoring_runs.minimum_interval_seconds == 30
    assert scoring_runs.job_name == "score_window"
    assert ScoringWindow.from_key(KEYS[0]).end == dt.date(2024, 1, 15)


def test_nothing_is_requested_before_the_first_daily_run(sandbox: str) -> None:
    with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()) as context:
        answer = scoring_runs(context, lead_scoring=LeadScoringResource(), warehouse=WarehouseResource())
    assert isinstance(answer, dg.SkipReason)
    assert "first daily run" in (answer.skip_message or "")
    assert context.cursor is None
