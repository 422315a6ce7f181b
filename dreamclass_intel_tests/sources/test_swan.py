"""The visitor feed's raw tables against the world's visits; persons never land."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from dreamclass_intel.defs.swan import assets, normalise
from dreamclass_intel.defs.swan.client import SwanResource
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import Days
from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.clock import SandboxClock
from dreamclass_intel.sandbox.servers.server import running
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.sandbox.spelling import view
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets, vendor

FIRST, LAST = "2024-02-05", "2024-02-18"
DAYS = Days(dt.date(2024, 2, 5), dt.date(2024, 2, 19))
BOTH = [assets.swan_visits, assets.swan_companies]
VISITS, COMPANIES = "raw.swan_visits", "raw.swan_companies"


def seen(site: Any, days: Any) -> list[Any]:
    return [v for day in days for v in site.world.swan_visits(day) if v.seen_at <= site.now]


def test_visits_are_the_worlds(materialise, read, site):
    materialise([assets.swan_visits], FIRST, LAST)
    rows = read(f"SELECT * FROM {VISITS} ORDER BY seen_at, visit_id")
    truth = sorted(seen(site, DAYS), key=lambda v: (v.seen_at, v.visit_id))
    assert len(rows) == len(truth) > 30
    for row, visit in zip(rows, truth, strict=True):
        assert row["visit_id"] == visit.visit_id
        assert row["company_id"] == ids.swan_company_id(visit.school.school_id)
        assert row["company_domain"] == view(visit.school, "swan").domain
        assert row["seen_at"] == visit.seen_at.replace(tzinfo=None)
        assert row["_load_partition"] == visit.seen_at.date().isoformat()
        assert row["ga_client_id"] == visit.session.client_id
        assert (row["pageviews"], row["duration_s"]) == (visit.pageviews, visit.duration_s)
        assert (row["confidence"], row["intent_signal"]) == (visit.confidence, visit.intent_signal)
        assert row["provider"] == "swan"


def test_companies_sum_up_their_visits(materialise, read, site):
    materialise([assets.swan_companies], "2024-01-01", "2024-04-07")
    rows = {r["company_id"]: r for r in read(f"SELECT * FROM {COMPANIES}")}
    by_company: dict[str, list[Any]] = {}
    for visit in seen(site, Days(dt.date(2024, 1, 1), dt.date(2024, 4, 8))):
        by_company.setdefault(ids.swan_company_id(visit.school.school_id), []).append(visit)
    # A company that changed in the hours of the day that is not closed comes with that day.
    assert len(rows) > 100 and len(rows) >= len(by_company) - 30
    for company_id, row in rows.items():
        visits = by_company[company_id]
        assert row["visit_count"] == len(visits)
        assert row["first_seen_at"] == min(v.seen_at for v in visits).replace(tzinfo=None)
        assert row["last_seen_at"] == max(v.seen_at for v in visits).replace(tzinfo=None)
        assert row["updated_at"] >= row["last_seen_at"]
        assert row["_load_partition"] == row["updated_at"].date().isoformat()
        assert (row["employee_count"] is None) == (row["enriched_at"] is None)
        assert isinstance(json.loads(row["tech_stack"]), list)


def test_persons_never_land(materialise, read, sandbox):
    sent = list(SwanResource().visits(DAYS))
    named = [v for v in sent if v["person"]]
    assert named, "the feed names nobody, so this test proves nothing"
    materialise(BOTH, FIRST, LAST)
    text = str(read(f"SELECT * FROM {VISITS}")) + str(read(f"SELECT * FROM {COMPANIES}"))
    for word in ("person", "Alex", "Principal", "linkedin.com/in/", "alex.example@"):
        assert word not in text


def test_urls_lose_query_and_fragment_everywhere():
    url = "https://www.dreamclass.io/pricing?email=jo%40school.org&utm_source=x#jo"
    record = normalise.visit({"visit_id": "v", "page_url": url, "extra": {"email": "a@b.org", "n": 1}})
    assert record["page_url"] == record["_raw"]["page_url"] == "https://www.dreamclass.io/pricing"
    assert record["_raw"]["extra"] == {"n": 1}
    assert record["provider"] == "swan"


@pytest.mark.parametrize("size", [1, 11])
def test_paging_loses_and_repeats_nothing(sandbox, site, size):
    days = Days(dt.date(2024, 2, 5), dt.date(2024, 2, 9))

    def everything(client: SwanResource) -> list[str]:
        return [v["visit_id"] for v in client.visits(days)] + [c["company_id"] for c in client.companies(days)]

    small = everything(SwanResource(page_size=size))
    assert site.faults.requests["swan"] > 3
    assert small == everything(SwanResource())
    assert len(set(small)) == len(small) > 5


def test_days_in_any_order_equal_the_range(materialise):
    for day in ("2024-02-07", "2024-02-05", "2024-02-06"):
        materialise(BOTH, day)
    by_day = [content_hash(VISITS), content_hash(COMPANIES)]
    for _ in range(2):
        materialise(BOTH, "2024-02-05", "2024-02-07")
        assert [content_hash(VISITS), content_hash(COMPANIES)] == by_day


def test_a_company_moves_to_the_day_of_its_newest_change(materialise, read, site, settings_env, tmp_path: Path):
    """Loaded day by day as time goes by; loading past days again changes nothing."""
    start = dt.datetime(2024, 2, 5, 6, tzinfo=dt.UTC)
    moving = Site(site.world, SandboxClock(tmp_path / "clock.json", initial=start))
    with running(moving) as url:
        settings_env(SANDBOX_URL=url)
        for _ in range(5):
            yesterday = moving.now.date() - dt.timedelta(days=1)
            materialise([assets.swan_companies], yesterday.isoformat())
            moving.clock.advance(1)
        once = read(f"SELECT count(*) AS n, sum(visit_count) AS visits FROM {COMPANIES}")
        as_it_went = content_hash(COMPANIES)
        materialise([assets.swan_companies], "2024-02-06")
        assert content_hash(COMPANIES) == as_it_went
        materialise([assets.swan_companies], "2024-02-04", "2024-02-08")
        assert content_hash(COMPANIES) == as_it_went
    again = read(f"SELECT count(*) AS n FROM {COMPANIES} WHERE visit_count > 1 AND last_seen_at > first_seen_at")
    assert once[0]["n"] > 20
    assert again[0]["n"] > 0


@pytest.mark.parametrize("kind", ["429", "500", "503", "html", "truncated"])
def test_recovers(materialise, read, site, waits, kind):
    after = {"retry_after": 2} if kind == "429" else {}
    site.faults.add("swan", kind, 2, **after)
    materialise([assets.swan_visits], FIRST, LAST)
    assert read(f"SELECT count(*) AS n FROM {VISITS}") == [{"n": len(seen(site, DAYS))}]
    assert len(waits) == 2
    assert kind != "429" or waits == [2, 2]


def test_refused_key_fails_at_once_without_showing_it(materialise, site, sandbox, settings_env):
    settings_env(SWAN_API_KEY="swan-very-secret", SWAN_BASE_URL=f"{sandbox}/swan")
    result = materialise([assets.swan_visits], FIRST, LAST, raise_on_error=False)
    said = failure(result)
    assert "swan GET /v1/visits: HTTP 401 the key was refused; unknown API key" in said
    assert "swan-very-secret" not in said
    assert site.faults.requests["swan"] == 1


def test_an_answer_that_is_no_feed_is_an_error(materialise, settings_env):
    with vendor({"/v1/visits": lambda _: {"visits": []}}) as url:
        settings_env(SWAN_API_KEY="k", SWAN_BASE_URL=url)
        result = materialise([assets.swan_visits], FIRST, raise_on_error=False)
    assert "answer has no list 'data'" in failure(result)


@pytest.mark.parametrize("more", [{"has_more": True, "next_cursor": None}, {"has_more": True}, {}])
def test_a_page_that_promises_more_without_a_cursor_is_an_error(settings_env, more):
    with vendor({"/v1/visits": lambda _: {"data": [], **more}}) as url:
        settings_env(SWAN_API_KEY="k", SWAN_BASE_URL=url)
        with pytest.raises(SourceError, match=r"swan /v1/visits: HTTP 422 the page (says there is more|has no)"):
            list(SwanResource().visits(Days(dt.date(2024, 2, 5), dt.date(2024, 2, 6))))


def test_off_gives_typed_empty_tables(materialise, read, settings_env, site):
    settings_env(SWAN_MODE="off")
    off = fresh_assets("dreamclass_intel.defs.swan")
    materialise([off.swan_visits, off.swan_companies], FIRST, LAST)
    assert read(f"SELECT confidence FROM {VISITS}") == []
    assert read(f"SELECT tech_stack FROM {COMPANIES}") == []
    assert site.faults.requests["swan"] == 0
