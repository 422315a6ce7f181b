"""Weeks that were drawn before their data were there: a check passes then, and nobody would ever look again."""

import datetime as dt
from collections.abc import Collection

from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr.charts import NOT_LOADED, period_judged_in
from dreamclass_intel.defs.xmr.tables import POINTS
from dreamclass_intel.warehouse.protocol import Warehouse

LOOK_BACK = 8  # weeks; what comes later than that is history


def weeks_to_redraw(warehouse: Warehouse, drawn: Collection[str]) -> list[str]:
    """Partitions among the newest drawn ones with a point that could not be judged for want of data that are there
    now, in order."""
    recent = sorted(drawn)[-LOOK_BACK:]
    if not recent:
        return []
    warehouse.ensure([POINTS])
    waiting = warehouse.read(
        f"SELECT metric_id, partition_start FROM {warehouse.name(POINTS.address)} "
        f"WHERE {warehouse.within('verdict')} AND partition_start >= ?",
        [[f"Not judged: {words}" for words in NOT_LOADED], dt.date.fromisoformat(recent[0])],
    ).to_pylist()
    if not waiting:
        return []
    loaded = {
        (row["metric_id"], row["period_start"])
        for row in warehouse.read(
            f"SELECT metric_id, period_start FROM {warehouse.name('marts.metric_series')} "
            "WHERE is_complete AND segment = 'all' AND value IS NOT NULL"
        ).to_pylist()
    }
    weekly = {m.id: m for m in metrics() if m.table_grain is Grain.WEEKLY}
    found = {
        row["partition_start"].isoformat()
        for row in waiting
        if (metric := weekly.get(row["metric_id"]))
        and (metric.id, period_judged_in(metric, row["partition_start"])) in loaded
    }
    return sorted(found & set(recent))
