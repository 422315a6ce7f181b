"""Sensors that keep the chain going: a closed day, then a closed week. (Scoring runs: `defs/lead_scoring`.)

Sensors instead of schedules: after a day of downtime or a vendor's outage one ranged run catches up, and the
sandbox's clock can drive them.
"""

import datetime as dt
from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.automation.jobs import daily, weekly
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.partitions import DAILY, START, WEEKLY

TRAILING_DAYS = 4  # GA4 restates a day for three more
CATCH_UP_DAYS = 35  # a source that failed for longer is backfilled by hand
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def first_day_to_load(newest: dt.date, loaded: Iterable[set[str]]) -> dt.date:
    """Start of the range that ends at `newest`: the trailing days, or further back to the first day that a
    table still misses, at most CATCH_UP_DAYS. `loaded`: stored partition keys, one set a table."""
    first = newest - dt.timedelta(days=TRAILING_DAYS - 1)
    oldest = newest - dt.timedelta(days=CATCH_UP_DAYS - 1)
    for keys in loaded:
        done = max((k for k in keys if k <= newest.isoformat()), default=None)
        after = dt.date.fromisoformat(done) + dt.timedelta(days=1) if done else oldest
        first = min(first, after)
    return max(first, oldest, START)


def loaded_days(instance: dg.DagsterInstance, graph: BaseAssetGraph) -> list[set[str]]:
    """Stored partition keys of each daily table."""
    keys = [k for k in graph.materializable_asset_keys if graph.get(k).partitions_def == DAILY]
    return [set(instance.get_materialized_partitions(key)) for key in keys]


@dg.sensor(job=daily, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def new_day(context: dg.SensorEvaluationContext, clock: Clock) -> dg.RunRequest | dg.SkipReason:
    """Requests one ranged run once a day has closed. Cursor: the newest day requested."""
    newest = clock.newest_ready_day()
    if newest < START:
        return dg.SkipReason("No day has closed yet.")
    if context.cursor and context.cursor >= newest.isoformat():
        return dg.SkipReason(f"{newest} has been requested.")
    assert context.repository_def
    loaded = loaded_days(context.instance, context.repository_def.asset_graph)
    if any(newest.isoformat() in keys for keys in loaded) and not context.cursor:
        context.update_cursor(newest.isoformat())
        return dg.SkipReason(f"{newest} is loaded already.")
    first = first_day_to_load(newest, loaded)
    context.update_cursor(newest.isoformat())
    return dg.RunRequest(
        run_key=f"daily:{newest}", tags={RANGE_START: first.isoformat(), RANGE_END: newest.isoformat()}
    )


def loaded_until(instance: dg.DagsterInstance) -> dt.date | None:
    """Newest day that a successful `daily` run covered."""
    runs = instance.get_runs(dg.RunsFilter(job_name=daily.name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=20)
    ends = [run.tags[RANGE_END] for run in runs if RANGE_END in run.tags]
    return dt.date.fromisoformat(max(ends)) if ends else None


@dg.sensor(job=weekly, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def closed_week(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Requests the charts of each week that has closed and been loaded, oldest first. Cursor: newest requested."""
    until = loaded_until(context.instance)
    if until is None:
        return dg.SkipReason("No daily run has succeeded yet.")
    charts = [dg.AssetKey(["xmr", m.id]) for m in metrics() if m.table_grain is Grain.WEEKLY]
    done = context.cursor or max(
        (max(keys) for c in charts if (keys := context.instance.get_materialized_partitions(c))), default=""
    )
    moment = dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), dt.UTC)
    due = [key for key in WEEKLY.get_partition_keys(current_time=moment) if key > done]
    if not due:
        return dg.SkipReason(f"Every week closed by {until} has been requested.")
    requests = [dg.RunRequest(run_key=f"weekly:{key}", partition_key=key) for key in due[-8:]]
    return dg.SensorResult(run_requests=requests, cursor=due[-1])
