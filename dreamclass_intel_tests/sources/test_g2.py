"""G2's raw table against the world's signals, and the client's query."""

import datetime as dt
from typing import Any

import pytest
from starlette.responses import JSONResponse

from dreamclass_intel.defs.g2 import assets, normalise
from dreamclass_intel.defs.g2.client import DIMENSIONS, G2Resource
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import Days
from dreamclass_intel.sandbox import ids
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets, vendor

FIRST, LAST = "2024-02-05", "2024-02-25"
DAYS = Days(dt.date(2024, 2, 5), dt.date(2024, 2, 26))
INTENT = "raw.g2_buyer_intent"


def signals(site: Any) -> list[Any]:
    return [s for day in DAYS for s in site.world.g2_signals(day)]


def test_rows_are_the_worlds_signals(materialise, read, site):
    materialise([assets.g2_buyer_intent], FIRST, LAST)
    rows = read(f"SELECT * FROM {INTENT}")
    truth = {
        (s.day, ids.g2_company_id(s.school.school_id), s.signal_type.removesuffix("_visit")): s for s in signals(site)
    }
    stored = {(r["intent_date"], r["company_id"], r["signal_type"]): r for r in rows}
    assert stored.keys() == truth.keys()
    assert len(rows) == len(stored) > 50
    for key, row in stored.items():
        told = truth[key]
        assert (row["total_activity"], row["visitor_count"]) == (told.activity, told.visitor_count)
        assert row["provider"] == told.provider
        assert row["last_seen_at"] == told.last_seen_at.replace(tzinfo=None)
        assert row["compared_product_name"] == told.competitor
        assert row["_load_partition"] == told.day.isoformat()
        assert row["subject_product_id"]
    assert {r["signal_type"] for r in rows} >= {"profile", "category", "comparison", "pricing", "alternatives"}


@pytest.mark.parametrize("size", [1, 9])
def test_paging_loses_and_repeats_nothing(sandbox, site, size):
    small = list(G2Resource(page_size=size).buyer_intent(DAYS))
    # A page more tells the days' totals, of which a page holds `size`.
    assert site.faults.requests["g2"] == -(-len(small) // size) + -(-len({r["day"] for r in small}) // size)
    whole = list(G2Resource().buyer_intent(DAYS))
    assert small == whole
    assert len({str(r) for r in small}) == len(small)


@pytest.mark.parametrize("faults", [12, 500])
def test_paging_through_unstable_ties_loses_and_repeats_nothing(sandbox, site, faults):
    whole = list(G2Resource().buyer_intent(DAYS))
    site.faults.add("g2", "unstable_ties", faults)
    found = list(G2Resource(page_size=5).buyer_intent(DAYS))
    assert sorted(map(str, found)) == sorted(map(str, whole))


@pytest.mark.parametrize("lost", ["some of a day", "a day"])
def test_rows_that_never_come_are_an_error(settings_env, lost):
    """A cursor that goes by the sort field alone skips the rest of its day."""

    def reply(request: Any) -> Any:
        if request.query_params["dimensions"] == "day":
            days = {"2024-02-05": 2, "2024-02-06": 1}
            rows = [{"attributes": {"day": day, "total_activity": n}} for day, n in days.items()]
            return {"data": rows, "links": {"next": None}}
        if "page[after]" in request.query_params:
            rows = [attributes(day="2024-02-06")] if lost == "some of a day" else []
            return {"data": [{"attributes": row} for row in rows], "links": {"next": None}}
        found = attributes() if lost == "some of a day" else attributes(total_activity=2)
        return {"data": [{"attributes": found}], "links": {"next": "/x?page%5Bafter%5D=abc"}}

    with vendor({"/api/v2/products/p/buyer_intent": reply}) as url:
        settings_env(G2_API_TOKEN="t", G2_PRODUCT_ID="p", G2_API_BASE=url)
        with pytest.raises(SourceError, match=r"2024-02-0\d: rows of \d signals out of \d, read 4 times"):
            list(G2Resource().buyer_intent(Days(dt.date(2024, 2, 5), dt.date(2024, 2, 7))))


def test_days_in_any_order_equal_the_range(materialise):
    for day in ("2024-02-08", "2024-02-06", "2024-02-07"):
        materialise([assets.g2_buyer_intent], day)
    by_day = content_hash(INTENT)
    for _ in range(2):
        materialise([assets.g2_buyer_intent], "2024-02-06", "2024-02-08")
        assert content_hash(INTENT) == by_day


@pytest.mark.parametrize("kind", ["429", "500", "503", "html", "truncated"])
def test_recovers(materialise, read, site, waits, kind):
    site.faults.add("g2", kind, 2)
    materialise([assets.g2_buyer_intent], FIRST, LAST)
    assert read(f"SELECT count(*) AS n FROM {INTENT}") == [{"n": len(signals(site))}]
    assert len(waits) == 2


def test_no_entitlement_fails_at_once_and_says_so(materialise, site):
    site.faults.add("g2", "403", 5)
    result = materialise([assets.g2_buyer_intent], FIRST, LAST, raise_on_error=False)
    assert "no access to Buyer Intent" in failure(result)
    assert site.faults.requests["g2"] == 1


def test_refused_token_fails_at_once_without_showing_it(materialise, site, sandbox, settings_env):
    settings_env(G2_API_TOKEN="g2-very-secret", G2_PRODUCT_ID="dreamclass", G2_API_BASE=f"{sandbox}/g2")
    said = failure(materialise([assets.g2_buyer_intent], FIRST, LAST, raise_on_error=False))
    assert "g2 GET /api/v2/products/dreamclass/buyer_intent: HTTP 401 the key was refused" in said
    assert "g2-very-secret" not in said
    assert site.faults.requests["g2"] == 1


def attributes(**more: Any) -> dict[str, Any]:
    row = {"subject_product_id": "us", "day": "2024-02-05", "company_id": "c", "signal_type": "profile"}
    return {**row, "total_activity": 1, "left_product_id": "us", **more}


def test_the_query_is_explicit_and_follows_the_cursor(materialise, read, settings_env):
    asked: list[Any] = []

    def reply(request: Any) -> Any:
        asked.append(dict(request.query_params) | {"authorization": request.headers["authorization"]})
        if request.query_params["dimensions"] == "day":
            return {"data": [{"attributes": {"day": FIRST, "total_activity": 2}}], "links": {"next": None}}
        last = "page[after]" in request.query_params
        rows = [{"id": "x", "type": "buyer_intent", "attributes": attributes(company_id=f"c{last}")}]
        # The host in the link is not the one asked: only its cursor counts.
        following = None if last else "http://data.example.com/api/v2/x?page%5Bafter%5D=abc%3D%3D&sort=day"
        return {"data": rows, "links": {"self": "…", "next": following, "prev": None}}

    with vendor({"/api/v2/products/prod-1/buyer_intent": reply}) as url:
        settings_env(G2_API_TOKEN="tok", G2_PRODUCT_ID="prod-1", G2_API_BASE=url)
        materialise([assets.g2_buyer_intent], FIRST)
    assert [r["company_id"] for r in read(f"SELECT company_id FROM {INTENT} ORDER BY 1")] == ["cFalse", "cTrue"]
    first, second, totals = asked
    assert first["authorization"] == "Bearer tok"
    assert first["dimensions"].split(",") == list(DIMENSIONS)
    assert not [d for d in DIMENSIONS if d.startswith("visitor")]
    assert first["sort"] == "day"
    assert first["page[size]"] == "250"
    assert (first["dimension_filters[day_gteq]"], first["dimension_filters[day_lt]"]) == (FIRST, "2024-02-06")
    assert second == {**first, "page[after]": "abc=="}
    assert totals == {**first, "dimensions": "day", "measures": "total_activity"}


def test_rows_that_differ_in_any_dimension_have_their_own_keys():
    plain = normalise.buyer_intent(attributes())
    others = [{name: "other"} for name in DIMENSIONS]
    keys = {normalise.buyer_intent(attributes(**other))["intent_key"] for other in others}
    assert len(keys | {plain["intent_key"]}) == len(DIMENSIONS) + 1
    # A measure is not part of it.
    assert normalise.buyer_intent(attributes(total_activity=9))["intent_key"] == plain["intent_key"]


@pytest.mark.parametrize(
    ("left", "right", "compared"), [("us", None, None), ("us", "rival", "rival"), ("rival", None, "rival")]
)
def test_the_compared_product_is_the_one_that_is_not_ours(left, right, compared):
    row = normalise.buyer_intent(attributes(left_product_id=left, right_product_id=right))
    assert row["compared_product_id"] == compared


def test_visitors_are_dropped_and_unknown_fields_kept(materialise, read, settings_env):
    sent = attributes(visitor_id="v-1", visitor_city="Volos", company_employees=51, buying_stage="decision")
    body = {"data": [{"id": "x", "attributes": sent}], "links": {"next": None}}
    with vendor({"/api/v2/products/p/buyer_intent": lambda _: body}) as url:
        settings_env(G2_API_TOKEN="t", G2_PRODUCT_ID="p", G2_API_BASE=url)
        materialise([assets.g2_buyer_intent], FIRST)
    (row,) = read(f"SELECT * FROM {INTENT}")
    assert "v-1" not in str(row) and "Volos" not in str(row)
    assert '"buying_stage":"decision"' in row["_raw"]
    assert row["company_employees"] == "51"


def test_an_error_body_is_read(materialise, settings_env):
    body = {"errors": [{"status": "400", "title": "sort value is not allowed"}]}
    with vendor({"/api/v2/products/p/buyer_intent": lambda _: JSONResponse(body, 400)}) as url:
        settings_env(G2_API_TOKEN="t", G2_PRODUCT_ID="p", G2_API_BASE=url)
        said = failure(materialise([assets.g2_buyer_intent], FIRST, raise_on_error=False))
    assert "HTTP 400" in said and "sort value is not allowed" in said


def test_off_gives_a_typed_empty_table(materialise, read, settings_env, site):
    settings_env(G2_MODE="off")
    materialise([fresh_assets("dreamclass_intel.defs.g2").g2_buyer_intent], FIRST, LAST)
    assert read(f"SELECT total_activity FROM {INTENT}") == []
    assert site.faults.requests["g2"] == 0
