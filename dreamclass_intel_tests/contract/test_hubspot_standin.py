"""The HubSpot stand-in through HubSpot's own Python client: what it cannot tell apart, and what it refuses."""

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hubspot import Client
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.contacts.exceptions import NotFoundException
from hubspot.crm.deals import (
    ApiException,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
)
from hubspot.crm.deals.exceptions import UnauthorizedException

from dreamclass_intel.sandbox.servers import _hubspot_search, hubspot
from dreamclass_intel.settings import SANDBOX_KEY


def client(url: str, key: str = SANDBOX_KEY) -> Any:
    made = Client.create(access_token=key)
    made.config |= {"host": f"{url}/hubspot", "client_side_validation": True}
    return made


def search(**fields: Any) -> PublicObjectSearchRequest:
    return PublicObjectSearchRequest(**fields)


@pytest.mark.parametrize("kind", ["companies", "contacts", "deals"])
def test_lists_page_through_everything_once(sandbox, site, kind):
    api = getattr(client(sandbox).crm, kind).basic_api
    seen, after = [], None
    while True:
        page = api.get_page(limit=100, after=after, archived=False)
        seen += [item.id for item in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after
    assert len(seen) == len(set(seen)) > 100
    if kind == "deals":
        assert set(seen) == {d.deal_id for d in site.world.deals(site.now)}
    if kind == "companies":
        assert set(seen) == {c.company_id for c in site.world.crm_companies(site.now)}


def test_objects_deserialise_with_text_values_and_only_default_properties(sandbox):
    api = client(sandbox).crm.deals.basic_api
    first = api.get_page().results
    assert len(first) == 10  # HubSpot's default
    deal = first[0]
    assert isinstance(deal.created_at, dt.datetime)
    assert set(deal.properties) == {
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
        "pipeline",
    }  # fmt: skip
    assert all(isinstance(v, str) for v in deal.properties.values())
    asked = api.get_by_id(deal.id, properties=["hs_is_closed", "no_such"], associations=["companies"])
    assert asked.properties["hs_is_closed"] in ("true", "false")
    assert asked.properties["no_such"] is None
    assert "dealname" not in asked.properties


def test_the_client_would_notice_a_malformed_page(sandbox):
    headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
    page = requests.get(f"{sandbox}/hubspot/crm/v3/objects/deals", headers=headers, timeout=60).json()
    read = client(sandbox).crm.deals.basic_api.api_client.deserialize
    kind = "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging"
    assert len(read(SimpleNamespace(data=json.dumps(page)), kind).results) == 10
    del page["results"][3]["createdAt"]
    with pytest.raises(ValueError, match="created_at"):
        read(SimpleNamespace(data=json.dumps(page)), kind)


def test_history_comes_newest_first_and_caps_the_page_at_50(sandbox, site):
    api = client(sandbox).crm.deals
    truth = {d.deal_id: d for d in site.world.deals(site.now)}
    ids = [{"id": i} for i in sorted(truth)[:50]]
    wanted = {"inputs": ids, "properties": [], "properties_with_history": ["dealstage"]}
    read = api.batch_api.read(batch_read_input_simple_public_object_id=BatchReadInputSimplePublicObjectId(**wanted))
    assert (read.status, len(read.results)) == ("COMPLETE", 50)
    for item in read.results:
        history = [(r.value, r.timestamp) for r in item.properties_with_history["dealstage"]]
        assert [v for v, _ in reversed(history)] == [s for s, _ in truth[item.id].stages]
    for call in (
        lambda: api.basic_api.get_page(limit=100, properties_with_history=["dealstage"]),
        lambda: api.basic_api.get_page(limit=101),
        lambda: api.batch_api.read(
            batch_read_input_simple_public_object_id=BatchReadInputSimplePublicObjectId(
                inputs=[*ids, {"id": "1"}], properties=[], properties_with_history=["dealstage"]
            )
        ),
    ):
        with pytest.raises(ApiException) as caught:
            call()
        assert caught.value.status == 400
        assert "VALIDATION_ERROR" in caught.value.body


def test_search_filters_sorts_counts_and_stops_at_the_wall(sandbox, site, monkeypatch):
    api = client(sandbox).crm.deals.search_api
    since = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    modified = Filter(property_name="hs_lastmodifieddate", operator="GTE", value=str(int(since.timestamp() * 1000)))
    request = search(
        filter_groups=[FilterGroup(filters=[modified])],
        sorts=[{"propertyName": "hs_object_id", "direction": "DESCENDING"}],
        limit=200,
        properties=["dealstage"],
    )
    page = api.do_search(public_object_search_request=request)
    truth = [d for d in site.world.deals(site.now) if max(at for _, at in d.stages) >= since]
    assert page.total == len(truth) > 20
    ids = [int(item.id) for item in page.results]
    assert ids == sorted((int(d.deal_id) for d in truth), reverse=True)[:200]
    monkeypatch.setattr(_hubspot_search, "MAX_RESULTS", 20)
    assert len(api.do_search(public_object_search_request=search(limit=10, after="10")).results) == 10
    for bad in (search(limit=10, after="20"), search(limit=201)):
        with pytest.raises(ApiException) as caught:
            api.do_search(public_object_search_request=bad)
        assert caught.value.status == 400


def test_archived_objects_are_in_the_archived_list_alone(sandbox, site):
    api = client(sandbox).crm.contacts
    gone = api.basic_api.get_page(limit=100, archived=True).results
    assert gone
    assert all(item.archived and item.archived_at for item in gone)
    request = search(
        filter_groups=[FilterGroup(filters=[Filter(property_name="hs_object_id", operator="IN",
                                                   values=[item.id for item in gone])])]
    )  # fmt: skip
    assert api.search_api.do_search(public_object_search_request=request).total == 0
    with pytest.raises(NotFoundException):
        api.basic_api.get_by_id(gone[0].id)


def test_associations_pipelines_owners_and_properties_deserialise(sandbox, site, monkeypatch):
    made = client(sandbox)
    deal = site.world.deals(site.now)[0].deal_id
    inputs = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal}, {"id": "1"}])
    found = made.crm.associations.v4.batch_api.get_page(
        "deals", "companies", batch_input_public_fetch_associations_batch_request=inputs
    )
    assert found.results[0]._from.id == deal
    assert found.results[0].to[0].association_types[0].label == "Primary"
    assert found.num_errors == 1  # 207: one of the two has none
    pipeline = made.crm.pipelines.pipelines_api.get_all("deals").results[0]
    assert pipeline.created_at.year == 1970
    won = next(s for s in pipeline.stages if s.id == "closedwon")
    assert won.metadata == {"isClosed": "true", "probability": "1.0"}
    owners = made.crm.owners.owners_api.get_page(limit=3)
    assert (len(owners.results), owners.paging.next.after) == (3, "3")
    names = {p.name: p for p in made.crm.properties.core_api.get_all("companies").results}
    assert names["timetable_software"].hubspot_defined is False
    assert names["numberofemployees"].type == "number"


def test_a_wrong_key_and_a_full_quota_answer_as_hubspot_does(sandbox, site):
    with pytest.raises(UnauthorizedException) as caught:
        client(sandbox, "pat-wrong").crm.deals.basic_api.get_page()
    assert (caught.value.status, "INVALID_AUTHENTICATION" in caught.value.body) == (401, True)
    site.faults.add("hubspot", "ten_secondly")
    with pytest.raises(ApiException) as caught:
        client(sandbox).crm.deals.basic_api.get_page()
    assert caught.value.status == 429
    assert '"policyName":"TEN_SECONDLY_ROLLING"' in caught.value.body
    assert caught.value.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in caught.value.headers
    answered = client(sandbox).crm.deals.basic_api.get_page_with_http_info()
    assert answered[2]["X-HubSpot-RateLimit-Max"] == hubspot.QUOTA["X-HubSpot-RateLimit-Max"]
