"""Days, and the 14-day grid of scoring windows."""

import datetime as dt

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.contracts import Grain
from dreamclass_intel.partitions import (
    DAILY,
    DEFINITIONS,
    SCORING_WINDOWS,
    START,
    WEEKLY,
    Days,
    ScoringWindow,
    register_windows,
    unregistered_windows,
    windows_until,
)

DAY = dt.timedelta(days=1)
days_after_start = st.dates(START, START + dt.timedelta(days=5_000))


@given(days_after_start)
def test_every_day_lies_in_exactly_one_window(day):
    window = ScoringWindow.containing(day)
    assert window.start <= day < window.end
    assert window.end - window.start == 14 * DAY
    assert (window.start - START).days % 14 == 0
    assert ScoringWindow.from_key(window.key) == window
    assert ScoringWindow.containing(window.end).start == window.end
    assert ScoringWindow.containing(window.end - DAY) == window


@given(st.dates(START - dt.timedelta(days=400), START + dt.timedelta(days=5_000)))
def test_only_grid_dates_are_windows(day):
    if day >= START and (day - START).days % 14 == 0:
        assert ScoringWindow(day).start == day
    else:
        with pytest.raises(ValueError, match=f"{day} is not on the 14-day grid anchored at {START}"):
            ScoringWindow(day)


@pytest.mark.parametrize("key", ["", "2024-13-01", "soon", (START + DAY).isoformat(), (START - 14 * DAY).isoformat()])
def test_keys_off_the_grid_are_refused(key):
    with pytest.raises(ValueError):
        ScoringWindow.from_key(key)


def test_no_window_holds_a_day_before_the_start():
    with pytest.raises(ValueError, match="not on the 14-day grid"):
        ScoringWindow.containing(START - DAY)


@given(st.dates(START - dt.timedelta(days=60), START + dt.timedelta(days=3_000)))
def test_windows_until_are_all_closed_ones_in_order(day):
    found = windows_until(day)
    assert [w.start for w in found] == [START + i * 14 * DAY for i in range(len(found))]
    assert all(w.end <= day for w in found)
    following = found[-1].end if found else START
    assert following + 14 * DAY > day


def test_windows_are_registered_without_gaps_and_in_order():
    instance = dg.DagsterInstance.ephemeral()
    name = str(SCORING_WINDOWS.name)
    newest = ScoringWindow(START + 14 * DAY * 4)
    assert register_windows(instance, newest) == [w.key for w in windows_until(newest.end)]
    assert len(instance.get_dynamic_partitions(name)) == 5
    assert register_windows(instance, newest) == []
    assert register_windows(instance, ScoringWindow(START)) == []
    later = ScoringWindow(START + 14 * DAY * 7)
    assert unregistered_windows(instance, later) == [(START + 14 * DAY * n).isoformat() for n in (5, 6, 7)]
    assert len(instance.get_dynamic_partitions(name)) == 5
    register_windows(instance, later)
    keys = list(instance.get_dynamic_partitions(name))
    assert keys == sorted(keys) == [(START + 14 * DAY * n).isoformat() for n in range(8)]
    instance.delete_dynamic_partition(name, keys[3])
    assert register_windows(instance, later) == [keys[3]]


@given(days_after_start, st.integers(1, 400), st.randoms(use_true_random=False))
def test_days_are_what_the_keys_say(first, count, rng):
    keys = [(first + i * DAY).isoformat() for i in range(count)]
    shuffled = rng.sample(keys, count)
    found = Days.of(shuffled)
    assert found.keys() == keys
    assert (found.start, found.last, found.end) == (first, first + (count - 1) * DAY, first + count * DAY)
    assert [d.isoformat() for d in found] == keys
    assert (found.start_at, found.end_at) == (
        dt.datetime.combine(first, dt.time(), dt.UTC),
        dt.datetime.combine(first + count * DAY, dt.time(), dt.UTC),
    )
    assert all(found.holds(key) for key in keys)
    assert not found.holds((first - DAY).isoformat())
    assert not found.holds(found.end.isoformat())


@pytest.mark.parametrize("keys", [["2024-01-01", "2024-01-03"], ["2024-01-01", "2024-01-01"]])
def test_days_with_gaps_are_refused(keys):
    with pytest.raises(ValueError, match="not contiguous"):
        Days.of(keys)


def test_definitions_are_anchored_on_mondays():
    assert set(DEFINITIONS) == set(Grain)
    assert DEFINITIONS[Grain.NONE] is None
    now = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    days, weeks = DAILY.get_partition_keys(now), WEEKLY.get_partition_keys(now)
    assert all(dt.date.fromisoformat(week).weekday() == 0 for week in weeks)
    assert (dt.date.fromisoformat(weeks[0]) - START).days in range(7)
    assert (days[0], days[-1]) == (START.isoformat(), "2024-02-29")
    assert weeks[-1] == "2024-02-19"  # the week of the 26th is not over
