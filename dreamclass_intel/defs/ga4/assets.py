"""Raw GA4 assets: client -> contract, nothing else."""

import datetime as dt
from collections.abc import Iterator
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.ga4 import flatten, server_side, tables
from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.normalise import reports, to_records
from dreamclass_intel.defs.ga4.shards import plan
from dreamclass_intel.loads import Data, Extract, Selection
from dreamclass_intel.partitions import Days
from dreamclass_intel.records import extract
from dreamclass_intel.settings import load_settings
from dreamclass_intel.typed_assets import days, raw_asset
from dreamclass_intel.warehouse.io_manager import WarehouseResource

# A daily shard usually comes the next afternoon; Google promises no hour.
PATIENCE = dt.timedelta(hours=48)


@raw_asset(tables.EVENTS, source="ga4")
def ga4_events(context: dg.AssetExecutionContext, ga4: Ga4Resource, clock: Clock, warehouse: WarehouseResource) -> Data:
    """The newest publication of each of the run's shards. Fails when the export has stopped."""
    settings = load_settings()
    source = ga4.shards()
    found = plan(source.list_shards(), days(context), clock.now(), ZoneInfo(settings.ga4.time_zone), PATIENCE)
    if found.overdue:
        raise dg.Failure(
            f"GA4 export: no shard for {_listed(found.overdue)}, {PATIENCE.total_seconds() / 3600:g} h after the end "
            "of the day, nor for any later day: has the export stopped?",
            allow_retries=False,
        )
    _refuse_to_forget(warehouse, [*found.missing, *found.not_yet])
    if found.missing:
        context.log.warning(f"The GA4 export has no shard for {_listed(found.missing)}; later days are there.")
    metadata: dict[str, Any] = {
        "shards": len(found.shards),
        "not_yet_shards": [day.isoformat() for day in found.not_yet],
        "missing_shards": [day.isoformat() for day in found.missing],
        "last_modified": {s.table: str(s.last_modified) for s in found.shards[-7:]},
    }

    def tell_of(unknown: set[str]) -> None:
        if unknown:
            context.log.warning(f"The GA4 export has new columns: {sorted(unknown)}")
        metadata["unknown_columns"] = sorted(unknown)

    def told(costs: str) -> None:
        context.log.info(f"GA4 export: {len(found.shards)} shards, {costs}")

    in_bigquery = settings.warehouse == "bigquery"
    if in_bigquery and isinstance(source, BigQueryShards):
        queries = server_side.parts(source, found.shards, tell_of)
        return Selection(queries, tables.EVENTS_ORIGIN, told=told, metadata=metadata)
    spool, memory = settings.state_dir / "spool", settings.duckdb_memory_limit
    parts = flatten.parts(source, found.shards, spool, tell_of, memory, numbered=in_bigquery)
    if in_bigquery:  # which cannot read these files
        return flatten.streamed(parts, spool, memory, metadata)
    return Selection(parts, tables.EVENTS_ORIGIN, flatten.NUMBERING, metadata=metadata)


@raw_asset(tables.REPORT_DAILY, source="ga4")
def ga4_report_daily(context: dg.AssetExecutionContext, ga4: Ga4Resource) -> Extract:
    """GA4's own numbers of the run's days."""
    report, window = reports()["daily"], days(context)
    pages = ga4.report(report, window)
    first = next(pages)
    zone, ours = first.metadata.time_zone, load_settings().ga4.time_zone
    if zone != ours:
        raise dg.Failure(
            f"The GA4 property's time zone is {zone}, GA4_TIME_ZONE says {ours}: days would be cut wrongly.",
            allow_retries=False,
        )
    metadata: dict[str, Any] = {"requests": 0, "quota_tokens_consumed": 0}

    def records() -> Iterator[dict[str, Any]]:
        for page in chain([first], pages):
            quota = page.property_quota
            metadata["requests"] += 1
            metadata["quota_tokens_consumed"] += quota.tokens_per_hour.consumed
            metadata["quota_tokens_left_today"] = quota.tokens_per_day.remaining
            yield from to_records(report, page)

    result = extract(tables.REPORT_DAILY, records(), lambda record: _partition(record, window), on_bad="quarantine")
    result.metadata = metadata
    return result


def _partition(record: Any, window: Days) -> str:
    """The record's date; what has none is set aside under the run's newest day."""
    key = str(record.get("report_date"))
    return key if window.holds(key) else window.last.isoformat()


def _refuse_to_forget(warehouse: WarehouseResource, absent: list[dt.date]) -> None:
    """Shards expire (BigQuery's sandbox keeps 60 days) and cannot be had again: nothing stored is replaced by none."""
    if not absent:
        return
    backend = warehouse.backend()
    backend.ensure([tables.EVENTS])
    stored = backend.read(
        f"SELECT DISTINCT event_date FROM {backend.name(tables.EVENTS.address)} "
        f"WHERE {backend.within('event_date')} ORDER BY 1",
        [absent],
    ).to_pylist()
    if stored:
        raise dg.Failure(
            f"GA4 export: the shards of {_listed([row['event_date'] for row in stored])} are gone, but their rows are "
            "stored. They stay; run the days that still have a shard.",
            allow_retries=False,
        )


def _listed(some: list[dt.date]) -> str:
    shown = ", ".join(day.isoformat() for day in some[:5])
    return shown + (f" and {len(some) - 5} more days" if len(some) > 5 else "")
