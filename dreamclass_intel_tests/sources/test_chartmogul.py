"""ChartMogul's raw tables against the world's ledger, over the real HTTP stand-in."""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from dreamclass_intel.defs.chartmogul import assets, normalise
from dreamclass_intel.defs.chartmogul.client import ChartMogulResource
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import Days
from dreamclass_intel.sandbox import ids
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets, vendor

FIRST, LAST = "2024-02-05", "2024-03-31"
NEWEST = "2024-04-07"
DAYS = Days(dt.date(2024, 2, 5), dt.date(2024, 4, 1))
RATES = {"usd": Fraction(1), "eur": Fraction(27, 25), "gbp": Fraction(127, 100)}
ACTIVITIES = "raw.chartmogul_activities"


def movements(site: Any) -> list[Any]:
    return [e for e in site.world.ledger(site.now) if DAYS.start_at <= e.at < DAYS.end_at]


def test_activities_are_the_ledgers_movements(materialise, read, site):
    materialise([assets.chartmogul_activities], FIRST, LAST)
    rows = read(f"SELECT * FROM {ACTIVITIES} ORDER BY activity_at, subscription_external_id")
    truth = sorted(movements(site), key=lambda e: (e.at, e.subscription_id))
    assert len(rows) == len(truth) > 10
    for row, entry in zip(rows, truth, strict=True):
        assert row["activity_at"] == entry.at.replace(tzinfo=None)
        assert row["_load_partition"] == entry.at.date().isoformat()
        assert row["movement_type"] == entry.movement
        assert row["customer_uuid"] == ids.chartmogul_customer_uuid(entry.school_id)
        assert (row["customer_external_id"], row["subscription_external_id"]) == (
            entry.customer_id,
            entry.subscription_id,
        )
        assert row["currency"] == "USD"
        wanted = entry.delta_minor * RATES[entry.currency]
        assert abs(Fraction(row["mrr_movement_minor"]) - wanted) <= Fraction(1, 10_000)
    assert any(row["mrr_movement_minor"] % 1 for row in rows), "no fraction of a cent was kept"


def test_daily_mrr_is_the_sum_of_all_movements(materialise, read):
    materialise([assets.chartmogul_activities, assets.chartmogul_mrr_daily], "2024-01-01", NEWEST)
    daily = read("SELECT * FROM raw.chartmogul_mrr_daily ORDER BY metric_date")
    assert len(daily) == 98
    sums: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    for row in read(f"SELECT * FROM {ACTIVITIES}"):
        sums[row["activity_at"].date(), row["movement_type"]] += row["mrr_movement_minor"]
    held = Decimal(0)
    for row in daily:
        parts = {
            "new_biz": row["new_business_minor"],
            "expansion": row["expansion_minor"],
            "contraction": row["contraction_minor"],
            "churn": row["churn_minor"],
            "reactivation": row["reactivation_minor"],
        }
        assert parts == {kind: sums[row["metric_date"], kind] for kind in parts}
        held += sum(parts.values())
        assert row["mrr_minor"] == held
    assert held > 0


def test_snapshots_hold_every_object(materialise, read, site):
    found = [assets.chartmogul_customers, assets.chartmogul_subscriptions, assets.chartmogul_plans]
    materialise(found, "2024-04-01", NEWEST)
    subscriptions = site.world.subscriptions(site.now)
    customers = read("SELECT * FROM raw.chartmogul_customers")
    assert {c["external_id"] for c in customers} == {s.customer_id for s in subscriptions}
    assert {c["_load_partition"] for c in customers} == {NEWEST}
    paying = {s.customer_id for s in subscriptions if s.current.mrr_minor}
    assert {c["external_id"] for c in customers if c["mrr_minor"]} == paying
    assert {c["status"] for c in customers if not c["customer_since_at"]} <= {"New_Lead"}
    stored = read("SELECT * FROM raw.chartmogul_subscriptions")
    assert {s["external_id"] for s in stored} == {s.subscription_id for s in subscriptions if s.paid_from}
    assert sum(s["mrr_minor"] for s in stored) == sum(c["mrr_minor"] for c in customers)
    plans = {p["external_id"] for p in read("SELECT * FROM raw.chartmogul_plans")}
    assert plans >= {s.current.price_id for s in subscriptions}


def test_no_personal_data(materialise, read, site):
    materialise([assets.chartmogul_customers], NEWEST)
    rows = read("SELECT * FROM raw.chartmogul_customers")
    contacts = {j.contact.email for j in site.world.journeys(site.now) if j.subscriptions}
    text = str(rows)
    assert rows
    assert not [email for email in contacts if email in text]
    assert '"email"' not in text
    assert all(r["email_hash"] and r["email_domain"] for r in rows)


@pytest.mark.parametrize("size", [1, 7])
def test_paging_loses_and_repeats_nothing(sandbox, site, size):
    def everything(client: ChartMogulResource) -> list[str]:
        return [a["uuid"] for a in client.activities(DAYS)] + [c["uuid"] for c in client.customers()]

    small = everything(ChartMogulResource(page_size=size))
    assert site.faults.requests["chartmogul"] > 5
    assert small == everything(ChartMogulResource())
    assert len(small) == len(set(small))


@pytest.mark.parametrize("kind", ["429", "500", "503", "html", "truncated"])
def test_recovers(materialise, read, site, waits, kind):
    after = {"retry_after": 7} if kind == "429" else {}
    site.faults.add("chartmogul", kind, 2, **after)
    materialise([assets.chartmogul_activities], FIRST, LAST)
    assert read(f"SELECT count(*) AS n FROM {ACTIVITIES}") == [{"n": len(movements(site))}]
    assert len(waits) == 2
    assert kind != "429" or waits == [7, 7]


def test_refused_key_fails_at_once_without_showing_it(materialise, site, sandbox, settings_env):
    settings_env(CHARTMOGUL_API_KEY="cm-very-secret", CHARTMOGUL_API_BASE=f"{sandbox}/chartmogul/v1")
    result = materialise([assets.chartmogul_activities], FIRST, LAST, raise_on_error=False)
    assert not result.success
    said = failure(result)
    assert "chartmogul GET /activities: HTTP 401 the key was refused; No valid API key provided" in said
    assert "cm-very-secret" not in said
    assert site.faults.requests["chartmogul"] == 1


def test_days_in_any_order_equal_the_range(materialise):
    for day in ("2024-03-07", "2024-03-05", "2024-03-06", "2024-03-04"):
        materialise([assets.chartmogul_activities, assets.chartmogul_mrr_daily], day)
    by_day = [content_hash(ACTIVITIES), content_hash("raw.chartmogul_mrr_daily")]
    for _ in range(2):
        materialise([assets.chartmogul_activities, assets.chartmogul_mrr_daily], "2024-03-04", "2024-03-07")
        assert [content_hash(ACTIVITIES), content_hash("raw.chartmogul_mrr_daily")] == by_day


def test_snapshot_of_a_past_day_is_refused(materialise):
    result = materialise([assets.chartmogul_plans], "2024-03-04", raise_on_error=False)
    assert "taken now it belongs to 2024-04-07" in failure(result)


def test_off_gives_typed_empty_tables(materialise, read, settings_env, site):
    settings_env(CHARTMOGUL_MODE="off")
    off = fresh_assets("dreamclass_intel.defs.chartmogul")
    materialise([off.chartmogul_activities, off.chartmogul_plans], FIRST, LAST)
    assert read(f"SELECT mrr_movement_minor FROM {ACTIVITIES}") == []
    assert read("SELECT plan_uuid FROM raw.chartmogul_plans") == []
    assert site.faults.requests["chartmogul"] == 0


@pytest.mark.parametrize(
    ("amount", "stored"),
    [(3000, "3000"), (3000.5, "3000.5"), (2416.6666666666665, "2416.666666667"), (-0.1, "-0.1"), (None, None)],
)
def test_amounts_keep_fractions_of_a_cent(amount, stored):
    assert normalise.minor(amount) == (None if stored is None else Decimal(stored))


def activity(uuid: str, date: str, **more: Any) -> dict[str, Any]:
    amounts = {"activity-mrr-movement": 10, "activity-mrr": 10, "activity-arr": 120}
    names = {"type": "new_biz", "currency": "USD", "customer-uuid": "cus_1"}
    return {"uuid": uuid, "date": date, **amounts, **names, **more}


def live(settings_env: Any, url: str) -> None:
    settings_env(CHARTMOGUL_API_KEY="k", CHARTMOGUL_API_BASE=f"{url}/v1")


def test_dates_without_offset_are_utc_and_offsets_move_the_day(materialise, read, settings_env):
    entries = [
        activity("a", "2024-03-04T23:30:00-05:00", **{"new-field": {"deep": [1, "jo@school.org"]}}),
        activity("b", "2024-03-05T01:00:00"),
        activity("c", "2024-03-04T23:30:00"),
        activity("d", "2024-03-06T00:30:00+02:00"),
    ]
    asked: list[dict[str, str]] = []

    def reply(request: Any) -> Any:
        asked.append(dict(request.query_params))
        return {"entries": entries, "has_more": False, "cursor": "always-there"}

    with vendor({"/v1/activities": reply}) as url:
        live(settings_env, url)
        materialise([assets.chartmogul_activities], "2024-03-05")
    rows = {r["activity_uuid"]: r for r in read(f"SELECT * FROM {ACTIVITIES}")}
    assert sorted(rows) == ["a", "b", "d"]
    assert rows["a"]["activity_at"] == dt.datetime.fromisoformat("2024-03-05T04:30:00")
    assert rows["a"]["activity_at_raw"] == "2024-03-04T23:30:00-05:00"
    assert '"deep":[1,"[e-mail]@school.org"]' in rows["a"]["_raw"]
    assert len(asked) == 1
    # The account's days may lie off UTC's: a day more is asked for on both sides.
    assert (asked[0]["start-date"], asked[0]["end-date"]) == ("2024-03-04", "2024-03-07")


def test_a_customer_deleted_meanwhile_is_skipped(settings_env):
    from starlette.responses import JSONResponse

    customers = [{"uuid": u, "status": s} for u, s in (("a", "Active"), ("b", "Active"), ("c", "New_Lead"))]
    with vendor(
        {
            "/v1/customers": lambda _: {"entries": customers, "has_more": False},
            "/v1/customers/a/subscriptions": lambda _: JSONResponse({"message": "not found"}, 404),
            "/v1/customers/b/subscriptions": lambda _: {"entries": [{"uuid": "s"}], "has_more": False},
        }
    ) as url:
        live(settings_env, url)
        assert list(ChartMogulResource().subscriptions()) == [{"uuid": "s", "customer_uuid": "b"}]


@pytest.mark.parametrize("more", [{"has_more": True, "cursor": None}, {"has_more": True}, {}])
def test_a_page_that_promises_more_without_a_cursor_is_an_error(settings_env, more):
    with vendor({"/v1/plans": lambda _: {"plans": [], **more}}) as url:
        live(settings_env, url)
        with pytest.raises(SourceError, match=r"chartmogul /plans: HTTP 422 the page (says there is more|has no)"):
            list(ChartMogulResource().plans())


def test_an_answer_without_its_list_is_an_error_not_an_empty_table(settings_env):
    with vendor({"/v1/plans": lambda _: {"error": "maintenance"}}) as url:
        live(settings_env, url)
        with pytest.raises(SourceError, match="no list 'plans'"):
            list(ChartMogulResource().plans())
