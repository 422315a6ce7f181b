"""What loads a day again whose shard GA4 published anew after the days that are read again anyway."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


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
    looked_at = Looked.read(context.cursor)
    news = [s for s in ga4.shards().list_shards() if s.day < before and looked_at.is_news(s)]
    late = changed(news, stored_versions(warehouse), loaded, before) if news else []
    waiting = [(due, load) for due, load in _dues(late) if not _succeeded(context.instance, due)]
    # Those that wait are looked at again until they are loaded.
    cursor = context.cursor if waiting else looked_at.after(news, before).written()
    found = list[dg.RunRequest]()
    for due, load in waiting:
        attempt = next_attempt(context.instance, due)
        if attempt is not None and len(found) < RANGES_A_TICK:
            found.append(request(due, attempt, tags=load.tags))
    nothing = None if found else f"No shard before {before} has changed and waits to be loaded."
    return dg.SensorResult(run_requests=found, skip_reason=nothing, cursor=cursor)


@dataclass(frozen=True)
class Looked:
    """How far the sensor has looked: at the shards of days before `before`, up to those published at `newest`. What is
    stored is asked for only when there is news: on BigQuery that reads two columns of all events."""

    before: dt.date = dt.date.min
    newest: dt.datetime = NEVER

    @classmethod
    def read(cls, cursor: str | None) -> "Looked":
        """From the sensor's cursor; a cursor of another version is as none."""
        before, _, newest = (cursor or "").partition(" ")
        try:
            return cls(dt.date.fromisoformat(before), dt.datetime.fromisoformat(newest))
        except ValueError:
            return cls()

    def written(self) -> str:
        """As the cursor."""
        return f"{self.before.isoformat()} {self.newest.isoformat()}"

    def is_news(self, shard: Shard) -> bool:
        """Whether this publication of a shard has not been looked at yet."""
        return shard.day >= self.before or (shard.last_modified is not None and shard.last_modified > self.newest)

    def after(self, news: Sequence[Shard], before: dt.date) -> "Looked":
        """Once all of `news` are known to be stored."""
        return Looked(before, max([self.newest, *(s.last_modified for s in news if s.last_modified)]))


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


def _dues(late: Sequence[Shard]) -> Iterator[tuple[str, Load]]:
    for group in ranges(late):
        load = Load(group[0].day, group[-1].day)
        newest = max(shard.last_modified for shard in group if shard.last_modified)
        yield f"late-shards:{load.first}:{load.last}:{newest.isoformat()}", load


def _succeeded(instance: dg.DagsterInstance, due: str) -> bool:
    """Whether they were loaded; their rows may not tell (all refused, or none)."""
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
