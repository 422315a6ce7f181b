"""The GA4 stand-in against official truth: the export's schema, Google's client, the channel-group rules."""

import csv
import datetime as dt
import gzip
import json
import re
from typing import Any

import duckdb
import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient, types
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, Forbidden
from google.auth.credentials import AnonymousCredentials

from dreamclass_intel.defs.ga4.flatten import READ, SCHEMA
from dreamclass_intel.sandbox import channels
from dreamclass_intel.sandbox.servers._ga4_events import Export, default_channel_group
from dreamclass_intel.sandbox.world import World, WorldConfig
from dreamclass_intel.settings import SANDBOX_KEY, Ga4Settings
from dreamclass_intel_tests.conftest import SHARED

PROPERTY = f"properties/{Ga4Settings.sandbox_property}"
FITS = {
    "STRING": lambda v: isinstance(v, str),
    "INTEGER": lambda v: isinstance(v, str) and re.fullmatch(r"-?\d+", v),  # JSON exports render INT64 as text
    "FLOAT": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "BOOLEAN": lambda v: isinstance(v, bool),
}


def problems(value: Any, kind: Any, path: str = "") -> list[str]:
    """Where a value leaves the schema."""
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{path} is not repeated"]
        return [p for item in value for p in problems(item, kind[0], path)]
    if isinstance(kind, dict):
        unknown = [f"{path}.{name} is unknown" for name in value if name not in kind]
        return unknown + [p for n, v in value.items() if n in kind for p in problems(v, kind[n], f"{path}.{n}")]
    return [] if FITS[kind](value) else [f"{path}={value!r} is no {kind}"]


@pytest.fixture(scope="module")
def export() -> Export:
    return Export(World(WorldConfig(seed=7, scale=0.02)))


def rows(export: Export, day: dt.date, max_late: int = 2) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(export.shard(day, max_late)).splitlines()]


@pytest.mark.parametrize(
    ("day", "unknown"),
    [
        (dt.date(2024, 2, 5), []),
        (dt.date(2024, 3, 13), ["surface_info"]),
        (dt.date(2024, 7, 17), []),
        (dt.date(2025, 6, 2), []),
        (dt.date(2026, 6, 10), []),
    ],
)
def test_shards_follow_the_export_schema(export, day, unknown):
    found = rows(export, day)
    assert len(found) > 100
    assert sorted({p for row in found for p in problems(row, SCHEMA)}) == [f".{name} is unknown" for name in unknown]
    assert {row["event_date"] for row in found} == {f"{day:%Y%m%d}"}
    for row in found:
        set_members = [len(p["value"]) for p in row["event_params"]]
        assert set(set_members) == {1}, "exactly one member of a value is set"


def test_the_schema_check_can_fail():
    assert problems({"event_timestamp": 5}, SCHEMA) == [".event_timestamp=5 is no INTEGER"]
    assert problems({"device": {"x": "y"}}, SCHEMA) == [".device.x is unknown"]
    assert problems({"items": {}}, SCHEMA) == [".items is not repeated"]


def test_columns_come_when_google_added_them(export):
    old, new, newest = (rows(export, day) for day in (dt.date(2024, 7, 16), dt.date(2024, 7, 17), dt.date(2026, 6, 10)))
    added = {"batch_event_index", "batch_page_id", "batch_ordering_id", "session_traffic_source_last_click"}
    assert not added & {name for row in old for name in row}
    assert added <= {name for row in new for name in row}
    assert "event_original_occurrence_timestamp" in newest[0]
    kinds = {next(iter(p["value"])) for row in newest for p in row["event_params"] if p["key"] == "ga_session_id"}
    assert kinds == {"int_value", "string_value"}
    crossed = [
        r["session_traffic_source_last_click"]["cross_channel_campaign"] for r in newest if r.get("user_pseudo_id")
    ]
    assert {"AI Assistant", "Direct"} <= {c["default_channel_group"] for c in crossed}
    assert {c["medium"] for c in crossed if c["default_channel_group"] == "AI Assistant"} == {"ai-assistant"}


def test_a_user_keeps_the_first_touch(export):
    """traffic_source is the user's first session's, whatever brought them this time."""
    first: dict[str, Any] = {}
    checked = 0
    for number in range(21):
        for row in rows(export, dt.date(2024, 2, 5) + dt.timedelta(days=number)):
            user = row.get("user_pseudo_id")
            if user is None:
                assert "traffic_source" not in row
                continue
            params = {p["key"]: p["value"] for p in row["event_params"]}
            if params["ga_session_number"] == {"int_value": "1"}:
                first.setdefault(user, row["traffic_source"])
            elif user in first:
                checked += 1
                assert row["traffic_source"] == first[user]
    assert checked > 50


def test_what_is_read_is_in_the_schema():
    """Names and types of the loader's reading, against the restated schema."""
    sql = {"STRING": "VARCHAR", "INTEGER": "BIGINT", "FLOAT": "DOUBLE", "BOOLEAN": "BOOLEAN"}

    def compare(kind: Any, read: Any) -> None:
        if isinstance(kind, list):
            assert read.id == "list"
            compare(kind[0], read.children[0][1])
        elif isinstance(kind, dict):
            for name, inner in read.children:
                compare(kind[name], inner)
        else:
            assert str(read) == sql[kind]

    for name, text in READ.items():
        compare(SCHEMA[name], duckdb.sqltype(text))


@pytest.mark.shared
def test_the_restated_schema_is_the_published_one():
    path = SHARED / "specs" / "ga4_events_schema.json"
    if not path.exists():
        pytest.skip("../shared is not here")

    def restate(fields: list[dict[str, Any]]) -> dict[str, Any]:
        out = {}
        for field in fields:
            kind = restate(field["fields"]) if "fields" in field else field["type"]
            out[field["name"]] = [kind] if field["mode"] == "REPEATED" else kind
        return out

    assert restate(json.loads(path.read_text())) == SCHEMA
    assert len(SCHEMA) == 31


@pytest.mark.shared
def test_channel_groups_follow_googles_source_lists():
    """The stand-in's short rules give what the published list of 819 sources gives, for every tag of the world."""
    path = SHARED / "specs" / "ga4_source_categories.csv"
    if not path.exists():
        pytest.skip("../shared is not here")
    with path.open() as file:
        category = {
            row["source"]: row["source_category"].removeprefix("SOURCE_CATEGORY_") for row in csv.DictReader(file)
        }
    for table in channels._TAGS.values():
        for tag in table.items:
            group, listed = default_channel_group(tag.source, tag.medium), category.get(tag.source.lower())
            paid = re.fullmatch(r".*cp.*|ppc|retargeting|paid.*", tag.medium) is not None
            if tag.source == "(direct)":
                wanted = "Direct"
            elif listed:
                wanted = f"{'Paid' if paid else 'Organic'} {listed.title()}"
            else:
                others = {"email": "Email", "e-mail": "Email", "referral": "Referral"}
                wanted = "Paid Other" if paid else others[tag.medium]
            assert group == wanted, tag


# --- as Google's own client sees it -------------------------------------------------------------------------------


@pytest.fixture
def client(sandbox: str) -> BetaAnalyticsDataClient:
    return BetaAnalyticsDataClient(
        credentials=AnonymousCredentials(),
        transport="rest",
        client_options=ClientOptions(api_endpoint=f"{sandbox}/ga4"),
    )


def request(**more: Any) -> types.RunReportRequest:
    return types.RunReportRequest(
        **{
            "property": PROPERTY,
            "date_ranges": [types.DateRange(start_date="2024-02-05", end_date="2024-02-07")],
            "dimensions": [types.Dimension(name="date")],
            "metrics": [types.Metric(name="sessions"), types.Metric(name="keyEvents")],
            **more,
        }
    )


def test_the_client_reads_an_answer(client):
    answer = client.run_report(request(return_property_quota=True))
    assert [h.name for h in answer.dimension_headers] == ["date"]
    assert [h.type_.name for h in answer.metric_headers] == ["TYPE_INTEGER", "TYPE_FLOAT"]
    assert sorted(row.dimension_values[0].value for row in answer.rows) == ["20240205", "20240206", "20240207"]
    assert (answer.row_count, answer.kind) == (3, "analyticsData#runReport")
    assert answer.metadata.time_zone == "Europe/Athens"
    assert answer.property_quota.tokens_per_day.consumed == 1
    assert not client.run_report(request()).property_quota


def test_limit_offset_and_order(client):
    by_date = [types.OrderBy(dimension=types.OrderBy.DimensionOrderBy(dimension_name="date"), desc=True)]
    whole = client.run_report(request(order_bys=by_date))
    dates = [row.dimension_values[0].value for row in whole.rows]
    assert dates == ["20240207", "20240206", "20240205"]
    page = client.run_report(request(order_bys=by_date, limit=1, offset=1))
    assert [row.dimension_values[0].value for row in page.rows] == dates[1:2]
    assert page.row_count == 3
    past = client.run_report(request(order_bys=by_date, offset=3))
    assert (len(past.rows), past.row_count) == (0, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": [types.Dimension(name="date"), types.Dimension(name="shoeSize")]},
        {"limit": 250_001},
        {"date_ranges": [types.DateRange(start_date="2024-02-07", end_date="2024-02-05")]},
    ],
)
def test_wrong_requests_are_refused(client, wrong):
    with pytest.raises(BadRequest) as caught:
        client.run_report(request(**wrong))
    assert caught.value.code == 400


def test_another_property_is_forbidden(client):
    with pytest.raises(Forbidden, match="sufficient permissions"):
        client.run_report(request(property="properties/1"))


def test_metadata_names_what_can_be_asked(client):
    found = client.get_metadata(name=f"{PROPERTY}/metadata")
    assert "sessionDefaultChannelGroup" in {d.api_name for d in found.dimensions}
    assert "keyEvents" in {m.api_name for m in found.metrics}


def test_days_appear_when_they_are_published(client, site):
    """The newest day is neither in the export nor in the reports yet."""
    answer = client.run_report(
        request(date_ranges=[types.DateRange(start_date="2024-04-05", end_date="2024-04-07")], order_bys=[])
    )
    dates = {row.dimension_values[0].value for row in answer.rows}
    assert dates == {f"{d:%Y%m%d}" for d in (dt.date(2024, 4, 5), dt.date(2024, 4, 6))}


def test_the_listing_holds_published_files_only_and_wants_the_key(sandbox):
    assert requests.get(f"{sandbox}/ga4/export/", timeout=60).status_code == 401
    headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
    files = requests.get(f"{sandbox}/ga4/export/", headers=headers, timeout=60).json()["files"]
    names = [f["name"] for f in files]
    assert names[0] == "events_20240101.jsonl.gz"
    assert names[-3:] == [
        "events_20240406.jsonl.gz",
        "events_intraday_20240407.jsonl.gz",
        "events_intraday_20240408.jsonl.gz",
    ]
    for name, status in ((names[-1], 200), ("events_20240408.jsonl.gz", 404)):
        assert requests.get(f"{sandbox}/ga4/export/{name}", headers=headers, timeout=60).status_code == status
