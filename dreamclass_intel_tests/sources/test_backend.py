"""Backend events, contract dreamclass-events/1: every rule of docs/contracts/dreamclass-events.md."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.responses import JSONResponse

from dreamclass_intel.defs.backend import assets
from dreamclass_intel.defs.backend.client import BackendResource
from dreamclass_intel.http import SourceError
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets, vendor

EVENTS = "raw.backend_events"
FIRST, LAST = "2024-02-05", "2024-02-18"
START, END = dt.datetime(2024, 2, 5, tzinfo=dt.UTC), dt.datetime(2024, 2, 19, tzinfo=dt.UTC)


def event(event_id: str, received: str, occurred: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_name": "feature_used",
        "event_version": 1,
        "account_id": "acc",
        "user_id": "usr",
        "user_role": "admin",
        "actor_type": "user",
        "session_id": "s",
        "ga_client_id": None,
        "occurred_at": occurred or received,
        "received_at": received,
        "source": "web",
        "is_test": False,
        "properties": {"feature": "gradebook"},
        **more,
    }


@contextmanager
def backend(settings_env: Any, *events: dict[str, Any]) -> Iterator[list[dict[str, str]]]:
    """A live backend that holds just these events; yields the queries it was asked."""
    asked: list[dict[str, str]] = []

    def reply(request: Any) -> Any:
        query = dict(request.query_params)
        asked.append({**query, "authorization": request.headers["authorization"]})
        bounds = [dt.datetime.fromisoformat(query[name]) for name in ("received_after", "received_before")]
        found = [e for e in events if bounds[0] <= dt.datetime.fromisoformat(e["received_at"]) < bounds[1]]
        return {"data": found, "next_cursor": None, "has_more": False}

    with vendor({"/v1/events": reply}) as url:
        settings_env(BACKEND_BASE_URL=url, BACKEND_TOKEN="a-token")
        yield asked


def test_events_are_the_worlds(materialise, read, site):
    materialise([assets.backend_events], FIRST, LAST)
    truth = site.world.product_events(START, END)
    rows = read(f"SELECT * FROM {EVENTS} ORDER BY received_at, event_id")
    assert len(rows) == len(truth) > 100
    for row, told in zip(rows, truth, strict=True):
        assert (row["event_id"], row["event_name"], row["account_id"]) == (
            told.event_id,
            told.name,
            told.account_id,
        )
        assert row["_load_partition"] == told.received_at.date().isoformat()
        assert row["occurred_at"] == told.occurred_at.replace(tzinfo=None)
        assert row["lateness_s"] == int((row["received_at"] - row["occurred_at"]).total_seconds())
        assert json.loads(row["properties"]) == told.properties
    assert any(r["occurred_at"].date() < r["received_at"].date() for r in rows), "no late event to see"
    assert {r["is_test"] for r in rows} == {True, False}
    assert {r["actor_type"] for r in rows} >= {"user", "system"}


def test_days_in_any_order_equal_the_range(materialise):
    for day in ("2024-02-07", "2024-02-05", "2024-02-06"):
        materialise([assets.backend_events], day)
    by_day = content_hash(EVENTS)
    for _ in range(2):
        materialise([assets.backend_events], "2024-02-05", "2024-02-07")
        assert content_hash(EVENTS) == by_day


@pytest.mark.parametrize("size", [1, 13])
def test_paging_loses_and_repeats_nothing(sandbox, site, size):
    end = START + dt.timedelta(days=2)
    small = list(BackendResource(page_size=size).events(START, end))
    assert site.faults.requests["backend"] > 3
    assert small == list(BackendResource().events(START, end))
    assert len({e["event_id"] for e in small}) == len(small) > 5


def test_bounds_are_half_open(materialise, read, settings_env):
    moments = ["2024-02-04T23:59:59.999Z", "2024-02-05T00:00:00.000Z", "2024-02-05T23:59:59.999Z"]
    events = [event(f"e{n}", m) for n, m in enumerate([*moments, "2024-02-06T00:00:00.000Z"])]
    with backend(settings_env, *events) as asked:
        materialise([assets.backend_events], "2024-02-05")
    assert [r["event_id"] for r in read(f"SELECT event_id FROM {EVENTS} ORDER BY 1")] == ["e1", "e2"]
    assert asked[0]["received_after"] == "2024-02-05T00:00:00+00:00"
    assert asked[0]["authorization"] == "Bearer a-token"


def test_unknown_names_and_fields_do_not_stop_the_load(materialise, read, settings_env):
    odd = event("e", "2024-02-05T10:00:00.000Z", event_name="timetable_printed", event_version=9, region="eu")
    with backend(settings_env, odd):
        materialise([assets.backend_events], "2024-02-05")
    assert read(f"SELECT event_name, event_version FROM {EVENTS}") == [
        {"event_name": "timetable_printed", "event_version": 9}
    ]


def test_childrens_data_never_land(materialise, read, settings_env):
    told = {"count": 30, "import_id": "imp", "student_name": "Ada Lovelace", "email": "ada@school.org"}
    bulk = event("e", "2024-02-05T10:00:00.000Z", event_name="student_added", properties=told)
    lost = event("x", "2024-02-05T10:00:00.000Z", "2023-01-01T00:00:00Z", properties=told, student="Ada")
    with backend(settings_env, bulk, lost):
        materialise([assets.backend_events], "2024-02-05")
    stored = read(f"SELECT * FROM {EVENTS}")
    assert json.loads(stored[0]["properties"]) == {"count": 30, "import_id": "imp"}
    everything = str(stored) + str(read("SELECT * FROM raw.quarantine"))
    assert "Ada" not in everything
    assert "ada@" not in everything


def test_a_late_event_is_stored_where_it_was_received(materialise, read, settings_env):
    late = event("e", "2024-02-05T10:00:00.000Z", "2024-01-20T10:00:00.500Z")
    with backend(settings_env, late):
        materialise([assets.backend_events], "2024-02-05")
    (row,) = read(f"SELECT * FROM {EVENTS}")
    assert row["_load_partition"] == "2024-02-05"
    assert row["lateness_s"] == 16 * 86400 - 1
    assert row["occurred_at"] == dt.datetime.fromisoformat("2024-01-20T10:00:00.500")


@pytest.mark.parametrize(
    ("occurred", "reason"),
    [
        ("2024-02-05T10:05:00.000Z", None),
        ("2024-02-05T10:05:00.001Z", "5 minutes after"),
        ("2024-01-06T10:00:00.000Z", None),
        ("2024-01-06T09:59:59.999Z", "30 days before"),
    ],
)
def test_impossible_dates_are_quarantined_with_a_reason(materialise, read, settings_env, occurred, reason):
    events = [event("good", "2024-02-05T09:00:00.000Z"), event("e", "2024-02-05T10:00:00.000Z", occurred)]
    with backend(settings_env, *events):
        for _ in range(2):  # a re-run quarantines the same once
            materialise([assets.backend_events], "2024-02-05")
    stored = [r["event_id"] for r in read(f"SELECT event_id FROM {EVENTS} ORDER BY 1")]
    refused = read("SELECT * FROM raw.quarantine")
    if reason is None:
        assert (stored, refused) == (["e", "good"], [])
        return
    assert stored == ["good"]
    (row,) = refused
    assert reason in row["reason"]
    assert (row["table_name"], row["_load_partition"], row["field"]) == (EVENTS, "2024-02-05", "occurred_at")
    assert json.loads(row["record"])["event_id"] == "e"


def test_an_event_delivered_again_keeps_both_deliveries(materialise, read, settings_env):
    first = event("e", "2024-02-05T10:00:00.000Z")
    again = {**first, "received_at": "2024-02-05T11:00:00.000Z"}
    later = {**first, "received_at": "2024-02-06T11:00:00.000Z"}
    with backend(settings_env, first, first, again, later):
        materialise([assets.backend_events], "2024-02-05", "2024-02-06")
    received = [r["received_at"].hour for r in read(f"SELECT received_at FROM {EVENTS} ORDER BY received_at")]
    assert received == [10, 11, 11]


@pytest.mark.parametrize("kind", ["429", "500", "503", "html", "truncated"])
def test_recovers(materialise, read, site, waits, kind):
    after = {"retry_after": 3} if kind == "429" else {}
    site.faults.add("backend", kind, 2, **after)
    materialise([assets.backend_events], "2024-02-05")
    wanted = len(site.world.product_events(START, START + dt.timedelta(days=1)))
    assert read(f"SELECT count(*) AS n FROM {EVENTS}") == [{"n": wanted}]
    assert len(waits) == 2
    assert kind != "429" or waits == [3, 3]


def test_gives_up_after_a_while(sandbox, site, waits):
    site.faults.add("backend", "503", 50)
    with pytest.raises(SourceError, match="HTTP 503"):
        list(BackendResource().events(START, END))
    assert site.faults.requests["backend"] == 6


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_fails_at_once_without_showing_it(materialise, settings_env, status):
    asked: list[str] = []

    def refuse(request: Any) -> Any:
        asked.append(request.headers["authorization"])
        return JSONResponse({"message": "invalid token"}, status)

    with vendor({"/v1/events": refuse}) as url:
        settings_env(BACKEND_BASE_URL=url, BACKEND_TOKEN="be-very-secret")
        result = materialise([assets.backend_events], FIRST, raise_on_error=False)
    said = failure(result)
    assert f"backend GET /v1/events: HTTP {status}" in said
    assert "invalid token" in said
    assert "be-very-secret" not in said
    assert asked == ["Bearer be-very-secret"]


def test_an_expired_cursor_goes_on_from_the_newest_event(materialise, read, site, monkeypatch):
    from dreamclass_intel.defs.backend.client import RESOURCES

    monkeypatch.setitem(RESOURCES, "backend", BackendResource(page_size=5))
    site.faults.add("backend", "410", 1)
    materialise([assets.backend_events], "2024-02-05")
    wanted = site.world.product_events(START, START + dt.timedelta(days=1))
    stored = read(f"SELECT event_id FROM {EVENTS}")
    assert len(wanted) > 5
    assert sorted(r["event_id"] for r in stored) == sorted(e.event_id for e in wanted)
    assert site.faults.take("backend", "/backend/v1/events") is None


def test_a_cursor_that_is_always_expired_is_an_error(settings_env):
    def reply(request: Any) -> Any:
        if "cursor" in request.query_params:
            return JSONResponse({"message": "cursor expired"}, 410)
        page = [event("e", "2024-02-05T10:00:00.000Z")]
        return {"data": page, "next_cursor": "c", "has_more": True}

    with vendor({"/v1/events": reply}) as url:
        settings_env(BACKEND_BASE_URL=url, BACKEND_TOKEN="t")
        with pytest.raises(SourceError, match="HTTP 410"):
            list(BackendResource().events(START, END))


@pytest.mark.parametrize("more", [{"has_more": True, "next_cursor": None}, {"has_more": True}, {}])
def test_a_page_that_promises_more_without_a_cursor_is_an_error(settings_env, more):
    with vendor({"/v1/events": lambda _: {"data": [], **more}}) as url:
        settings_env(BACKEND_BASE_URL=url, BACKEND_TOKEN="t")
        with pytest.raises(SourceError, match=r"backend /v1/events: HTTP 422 the page (says there is more|has no)"):
            list(BackendResource().events(START, END))


def test_off_gives_a_typed_empty_table(materialise, read, settings_env, site):
    settings_env(BACKEND_MODE="off")
    materialise([fresh_assets("dreamclass_intel.defs.backend").backend_events], FIRST, LAST)
    assert read(f"SELECT lateness_s FROM {EVENTS}") == []
    assert site.faults.requests["backend"] == 0
