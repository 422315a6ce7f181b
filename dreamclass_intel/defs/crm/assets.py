"""Raw CRM tables: HubSpot or CSV exports -> contract, nothing else."""

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.crm import csv_import, normalise, tables
from dreamclass_intel.defs.crm.client import CrmResource, chunks
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import Days
from dreamclass_intel.records import empty, extract, timestamp
from dreamclass_intel.typed_assets import days, raw_asset, snapshot_day
from dreamclass_intel.warehouse.io_manager import WarehouseResource

ASSOCIATION_CHUNK = 1000
OPEN_DAYS = 3  # from the newest ready day to now, at most
Record = dict[str, Any]


def _load(
    table: Table,
    kind: str,
    context: dg.AssetExecutionContext,
    crm: CrmResource,
    hubspot: Callable[[Days], Iterator[Record]],
    day: Callable[[Record], str] = normalise.changed_day,
    clock: Clock | None = None,
) -> Extract:
    """The window's rows of `table`, by the route the settings chose.

    HubSpot finds an object by its last change only: one made on the newest day and changed again since would be
    missing until tomorrow. So a window that reaches the newest ready day reads on to now, and keeps such objects on its
    last day; tomorrow's load moves them to their own.
    """
    window = days(context)
    files = crm.csv_files()
    if files is not None:
        return csv_import.load(kind, files, window)
    last = window.last.isoformat()
    if clock is not None and window.last >= clock.newest_ready_day():
        open_window = Days(window.start, window.end + dt.timedelta(days=OPEN_DAYS))
        return extract(table, hubspot(open_window), lambda record: min(day(record), last))  # type: ignore[arg-type]
    # An object that changes again while it is being read belongs to that later day.
    records = (record for record in hubspot(window) if window.holds(day(record)))
    return extract(table, records, day)  # type: ignore[arg-type]


def _with_merges(records: Iterator[Record], id_column: str) -> Iterator[Record]:
    for record in records:
        yield record
        yield from normalise.merged_away(record, id_column)


def _changed(crm: CrmResource, kind: str, properties: tuple[str, ...], window: Days) -> Iterator[Record]:
    return chain(crm.modified(kind, properties, window), crm.archived(kind, properties, window))


@raw_asset(tables.COMPANIES, source="crm")
def crm_companies(context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock) -> Extract:
    """Companies changed or deleted on the run's days."""

    def hubspot(window: Days) -> Iterator[Record]:
        properties = (*normalise.COMPANY_PROPERTIES, *crm.custom_properties("companies"))
        records = (normalise.company(item) for item in _changed(crm, "companies", properties, window))
        return _with_merges(records, "company_id")

    return _load(tables.COMPANIES, "companies", context, crm, hubspot, clock=clock)


@raw_asset(tables.CONTACTS, source="crm")
def crm_contacts(context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock) -> Extract:
    """Contacts changed or deleted on the run's days, with their companies."""

    def records(window: Days) -> Iterator[Record]:
        found = _changed(crm, "contacts", normalise.CONTACT_PROPERTIES, window)
        for chunk in chunks(found, ASSOCIATION_CHUNK):
            companies = crm.associations("contacts", "companies", [item["id"] for item in chunk])
            for item in chunk:
                yield normalise.contact(item, companies.get(item["id"], []))

    def hubspot(window: Days) -> Iterator[Record]:
        return _with_merges(records(window), "contact_id")

    return _load(tables.CONTACTS, "contacts", context, crm, hubspot, clock=clock)


@raw_asset(tables.DEALS, source="crm")
def crm_deals(context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock) -> Extract:
    """Deals changed or deleted on the run's days, with their companies and contacts."""

    def records(window: Days) -> Iterator[Record]:
        properties = (*normalise.DEAL_PROPERTIES, *crm.custom_properties("deals"))
        for chunk in chunks(_changed(crm, "deals", properties, window), ASSOCIATION_CHUNK):
            ids = [item["id"] for item in chunk]
            companies = crm.associations("deals", "companies", ids)
            contacts = crm.associations("deals", "contacts", ids)
            for item in chunk:
                yield normalise.deal(item, companies.get(item["id"], []), contacts.get(item["id"], []))

    def hubspot(window: Days) -> Iterator[Record]:
        return _with_merges(records(window), "deal_id")

    return _load(tables.DEALS, "deals", context, crm, hubspot, clock=clock)


@raw_asset(tables.STAGE_HISTORY, source="crm")
def crm_stage_history(context: dg.AssetExecutionContext, crm: CrmResource) -> Extract:
    """Stage changes made on the run's days."""

    def hubspot(window: Days) -> Iterator[Record]:
        # A deal whose stage changed on D was last modified on D or later.
        touched = (item["id"] for item in crm.modified("deals", (), window, open_end=True))
        for item in crm.history("deals", touched, ["dealstage", "pipeline"]):
            yield from normalise.stage_changes(item)

    return _load(tables.STAGE_HISTORY, "stage_history", context, crm, hubspot, _change_day)


def _change_day(record: Record) -> str:
    return timestamp(record["changed_at"]).date().isoformat()


@raw_asset(tables.LEADS, source="crm")
def crm_leads(
    context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock, warehouse: WarehouseResource
) -> Extract:
    """Leads changed, deleted or taken out of the lead lifecycle on the run's days."""

    def hubspot(window: Days) -> Iterator[Record]:
        # Most contacts never were leads: only a stored one gets a tombstone.
        stored = _stored_leads(warehouse)

        def records() -> Iterator[Record]:
            for item in _changed(crm, "contacts", normalise.CONTACT_PROPERTIES, window):
                record = normalise.lead(item)
                if record is not None:
                    yield record
                yield from (gone for gone in normalise.no_leads(item) if gone["lead_id"] in stored)

        return records()

    return _load(tables.LEADS, "leads", context, crm, hubspot, clock=clock)


def _stored_leads(warehouse: WarehouseResource) -> set[str]:
    backend = warehouse.backend()
    backend.ensure([tables.LEADS])
    query = f"SELECT lead_id FROM {backend.name(tables.LEADS.address)} WHERE source = ?"
    return set(backend.read(query, [normalise.SOURCE]).column("lead_id").to_pylist())


@raw_asset(tables.PIPELINES, source="crm")
def crm_pipelines(context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock) -> Extract:
    """Pipelines and stages as they are now."""
    day = snapshot_day(context, clock)
    if crm.csv_files() is not None:
        return empty(tables.PIPELINES, {"source": "CSV exports name their stages themselves"})
    found = (stage for pipeline in crm.pipelines() for stage in normalise.stages(pipeline))
    return extract(tables.PIPELINES, found, day)


@raw_asset(tables.OWNERS, source="crm")
def crm_owners(context: dg.AssetExecutionContext, crm: CrmResource, clock: Clock) -> Extract:
    """Owners as they are now."""
    day = snapshot_day(context, clock)
    if crm.csv_files() is not None:
        return empty(tables.OWNERS, {"source": "CSV exports hold owners by name only"})
    return extract(tables.OWNERS, map(normalise.owner, crm.owners()), day)
