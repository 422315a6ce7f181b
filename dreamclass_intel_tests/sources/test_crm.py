"""The CRM's raw tables from HubSpot against the world's truth, over the real HTTP stand-in."""

import copy
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from dreamclass_intel.defs.crm import assets, normalise
from dreamclass_intel.defs.crm.client import CrmResource
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import Days
from dreamclass_intel.sandbox import ids
from dreamclass_intel.sandbox.servers import _hubspot_search, hubspot
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets

FIRST, LAST = "2024-03-04", "2024-03-10"
NEWEST = "2024-04-07"
WEEK = Days(dt.date(2024, 3, 4), dt.date(2024, 3, 11))
ALL = Days(dt.date(2024, 1, 1), dt.date(2024, 4, 8))
MUTABLE = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}


def naive(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def millis(moment: dt.datetime) -> dt.datetime:
    """As HubSpot keeps it."""
    return naive(moment.replace(microsecond=moment.microsecond // 1000 * 1000))


@contextmanager
def changed_store(site: Any, change: Callable[[Any], None]) -> Iterator[None]:
    """The stand-in with a changed object store."""
    CrmResource().pipelines()  # builds it
    moment, store = site.cache["hubspot"]
    altered = copy.deepcopy(store)
    change(altered)
    site.cache["hubspot"] = (moment, altered)
    try:
        yield
    finally:
        site.cache["hubspot"] = (moment, store)


def modify(record: Any, kind: str, at: dt.datetime, **properties: str | None) -> None:
    record.updated_at = at
    record.typed.clear()
    record.properties |= {**properties, MUTABLE[kind]: at.isoformat()}


def test_deals_and_their_stages_are_the_truth(materialise, read, site):
    materialise([assets.crm_deals, assets.crm_stage_history], "2024-03-18", NEWEST)
    since = dt.datetime(2024, 3, 18, tzinfo=dt.UTC)
    truth = [d for d in site.world.deals(site.now) if max(at for _, at in d.stages) >= since]
    rows = {r["deal_id"]: r for r in read("SELECT * FROM raw.crm_deals")}
    assert len(rows) == len(truth) > 40
    companies = {c.company_id: c.school.school_id for c in site.world.crm_companies(site.now)}
    for deal in truth:
        row = rows[deal.deal_id]
        assert row["_load_partition"] == max(at for _, at in deal.stages).date().isoformat()
        assert (row["stage_id"], row["pipeline_id"]) == (deal.stages[-1][0], deal.pipeline)
        assert row["amount"] == Decimal(deal.amount_minor) / 100
        assert row["currency"] == deal.currency.upper()
        assert (row["is_closed"], row["is_won"]) == (deal.outcome != "open", deal.outcome == "won")
        assert row["created_at"] == millis(deal.created_at)
        closed = None if deal.outcome == "open" or deal.closed_at is None else millis(deal.closed_at)
        assert row["closed_at"] == closed
        assert (row["expected_close_at"] is None) == row["is_closed"]
        assert row["lost_reason"] == deal.lost_reason
        assert companies[row["company_id"]] == deal.school_id
        assert row["contact_ids"] == f'["{ids.hubspot_contact_id(deal.lead_id)}"]'
    history = read("SELECT deal_id, to_stage, changed_at, pipeline_id FROM raw.crm_stage_history")
    assert {(h["deal_id"], h["to_stage"], h["changed_at"], h["pipeline_id"]) for h in history} == {
        (d.deal_id, stage, millis(at), d.pipeline) for d in truth for stage, at in d.stages if at >= since
    }
    # What the pipeline charts need follows from these columns.
    weekly = read("""SELECT date_trunc('week', created_at)::DATE AS week, count(*) AS n FROM raw.crm_deals
                     WHERE created_at >= '2024-03-18' GROUP BY ALL""")
    new = [d.created_at.date() for d in site.world.deals(site.now) if d.created_at >= since]
    assert {r["week"]: r["n"] for r in weekly} == Counter(d - dt.timedelta(days=d.weekday()) for d in new)
    (win,) = read("SELECT avg(is_won::INT) AS rate FROM raw.crm_deals WHERE is_closed")
    decided = [d for d in truth if d.outcome != "open"]
    assert win["rate"] == pytest.approx(sum(d.outcome == "won" for d in decided) / len(decided))


def test_companies_contacts_and_leads_of_a_week(materialise, read, site):
    materialise([assets.crm_companies, assets.crm_contacts, assets.crm_leads], FIRST, LAST)
    truth = {c.company_id: c for c in site.world.crm_companies(site.now) if WEEK.start_at <= c.updated_at < WEEK.end_at}
    companies = {c["company_id"]: c for c in read("SELECT * FROM raw.crm_companies")}
    assert set(companies) == set(truth)
    for key, company in truth.items():
        row = companies[key]
        assert row["_load_partition"] == company.updated_at.date().isoformat()
        assert row["created_at"] == millis(company.created_at)
        assert (row["lifecycle_stage"], row["stripe_customer_id"]) == (
            company.lifecycle_stage,
            company.stripe_customer_id,
        )
        assert "timetable_software" in row["_raw"]  # the account's own property survives
    contacts = read("SELECT * FROM raw.crm_contacts WHERE NOT _is_deleted")
    assert len(contacts) > 20
    journeys = {ids.hubspot_contact_id(j.lead.lead_id): j for j in site.world.journeys(site.now)}
    school = {c.company_id: c.school.school_id for c in site.world.crm_companies(site.now)}
    for row in contacts:
        journey = journeys[row["contact_id"]]
        assert school[row["company_id"]] == journey.lead.school_id
        assert row["email_domain"] == journey.lead.email.split("@")[1].lower()
        assert len(row["email_hash"]) == 64
        assert WEEK.holds(row["_load_partition"])
    leads = {r["lead_id"]: r for r in read("SELECT * FROM raw.crm_leads WHERE NOT _is_deleted")}
    assert set(leads) == {c["contact_id"] for c in contacts}
    for key, row in leads.items():
        lead = journeys[key].lead
        tagged = lead.medium not in ("(none)", "organic", "referral")
        assert (row["lead_source"] == lead.source) == tagged or not tagged
        assert (row["medium"], row["campaign"]) == ((lead.medium, lead.campaign) if tagged else (None, None))
        assert (row["outcome"] == "converted") == row["is_converted"] == (row["converted_at"] is not None)
    assert {r["outcome"] for r in leads.values()} >= {"open", "lost"}


def test_no_personal_data_is_stored(materialise, read, site):
    every = [assets.crm_companies, assets.crm_contacts, assets.crm_leads, assets.crm_deals, assets.crm_owners]
    materialise(every, "2024-04-01", NEWEST)
    stored = "\n".join(
        str(row)
        for table in ("companies", "contacts", "leads", "deals", "owners")
        for row in read(f"SELECT * FROM raw.crm_{table}")
    ).lower()
    assert stored
    shown = {r["contact_id"] for r in read("SELECT contact_id FROM raw.crm_contacts")}
    people = [j.contact for j in site.world.journeys(site.now) if ids.hubspot_contact_id(j.lead.lead_id) in shown]
    assert len(people) > 20
    for person in people:
        assert person.email.lower() not in stored
        assert f"'{person.last_name.lower()}'" not in stored and f'"{person.last_name.lower()}"' not in stored
    assert "marlin" not in stored and "@dreamclass" not in stored
    assert read("SELECT count(DISTINCT email_hash) AS n FROM raw.crm_owners") == [{"n": 4}]


def test_deleted_contacts_become_tombstones_on_the_day_they_went(materialise, read, site):
    gone = list(CrmResource().archived("contacts", ("email",), ALL))
    assert gone
    day = gone[0]["archivedAt"][:10]
    materialise([assets.crm_contacts, assets.crm_leads], day)
    for table, key in (("contacts", "contact_id"), ("leads", "lead_id")):
        rows = read(f"SELECT {key} AS id, _load_partition FROM raw.crm_{table} WHERE _is_deleted")
        assert rows == [{"id": g["id"], "_load_partition": day} for g in gone if g["archivedAt"].startswith(day)]


def test_paging_passes_the_wall_and_a_crowd_modified_at_one_instant(sandbox, site, monkeypatch):
    whole = [r["id"] for r in CrmResource().modified("contacts", ("email",), ALL)]
    assert len(whole) == len(set(whole)) > 300
    monkeypatch.setattr(_hubspot_search, "MAX_RESULTS", 40)  # offsets end here, as at 10,000

    def crowd(store: Any) -> None:
        for record in store.objects["contacts"].values():
            if record.archived_at is None:
                modify(record, "contacts", dt.datetime(2024, 3, 5, 12, tzinfo=dt.UTC))

    with changed_store(site, crowd):
        small = [r["id"] for r in CrmResource(search_page=7).modified("contacts", ("email",), WEEK)]
    assert small == whole


def test_associations_page_across_inputs_and_within_one_record(sandbox, site, monkeypatch):
    deals = sorted(d.deal_id for d in site.world.deals(site.now))[:25]

    def more(store: Any) -> None:
        store.links["deals", "companies"][deals[0]] += [("7", False), ("5", False), ("6", False)]

    with changed_store(site, more):
        whole = CrmResource().associations("deals", "companies", deals)
        monkeypatch.setattr(hubspot, "ASSOCIATION_PAGE", 1)
        paged = CrmResource(association_page=4).associations("deals", "companies", deals)
    assert whole == paged
    assert len(whole) == 25
    assert whole[deals[0]][0][1] and [i for i, _ in whole[deals[0]][1:]] == ["5", "6", "7"]


def test_a_merge_leaves_a_tombstone_for_the_loser(materialise, read, site):
    loser = survivor = ""

    def merge(store: Any) -> None:
        nonlocal loser, survivor
        survivor, loser = list(store.objects["companies"])[:2]
        del store.objects["companies"][loser]
        kept = store.objects["companies"][survivor]
        modify(kept, "companies", dt.datetime(2024, 3, 6, tzinfo=dt.UTC), hs_merged_object_ids=loser)

    with changed_store(site, merge):
        materialise([assets.crm_companies], "2024-03-06")
    assert read("SELECT _is_deleted, merged_into_id FROM raw.crm_companies WHERE company_id = ?", loser) == [
        {"_is_deleted": True, "merged_into_id": survivor}
    ]
    (kept,) = read("SELECT merged_ids, _is_deleted FROM raw.crm_companies WHERE company_id = ?", survivor)
    assert kept == {"merged_ids": f'["{loser}"]', "_is_deleted": False}


def test_a_lead_ends_when_merged_or_no_lead_any_more(materialise, read, site):
    merged = dropped = survivor = never = ""

    def change(store: Any) -> None:
        nonlocal merged, dropped, survivor, never
        contacts = store.objects["contacts"]
        at = dt.datetime(2024, 3, 6, tzinfo=dt.UTC)
        merged, dropped, survivor, never = [k for k, c in contacts.items() if c.archived_at is None][:4]
        for id_ in (merged, dropped):
            modify(contacts[id_], "contacts", at)
        modify(contacts[never], "contacts", at, lifecyclestage="subscriber")

    def end(store: Any) -> None:
        change(store)
        contacts = store.objects["contacts"]
        at = dt.datetime(2024, 3, 7, tzinfo=dt.UTC)
        del contacts[merged]
        modify(contacts[survivor], "contacts", at, hs_merged_object_ids=f"{merged};{never}")
        for id_ in (dropped, never):
            modify(contacts[id_], "contacts", at, lifecyclestage="other")

    with changed_store(site, change):
        materialise([assets.crm_leads], "2024-03-06")
    with changed_store(site, end):
        materialise([assets.crm_leads], "2024-03-07")
        found = {
            r["lead_id"]: (r["_is_deleted"], r["day"])
            for r in read("SELECT lead_id, _is_deleted, _load_partition AS day FROM raw.crm_leads")
        }
        before = content_hash("raw.crm_leads")
        materialise([assets.crm_leads], "2024-03-06", "2024-03-07")
    assert found[merged] == found[dropped] == (True, "2024-03-07")
    assert found[survivor] == (False, "2024-03-07")
    assert never not in found
    assert content_hash("raw.crm_leads") == before


def test_any_order_and_any_repetition_gives_the_same_tables(materialise, read, settings_env, tmp_path):
    pair = [assets.crm_deals, assets.crm_stage_history]
    names = ("raw.crm_deals", "raw.crm_stage_history")
    materialise(pair, "2024-03-04", "2024-03-06")
    ranged = {name: content_hash(name) for name in names}
    materialise(pair, "2024-03-05")
    assert {name: content_hash(name) for name in names} == ranged
    settings_env(STATE_DIR=tmp_path / "other")
    for day in ("2024-03-06", "2024-03-04", "2024-03-05"):
        materialise(pair, day)
    assert {name: content_hash(name) for name in names} == ranged
    assert read("SELECT count(*) AS n FROM raw.crm_deals")[0]["n"] > 5


def test_a_deal_that_moves_on_keeps_one_row_and_its_whole_history(materialise, read, site):
    pair = [assets.crm_deals, assets.crm_stage_history]
    moved = ""

    def move(store: Any) -> None:
        record = store.objects["deals"][moved]
        at = dt.datetime(2024, 4, 6, 9, tzinfo=dt.UTC)
        modify(record, "deals", at, dealstage="contractsent")
        # HubSpot forgets old revisions; what was loaded must stay.
        record.history["dealstage"] = [
            {"value": "contractsent", "timestamp": at.isoformat(), "sourceType": "AUTOMATION"}
        ]

    deal = next(
        d
        for d in site.world.deals(site.now)
        if d.outcome == "open" and d.stages[-1][0] == "appointmentscheduled" and d.created_at.month == 4
    )
    moved, created = deal.deal_id, deal.created_at.date().isoformat()
    materialise(pair, created)
    with changed_store(site, move):
        materialise(pair, "2024-04-06")
        materialise(pair, created)  # again: the deal is no longer among that day's
    rows = read("SELECT stage_id, _load_partition FROM raw.crm_deals WHERE deal_id = ?", moved)
    assert rows == [{"stage_id": "contractsent", "_load_partition": "2024-04-06"}]
    history = read(
        "SELECT to_stage, _load_partition FROM raw.crm_stage_history WHERE deal_id = ? ORDER BY changed_at", moved
    )
    assert history == [
        {"to_stage": "appointmentscheduled", "_load_partition": created},
        {"to_stage": "contractsent", "_load_partition": "2024-04-06"},
    ]


def test_snapshots_of_pipelines_and_owners(materialise, read):
    materialise([assets.crm_pipelines, assets.crm_owners], "2024-04-05", NEWEST)
    stages = read("SELECT * FROM raw.crm_pipelines ORDER BY stage_order")
    assert [(s["stage_id"], s["probability"], s["is_closed"], s["is_won"]) for s in stages[3:]] == [
        ("contractsent", 0.9, False, False),
        ("closedwon", 1.0, True, True),
        ("closedlost", 0.0, True, False),
    ]
    assert {s["_load_partition"] for s in stages} == {NEWEST}
    assert len(read("SELECT * FROM raw.crm_owners")) == 4
    refused = materialise([assets.crm_owners], "2024-03-01", raise_on_error=False)
    assert "snapshot" in failure(refused)


def test_a_refused_key_fails_at_once_in_clear_words(materialise, sandbox, settings_env, site, waits):
    settings_env(CRM_HUBSPOT_TOKEN="pat-eu1-secret-9f", CRM_API_BASE=f"{sandbox}/hubspot", PII_KEY="k")
    site.faults.clear()
    result = materialise([assets.crm_deals], FIRST, raise_on_error=False)
    told = failure(result)
    assert not result.success
    assert "crm" in told and "HTTP 401" in told and "the key was refused" in told
    assert "pat-eu1-secret-9f" not in told and "secret-9f" not in str(result.all_events)
    assert (site.faults.requests["hubspot"], waits) == (1, [])


@pytest.mark.parametrize("kind", ["429", "ten_secondly", "503", "html", "truncated"])
def test_transient_faults_are_outlived(sandbox, site, waits, kind):
    clean = list(CrmResource().modified("deals", ("dealname",), WEEK))
    site.faults.add("hubspot", kind, 2, **({"retry_after": 0} if kind == "429" else {}))
    assert list(CrmResource().modified("deals", ("dealname",), WEEK)) == clean
    assert len(waits) == 2
    assert (waits == [0, 0]) == (kind == "429")  # HubSpot's own 429 names no time to wait


def test_a_vendor_that_stays_down_is_an_error_not_an_empty_table(sandbox, site, waits):
    site.faults.add("hubspot", "500", 50)
    with pytest.raises(SourceError, match="HTTP 500"):
        list(CrmResource().modified("deals", ("dealname",), WEEK))


def test_off_means_empty_and_typed(materialise, read, settings_env, site):
    settings_env(CRM_MODE="off")
    off = fresh_assets("dreamclass_intel.defs.crm")
    site.faults.clear()
    materialise([off.crm_deals, off.crm_leads, off.crm_owners], FIRST)
    assert read("SELECT count(*) AS n, any_value(amount) AS a FROM raw.crm_deals") == [{"n": 0, "a": None}]
    assert site.faults.requests["hubspot"] == 0


def test_hubspots_odd_spellings_are_read():
    item = {
        "id": "1",
        "archived": False,
        "createdAt": "2024-01-02T00:00:00Z",
        "updatedAt": "2024-01-02T00:00:00Z",
        "properties": {
            "createdate": "1704153600000",
            "closedate": "",
            "hs_is_closed": "false",
            "hs_merged_object_ids": 42,
            "closed_lost_reason": "ask jane.doe@school.example",
            "numberofemployees": "12.0",
            "lifecyclestage": "subscriber",
        },
    }
    deal = normalise.deal(item, [], [])
    assert deal["created_at"].isoformat() == "2024-01-02T00:00:00"
    assert (deal["closed_at"], deal["expected_close_at"], deal["company_id"]) == (None, None, None)
    assert deal["merged_ids"] == ["42"]
    assert deal["lost_reason"] == "ask [e-mail]@school.example"
    assert normalise.company(item)["employee_count"] == "12"
    assert normalise.lead(item) is None
