"""Which days of sessions dbt builds: those whose events are not the ones they were built from."""

import copy
import datetime as dt

import pytest

from dreamclass_intel.defs.dbt import changed_days as module
from dreamclass_intel.defs.dbt.changed_days import built_by, changed_days
from dreamclass_intel.defs.dbt.project import manifest
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

DAYS = [dt.date(2024, 1, n) for n in range(1, 11)]
THEN, LATER = dt.datetime(2024, 2, 1), dt.datetime(2024, 2, 2)


@pytest.fixture
def store(tmp_path):
    """Ten days of events, each built as it was loaded."""
    made = DuckDBWarehouse(tmp_path / "w.duckdb")
    with made.connect() as con:
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA intermediate")
        con.execute("CREATE TABLE raw.ga4_events (event_date DATE, _loaded_at TIMESTAMP)")
        con.execute(
            "CREATE TABLE intermediate.int_session_days (event_date DATE, built_by VARCHAR, loaded_at TIMESTAMP)"
        )
        for day in DAYS:
            con.execute("INSERT INTO raw.ga4_events VALUES (?, ?)", [day, THEN])
            con.execute("INSERT INTO intermediate.int_session_days VALUES (?, ?, ?)", [day, built_by(), THEN])
    return made


def change(store, statement, *values):
    with store.connect() as con:
        con.execute(statement, list(values))


def test_nothing_new_is_the_newest_day_again(store):
    assert changed_days(store) == {DAYS[-1]}  # BigQuery takes no empty list of partitions


def test_days_loaded_again_emptied_or_new_are_built(store):
    change(store, "UPDATE raw.ga4_events SET _loaded_at = ? WHERE event_date = ?", LATER, DAYS[2])
    change(store, "DELETE FROM raw.ga4_events WHERE event_date = ?", DAYS[4])
    change(store, "INSERT INTO raw.ga4_events VALUES (?, ?)", dt.date(2024, 1, 11), LATER)
    assert changed_days(store) == {DAYS[2], DAYS[4], dt.date(2024, 1, 11)}


def test_most_days_are_all_days(store):
    change(store, "UPDATE raw.ga4_events SET _loaded_at = ? WHERE event_date >= ?", LATER, DAYS[4])
    assert changed_days(store) is None


def test_a_model_that_was_never_built_or_is_empty_is_built_whole(store):
    change(store, "DELETE FROM intermediate.int_session_days")
    assert changed_days(store) is None
    change(store, "DROP TABLE intermediate.int_session_days")
    assert changed_days(store) is None


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("nodes", "model.dreamclass.int_session_days", "raw_code"),
        ("nodes", "model.dreamclass.stg_ga4__events", "raw_code"),  # a view it reads
        ("macros", "macro.dreamclass.event_order", "macro_sql"),
        ("macros", "macro.dreamclass.duckdb__load_day", "macro_sql"),  # of the view, by dispatch
    ],
)
def test_another_text_of_anything_it_is_made_of_builds_all(store, monkeypatch, kind, name, text):
    other = copy.deepcopy(manifest())
    other[kind][name][text] += " "
    monkeypatch.setattr(module, "manifest", lambda: other)
    built_by.cache_clear()
    try:
        assert changed_days(store) is None
    finally:
        built_by.cache_clear()
