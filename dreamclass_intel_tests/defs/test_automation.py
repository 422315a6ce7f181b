"""The sensors that keep the chain going, on a real ephemeral instance over a real sandbox."""

import datetime as dt
from collections.abc import Callable

import dagster as dg
import duckdb
import pytest
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.clock import Clock
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation import due
from dreamclass_intel.defs.automation.due import MAX_ATTEMPTS, RANGE_END, RANGE_START, TRAILING_DAYS, Load, loads
from dreamclass_intel.defs.automation.sensors import WEEKS_A_TICK, closed_week, new_day
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr.charts import NOT_ALL
from dreamclass_intel.defs.xmr.tables import POINTS
from dreamclass_intel.partitions import DAILY, START
from dreamclass_intel.records import extract
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

NEWEST = dt.date(2024, 3, 31)
DAY = dt.timedelta(days=1)
TRAILING = NEWEST - (TRAILING_DAYS - 1) * DAY


def keys(first: dt.date, last: dt.date) -> set[str]:
    return {(first + dt.timedelta(days=i)).isoformat() for i in range((last - first).days + 1)}


def test_a_normal_day_re_reads_the_trailing_days() -> None:
    loaded = {name: keys(START, NEWEST - DAY) for name in "abc"}
    assert loads(NEWEST, loaded) == [Load(TRAILING, NEWEST)]
    assert loads(NEWEST, {name: keys(START, NEWEST) for name in "abc"}) == []


def test_the_first_load_is_everything() -> None:
    assert loads(NEWEST, {"a": set(), "b": set()}) == [Load(START, NEWEST)]


def test_after_downtime_one_range_catches_up_however_long_it_was() -> None:
    assert loads(NEWEST, {name: keys(START, dt.date(2024, 1, 10)) for name in "ab"}) == [
        Load(dt.date(2024, 1, 11), NEWEST)
    ]


def test_a_table_that_failed_for_long_is_caught_up_alone() -> None:
    loaded = {"good": keys(START, NEWEST - DAY), "down": keys(START, dt.date(2024, 2, 10))}
    assert loads(NEWEST, loaded) == [
        Load(dt.date(2024, 2, 11), TRAILING - DAY, frozenset({"down"})),
        Load(TRAILING, NEWEST),
    ]


def test_an_interrupted_first_fill_goes_on_from_the_start_with_what_is_below_the_models() -> None:
    loaded: dict[str, set[str]] = {"dim": keys(START, NEWEST), "raw": set(), "companies": set()}
    assert loads(NEWEST, loaded, derived=["companies"]) == [Load(START, NEWEST)]


def test_a_hole_in_the_middle_is_found() -> None:
    hole = dt.date(2024, 2, 1)
    loaded = {"a": keys(START, NEWEST - DAY) - {hole.isoformat()}, "b": keys(START, NEWEST - DAY)}
    assert loads(NEWEST, loaded)[0] == Load(hole, TRAILING - DAY, frozenset({"a"}))


days_stored = st.sets(st.sampled_from(sorted(keys(START, NEWEST)))) | st.just(keys(START, NEWEST))


@given(st.dictionaries(st.sampled_from("abcd"), days_stored, min_size=1), st.sets(st.sampled_from("ab")))
def test_no_missing_day_of_any_table_is_left_out(loaded: dict[str, set[str]], derived: set[str]) -> None:
    found = loads(NEWEST, loaded, derived & set(loaded))
    assert len(found) <= 2
    for name, stored in loaded.items():
        for day in keys(START, NEWEST) - stored:
            assert any(
                load.first.isoformat() <= day <= load.last.isoformat() and (load.tables is None or name in load.tables)
                for load in found
            )
    for load in found[:-1]:
        assert load.tables
        assert not load.tables & derived
    for load in found[-1:]:
        assert (load.tables, load.last) == (None, NEWEST)
        assert load.first <= TRAILING


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"clock": Clock()}
    )
    answer = new_day(context)
    return list(answer.run_requests or []) if isinstance(answer, dg.SensorResult) else []


def failed(instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    run = create_run_for_test(instance, job_name="daily", status=dg.DagsterRunStatus.STARTED, tags=request.tags)
    instance.report_run_failed(run)


def test_a_closed_day_is_requested_until_it_is_loaded(
    definitions: dg.Definitions, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = dg.DagsterInstance.ephemeral()
    (request,) = tick(definitions, instance)
    newest = Clock().newest_ready_day()
    assert request.run_key == f"daily:{newest}"
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (START.isoformat(), newest.isoformat())
    run = create_run_for_test(instance, job_name="daily", status=dg.DagsterRunStatus.STARTED, tags=request.tags)
    assert tick(definitions, instance) == []  # under way
    instance.report_run_failed(run)
    assert tick(definitions, instance) == []  # a pause first
    monkeypatch.setattr(due, "PAUSE", dt.timedelta(0))
    (again,) = tick(definitions, instance)
    assert again.run_key == f"daily:{newest}#1"
    for _ in range(MAX_ATTEMPTS - 1):
        failed(instance, again)
    assert tick(definitions, instance) == []  # the rest is for people


def test_a_table_that_is_behind_is_requested_alone_first(definitions: dg.Definitions, sandbox: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    newest = Clock().newest_ready_day()
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        if graph.get(key).partitions_def == DAILY:
            last = dt.date(2024, 2, 1) if key.path[-1] == "stripe_invoices" else newest - DAY
            for day in keys(START, last):
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))
    behind, regular = tick(definitions, instance)
    assert behind.asset_selection == [dg.AssetKey(["raw", "stripe_invoices"])]
    assert behind.tags[RANGE_START] == "2024-02-02"
    assert regular.asset_selection is None
    assert behind.tags[RANGE_END] < regular.tags[RANGE_START]


def test_a_day_is_asked_for_only_when_vendors_have_published_it(
    settings_env: Callable[..., None], sandbox: str
) -> None:
    # The shared sandbox stands at midnight: the day that has just closed is not ready yet.
    assert Clock().newest_ready_day() == Clock().newest_day() - dt.timedelta(days=1)


def successful_daily_run(instance: dg.DagsterInstance, until: str) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="daily")
    def job() -> None:
        nothing()

    job.execute_in_process(instance=instance, tags={RANGE_START: until, RANGE_END: until})


def week_tick(instance: dg.DagsterInstance) -> list[str]:
    answer = closed_week(dg.build_sensor_context(instance=instance), warehouse=WarehouseResource())
    return [str(r.partition_key) for r in answer.run_requests or []] if isinstance(answer, dg.SensorResult) else []


def draw(instance: dg.DagsterInstance, week: str) -> None:
    for metric in metrics():
        if metric.grain == "week":
            instance.report_runless_asset_event(dg.AssetMaterialization(["xmr", metric.id], partition=week))


def test_weeks_are_requested_until_they_are_drawn(sandbox: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert week_tick(instance) == []  # nothing loaded
    successful_daily_run(instance, "2024-01-20")
    assert week_tick(instance) == ["2024-01-01", "2024-01-08"]
    draw(instance, "2024-01-01")
    draw(instance, "2024-01-08")
    assert week_tick(instance) == []
    successful_daily_run(instance, "2024-01-21")
    assert week_tick(instance) == ["2024-01-15"]


def test_after_downtime_weeks_are_drawn_oldest_first_none_forgotten(sandbox: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    successful_daily_run(instance, "2024-04-07")
    every = [(START + n * 7 * DAY).isoformat() for n in range(14)]
    assert week_tick(instance) == every[-WEEKS_A_TICK:]  # where nothing was ever drawn, history is a backfill's
    draw(instance, every[1])
    done = []
    while weeks := week_tick(instance):
        assert len(weeks) <= WEEKS_A_TICK
        done += weeks
        for week in weeks:
            draw(instance, week)
    assert done == every[2:]


def test_a_week_whose_data_came_late_is_drawn_again(sandbox: str) -> None:
    instance, backend = dg.DagsterInstance.ephemeral(), WarehouseResource().backend()
    successful_daily_run(instance, "2024-01-21")
    for week in ("2024-01-01", "2024-01-08", "2024-01-15"):
        draw(instance, week)
    points = [
        {
            "metric_id": "sessions",
            "period_start": w,
            "partition_start": w,
            "limits_status": "none",
            "chart": "xmr",
            "preset": "wheeler",
        }
        | {"verdict": f"Not judged: {NOT_ALL}"}
        for w in ("2024-01-08", "2024-01-15")
    ]
    backend.write(POINTS, ["2024-01-15"], extract(POINTS, points, "2024-01-15"), "test")
    with duckdb.connect(str(load_settings().database)) as con:
        con.execute(
            "CREATE SCHEMA marts; CREATE TABLE marts.metric_series AS SELECT * FROM (VALUES "
            "('sessions', DATE '2024-01-08', 'all', 700.0, true), ('sessions', DATE '2024-01-15', 'all', 300.0, false)"
            ") AS t (metric_id, period_start, segment, value, is_complete)"
        )
    assert week_tick(instance) == ["2024-01-08"]
