"""Stripe from API to table: real assets over the stand-in, compared with the simulated company's truth."""

import datetime as dt
import json
import shutil
from contextlib import ExitStack

import pytest

from dreamclass_intel.defs.stripe import assets, changes, client, tables
from dreamclass_intel.sandbox.servers._stripe_books import books
from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.conftest import NOW
from dreamclass_intel_tests.sources.helpers import content_hash, failure, fresh_assets, vendor

# Every partition costs the orchestrator time, so loads here start late, as if the first partition of all were
# the oldest day Stripe has events of; it then holds what was created before it.
OLDEST, FIRST, LAST = "2024-03-09", "2024-03-31", "2024-04-07"
ALL = [getattr(assets, table.name) for table in tables.TABLES]
ADDRESSES = [table.address for table in tables.TABLES]


def hashes() -> dict[str, str]:
    return {address: content_hash(address) for address in ADDRESSES}


def contents(read) -> dict[str, list[str]]:
    """Every mutable table's own columns but the vendor's JSON, as sorted text, of what still exists."""
    out = {}
    for table in tables.TABLES[:-1]:
        DuckDBWarehouse(load_settings().database).ensure([table])
        names = ", ".join(c.name for c in table.columns)
        rows = read(f"SELECT {names} FROM {table.address} WHERE NOT _is_deleted")
        out[table.address] = sorted(json.dumps(r, default=str) for r in rows)
    return out


@pytest.fixture(autouse=True)
def first_partition(monkeypatch):
    """Sets the first partition of all: OLDEST unless the test says otherwise."""

    def use(day: str) -> None:
        monkeypatch.setattr(changes, "START", dt.date.fromisoformat(day))

    use(OLDEST)
    return use


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("stripe") / "warehouse.duckdb"


@pytest.fixture
def loaded(materialise, kept, first_partition):
    """A warehouse with everything loaded; made once, each test works on its own copy."""
    database = load_settings().database
    if kept.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, database)
        return
    materialise([assets.stripe_events, assets.stripe_customers], OLDEST, LAST)
    first_partition(FIRST)
    materialise([a for a in ALL if a not in (assets.stripe_events, assets.stripe_customers)], FIRST, LAST)
    first_partition(OLDEST)
    shutil.copy(database, kept)


@pytest.fixture
def own_site(settings_env, tmp_path):
    """A sandbox whose clock this test may move: `own_site(now)` yields it, running, with settings on it."""
    with ExitStack() as stack:

        def start(now: dt.datetime) -> Site:
            path = tmp_path / "clock.json"
            path.write_text(json.dumps({"now": now.isoformat()}))
            site = build_site(seed=7, scale=0.02, clock_path=path)
            settings_env(SANDBOX_URL=stack.enter_context(running(site)))
            return site

        yield start


def naive(moment: dt.datetime | None) -> dt.datetime | None:
    return moment and moment.replace(tzinfo=None, microsecond=0)


def test_subscriptions_are_the_worlds(loaded, read, site):
    truth = [s for s in site.world.subscriptions(NOW) if s.created_at < NOW]
    rows = read(
        "SELECT s.*, i.price_id, i.quantity, i.unit_amount_minor, i.unit_amount_decimal, i.interval, i.usage_type "
        "FROM raw.stripe_subscriptions s JOIN raw.stripe_subscription_items i USING (subscription_id)"
    )
    found = {
        r["subscription_id"]: (
            r["customer_id"],
            r["account_id"],
            r["status"],
            r["price_id"],
            r["quantity"],
            r["unit_amount_minor"],
            int(r["unit_amount_decimal"]),
            r["interval"],
            r["created_at"],
            r["trial_end_at"],
            r["ended_at"],
        )
        for r in rows
    }
    assert len(truth) > 30
    assert found == {
        s.subscription_id: (
            s.customer_id,
            s.account_id,
            s.current.status,
            s.current.price_id,
            s.current.quantity,
            s.current.unit_amount_minor,
            s.current.unit_amount_minor,
            s.current.interval,
            naive(s.created_at),
            naive(s.trial_end),
            naive(s.canceled_at),
        )
        for s in truth
    }
    assert {(r["usage_type"], r["livemode"], r["item_count"]) for r in rows} == {("licensed", False, 1)}


def test_invoices_are_the_worlds_and_add_up(loaded, read, site):
    rows = {r["invoice_id"]: r for r in read("SELECT * FROM raw.stripe_invoices")}
    truth = [i for i in site.world.invoices(NOW) if i.created_at < NOW]
    assert truth
    for invoice in truth:
        row = rows[invoice.invoice_id]
        assert (row["total_minor"], row["subscription_id"]) == (invoice.amount_minor, invoice.subscription_id)
        assert row["paid_at"] == (naive(invoice.paid_at) if row["status"] == "paid" else None)
        if row["status"] == "paid":
            assert row["amount_paid_minor"] == invoice.amount_minor + row["starting_balance_minor"]
    extra = [r for key, r in rows.items() if key not in {i.invoice_id for i in truth}]
    # Stripe's own: the zero invoice that opens a trial, and credits for what was given up.
    assert {(r["billing_reason"], r["amount_paid_minor"]) for r in extra} <= {
        ("subscription_create", 0),
        ("subscription_update", 0),
    }
    sums = read("SELECT invoice_id, sum(amount_minor) AS amount FROM raw.stripe_invoice_lines GROUP BY ALL")
    assert {r["invoice_id"]: r["amount"] for r in sums} == {k: r["total_minor"] for k, r in rows.items()}


def test_catalogue_and_customers(loaded, read, site):
    assert read("SELECT count(*) AS n FROM raw.stripe_products") == [{"n": 3}]
    assert read("SELECT count(*) AS n, min(unit_amount_minor) AS least FROM raw.stripe_prices") == [
        {"n": 18, "least": 2900}
    ]
    found = {r["customer_id"]: r for r in read("SELECT * FROM raw.stripe_customers WHERE NOT _is_deleted")}
    truth = {b.customer_id: b for b in books(site.world, NOW) if b.erased is None}
    assert set(found) == set(truth)
    for key, book in truth.items():
        assert (found[key]["name"], found[key]["city"]) == (book.view.name, book.view.city)
        assert found[key]["email_domain"] == book.journey.contact.email.split("@")[1].lower()


def test_an_erased_customer_stays_with_its_last_state(loaded, read, site):
    erased = {b.customer_id: b for b in books(site.world, NOW) if b.erased is not None}
    rows = read("SELECT customer_id, name, _is_deleted AS gone FROM raw.stripe_customers WHERE _is_deleted")
    assert erased
    recent = {k: b for k, b in erased.items() if b.erased >= NOW - dt.timedelta(days=30)}
    assert {(r["customer_id"], r["name"]) for r in rows} == {(k, b.view.name) for k, b in recent.items()}


def test_events_of_the_last_30_days(loaded, read):
    row = read(
        "SELECT count(*) AS n, count(DISTINCT event_id) AS ids, min(created_at) AS first, "
        "count(*) FILTER (strftime(created_at, '%Y-%m-%d') <> _load_partition) AS misdated FROM raw.stripe_events"
    )[0]
    assert row["n"] == row["ids"] > 100
    assert row["first"].date() == dt.date(2024, 3, 9)
    assert row["misdated"] == 0
    upcoming = read("SELECT object_id, customer_id FROM raw.stripe_events WHERE event_type = 'invoice.upcoming'")
    assert upcoming
    assert all(r["object_id"] is None and r["customer_id"].startswith("cus_") for r in upcoming)


def test_no_personal_data_lands(loaded, read, site):
    contacts = [b.journey.contact for b in books(site.world, NOW)]
    assert contacts
    for address in ADDRESSES:
        text = "\n".join(json.dumps(r, default=str, ensure_ascii=False) for r in read(f"SELECT * FROM {address}"))
        for contact in contacts:
            assert contact.email not in text
            assert f"{contact.first_name} {contact.last_name}" not in text
        assert "invoice.stripe.com" not in text


def test_small_pages_and_short_lists_lose_nothing(materialise, monkeypatch, site, loaded, first_partition):
    first_partition(FIRST)
    whole = hashes()
    monkeypatch.setitem(client.RESOURCES, "stripe", client.StripeResource(page_size=7))
    site.faults.add("stripe", "short_lists", 200)
    materialise([assets.stripe_invoice_lines, assets.stripe_subscription_items], FIRST, LAST)
    assert {a: h for a, h in hashes().items() if "lines" in a or "items" in a} == {
        a: h for a, h in whole.items() if "lines" in a or "items" in a
    }


def test_loading_again_in_any_order_changes_nothing(materialise, loaded):
    before = hashes()
    for first, last in ((LAST, LAST), ("2024-03-20", "2024-03-21")):
        materialise(ALL, first, last)
    assert hashes() == before


def test_days_equal_their_range(materialise, settings_env, tmp_path):
    days = ("2024-04-04", "2024-04-02", "2024-04-03")
    chosen = [assets.stripe_subscriptions, assets.stripe_invoice_lines, assets.stripe_customers]
    names = [a for a in ADDRESSES if a.split("stripe_")[1] in ("subscriptions", "invoice_lines", "customers")]
    for day in days:
        materialise(chosen, day)
    by_day = {a: content_hash(a) for a in names}
    settings_env(STATE_DIR=tmp_path / "other")
    materialise(chosen, min(days), max(days))
    assert {a: content_hash(a) for a in names} == by_day


@pytest.mark.slow
def test_daily_loads_catch_every_change(materialise, own_site, settings_env, read, first_partition, tmp_path):
    """Steps of days end where a fresh load of everything ends: no change goes unnoticed.

    In these days an invoice is paid late, one subscription shrinks and a customer is erased.
    """
    first_partition("2024-04-29")
    mutable = [a for a in ALL[:-1] if a not in (assets.stripe_products, assets.stripe_prices)]
    site = own_site(dt.datetime(2024, 5, 5, tzinfo=dt.UTC))
    materialise(mutable, "2024-04-29", "2024-05-04")
    before = contents(read)
    for days, first, last in ((3, "2024-05-05", "2024-05-07"), (2, "2024-05-08", "2024-05-09")):
        site.clock.advance(days)
        materialise(mutable, first, last)
    step_by_step = contents(read)
    settings_env(STATE_DIR=tmp_path / "fresh")
    materialise(mutable, "2024-04-29", "2024-05-09")
    assert contents(read) == step_by_step
    changed = {k for k, rows in before.items() if set(rows) - set(step_by_step[k])}
    assert {"raw.stripe_customers", "raw.stripe_subscriptions", "raw.stripe_invoices"} <= changed


def test_forgotten_events_are_kept(materialise, own_site, read):
    site = own_site(dt.datetime(2024, 3, 25, tzinfo=dt.UTC))
    materialise([assets.stripe_events], "2024-03-22", "2024-03-24")
    stored = read("SELECT * FROM raw.stripe_events ORDER BY event_id")
    site.clock.advance(40)
    materialise([assets.stripe_events], "2024-03-22", "2024-03-24")
    assert stored
    assert read("SELECT * FROM raw.stripe_events ORDER BY event_id") == stored


@pytest.mark.parametrize("kind", ["429", "rate_limit", "rate_limit_400", "500", "503", "html", "truncated"])
def test_passing_faults_are_retried(materialise, read, site, waits, kind):
    site.faults.add("stripe", kind, 2, retry_after=3)
    materialise([assets.stripe_products], OLDEST)
    assert read("SELECT count(*) AS n FROM raw.stripe_products") == [{"n": 3}]
    assert len(waits) == 2
    assert waits == [3, 3] or kind in ("html", "truncated")


def test_a_refused_key_fails_at_once_and_stays_secret(materialise, settings_env, sandbox, site):
    use(settings_env, f"{sandbox}/stripe", key="rk_test_wrong_1234567890")
    result = materialise([assets.stripe_invoices], LAST, raise_on_error=False)
    said = failure(result)
    assert "stripe GET /v1/events: HTTP 401 the key was refused" in said
    assert "wrong_1234567890" not in said
    assert site.faults.requests["stripe"] == 1


def test_a_missing_permission_names_the_resource(materialise, site):
    site.faults.add("stripe", "403", 1, path="/v1/customers")
    said = failure(materialise([assets.stripe_customers], OLDEST, raise_on_error=False))
    assert "GET /v1/customers: HTTP 403 the key lacks permission for this resource" in said


def test_test_and_live_are_never_mixed(materialise, loaded, read):
    with DuckDBWarehouse(load_settings().database).connect() as con:
        con.execute("UPDATE raw.stripe_invoices SET livemode = true")
    result = materialise([assets.stripe_invoices], "2024-04-01", raise_on_error=False)
    assert "refusing to mix modes: the key reads test-mode objects" in failure(result)
    assert read("SELECT DISTINCT livemode FROM raw.stripe_invoices") == [{"livemode": True}]


def test_off_gives_typed_empty_tables(materialise, read, settings_env, site):
    settings_env(STRIPE_MODE="off")
    off = fresh_assets("dreamclass_intel.defs.stripe")
    materialise([off.stripe_invoices, off.stripe_events], LAST)
    assert read("SELECT amount_paid_minor FROM raw.stripe_invoices") == []
    assert read("SELECT event_id FROM raw.stripe_events") == []
    assert site.faults.requests["stripe"] == 0


# What the simulated company never does: an account older than the first partition, removed items.


def listing(*members):
    return {"object": "list", "data": list(members), "has_more": False, "url": "/v1/x"}


def subscription(*item_ids, created="2021-05-05", **more):
    seconds = int(dt.datetime.fromisoformat(f"{created}T12:00:00+00:00").timestamp())
    items = [{"id": i, "object": "subscription_item", "quantity": 1, "created": seconds} for i in item_ids]
    return {
        "id": "sub_old",
        "object": "subscription",
        "customer": {"id": "cus_1", "object": "customer"},
        "status": "active",
        "created": seconds,
        "livemode": False,
        "items": listing(*items),
        "invented_later": {"deep": ["a@b.org"]},
        **more,
    }


def old_account(listed, events=(), found=None):
    """A vendor that lists one subscription (by `created[gte]`) and retrieves another state of it."""

    def list_all(request):
        since = int(request.query_params.get("created[gte]", 0))
        return listing(*(s for s in listed if s["created"] >= since))

    return vendor(
        {
            "/v1/events": lambda _request: listing(*events),
            "/v1/subscriptions": list_all,
            "/v1/subscriptions/sub_old": lambda _request: found,
        }
    )


def use(settings_env, url, key="rk_test_x"):
    # The sandbox stays, for its clock.
    settings_env(STRIPE_API_KEY=key, STRIPE_API_BASE=url, PII_KEY="k", WITHOUT_CREDENTIALS="sandbox")


def test_the_first_partition_holds_what_is_older(materialise, read, settings_env):
    with old_account([subscription("si_1")]) as url:
        use(settings_env, url)
        materialise([assets.stripe_subscriptions], "2024-03-10", "2024-03-12")
        assert read("SELECT * FROM raw.stripe_subscriptions") == []
        materialise([assets.stripe_subscriptions], OLDEST, "2024-03-12")
    row = read("SELECT customer_id, created_at, _load_partition AS day, _raw AS raw FROM raw.stripe_subscriptions")[0]
    assert (row["customer_id"], row["created_at"].year, row["day"]) == ("cus_1", 2021, OLDEST)
    assert json.loads(row["raw"])["invented_later"] == {"deep": ["[e-mail]@b.org"]}


def test_when_a_subscription_was_paused_is_kept_while_it_is(materialise, read, settings_env):
    moment = int(dt.datetime(2024, 3, 20, 8, tzinfo=dt.UTC).timestamp())
    details = {
        "paused": {"type": "subscription", "subscription": {"type": "pause_requested"}, "transitioned_at": moment}
    }
    for status, at in (("paused", dt.datetime(2024, 3, 20, 8)), ("active", None)):
        with old_account([subscription("si_1", status=status, status_details=details)]) as url:
            use(settings_env, url)
            materialise([assets.stripe_subscriptions], OLDEST)
        assert read("SELECT status, paused_at FROM raw.stripe_subscriptions") == [{"status": status, "paused_at": at}]


def test_a_removed_item_is_marked_deleted(materialise, read, settings_env):
    moment = int(dt.datetime(2024, 4, 3, 9, tzinfo=dt.UTC).timestamp())
    noticed = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": moment,
        "livemode": False,
        # As Stripe sends it: the removed item is no longer in the object, only in what it was before.
        "data": {
            "object": subscription("si_1"),
            "previous_attributes": {"items": {"data": subscription("si_1", "si_2")["items"]["data"]}},
        },
    }
    with old_account([], [noticed], subscription("si_1")) as url:
        use(settings_env, url)
        materialise([assets.stripe_subscription_items, assets.stripe_subscriptions], "2024-04-03")
    items = read("SELECT item_id, _is_deleted AS gone FROM raw.stripe_subscription_items ORDER BY 1")
    assert items == [{"item_id": "si_1", "gone": False}, {"item_id": "si_2", "gone": True}]
    assert read("SELECT item_ids FROM raw.stripe_subscriptions") == [{"item_ids": '["si_1"]'}]


def test_an_empty_page_that_promises_more_is_an_error(materialise, settings_env):
    broken = {**listing(), "has_more": True}
    with vendor({"/v1/events": lambda _request: broken}) as url:
        use(settings_env, url)
        said = failure(materialise([assets.stripe_customers], OLDEST, raise_on_error=False))
    assert "GET /v1/events: HTTP 400 an empty page says there is more" in said
