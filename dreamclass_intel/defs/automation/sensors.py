"""Sensors that keep the chain going: a closed day, then a closed week. (Scoring runs: `defs/lead_scoring`.)

Sensors instead of schedules: after a day of downtime or a vendor's outage one ranged run catches up, and the
sandbox's clock can drive them. They ask what is stored, not what was requested: a failed run is asked for again.
"""

import datetime as dt

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.automation.due import daily_loads, loaded_until, next_attempt, request
from dreamclass_intel.defs.automation.jobs import daily, weekly
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr.late import weeks_to_redraw
from dreamclass_intel.partitions import START, WEEKLY
from dreamclass_intel.warehouse.io_manager import WarehouseResource

WEEKS_A_TICK = 8


@dg.sensor(job=daily, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def new_day(context: dg.SensorEvaluationContext, clock: Clock) -> dg.SensorResult | dg.SkipReason:
    """Requests what the daily tables miss once a day has closed: one ranged run, before it one that catches up."""
    newest = clock.newest_ready_day()
    if newest < START:
        return dg.SkipReason("No day has closed yet.")
    assert context.repository_def
    missing = daily_loads(context.instance, context.repository_def.asset_graph, newest)
    if not missing:
        return dg.SkipReason(f"Every day up to {newest} is loaded.")
    found = []
    for load in missing:
        due = f"daily:{newest}" if load.tables is None else f"catch-up:{newest}"
        attempt = next_attempt(context.instance, due)
        if attempt is not None:
            chosen = [dg.AssetKey.from_user_string(t) for t in sorted(load.tables)] if load.tables else None
            found.append(request(due, attempt, tags=load.tags, asset_selection=chosen))
    if not found:
        return dg.SkipReason(f"Days {missing[0].first} to {newest} are being loaded, or wait for their next attempt.")
    return dg.SensorResult(run_requests=found)


@dg.sensor(job=weekly, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def closed_week(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
    """Requests the charts of each week that has closed and been loaded, oldest first; and of weeks whose data came
    late, so that they could not be judged when they were drawn."""
    until = loaded_until(context.instance)
    if until is None:
        return dg.SkipReason("No daily run has succeeded yet.")
    moment = dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), dt.UTC)
    closed = list(WEEKLY.get_partition_keys(current_time=moment))
    charts = [dg.AssetKey(["xmr", m.id]) for m in metrics() if m.table_grain is Grain.WEEKLY]
    drawn = set(closed).intersection(*(context.instance.get_materialized_partitions(chart) for chart in charts))
    first = min(drawn, default=closed[-WEEKS_A_TICK:][0] if closed else "")  # weeks before are history: for a backfill
    due = [key for key in closed if key >= first and key not in drawn] + weeks_to_redraw(warehouse.backend(), drawn)
    found = list[dg.RunRequest]()
    for key in due:
        attempt = next_attempt(context.instance, f"weekly:{key}")
        if attempt is not None and len(found) < WEEKS_A_TICK:
            found.append(request(f"weekly:{key}", attempt, partition_key=key))
    if not found:
        return dg.SkipReason(f"Every week closed by {until} is drawn." if not due else f"Under way: {', '.join(due)}.")
    return dg.SensorResult(run_requests=found)
