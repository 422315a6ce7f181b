"""The official chartmogul SDK against the stand-in: it must not notice, and read exactly what was sent."""

import datetime as dt
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import chartmogul
import jsonschema
import pytest
import requests
from marshmallow import fields

from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel_tests.conftest import SHARED

RANGE = {"start_date": "2024-01-01", "end_date": "2024-04-07"}


@pytest.fixture
def api(sandbox: str) -> Any:
    """SDK configuration and raw access to the same stand-in."""
    config = chartmogul.Config(SANDBOX_KEY)
    config.uri = f"{sandbox}/chartmogul/v1"

    def get(path: str, **params: Any) -> Any:
        return requests.get(f"{config.uri}{path}", params, auth=(SANDBOX_KEY, ""), timeout=60).json()

    return SimpleNamespace(config=config, get=get)


def as_the_sdk_reads(field: fields.Field, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, fields.Integer):
        return int(value)  # it truncates fractional cents: why the loader does not use it
    if isinstance(field, fields.DateTime) and not isinstance(field, fields.Date):
        return dt.datetime.fromisoformat(value)
    if isinstance(field, fields.Date):
        return dt.date.fromisoformat(value)
    return value


def assert_same(schema: Any, read: Any, sent: dict[str, Any], unknown: frozenset[str] = frozenset()) -> None:
    """Every field of the SDK's schema that was sent is read as sent; nothing is sent that it does not know."""
    keys = {field.data_key or name: (name, field) for name, field in schema.fields.items()}
    assert set(sent) - set(keys) <= unknown
    for key, value in sent.items():
        if key in keys and not isinstance(keys[key][1], fields.Nested):
            name, field = keys[key]
            assert getattr(read, name) == as_the_sdk_reads(field, value), key


def everything(fetch: Any, root: str, **params: Any) -> Iterator[Any]:
    cursor: dict[str, str] = {}
    for _ in range(200):
        page = fetch(**params, **cursor).get()
        yield from getattr(page, root)
        if not page.has_more:
            return
        cursor = {"cursor": page.cursor}
    pytest.fail("paging never ends")


def test_activities(api):
    read = list(
        everything(lambda **p: chartmogul.Activity.all(api.config, **p), "entries", order="date", per_page=5, **RANGE)
    )
    sent = api.get("/activities", **{"start-date": "2024-01-01", "end-date": "2024-04-07", "order": "date"})
    assert sent["has_more"] is False
    assert sent["cursor"]  # the original sends one with the last page as well
    assert len(read) == len(sent["entries"]) > 20
    for ours, theirs in zip(read, sent["entries"], strict=True):
        assert_same(chartmogul.Activity._schema, ours, theirs)
    assert {a.type for a in read} >= {"new_biz", "expansion", "churn"}
    backwards = api.get("/activities", order="-date")["entries"]
    assert backwards == api.get("/activities", order="date")["entries"][::-1]
    churned = api.get("/activities", type="churn")["entries"]
    assert churned and {a["type"] for a in churned} == {"churn"}


def test_activity_dates_bound_whole_days(api):
    day = api.get("/activities", order="date")["entries"][0]["date"][:10]
    found = api.get("/activities", **{"start-date": day, "end-date": day})["entries"]
    assert found and {a["date"][:10] for a in found} == {day}


def test_customers_and_their_subscriptions(api):
    read = list(everything(lambda **p: chartmogul.Customer.all(api.config, **p), "entries", per_page=7))
    sent = api.get("/customers")["entries"]
    assert [c.uuid for c in read] == [c["uuid"] for c in sent]
    for ours, theirs in zip(read, sent, strict=True):
        assert_same(chartmogul.Customer._schema, ours, theirs)
        assert ours.address.country == theirs["address"]["country"]
        assert ours.attributes.tags == theirs["attributes"]["tags"]
    active = api.get("/customers", status="Active")["entries"]
    assert active and {c["status"] for c in active} == {"Active"}
    one = active[0]["uuid"]
    assert chartmogul.Customer.retrieve(api.config, uuid=one).get().external_id == active[0]["external_id"]
    held = chartmogul.CustomerSubscription.all(api.config, uuid=one).get().entries
    raw = api.get(f"/customers/{one}/subscriptions")["entries"]
    assert held
    for ours, theirs in zip(held, raw, strict=True):
        assert_same(chartmogul.CustomerSubscription._schema, ours, theirs)
    moved = chartmogul.CustomerActivity.all(api.config, uuid=one).get().entries
    assert sum(a.activity_mrr_movement for a in moved) == pytest.approx(active[0]["mrr"], abs=len(moved))


def test_plans_and_account(api):
    plans = list(everything(lambda **p: chartmogul.Plan.all(api.config, **p), "plans", per_page=4))
    sent = api.get("/plans")["plans"]
    assert len(plans) == len(sent) > 4
    for ours, theirs in zip(plans, sent, strict=True):
        assert_same(chartmogul.Plan._schema, ours, theirs)
    assert_same(chartmogul.Account._schema, chartmogul.Account.retrieve(api.config).get(), api.get("/account"))
    assert chartmogul.Ping.ping(api.config).get().data == "pong!"


@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_mrr(api, interval):
    read = chartmogul.Metrics.mrr(api.config, interval=interval, **RANGE).get()
    sent = api.get("/metrics/mrr", **{"start-date": "2024-01-01", "end-date": "2024-04-07", "interval": interval})
    for ours, theirs in zip(read.entries, sent["entries"], strict=True):
        assert_same(chartmogul.Metrics._schema, ours, theirs)
    assert len(read.entries) == {"day": 98, "week": 14, "month": 4}[interval]
    assert read.summary.current == sent["entries"][-1]["mrr"]


def test_wrong_key(api):
    config = chartmogul.Config("wrong")
    config.uri = api.config.uri
    with pytest.raises(chartmogul.APIError) as caught:
        chartmogul.Customer.all(config).get()
    body = json.loads(caught.value.args[0])
    assert body == {"code": 401, "message": "No valid API key provided", "param": None}


def test_too_many_requests(api, site):
    site.faults.add("chartmogul", "429")
    with pytest.raises(chartmogul.APIError):
        chartmogul.Plan.all(api.config).get()  # the SDK retries over https only
    assert chartmogul.Plan.all(api.config).get().plans


@pytest.mark.parametrize("params", [{"cursor": "bm90LWpzb24="}, {"per_page": "many"}, {"page": "2"}])
def test_bad_requests(api, params):
    answer = requests.get(f"{api.config.uri}/customers", params, auth=(SANDBOX_KEY, SANDBOX_KEY), timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_schema_derived_from_the_sdk(api):
    schema = json.loads((SHARED / "specs" / "chartmogul_4.11.0.schema.json").read_text())
    for name, path, root in (
        ("Customer", "/customers", "entries"),
        ("Activity", "/activities", "entries"),
        ("Plan", "/plans", "plans"),
    ):
        validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
        for record in api.get(path)[root]:
            assert not list(validator.iter_errors(record))
