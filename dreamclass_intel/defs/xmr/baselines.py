"""Locked limits as they are kept: read before charts are drawn, written once when a chart locks, never changed.

Values are loaded again (a model scores anew, a vendor corrects); a limit that moved with them would rewrite the past.
"""

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dreamclass_intel.defs.metrics.registry import Metric
from dreamclass_intel.defs.xmr.charts import MetricChart
from dreamclass_intel.defs.xmr.tables import BASELINES
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse.protocol import Warehouse
from dreamclass_intel.xmr import Adjustment, Limits
from dreamclass_intel.xmr.quiet import DESIGNS

Locked = Mapping[dt.date, Limits]  # by the first period of the basis, from which their `base` counts


def policy(metric: Metric) -> str:
    """What the limits of a metric rest on; other words are other limits."""
    start = f" from {metric.baseline.start}" if metric.baseline.start else ""
    words = [f"first {metric.baseline.count} periods{start}", "mean", "Wheeler's constants"]
    words += [f"chart {metric.chart}"] * (metric.chart != "xmr") + [f"widened for {metric.preset}"] * (
        metric.preset in DESIGNS
    )
    what = repr((metric.numerator, metric.denominator, metric.origin, metric.n, metric.min_n, metric.empty))
    words.append(f"definition {hashlib.sha256(what.encode()).hexdigest()[:8]}")
    words += ["trend"] * metric.trend + [f"season of {metric.season}"] * bool(metric.season)
    return ", ".join(words)


def load(warehouse: Warehouse, chosen: Iterable[Metric]) -> dict[str, Locked]:
    """The kept limits of the metrics under their present policies."""
    by_id = {m.id: m for m in chosen}
    if not warehouse.exists(BASELINES.address):
        return {}
    rows = warehouse.read(
        f"SELECT * FROM {warehouse.name(BASELINES.address)} WHERE {warehouse.within('metric_id')}", [list(by_id)]
    ).to_pylist()
    found: dict[str, dict[dt.date, Limits]] = defaultdict(dict)
    for row in rows:
        if row["policy"] == policy(by_id[row["metric_id"]]):
            metric = by_id[row["metric_id"]]
            found[metric.id][row["base_start"]] = _limits(row, metric)
    return dict(found)


def keep(
    warehouse: Warehouse, made: Iterable[MetricChart], known: Mapping[str, Locked], partition: dt.date, run_id: str
) -> int:
    """Write down limits that these charts have locked and that are not `known` yet. Returns how many."""
    rows = [
        row
        for chart in made
        for row in _rows(chart, partition)
        if row["base_start"] not in known.get(chart.metric.id, {})
    ]
    if rows:
        warehouse.write(BASELINES, None, extract(BASELINES, rows, partition.isoformat()), run_id)
    return len(rows)


def _rows(made: MetricChart, partition: dt.date) -> Iterable[dict[str, Any]]:
    for segment in made.chart.segments:
        limits = segment.limits
        if limits is None or limits.status != "locked":
            continue
        first, stop = limits.base
        yield {
            "metric_id": made.metric.id,
            "base_start": made.periods[first],
            "policy": policy(made.metric),
            "base_end": made.periods[stop - 1],
            "locked_in": partition,
            **{name: getattr(limits, name) for name in ("center", "mr_bar", "unpl", "lnpl", "url", "limits_id")},
            "baseline_n": limits.n,
            "ranges_n": limits.ranges,
            "chart": limits.kind,
            "denominator": limits.denominator,
            "adjustment": asdict(limits.adjustment.moved(-first)) if limits.adjustment else None,
        }


def _limits(row: Mapping[str, Any], metric: Metric) -> Limits:
    """Its `base` counts from the first period of the basis; the chart knows where that is."""
    return Limits(
        center=row["center"],
        mr_bar=row["mr_bar"],
        unpl=row["unpl"],
        lnpl=row["lnpl"],
        url=row["url"],
        n=row["baseline_n"],
        status="locked",
        limits_id=row["limits_id"],
        base=(0, (row["base_end"] - row["base_start"]) // metric.period + 1),
        ranges=row["ranges_n"],
        kind=row["chart"],
        denominator=row["denominator"],
        adjustment=_adjustment(row["adjustment"]),
    )


def _adjustment(stored: str | None) -> Adjustment | None:
    if stored is None:
        return None
    fields = json.loads(stored)
    return Adjustment(**{**fields, "factors": tuple(fields["factors"])})
