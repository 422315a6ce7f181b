"""GA4's export as a folder of shards: what lies in such folders, and what of it may not be loaded."""

import datetime as dt
import gzip
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dreamclass_intel.defs.ga4 import assets, flatten, tables
from dreamclass_intel.defs.ga4.shards import FolderShards
from dreamclass_intel.http import SourceError
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.sources.ga4_export import EVENTS, FIRST, LAST, metadata
from dreamclass_intel_tests.sources.helpers import content_hash, event, failure


@pytest.fixture
def folder(settings_env: Any, sandbox: str, tmp_path: Path) -> Any:
    """Writes shard files, which then are the export: `folder("events_20240205.jsonl.gz", event(), …)`."""
    where = tmp_path / "export"
    where.mkdir()
    settings_env(GA4_EXPORT_DIR=where, GA4_PROPERTY_ID="1", PII_KEY="k")

    def write(name: str, *rows: dict[str, Any], text: str | None = None) -> Path:
        body = "".join(json.dumps(row) + "\n" for row in rows) if text is None else text
        (where / name).write_bytes(gzip.compress(body.encode()) if name.endswith(".gz") else body.encode())
        return where / name

    return write


@pytest.mark.parametrize(
    ("params", "session_id", "engaged"),
    [
        ({"ga_session_id": 1747323152, "session_engaged": "1"}, 1747323152, True),
        ({"ga_session_id": "1747323152", "session_engaged": 1}, 1747323152, True),
        ({"ga_session_id": "s1747323152$o5$g1$t1747323200$j0", "session_engaged": "0"}, 1747323152, False),
        ({"ga_session_id": "garbage"}, None, None),
        ({}, None, None),
    ],
)
def test_session_parameters_come_in_many_types(materialise, read, folder, params, session_id, engaged):
    folder("events_20240205.jsonl.gz", event(params=params))
    materialise([assets.ga4_events], FIRST)
    (row,) = read(f"SELECT ga_session_id, session_engaged, event_params FROM {EVENTS}")
    assert (row["ga_session_id"], row["session_engaged"]) == (session_id, engaged)
    assert row["event_params"] == []  # what has a column is not stored twice


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (7, 7),
        ("7", 7),
        ("-7", -7),
        (3.0, 3),
        (1500.0, 1500),
        (3.5, None),
        (1e300, None),
        ("1e3", None),  # DuckDB reads 1000 here, BigQuery nothing
        ("1.5", None),
        ("1_000", None),
        (" 7", None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("", None),
    ],
)
def test_whole_numbers_are_digits_or_a_number_without_a_fraction(materialise, read, folder, given, whole):
    folder("events_20240205.jsonl.gz", event(params={"ga_session_id": given, "engagement_time_msec": given}))
    materialise([assets.ga4_events], FIRST)
    assert read(f"SELECT ga_session_id AS a, engagement_time_ms AS b FROM {EVENTS}") == [{"a": whole, "b": whole}]


def test_full_rows_flatten(materialise, read, folder):
    folder(
        "events_20240205.jsonl.gz",
        event(
            name="purchase",
            event_params=[
                {"key": "page_title", "value": {"string_value": 'A "quoted" \\ title\n'}},
                {"key": "engagement_time_msec", "value": {"int_value": "1200"}},
                {"key": "value", "value": {"string_value": "x"}},
                {"key": "weight", "value": {"double_value": 0.5}},
                {"key": "nothing", "value": {}},
            ],
            collected_traffic_source={"manual_source": "a", "manual_medium": "b", "gclid": "Cj0"},
            traffic_source={"source": "first", "medium": "m", "name": "n"},
            session_traffic_source_last_click={
                "manual_campaign": {"source": "(not set)"},
                "cross_channel_campaign": {"source": "google", "medium": "cpc", "default_channel_group": "Paid Search"},
            },
            batch_page_id="3",
            is_active_user=True,
        ),
        {"event_date": "20240205", "event_timestamp": "1707127200000000", "event_name": "bare"},
    )
    materialise([assets.ga4_events], FIRST)
    bare, full = read(f"SELECT * FROM {EVENTS} ORDER BY event_name")
    assert full["event_at"] == dt.datetime(2024, 2, 5, 10)
    shown = [(p["key"], p["string_value"], p["int_value"], p["double_value"]) for p in full["event_params"]]
    assert shown == [("nothing", None, None, None), ("value", "x", None, None), ("weight", None, None, 0.5)]
    assert (full["page_title"], full["engagement_time_ms"]) == ('A "quoted" \\ title\n', 1200)
    assert (full["collected_source"], full["has_gclid"], full["first_user_source"]) == ("a", True, "first")
    assert (full["session_source"], full["session_default_channel_group"]) == ("google", "Paid Search")
    assert (full["batch_page_id"], full["is_active_user"]) == (3, True)
    assert (bare["user_pseudo_id"], bare["event_params"], bare["has_gclid"]) == (None, [], False)


def test_no_address_lands(materialise, read, folder):
    params = {
        "page_location": "https://x.io/?e=anna.b%40school.org&f=Bo@kids.example",
        "page_referrer": "https://x.io/?mail=carl+x@school.org",
        "form_value": "dora@school.org",
    }
    folder("events_20240205.jsonl.gz", event(params=params, user_id="eve@school.org", novelty={"m": "finn@school.org"}))
    materialise([assets.ga4_events], FIRST)
    (row,) = read(f"SELECT * FROM {EVENTS}")
    everything = str(row).lower()
    assert not [name for name in ("anna", "bo@", "carl", "dora", "eve@", "finn") if name in everything]
    assert row["page_location"] == "https://x.io/?e=[e-mail]@school.org&f=[e-mail]@kids.example"
    assert row["user_id"] == "[e-mail]@school.org"


def test_no_address_of_any_script_lands(materialise, read, folder):
    params = {
        "page_location": "https://schüle.example/?e=josé%40schüle.de&f=müller@x.de",
        "page_title": "von\nnora@schule.de\u00a0an\u3000उदा@उदाहरण.भारत",
        "form_value": "o&brien'x@x.xn--p1ai",
    }
    folder("events_20240205.jsonl.gz", event(params=params, user_id="ева@школа.рф"))
    materialise([assets.ga4_events], FIRST)
    (row,) = read(f"SELECT * FROM {EVENTS}")
    everything = str(row)
    assert not [n for n in ("jos", "ller", "nora", "उदा@", "brien", "ева") if n in everything]
    assert row["page_location"] == "https://schüle.example/?e=[e-mail]@schüle.de&f=[e-mail]@x.de"
    assert row["page_title"] == "von\n[e-mail]@schule.de\u00a0an\u3000[e-mail]@उदाहरण.भारत"
    assert row["user_id"] == "[e-mail]@школа.рф"


def test_repeats_get_ordinals_and_different_rows_different_keys(materialise, read, folder):
    same = event(params={"ga_session_id": 5, "b": "x"})
    turned = {**same, "event_params": same["event_params"][::-1]}  # the order of parameters says nothing
    other = event(params={"ga_session_id": 5, "b": "y"})
    folder("events_20240205.jsonl.gz", same, turned, other, same)
    materialise([assets.ga4_events], FIRST)
    rows = read(f"SELECT event_key, duplicate_ordinal AS n FROM {EVENTS}")
    by_key = sorted(sorted(r["n"] for r in rows if r["event_key"] == key) for key in {r["event_key"] for r in rows})
    assert by_key == [[0], [0, 1, 2]]


def test_repeats_that_differ_beside_the_key_are_numbered_alike_in_any_order(materialise, read, folder):
    rows = [event() | {"platform": platform} for platform in ("WEB", "IOS", "ANDROID")]
    found = []
    for some in (rows, rows[::-1]):
        os.utime(folder("events_20240205.jsonl", *some), (0, 0))  # when it was published is stored too
        materialise([assets.ga4_events], FIRST)
        found.append(content_hash(EVENTS))
        numbers = read(f"SELECT platform, duplicate_ordinal AS n FROM {EVENTS} ORDER BY n")
        assert [(row["platform"], row["n"]) for row in numbers] == [("ANDROID", 0), ("IOS", 1), ("WEB", 2)]
    assert found[0] == found[1]
    assert DuckDBWarehouse(load_settings().database).audit(tables.EVENTS).problems == ()


def test_only_whole_days_are_read(materialise, read, folder):
    folder("events_20240205.jsonl.gz", event(1))
    folder("events_intraday_20240205.jsonl.gz", event(2))
    folder("events_fresh_20240205.jsonl.gz", event(3))
    folder("pseudonymous_users_20240205.jsonl.gz", event(4))
    materialise([assets.ga4_events], FIRST)
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": 1}]


@pytest.mark.parametrize(
    "names",
    [
        ("events_20240205.jsonl", "events_20240205.jsonl.gz"),
        ("events_20240205-000000000000.json", "events_20240205.json"),
        ("events_20240205-000000000000.json", "events_20240205_000000000000.json.gz"),
    ],
)
def test_a_day_that_lies_there_twice_is_refused(materialise, read, folder, names):
    for name in names:
        folder(name, event(1))
    folder("events_20240206.jsonl", event(2, date="20240206"))
    said = failure(materialise([assets.ga4_events], FIRST, raise_on_error=False))
    assert f"events_20240205: HTTP 409 GA4_EXPORT_DIR holds the day more than once: {', '.join(names)}" in said
    materialise([assets.ga4_events], "2024-02-06")
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": 1}]


def test_numbered_parts_of_a_day_are_one_shard(materialise, read, folder):
    folder("events_20240205-000000000000.json.gz", event(1))
    folder("events_20240205-000000000001.json", event(2))
    result = materialise([assets.ga4_events], FIRST)
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": 2}]
    assert metadata(result)["shards"] == 1


def test_parquet_gives_the_same_rows(materialise, read, folder):
    rows = [event(1, collected_traffic_source={"manual_source": "a"}, novelty={"q": 1}), event(2, params={"a": "b"})]
    path = folder("events_20240205.jsonl", *rows)
    materialise([assets.ga4_events], FIRST)
    columns = (
        "event_date: 'VARCHAR', event_timestamp: 'BIGINT', event_name: 'VARCHAR', user_pseudo_id: 'VARCHAR', "
        "event_params: 'STRUCT(key VARCHAR, value STRUCT(string_value VARCHAR, int_value BIGINT))[]', "
        "collected_traffic_source: 'STRUCT(manual_source VARCHAR)', novelty: 'STRUCT(q BIGINT)'"
    )
    names = "* EXCLUDE (_loaded_at, _run_id, _row_hash, table_last_modified)"
    from_json = read(f"SELECT {names} FROM {EVENTS} ORDER BY event_at")
    duckdb.connect().execute(
        f"COPY (SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})) "
        f"TO '{path.with_suffix('.parquet')}' (FORMAT parquet)"
    )
    path.unlink()
    materialise([assets.ga4_events], FIRST)
    assert read(f"SELECT {names} FROM {EVENTS} ORDER BY event_at") == from_json
    assert json.loads(from_json[0]["extra_columns"]) == {"novelty": {"q": 1}}


def test_a_gap_in_the_export_is_told_not_failed(materialise, read, folder):
    folder("events_20240205.jsonl.gz", event())
    folder("events_20240207.jsonl.gz", event(date="20240207"))
    result = materialise([assets.ga4_events], FIRST, LAST)
    assert metadata(result)["missing_shards"] == ["2024-02-06"]
    assert len(read(f"SELECT 1 FROM {EVENTS}")) == 2


def test_an_export_that_stopped_fails_and_names_the_days(materialise, folder):
    folder("events_20240205.jsonl.gz", event())
    result = materialise([assets.ga4_events], FIRST, LAST, raise_on_error=False)
    assert not result.success
    assert "2024-02-06, 2024-02-07" in failure(result)
    assert "2024-02-05," not in failure(result)


def test_an_expired_shard_does_not_take_the_stored_rows_with_it(materialise, read, folder):
    path = folder("events_20240205.jsonl.gz", event())
    folder("events_20240206.jsonl.gz", event(date="20240206"))
    materialise([assets.ga4_events], FIRST)
    path.unlink()
    result = materialise([assets.ga4_events], FIRST, "2024-02-06", raise_on_error=False)
    assert not result.success
    assert "2024-02-05" in failure(result)
    assert len(read(f"SELECT 1 FROM {EVENTS}")) == 1


def test_rows_without_what_a_row_needs_are_quarantined(materialise, read, folder):
    nameless, undated = event(1), event(2, date="20240206")
    del nameless["event_name"]
    folder("events_20240205.jsonl.gz", event(), nameless, undated)
    materialise([assets.ga4_events], FIRST)
    assert len(read(f"SELECT 1 FROM {EVENTS}")) == 1
    refused = read("SELECT reason, field, origin, _load_partition FROM raw.quarantine ORDER BY reason")
    assert [(r["field"], r["origin"], r["_load_partition"]) for r in refused] == [
        ("event_date", "events_20240205", FIRST),
        ("event_name", "events_20240205", FIRST),
    ]


def test_a_broken_file_fails_and_names_the_shard_not_the_record(materialise, read, folder):
    folder("events_20240205.jsonl.gz", text='{"event_date": "20240205", "user_id": "anna@school.org", "eve')
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert not result.success
    assert "events_20240205" in failure(result)
    assert "anna" not in failure(result)


def test_a_file_that_goes_while_it_is_read_takes_no_stored_row_with_it(materialise, read, folder, monkeypatch):
    path = folder("events_20240205.jsonl", event(1))
    materialise([assets.ga4_events], FIRST)
    listed = FolderShards.list_shards

    def then_gone(self):
        found = listed(self)
        path.unlink()
        return found

    monkeypatch.setattr(FolderShards, "list_shards", then_gone)
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert "events_20240205: changed or gone while it was read" in failure(result)
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": 1}]


def test_a_file_that_grows_while_it_is_read_fails_the_run(folder, tmp_path):
    path = folder("events_20240205.jsonl", event(1))
    source = FolderShards(path.parent)
    with (
        pytest.raises(SourceError, match=r"events_20240205\.\.events_20240205: changed while it was read") as caught,
        flatten.parts(source, source.list_shards(), tmp_path / "s", lambda unknown: None, "500MB", numbered=False),
    ):
        path.write_text(path.read_text() * 2)
    assert not caught.value.permanent


def test_a_day_in_two_formats_is_refused(materialise, folder):
    folder("events_20240205-000000000000.json", event(1))
    other = folder("other.json", event(2))
    duckdb.sql(f"COPY (FROM read_json('{other}')) TO '{other.parent}/events_20240205-000000000001.parquet'")
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert "lies there in two formats" in failure(result)


def test_a_file_that_is_no_parquet_is_named(materialise, folder):
    folder("events_20240205.parquet", text="no Parquet")
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert not result.success
    assert "raw.ga4_events: events_20240205.parquet: " in failure(result)


def test_live_without_a_folder_says_which_variable(materialise, settings_env):
    settings_env(GA4_MODE="live", GA4_PROPERTY_ID="1", PII_KEY="k")
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert "GA4_MODE=live needs GA4_EXPORT_DIR" in failure(result)
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_downloads_lie_as_they_came_and_are_gone_afterwards(tmp_path, monkeypatch):
    """Packed, and read in parts whatever their number; also when the load fails."""
    monkeypatch.setattr(flatten, "PART_ROWS", 6)
    spool, unknown = tmp_path / "spool", set()

    class Source:
        def list_shards(self) -> list[Any]:
            return [flatten.Shard(f"202402{n:02d}") for n in range(1, 9)]

        def open_shard(self, shard: Any, where: Path) -> list[Path]:
            path = where / f"{shard.table}.jsonl.gz"
            lines = [event(n, date=shard.suffix) for n in range(2)]
            path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
            return [path]

    def made(numbered: bool) -> Any:
        return flatten.parts(Source(), Source().list_shards(), spool, unknown.update, "500MB", numbered=numbered)

    with made(False) as parts:
        assert [(part.reads, part.rows) for part in parts] == [
            ("events_20240201..events_20240203", 6),
            ("events_20240204..events_20240206", 6),
            ("events_20240207..events_20240208", 4),
        ]
        assert len(list(spool.rglob("*.gz"))) == 8
    assert not list(spool.rglob("*"))
    assert sum(batch.num_rows for batch in flatten.streamed(made(True), spool, "500MB", {}).batches) == 16
    with pytest.raises(ZeroDivisionError), made(False):
        raise ZeroDivisionError
    assert not list(spool.rglob("*"))


def test_a_part_that_fails_names_its_shards_and_stores_nothing(materialise, read, folder):
    folder("events_20240205.jsonl", event(1))
    materialise([assets.ga4_events], FIRST)
    folder("events_20240205.jsonl", event(2), event(3), event(4) | {"event_timestamp": "anna@x.org"})
    result = materialise([assets.ga4_events], FIRST, raise_on_error=False)
    assert not result.success
    assert "raw.ga4_events: events_20240205: " in failure(result)
    assert "anna" not in failure(result)
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": 1}]
