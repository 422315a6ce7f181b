"""The Stripe stand-in against the official SDK: its annotations as schema, its client as caller."""

import copy
import datetime as dt
import json
import re
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import requests
import stripe

from dreamclass_intel.defs.stripe.normalise import records_of
from dreamclass_intel.defs.stripe.tables import TABLES
from dreamclass_intel.records import extract
from dreamclass_intel.sandbox.clock import SandboxClock
from dreamclass_intel.sandbox.servers._stripe_legacy import before_basil
from dreamclass_intel.sandbox.servers._stripe_store import Store
from dreamclass_intel.sandbox.servers.server import running
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel_tests.conftest import NOW, SHARED
from dreamclass_intel_tests.contract.stripe_schema import schema_of

FIXTURES = SHARED / "specs" / "stripe_fixtures3_2026-08.json"
RESOURCES = {
    "customers": ("_customer", "Customer"),
    "products": ("_product", "Product"),
    "prices": ("_price", "Price"),
    "subscriptions": ("_subscription", "Subscription"),
    "invoices": ("_invoice", "Invoice"),
    "events": ("_event", "Event"),
}
ADDRESS = {table.address: table for table in TABLES}


@pytest.fixture
def client(sandbox):
    return stripe.StripeClient(SANDBOX_KEY, base_addresses={"api": f"{sandbox}/stripe"})


@pytest.fixture
def get(sandbox):
    def call(path: str, key: str = SANDBOX_KEY, **params: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.get(f"{sandbox}/stripe/v1/{path}", params, headers=headers, timeout=60)

    return call


@pytest.fixture(scope="module")
def store(_site):
    return Store(_site.world, NOW)


def unix(year: int, month: int, day: int) -> int:
    return int(dt.datetime(year, month, day, tzinfo=dt.UTC).timestamp())


def validator(module: str, name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(module, name))


@pytest.mark.parametrize("name", RESOURCES)
def test_every_object_fits_the_sdks_own_annotations(name, store):
    check = validator(*RESOURCES[name])
    entries = store.listed[name]
    assert entries
    wrong = {
        f"{'.'.join(map(str, e.absolute_path))}: {e.message[:120]}"
        for entry in entries
        for e in check.iter_errors(entry.render(10))
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "activ"),
        (("created",), "2024-01-01"),
        (("livemode",), None),
        (("invented",), 1),
        (("items", "data", 0, "price", "recurring", "interval"), "monthly"),
    ],
)
def test_the_schema_refuses_what_stripe_never_sends(store, path, value):
    body = copy.deepcopy(store.listed["subscriptions"][0].render(10))
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert list(validator(*RESOURCES["subscriptions"]).iter_errors(body))


def test_the_sdk_pages_through_everything_newest_first(client, store):
    for name in ("customers", "subscriptions", "invoices", "events"):
        params = {"limit": 100} | ({"status": "all"} if name == "subscriptions" else {})
        found = list(getattr(client.v1, name).list(params).auto_paging_iter())
        assert [o.id for o in found] == [e.id for e in store.listed[name]]
        assert all(a.created >= b.created for a, b in pairwise(found))


def test_paging_backwards_and_by_default_ten(client, store):
    ids = [e.id for e in store.listed["invoices"]]
    first = client.v1.invoices.list()
    assert ([i.id for i in first.data], first.has_more, first.url) == (ids[:10], True, "/v1/invoices")
    back = client.v1.invoices.list({"ending_before": ids[7], "limit": 3})
    assert ([i.id for i in back.data], back.has_more) == (ids[4:7], True)
    assert not client.v1.invoices.list({"ending_before": ids[2], "limit": 3}).has_more


def test_created_ranges_are_half_open(client, store):
    edges = {"gte": unix(2024, 3, 1), "lt": unix(2024, 3, 8)}
    found = client.v1.invoices.list({"created": edges, "limit": 100}).auto_paging_iter()
    want = [e.id for e in store.listed["invoices"] if edges["gte"] <= e.created < edges["lt"]]
    assert [i.id for i in found] == want
    one = store.listed["invoices"][5].created
    assert {i.created for i in client.v1.invoices.list({"created": one}).data} == {one}
    assert all(i.created > one for i in client.v1.invoices.list({"created": {"gt": one}}).data)


def test_canceled_subscriptions_are_left_out_unless_asked_for(client):
    every = list(client.v1.subscriptions.list({"status": "all", "limit": 100}).auto_paging_iter())
    shown = list(client.v1.subscriptions.list({"limit": 100}).auto_paging_iter())
    assert {s.id for s in every} - {s.id for s in shown} == {s.id for s in every if s.status == "canceled"}
    assert len(every) > len(shown)


def test_inactive_prices_are_left_out_unless_asked_for(tmp_path):
    clock = SandboxClock(tmp_path / "clock.json")
    clock.set(dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    with running(Site(SimpleNamespace(journeys=lambda _now: ()), clock)) as url:
        prices = stripe.StripeClient(SANDBOX_KEY, base_addresses={"api": f"{url}/stripe"}).v1.prices
        default, gone = prices.list({"limit": 100}).data, prices.list({"limit": 100, "active": False}).data
    assert ({p.active for p in default}, {p.active for p in gone}) == ({True}, {False})
    assert len(default) == len(gone) == 18


def test_events_are_remembered_30_days_and_filtered_by_type(client, store):
    oldest = min(e.created for e in store.listed["events"])
    assert unix(2024, 3, 9) <= oldest < unix(2024, 3, 10)
    paid = list(client.v1.events.list({"type": "invoice.paid", "limit": 100}).auto_paging_iter())
    assert {e.type for e in paid} == {"invoice.paid"}
    some = {"types": ["invoice.paid", "customer.created"], "limit": 100}
    assert {e.type for e in client.v1.events.list(some).data} == {"invoice.paid", "customer.created"}
    wild = {"type": "customer.subscription.*", "limit": 100}
    assert all(e.type.startswith("customer.subscription.") for e in client.v1.events.list(wild).data)
    for params in ({"types": ["a"] * 21}, {"types": ["a"], "type": "b"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.events.list(params)


def test_an_upcoming_invoice_has_no_id(client):
    found = client.v1.events.list({"type": "invoice.upcoming"}).data
    assert found
    assert "id" not in found[0].to_dict()["data"]["object"]


def test_updated_events_say_what_changed(client):
    events = client.v1.events.list({"type": "customer.subscription.updated", "limit": 100}).data
    for event in events:
        data = event.to_dict(for_json=True)["data"]
        assert data["previous_attributes"]
        assert all(data["object"][k] != v for k, v in data["previous_attributes"].items())
    # Items that changed come as the whole list of before, the only place where a removed one still is.
    old = [e.to_dict(for_json=True)["data"]["previous_attributes"].get("items") for e in events]
    assert any(old)
    assert all(m["id"].startswith("si_") and m["price"] for items in filter(None, old) for m in items["data"])


def test_event_payloads_are_in_the_accounts_old_version(client):
    event = client.v1.events.list({"type": "invoice.paid"}).data[0].to_dict(for_json=True)
    payload = event["data"]["object"]
    assert event["api_version"] == "2024-06-20"
    assert payload["subscription"].startswith("sub_")
    assert payload["paid"] is True
    assert "parent" not in payload


def test_an_old_client_version_gets_the_old_shape(sandbox, store):
    old = stripe.StripeClient(SANDBOX_KEY, base_addresses={"api": f"{sandbox}/stripe"}, stripe_version="2024-06-20")
    found = old.v1.subscriptions.retrieve(store.listed["subscriptions"][0].id)
    assert found.to_dict()["current_period_end"] > found.to_dict()["current_period_start"]


def test_nested_lists_show_a_first_page_and_page_on(client, site, store):
    two = next(e for e in store.listed["invoices"] if len(e.render(10)["lines"]["data"]) == 2)
    site.faults.add("stripe", "short_lists", 1)
    short = client.v1.invoices.retrieve(two.id)
    assert (len(short.lines.data), short.lines.has_more) == (1, True)
    whole = list(client.v1.invoices.line_items.list(two.id, {"limit": 1}).auto_paging_iter())
    assert [line.id for line in whole] == [line["id"] for line in two.render(10)["lines"]["data"]]
    sub = store.listed["subscriptions"][0]
    items = client.v1.subscription_items.list({"subscription": sub.id}).data
    assert [i.id for i in items] == [i["id"] for i in sub.render(10)["items"]["data"]]


def test_expand(client, store):
    found = client.v1.subscriptions.list({"expand": ["data.customer", "data.latest_invoice"], "limit": 1}).data[0]
    assert found.customer.object == "customer"
    assert found.latest_invoice.id in store.found["invoices"]
    deep = "data.latest_invoice.lines.data.price"
    for path in (deep, "data.nonsense", "customer"):
        with pytest.raises(stripe.InvalidRequestError, match="expand"):
            client.v1.subscriptions.list({"expand": [path]})


def test_queries_of_every_spelling(get, store):
    start = unix(2024, 3, 1)
    plain = get("events", **{"types[0]": "invoice.paid", "created[gte]": start}).json()
    loose = get("events", **{"types[]": "invoice.paid", "created[gte]": start}).json()
    assert plain == loose
    raw = requests.get(
        get("events").url + f"?types%5B0%5D=invoice.paid&created%5Bgte%5D={start}",
        headers={"Authorization": f"Bearer {SANDBOX_KEY}"},
        timeout=60,
    )
    assert raw.json() == plain


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("invoices/in_none", {}, 404, "resource_missing"),
        ("nonsense", {}, 404, None),
        ("invoices", {"limit": 101}, 400, None),
        ("invoices", {"limit": "x"}, 400, "parameter_invalid_integer"),
        ("invoices", {"colour": "red"}, 400, "parameter_unknown"),
        ("invoices", {"starting_after": "in_none"}, 400, "resource_missing"),
        ("subscription_items", {}, 400, "parameter_missing"),
    ],
)
def test_errors_come_in_stripes_envelope(get, path, params, status, code):
    answer = get(path, **params)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error.get("code")) == (status, "invalid_request_error", code)
    assert error["message"]
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


def test_keys(get, sandbox):
    assert get("invoices", key="").status_code == 401
    refused = get("invoices", key="sk_test_somebodyelses")
    assert (refused.status_code, "somebody" in refused.text) == (401, False)
    url = f"{sandbox}/stripe/v1/products"
    assert requests.get(url, auth=(SANDBOX_KEY, ""), timeout=60).status_code == 200


def test_rate_limits_raise_in_the_sdk(client, site):
    site.faults.add("stripe", "rate_limit", 1)
    site.faults.add("stripe", "rate_limit_400", 1)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.products.list()


def test_an_erased_customer_is_only_a_stub(client, store):
    assert store.erased
    gone = sorted(store.erased)[0]
    assert client.v1.customers.retrieve(gone).to_dict() == {"id": gone, "object": "customer", "deleted": True}
    listed = client.v1.customers.list({"limit": 100}).auto_paging_iter()
    assert gone not in {c.id for c in listed}


def test_both_shapes_normalise_alike(store):
    """Before and after basil: the same records but for the raw JSON."""

    def plain(item: dict[str, Any]) -> dict[str, Any]:
        drop = ("_raw",)
        return {a: [{k: v for k, v in r.items() if k not in drop} for r in rs] for a, rs in records_of(item).items()}

    for name in ("subscriptions", "invoices"):
        for entry in store.listed[name]:
            item = json.loads(json.dumps(entry.render(10)))
            assert plain(item) == plain(before_basil(item))


@pytest.mark.shared
@pytest.mark.skipif(not FIXTURES.exists(), reason="official fixtures are not in ../shared")
def test_official_fixtures_pass_the_normalisers():
    """Every official fixture of a kind we load becomes rows that the contract accepts."""
    resources = json.loads(FIXTURES.read_text())["resources"]
    rows: dict[str, int] = defaultdict(int)
    for item in resources.values():
        for address, records in records_of(item).items():
            rows[address] += sum(b.num_rows for b in extract(ADDRESS[address], records, "2024-01-01").batches)
    assert rows == {a: 2 if re.search("items$|lines$", a) else 1 for a in ADDRESS}


def month(price: dict[str, Any]) -> Fraction:
    """One unit of a price, per month."""
    per = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12), "day": Fraction(365, 12)}
    return Fraction(price["unit_amount_decimal"]) * per[price["interval"]] / price["interval_count"]


def rebuilt(subscription: dict[str, Any], lines: list[dict[str, Any]], prices: dict[str, Any]) -> list[Any]:
    """MRR movements of a subscription from its invoice lines, prices and end: the rule dbt follows."""
    states: dict[dt.datetime, Fraction] = {}
    for line in sorted(lines, key=lambda one: (one["period_start_at"], one["invoice_created_at"])):
        unused = line["proration"] and line["amount_minor"] < 0
        trial = subscription["trial_end_at"] and line["period_start_at"] < subscription["trial_end_at"]
        if not unused and not trial:
            states[line["period_start_at"]] = line["quantity"] * month(prices[line["price_id"]])
    if subscription["ended_at"]:
        states[subscription["ended_at"]] = Fraction(0)
    held, out = Fraction(0), []
    for at, value in sorted(states.items()):
        if value != held:
            out.append((at, value - held))
            held = value
    return out


def test_mrr_follows_to_the_cent_from_invoice_lines(site):
    """Against the world's ledger, 15 months: every movement of every subscription, exact moment and amount."""
    now = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name in ("prices", "subscriptions", "invoices"):
        for entry in Store(site.world, now).listed[name]:
            for address, records in records_of(entry.render(10)).items():
                tables[address.removeprefix("raw.stripe_")] += records
    prices = {p["price_id"]: p for p in tables["prices"]}
    lines = defaultdict(list)
    for line in tables["invoice_lines"]:
        lines[line["subscription_id"]].append(line)
    truth = defaultdict(list)
    kinds = defaultdict(int)
    for entry in site.world.ledger(now):
        truth[entry.subscription_id].append((entry.at.replace(microsecond=0), entry.delta_minor))
        kinds[entry.movement] += 1
    found = {s["subscription_id"]: rebuilt(s, lines[s["subscription_id"]], prices) for s in tables["subscriptions"]}
    assert len(found) > 250
    assert set(kinds) == {"new_biz", "expansion", "contraction", "churn", "reactivation"}
    assert {k: v for k, v in found.items() if v} == truth
