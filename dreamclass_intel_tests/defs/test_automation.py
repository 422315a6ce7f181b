"""The sensors that keep the chain going, on a real ephemeral instance over a real sandbox."""

import datetime as dt
from collections.abc import Callable

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.clock import Clock
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.sensors import (
    CATCH_UP_DAYS,
    RANGE_END,
    RANGE_START,
    TRAILING_DAYS,
    closed_week,
    first_day_to_load,
    new_day,
)
from dreamclass_intel.partitions import START

NEWEST = dt.date(2024, 3, 31)


def keys(first: dt.date, last: dt.date) -> set[str]:
    return {(first + dt.timedelta(days=i)).isoformat() for i in range((last - first).days + 1)}


def test_a_normal_day_re_reads_the_trailing_days() -> None:
    loaded = [keys(START, NEWEST - dt.timedelta(days=1))] * 3
    assert first_day_to_load(NEWEST, loaded) == NEWEST - dt.timedelta(days=TRAILING_DAYS - 1)


def test_after_downtime_one_range_catches_up() -> None:
    loaded = [keys(START, NEWEST - dt.timedelta(days=1)), keys(START, dt.date(2024, 3, 10))]
    assert first_day_to_load(NEWEST, loaded) == dt.date(2024, 3, 11)


def test_a_source_that_failed_for_long_is_left_to_a_backfill() -> None:
    assert first_day_to_load(NEWEST, [set()]) == NEWEST - dt.timedelta(days=CATCH_UP_DAYS - 1)


@given(st.lists(st.dates(START, NEWEST), max_size=5))
def test_the_range_always_covers_the_trailing_days_and_never_more_than_allowed(ends: list[dt.date]) -> None:
    first = first_day_to_load(NEWEST, [keys(START, end) for end in ends])
    assert NEWEST - dt.timedelta(days=CATCH_UP_DAYS - 1) <= first <= NEWEST - dt.timedelta(days=TRAILING_DAYS - 1)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None) -> tuple[object, str | None]:
    context = dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), cursor=cursor, resources={"clock": Clock()}
    )
    return new_day(context), context.cursor


def test_a_closed_day_is_requested_once(definitions: dg.Definitions, sandbox: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    request, cursor = tick(definitions, instance, None)
    assert isinstance(request, dg.RunRequest)
    newest = Clock().newest_ready_day()
    assert request.tags[RANGE_END] == newest.isoformat() == cursor
    assert request.tags[RANGE_START] < request.tags[RANGE_END]
    again, after = tick(definitions, instance, cursor)
    assert isinstance(again, dg.SkipReason)
    assert after == cursor


def test_a_day_that_make_run_has_loaded_is_not_requested_again(definitions: dg.Definitions, sandbox: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    newest = Clock().newest_ready_day().isoformat()
    instance.report_runless_asset_event(dg.AssetMaterialization(["core", "dim_dates"], partition=newest))
    answer, cursor = tick(definitions, instance, None)
    assert isinstance(answer, dg.SkipReason)
    assert cursor == newest


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


def test_weeks_are_requested_once_they_have_closed_and_been_loaded() -> None:
    instance = dg.DagsterInstance.ephemeral()
    answer = closed_week(dg.build_sensor_context(instance=instance))
    assert isinstance(answer, dg.SkipReason)
    successful_daily_run(instance, "2024-01-20")
    answer = closed_week(dg.build_sensor_context(instance=instance))
    assert isinstance(answer, dg.SensorResult)
    assert [r.partition_key for r in answer.run_requests or []] == ["2024-01-01", "2024-01-08"]
    successful_daily_run(instance, "2024-01-21")
    later = closed_week(dg.build_sensor_context(instance=instance, cursor=answer.cursor))
    assert isinstance(later, dg.SensorResult)
    assert [r.partition_key for r in later.run_requests or []] == ["2024-01-15"]
