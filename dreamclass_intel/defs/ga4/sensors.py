"""What loads a day again whose shard GA4 published anew after the days that are read again anyway."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.automation.due import DUE, TRAILING_DAYS, Load, next_attempt, request
from dreamclass_intel.defs.automation.jobs import daily
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.partitions import DAY
from dreamclass_intel.settings import Mode, load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

RANGES_A_TICK = 4


@dg.sensor(job=daily, minimum_interval_seconds=3600, default_status=dg.DefaultSensorStatus.RUNNING)
def late_shards(
    context: dg.SensorEvaluationContext, ga4: Ga4Resource, clock: Clock, warehouse: WarehouseResource
) -> dg.SensorResult | dg.SkipReason:
    """Requests the days whose shard was published, or published anew, after it was loaded and too late for the days
    that every run reads again."""
    if load_settings().ga4.mode is Mode.OFF:
        return dg.SkipReason("GA4 is off.")
    loaded = context.instance.get_materialized_partitions(dg.AssetKey([EVENTS.schema, EVENTS.name]))
    before = clock.newest_ready_day() - (TRAILING_DAYS - 1) * DAY
    late = changed(ga4.shards().list_shards(), stored_versions(warehouse), loaded, before)
    found = list[dg.RunRequest]()
    for group in ranges(late):
        load = Load(group[0].day, group[-1].day)
        newest = max(shard.last_modified for shard in group if shard.last_modified)
        due = f"late-shards:{load.first}:{load.last}:{newest.isoformat()}"
        if _succeeded(context.instance, due):  # its rows do not tell: all refused, or none
            continue
        attempt = next_attempt(context.instance, due)
        if attempt is not None and len(found) < RANGES_A_TICK:
            found.append(request(due, attempt, tags=load.tags))
    if not found:
        return dg.SkipReason(f"No shard before {before} has changed and waits to be loaded.")
    return dg.SensorResult(run_requests=found)


def stored_versions(warehouse: WarehouseResource) -> dict[dt.date, dt.datetime]:
    """When the stored version of each day's shard was published (aware)."""
    backend = warehouse.backend()
    backend.ensure([EVENTS])
    found = backend.read(
        f"SELECT event_date, MAX(table_last_modified) AS modified FROM {backend.name(EVENTS.address)} "
        "WHERE table_last_modified IS NOT NULL GROUP BY event_date"
    )
    return {row["event_date"]: row["modified"].replace(tzinfo=dt.UTC) for row in found.to_pylist()}


def changed(
    available: Sequence[Shard], stored: Mapping[dt.date, dt.datetime], loaded: Collection[str], before: dt.date
) -> list[Shard]:
    """Shards of loaded days before `before` that are newer than what is stored of them, oldest first."""
    return [
        shard
        for shard in sorted(available)
        if shard.last_modified is not None
        and shard.day < before
        and shard.day.isoformat() in loaded
        and (shard.day not in stored or stored[shard.day] < shard.last_modified)
    ]


def _succeeded(instance: dg.DagsterInstance, due: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(tags={DUE: due}, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1))


def ranges(shards: Sequence[Shard]) -> Iterator[list[Shard]]:
    """The shards in stretches of consecutive days."""
    group: list[Shard] = []
    for shard in shards:
        if group and shard.day != group[-1].day + DAY:
            yield group
            group = []
        group.append(shard)
    if group:
        yield group
