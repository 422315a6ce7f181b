"""GA4's Data API, through real runs and Google's own client."""

import datetime as dt
import json

import pytest

from dreamclass_intel.defs.ga4 import assets
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.normalise import reports
from dreamclass_intel.partitions import Days
from dreamclass_intel_tests.sources.ga4_export import DAYS, EVENTS, FIRST, LAST, REPORT, metadata
from dreamclass_intel_tests.sources.helpers import failure, fresh_assets


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
