"""Raw Stripe tables: objects created or changed on the run's days, children with their parent."""

import datetime as dt

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.stripe import tables
from dreamclass_intel.defs.stripe.changes import Load, Row, one_mode
from dreamclass_intel.defs.stripe.client import EVENT_HORIZON, KINDS, StripeResource
from dreamclass_intel.defs.stripe.normalise import records_of
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import days, raw_asset
from dreamclass_intel.warehouse.io_manager import WarehouseResource


def stored_mode(warehouse: WarehouseResource, table: Table) -> bool | None:
    """livemode of the rows already stored; None when there are none."""
    backend = warehouse.backend()
    backend.ensure([table])
    found = backend.read(f"SELECT livemode FROM {backend.name(table.address)} LIMIT 1").to_pylist()
    return bool(found[0]["livemode"]) if found else None


def _load(
    context: dg.AssetExecutionContext,
    table: Table,
    kind: str,
    stripe: StripeResource,
    clock: Clock,
    warehouse: WarehouseResource,
    *,
    child: str | None = None,
) -> Extract:
    load = Load(stripe.reader(), KINDS[kind], table, days(context), clock.now(), child)
    rows = one_mode(load.rows(), table, stored_mode(warehouse, table))
    result = extract(table, rows, lambda row: row.partition)  # type: ignore[attr-defined]
    result.metadata = load.counts  # fills while rows stream
    return result


@raw_asset(tables.CUSTOMERS, source="stripe")
def stripe_customers(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Customers created or changed on the run's days."""
    return _load(context, tables.CUSTOMERS, "customer", stripe, clock, warehouse)


@raw_asset(tables.PRODUCTS, source="stripe")
def stripe_products(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Products created or changed on the run's days."""
    return _load(context, tables.PRODUCTS, "product", stripe, clock, warehouse)


@raw_asset(tables.PRICES, source="stripe")
def stripe_prices(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Prices created or changed on the run's days."""
    return _load(context, tables.PRICES, "price", stripe, clock, warehouse)


@raw_asset(tables.SUBSCRIPTIONS, source="stripe")
def stripe_subscriptions(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Subscriptions created or changed on the run's days."""
    return _load(context, tables.SUBSCRIPTIONS, "subscription", stripe, clock, warehouse)


@raw_asset(tables.SUBSCRIPTION_ITEMS, source="stripe")
def stripe_subscription_items(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Items of those subscriptions, all of them however many."""
    return _load(context, tables.SUBSCRIPTION_ITEMS, "subscription", stripe, clock, warehouse, child="items")


@raw_asset(tables.INVOICES, source="stripe")
def stripe_invoices(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Invoices created or changed on the run's days."""
    return _load(context, tables.INVOICES, "invoice", stripe, clock, warehouse)


@raw_asset(tables.INVOICE_LINES, source="stripe")
def stripe_invoice_lines(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Lines of those invoices, all of them however many."""
    return _load(context, tables.INVOICE_LINES, "invoice", stripe, clock, warehouse, child="lines")


@raw_asset(tables.EVENTS, source="stripe")
def stripe_events(
    context: dg.AssetExecutionContext, stripe: StripeResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Events of the run's days that Stripe still remembers."""
    window = days(context)
    start = max(window.start_at, clock.now() - EVENT_HORIZON)
    rows = (
        Row(record, dt.datetime.fromtimestamp(event["created"], dt.UTC).date().isoformat())
        for event in stripe.reader().events(start, window.end_at)
        for record in records_of(event)[tables.EVENTS.address]
    )
    guarded = one_mode(rows, tables.EVENTS, stored_mode(warehouse, tables.EVENTS))
    return extract(tables.EVENTS, guarded, lambda row: row.partition)  # type: ignore[attr-defined]
