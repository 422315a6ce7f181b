"""`core.lqi` from Supabase to the stored row, and each reconciliation proven by corrupting a stored table."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import dagster as dg
import pytest

from dreamclass_intel.defs.lead_scoring.assets import lead_scoring_lead_scores, lead_scoring_runs
from dreamclass_intel.defs.lead_scoring.checks import (
    classes_match,
    one_row_per_run_and_lead,
    totals_reconcile,
)
from dreamclass_intel.defs.lqi.assets import lqi_of_window
from dreamclass_intel.defs.lqi.checks import stored_lqi_matches
from dreamclass_intel.defs.lqi.tables import LQI
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.conftest import NOW
from dreamclass_intel_tests.scoring import LAST_WINDOW, ScoringWorld, Windows, own_sandbox

FIRST, SECOND = "2024-01-01", "2024-01-15"
RAW = [lead_scoring_runs, lead_scoring_lead_scores]
ALL = [*RAW, lqi_of_window]
CHECKS = [totals_reconcile, classes_match, one_row_per_run_and_lead, stored_lqi_matches]
RESCORED = "00000000-0000-5000-8000-000000000001"


@pytest.fixture
def world(site):
    return ScoringWorld(site.world)


@pytest.fixture
def edited(world, settings_env, tmp_path):
    with own_sandbox(world, NOW, tmp_path) as (own, url):
        settings_env(SANDBOX_URL=url)
        yield own


def corrupt(statement):
    with WarehouseResource().backend().connect() as con:
        con.execute(statement)


def verdict(check):
    """A check over what is stored (not by calling the definition: Dagster would create an instance each time)."""
    return check.node_def.compute_fn.decorated_fn(WarehouseResource())


def verdicts():
    return {check.check_key.name: verdict(check) for check in CHECKS}


def failing():
    return {name for name, result in verdicts().items() if not result.passed}


def test_is_the_stored_index_with_its_uncertainty(sandbox, site, read):
    result = Windows().load(ALL, FIRST, LAST_WINDOW, checks=CHECKS)
    rows = read("SELECT * FROM core.lqi ORDER BY window_start_date")
    runs = {r.window_start.date(): r for r in site.world.scoring_runs(NOW)}
    assert [r["window_start_date"] for r in rows] == sorted(runs)
    for row in rows:
        run = runs[row["window_start_date"]]
        assert (row["run_id"], row["run_version"], row["model_version"]) == (run.run_id, 1, "v1")
        assert row["_load_partition"] == str(row["window_start_date"])
        assert row["window_end_date"] == run.window_end.date()
        assert row["lqi"] == Decimal(run.lqi)
        assert abs(row["lqi_recomputed"] - float(run.lqi)) <= 0.0005 + 1e-9
        assert row["ci_low"] < row["lqi_recomputed"] < row["ci_high"]
        assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * row["lqi_se"], rel=1e-3)
        assert row["leads_n"] == run.total_leads
        assert {c: row[f"class_{c.lower()}_n"] for c in "ABCD"} == run.class_distribution
        assert sum(row[f"class_{c}_share"] for c in "abcd") == pytest.approx(1)
        assert (row["unscored_n"], row["is_small_sample"]) == (0, False)
    assert {e.check_name for e in result.get_asset_check_evaluations()} == set(verdicts())
    assert all(e.passed and e.blocking for e in result.get_asset_check_evaluations())


def test_a_range_is_the_sum_of_its_windows(sandbox):
    windows = Windows()
    backend = WarehouseResource().backend()
    windows.load(ALL, FIRST, SECOND)
    ranged = backend.content_hash(LQI)
    windows.load(ALL, SECOND)
    windows.load(ALL, FIRST)
    assert backend.content_hash(LQI) == ranged


def test_the_newest_completed_run_counts(edited, world, site, read):
    first, second = site.world.scoring_runs(NOW)[:2]
    moment = dt.datetime(2024, 1, 20, 9, tzinfo=dt.UTC)
    world.rescore(first, moment, RESCORED)
    world.extra.append(  # a newer run that failed, and one that still runs, do not
        replace(second, run_id="00000000-0000-5000-8000-000000000002", run_version=2, status="failed")
    )
    world.extra.append(
        replace(
            first, run_id="00000000-0000-5000-8000-000000000003", run_version=3, status="running",
            completed_at=None, lqi=None, total_leads=0,
        )
    )  # fmt: skip
    world.change_scores = lambda scores: [replace(s, lead_class="A") if s.run_id == RESCORED else s for s in scores]
    world.change = lambda run: (
        replace(run, lqi="100.000", class_distribution={"A": run.total_leads, "B": 0, "C": 0, "D": 0})
        if run.run_id == RESCORED
        else run
    )
    Windows().load(ALL, FIRST, SECOND, checks=CHECKS)
    rows = read("SELECT * FROM core.lqi ORDER BY window_start_date")
    assert [(r["run_id"], r["run_version"]) for r in rows] == [(RESCORED, 2), (second.run_id, 1)]
    assert (rows[0]["lqi"], rows[0]["lqi_recomputed"], rows[0]["class_a_share"]) == (Decimal(100), 100.0, 1.0)
    assert failing() == set()


def test_a_window_without_leads_has_null_and_never_zero(edited, world, read):
    world.change_scores = lambda scores: [s for s in scores if s.run_id != first.run_id]
    first = world.scoring_runs(NOW)[0]
    world.change = lambda run: (
        replace(run, lqi=None, total_leads=0, class_distribution=dict.fromkeys("ABCD", 0))
        if run.run_id == first.run_id
        else run
    )
    Windows().load(ALL, FIRST, SECOND, checks=CHECKS)
    row, other = read("SELECT * FROM core.lqi ORDER BY window_start_date")
    assert [row[c] for c in ("lqi", "lqi_recomputed", "lqi_se", "ci_low", "ci_high", "class_a_share")] == [None] * 6
    assert (row["leads_n"], row["is_small_sample"]) == (0, True)
    assert other["lqi"] is not None
    assert failing() == set()


def test_unscored_leads_are_counted_apart(edited, world, site, read):
    first = site.world.scoring_runs(NOW)[0]
    scores = site.world.lead_scores(first)
    left_out = {s.id for s in scores if s.lead_class == "D"}
    world.change_scores = lambda found: [replace(s, lead_class=None) if s.id in left_out else s for s in found]
    kept = {c: n for c, n in first.class_distribution.items() if c != "D"}
    n = sum(kept.values())
    lqi = f"{100 * (kept['A'] + 0.6 * kept['B'] + 0.3 * kept['C']) / n:.3f}"
    world.change = lambda run: (
        replace(run, lqi=lqi, class_distribution={**kept, "D": 0, "unscored": len(left_out)})
        if run.run_id == first.run_id
        else run
    )
    Windows().load(ALL, FIRST, checks=CHECKS)
    (row,) = read("SELECT * FROM core.lqi")
    assert (row["leads_n"], row["unscored_n"]) == (n, len(left_out))
    assert row["lqi"] == Decimal(lqi)
    assert failing() == set()


def test_unknown_weights_leave_only_the_stored_index(edited, world, read):
    world.change = lambda run: replace(run, weights_version="w99")
    Windows().load(ALL, FIRST, checks=CHECKS)
    (row,) = read("SELECT * FROM core.lqi")
    assert row["lqi"] is not None
    assert row["lqi_recomputed"] is None
    assert verdicts()["stored_lqi_matches"].metadata["unknown_weights"].value == "w99"


# --- reconciliation ----------------------------------------------------------------------------------------------
RUNS, SCORES = "raw.lead_scoring_runs", "raw.lead_scoring_lead_scores"
ONE_LEAD = f"(SELECT min(score_id) FROM {SCORES} WHERE _load_partition = '{FIRST}' AND lead_class = 'A')"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"DELETE FROM {SCORES} WHERE score_id = {ONE_LEAD}", "totals_reconcile"),
        (f"UPDATE {RUNS} SET total_leads = total_leads + 1 WHERE _load_partition = '{FIRST}'", "totals_reconcile"),
        (f"UPDATE {RUNS} SET distribution_n = NULL WHERE _load_partition = '{FIRST}'", "totals_reconcile"),
        (f"DELETE FROM {SCORES}", "totals_reconcile"),
        (f"UPDATE {SCORES} SET lead_class = 'E' WHERE score_id = {ONE_LEAD}", "classes_match"),
        (f"UPDATE {SCORES} SET lead_class = 'a' WHERE score_id = {ONE_LEAD}", "classes_match"),
        (f"UPDATE {SCORES} SET lead_class = 'B' WHERE score_id = {ONE_LEAD}", "classes_match"),
        (f"INSERT INTO {SCORES} SELECT * FROM {SCORES} WHERE score_id = {ONE_LEAD}", "one_row_per_run_and_lead"),
        (
            f"INSERT INTO {RUNS} SELECT * REPLACE ('{SECOND}' AS _load_partition) "
            f"FROM {RUNS} WHERE _load_partition = '{FIRST}'",
            "one_row_per_run_and_lead",
        ),
        (f"UPDATE {SCORES} SET lead_class = 'D' WHERE score_id = {ONE_LEAD}", "stored_lqi_matches"),
        (f"UPDATE {RUNS} SET lqi = lqi + 0.003 WHERE _load_partition = '{FIRST}'", "stored_lqi_matches"),
        (f"UPDATE {RUNS} SET lqi = NULL WHERE _load_partition = '{FIRST}'", "stored_lqi_matches"),
        (f"UPDATE core.lqi SET lqi = lqi - 0.003 WHERE _load_partition = '{FIRST}'", "stored_lqi_matches"),
        (f"UPDATE core.lqi SET lqi = NULL WHERE _load_partition = '{FIRST}'", "stored_lqi_matches"),
        (f"UPDATE core.lqi SET class_b_n = class_b_n + 1 WHERE _load_partition = '{FIRST}'", "stored_lqi_matches"),
    ],
)  # fmt: skip
def test_corruption_is_found(stored_once, statement, expected):
    corrupt(statement)
    result = verdict(CHECKS[[c.check_key.name for c in CHECKS].index(expected)])
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.metadata["failed"].value >= 1
    assert result.description


@pytest.fixture(scope="module")
def _database(_sandbox, tmp_path_factory):
    """Two windows, loaded once for the whole module."""
    from dreamclass_intel.settings import load_settings

    folder = tmp_path_factory.mktemp("lqi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIR", str(folder))
        patch.setenv("SANDBOX_URL", _sandbox)
        load_settings.cache_clear()
        Windows().load(ALL, FIRST, SECOND)
        path = load_settings().database
    load_settings.cache_clear()
    return path.read_bytes()


@pytest.fixture
def stored_once(_database, settings_env, tmp_path):
    path = tmp_path / "copy.duckdb"
    path.write_bytes(_database)
    settings_env(DUCKDB_PATH=path)


def test_a_bad_run_that_was_replaced_warns_and_blocks_nothing(stored_once):
    corrupt(
        f"INSERT INTO {RUNS} BY NAME SELECT * REPLACE ('{RESCORED}' AS run_id, 0 AS run_version, total_leads + 1 AS "
        f"total_leads) FROM {RUNS} WHERE _load_partition = '{FIRST}' AND status = 'completed'"
    )
    found = verdicts()["totals_reconcile"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "(superseded)" in found.description


def test_a_rounding_difference_is_none(stored_once):
    corrupt(f"UPDATE {RUNS} SET lqi = lqi + 0.0009")
    assert failing() == set()


def test_checks_over_nothing_pass(settings_env):
    assert failing() == set()


def test_bad_scores_never_become_an_index(edited, world, site, read):
    lost = site.world.lead_scores(site.world.scoring_runs(NOW)[0])[0]
    world.change_scores = lambda scores: [s for s in scores if s.id != lost.id]
    result = Windows().load(ALL, FIRST, checks=CHECKS, raise_on_error=False)
    assert not result.success
    failed = {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}
    assert failed >= {"totals_reconcile", "classes_match"}
    materialised = {e.asset_key for e in result.all_events if e.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION}
    assert dg.AssetKey(["core", "lqi"]) not in materialised


def test_every_edge_maps_a_window_to_itself():
    (spec,) = lqi_of_window.specs
    assert {d.asset_key.to_user_string() for d in spec.deps} == {
        "raw/lead_scoring_runs",
        "raw/lead_scoring_lead_scores",
    }
    for dep in spec.deps:
        mapping = lqi_of_window.get_partition_mapping(dep.asset_key)
        assert isinstance(mapping, dg.IdentityPartitionMapping)
