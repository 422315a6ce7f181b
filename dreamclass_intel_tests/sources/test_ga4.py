"""GA4's export as the sandbox publishes it, through real runs, real HTTP and Google's own client."""

import datetime as dt
import json
from collections import Counter

import pytest

from dreamclass_intel.defs.ga4 import assets
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel_tests.sources.ga4_export import DAYS, EVENTS, FIRST, LAST, REPORT, metadata, stored, told
from dreamclass_intel_tests.sources.helpers import content_hash, failure


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
