"""GA4: the export by both routes and the Data API, through real runs, real HTTP and Google's own client."""

import datetime as dt
import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dreamclass_intel.defs.ga4 import assets, flatten, tables
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.normalise import reports
from dreamclass_intel.defs.ga4.shards import FolderShards
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import Days
from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.settings import SANDBOX_KEY, load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.sources.helpers import content_hash, event, failure, fresh_assets

EVENTS, REPORT = "raw.ga4_events", "raw.ga4_report_daily"
FIRST, LAST = "2024-02-05", "2024-02-07"
DAYS = [dt.date(2024, 2, 5), dt.date(2024, 2, 6), dt.date(2024, 2, 7)]


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Of the last materialisation of a run."""
    found = [e.materialization.metadata for e in result.all_events if e.is_step_materialization]
    return {name: value.value for name, value in found[-1].items()}


def told(site: Any, day: dt.date, max_late: int) -> Counter:
    """The world's hits of a day: (date, name, visitor, second)."""
    return Counter(
        (day, hit.hit.name, hit.session.client_id, int(hit.at.timestamp())) for hit in site.world.hits(day, max_late)
    )


def stored(read: Any, where: str = "duplicate_ordinal = 0") -> Counter:
    rows = read(f"SELECT event_date, event_name, user_pseudo_id, event_timestamp_us FROM {EVENTS} WHERE {where}")
    return Counter(
        (r["event_date"], r["event_name"], r["user_pseudo_id"], r["event_timestamp_us"] // 1_000_000) for r in rows
    )


# --- the export, as the sandbox publishes it --------------------------------------------------------------------


def test_events_are_the_worlds(materialise, read, site):
    result = materialise([assets.ga4_events], FIRST, LAST)
    wanted = sum((told(site, day, 2) for day in DAYS), Counter())
    assert stored(read) == wanted
    assert sum(wanted.values()) > 300
    assert metadata(result)["shards"] == 3
    dates = read(f"SELECT DISTINCT event_date, _load_partition, source_table FROM {EVENTS} ORDER BY 1")
    assert [(r["_load_partition"], r["source_table"]) for r in dates] == [
        (d.isoformat(), f"events_{d:%Y%m%d}") for d in DAYS
    ]
    # The date is the property's: two hours of the UTC day before belong to it.
    early = read(f"SELECT min(event_at) AS a, max(event_at) AS b FROM {EVENTS} WHERE event_date = DATE '2024-02-06'")
    assert early[0]["a"] >= dt.datetime(2024, 2, 5, 22)
    assert early[0]["b"] < dt.datetime(2024, 2, 6, 22)
    assert read(f"SELECT count(*) AS n FROM {EVENTS} WHERE event_at < event_date AND event_name = 'page_view'")[0]["n"]


def test_sessions_are_the_worlds(materialise, read, site):
    materialise([assets.ga4_events], FIRST)
    rows = read(f"SELECT * FROM {EVENTS} WHERE ga_session_id IS NOT NULL")
    sessions = {(s.client_id, s.ga_session_id): s for s in site.world.sessions(DAYS[0]) if s.client_id}
    seen = 0
    for row in rows:
        session = sessions.get((row["user_pseudo_id"], row["ga_session_id"]))
        if session is None:  # began before midnight
            continue
        seen += 1
        assert row["ga_session_number"] == session.ga_session_number
        assert row["user_id"] == session.user_id
        assert (row["device_category"], row["city"]) == (session.device, session.city)
        assert row["session_engaged"] in (True, False)
        if row["collected_source"]:
            assert (row["collected_source"], row["collected_medium"]) == (session.source, session.medium)
    assert seen > 100
    assert {r["event_name"] for r in rows} >= {"sign_up", "session_start", "page_view"}
    denied = read(
        f"SELECT DISTINCT user_pseudo_id, ga_session_id, user_id FROM {EVENTS} WHERE analytics_storage = 'No'"
    )
    assert denied == [{"user_pseudo_id": None, "ga_session_id": None, "user_id": None}]


def test_days_in_any_order_equal_the_range(materialise):
    for day in ("2024-02-07", "2024-02-05", "2024-02-06"):
        materialise([assets.ga4_events, assets.ga4_report_daily], day)
    by_day = content_hash(EVENTS), content_hash(REPORT)
    for _ in range(2):
        materialise([assets.ga4_events, assets.ga4_report_daily], FIRST, LAST)
        assert (content_hash(EVENTS), content_hash(REPORT)) == by_day


def test_a_republished_shard_replaces_the_first(materialise, read, settings_env, tmp_path):
    day = DAYS[0]
    own = build_site(7, 0.02, tmp_path / "clock.json")
    own.clock.initial = dt.datetime(2024, 2, 6, 18, tzinfo=dt.UTC)
    with running(own) as url:
        settings_env(SANDBOX_URL=url)
        materialise([assets.ga4_events], FIRST)
        first, modified = stored(read), read(f"SELECT max(table_last_modified) AS m FROM {EVENTS}")[0]["m"]
        assert first == told(own, day, 0)
        own.clock.advance(3)
        materialise([assets.ga4_events], FIRST)
    assert stored(read) == told(own, day, 2)
    assert sum(stored(read).values()) > sum(first.values())
    assert read(f"SELECT max(table_last_modified) AS m FROM {EVENTS}")[0]["m"] > modified


def test_a_shard_that_is_not_there_yet_is_no_failure(materialise, read, site):
    listed = Ga4Resource().shards()
    assert not any(shard.suffix == "20240407" for shard in listed.list_shards())
    result = materialise([assets.ga4_events], "2024-04-05", "2024-04-07")
    assert metadata(result)["not_yet_shards"] == ["2024-04-07"]
    # The streamed table of that day exists and is left alone.
    names = [f["name"] for f in listed._api.get("/export/")["files"]]
    assert "events_intraday_20240407.jsonl.gz" in names
    assert [r["d"] for r in read(f"SELECT DISTINCT event_date AS d FROM {EVENTS} ORDER BY 1")] == [
        dt.date(2024, 4, 5),
        dt.date(2024, 4, 6),
    ]


def test_unannounced_columns_and_repeats_are_kept(materialise, read):
    result = materialise([assets.ga4_events], "2024-03-12", "2024-03-14")
    assert metadata(result)["unknown_columns"] == ["surface_info"]
    rows = read(f"SELECT DISTINCT event_date, extra_columns FROM {EVENTS} WHERE extra_columns IS NOT NULL")
    assert [(r["event_date"].day, json.loads(r["extra_columns"])) for r in rows] == [
        (13, {"surface_info": {"entry": "web", "depth": "1"}})
    ]
    assert read(
        f"SELECT count(*) AS n FROM {EVENTS} WHERE event_date = DATE '2024-03-13' AND extra_columns IS NULL"
    ) == [{"n": 0}]


@pytest.mark.parametrize("path", ["/export/", "events_"])
@pytest.mark.parametrize("kind", ["429", "500", "html", "truncated"])
def test_export_recovers(materialise, read, site, waits, kind, path):
    after = {"retry_after": 3} if kind == "429" else {}
    if path == "/export/":
        site.faults.add("ga4", kind, 1, **after)
    else:  # the listing is let through
        site.faults.add("ga4", kind, 1, path=path, **after)
    materialise([assets.ga4_events], FIRST)
    assert stored(read) == told(site, DAYS[0], 2)
    assert len(waits) == 1
    assert kind != "429" or waits == [3]


@pytest.mark.parametrize("asset", [assets.ga4_events, assets.ga4_report_daily])
@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refusal_fails_at_once_and_shows_no_key(materialise, site, waits, asset, status):
    site.faults.add("ga4", status, 1)
    result = materialise([asset], FIRST, raise_on_error=False)
    assert not result.success
    assert f"HTTP {status}" in failure(result)
    assert SANDBOX_KEY not in failure(result)
    assert site.faults.requests["ga4"] == 1
    assert waits == []


# --- the export, as a folder ------------------------------------------------------------------------------------


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


# --- the Data API -----------------------------------------------------------------------------------------------


def test_report_numbers_are_the_exports(materialise, read):
    """Of the same rows: per day, everything that adds up over channels, and users and sessions within bounds."""
    materialise([assets.ga4_events, assets.ga4_report_daily], FIRST, LAST)
    from_export = read(
        "SELECT event_date AS d, count(*) AS events, count(DISTINCT (user_pseudo_id, ga_session_id)) "
        "FILTER (user_pseudo_id IS NOT NULL) AS sessions, count(DISTINCT (user_pseudo_id, ga_session_id)) "
        "FILTER (session_engaged) AS engaged, count(DISTINCT user_pseudo_id) AS users, count(DISTINCT user_pseudo_id) "
        "FILTER (event_name = 'first_visit') AS new_users, count(*) FILTER (user_pseudo_id IS NOT NULL AND event_name "
        f"IN ('sign_up', 'generate_lead', 'start_trial')) AS key_events FROM {EVENTS} GROUP BY 1 ORDER BY 1"
    )
    from_api = read(
        "SELECT report_date AS d, sum(event_count)::BIGINT AS events, sum(sessions)::BIGINT AS sessions, "
        "sum(engaged_sessions)::BIGINT AS engaged, sum(total_users)::BIGINT AS users, "
        f"sum(new_users)::BIGINT AS new_users, sum(key_events)::BIGINT AS key_events FROM {REPORT} "
        "GROUP BY 1 ORDER BY 1"
    )
    assert len(from_export) == 3
    for ours, theirs in zip(from_export, from_api, strict=True):
        assert theirs.pop("users") >= ours.pop("users") > 20  # one user may come by two channels
        assert theirs == ours


def test_report_channels_are_the_worlds(materialise, read, site):
    materialise([assets.ga4_report_daily], FIRST)
    found = {r["session_default_channel_group"]: r["sessions"] for r in read(f"SELECT * FROM {REPORT}")}
    hits = [h for h in site.world.hits(DAYS[0]) if h.session.client_id]
    direct = {(h.session.client_id, h.session.ga_session_id) for h in hits if h.session.channel == "direct"}
    email = {(h.session.client_id, h.session.ga_session_id) for h in hits if h.session.channel == "email"}
    assert (found["Direct"], found.get("Email", 0)) == (len(direct), len(email))
    assert set(found) >= {"Direct", "Organic Search", "Unassigned"}
    (row, *_) = read(f"SELECT * FROM {REPORT} WHERE session_default_channel_group = 'Direct'")
    assert (row["time_zone"], row["currency_code"], row["samples_read"]) == ("Europe/Athens", "USD", None)
    assert not any(row[name] for name in ("is_other_row", "subject_to_thresholding", "data_loss_from_other_row"))


def test_report_paging_loses_and_repeats_nothing(sandbox, site):
    def rows(**options: int) -> list[tuple[str, ...]]:
        window = Days(dt.date(2024, 2, 5), dt.date(2024, 2, 19))
        pages = Ga4Resource(**options).report(reports()["daily"], window)
        return [tuple(v.value for v in row.dimension_values) for page in pages for row in page.rows]

    whole = rows()
    site.faults.requests.clear()
    assert rows(page_size=7) == whole
    assert site.faults.requests["ga4"] == -(-len(whole) // 7)
    assert rows(days_per_request=3) == whole
    assert len(set(whole)) == len(whole) > 50


def test_quota_and_requests_are_metadata(materialise, site):
    result = materialise([assets.ga4_report_daily], "2024-01-01", "2024-04-05")
    assert metadata(result)["requests"] == 2 == site.faults.requests["ga4"]
    assert metadata(result)["quota_tokens_consumed"] == 4
    assert metadata(result)["quota_tokens_left_today"] == 199_999


@pytest.mark.parametrize("kind", ["429", "500", "503", "html"])
def test_report_recovers(materialise, read, site, waits, kind):
    after = {"retry_after": 3} if kind == "429" else {}
    site.faults.add("ga4", kind, 2, **after)
    materialise([assets.ga4_report_daily], FIRST)
    assert len(read(f"SELECT 1 FROM {REPORT}")) > 3
    assert len(waits) == 2
    assert kind != "429" or waits == [3, 3]


def test_what_google_withholds_is_marked(materialise, read, site):
    site.faults.add("ga4", "thresholded")
    materialise([assets.ga4_report_daily], FIRST)
    assert read(f"SELECT DISTINCT subject_to_thresholding AS t FROM {REPORT}") == [{"t": True}]
    site.faults.add("ga4", "sampled")
    materialise([assets.ga4_report_daily], FIRST)
    assert read(f"SELECT DISTINCT samples_read AS a, sampling_space AS b FROM {REPORT}") == [{"a": 500, "b": 10_000}]


def test_an_other_row_without_a_date_is_set_aside(materialise, read, site):
    site.faults.add("ga4", "other_row")
    materialise([assets.ga4_report_daily], FIRST, LAST)
    assert read(f"SELECT count(DISTINCT report_date) AS n, bool_and(data_loss_from_other_row) AS l FROM {REPORT}") == [
        {"n": 3, "l": True}
    ]
    (refused,) = read("SELECT * FROM raw.quarantine")
    assert (refused["field"], refused["_load_partition"]) == ("report_date", LAST)
    assert json.loads(refused["record"])["event_count"] == "1"


def test_another_time_zone_than_configured_fails_in_words(materialise, site):
    site.faults.add("ga4", "time_zone")
    result = materialise([assets.ga4_report_daily], FIRST, raise_on_error=False)
    assert not result.success
    assert "America/Los_Angeles" in failure(result)
    assert "Europe/Athens" in failure(result)


def test_off_gives_typed_empty_tables(materialise, read, settings_env, site):
    settings_env(GA4_MODE="off")
    off = fresh_assets("dreamclass_intel.defs.ga4")
    materialise([off.ga4_events, off.ga4_report_daily], FIRST)
    assert read(f"SELECT ga_session_id, event_params FROM {EVENTS}") == []
    assert read(f"SELECT key_events FROM {REPORT}") == []
    assert site.faults.requests["ga4"] == 0
