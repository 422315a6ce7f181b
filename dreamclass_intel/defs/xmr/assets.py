"""One asset and three checks a metric. Partition P is the chart as of P's close, judging the newest mature point.

All metrics of a grain are one step: one read of `metric_series`, one write of `xmr.points`.
"""

import base64
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.dbt.project import partitioned_ancestors
from dreamclass_intel.defs.metrics.registry import PERIOD_DAYS, Metric, metrics
from dreamclass_intel.defs.xmr.charts import RULES, MetricChart, chart_as_of, figures, is_unfavourable
from dreamclass_intel.defs.xmr.tables import CURRENT, POINTS
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import DEFINITIONS
from dreamclass_intel.records import extract
from dreamclass_intel.settings import SOURCES, Mode, load_settings
from dreamclass_intel.typed_assets import asset_settings, column_schema
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.xmr import phrase, render_svg

METRIC_SERIES = dg.AssetKey(["marts", "metric_series"])


def asset_key(metric: Metric) -> dg.AssetKey:
    """`xmr/<metric id>`."""
    return dg.AssetKey(["xmr", metric.id])


def _deps(metric: Metric) -> Iterator[dg.AssetDep]:
    """The series, and the partitioned tables behind it: a UI backfill drops or misorders a partitioned asset
    that hangs on unpartitioned ones alone."""
    yield dg.AssetDep(METRIC_SERIES)
    grain = metric.table_grain
    if grain is Grain.SCORING_WINDOW:
        for key in partitioned_ancestors(metric.origin.table, grain):
            yield dg.AssetDep(key, partition_mapping=dg.IdentityPartitionMapping())
    else:
        for key in partitioned_ancestors(metric.origin.table, Grain.DAILY):
            yield dg.AssetDep(key, partition_mapping=dg.TimeWindowPartitionMapping())


def _spec(metric: Metric) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(metric),
        deps=list(_deps(metric)),
        description=f"**{metric.question}**\n\nXmR chart of {metric.title} ({metric.unit}), a point a "
        f"{metric.grain.replace('_', ' ')}. Good is {metric.direction}. Limits lock after "
        f"{metric.baseline.count} periods; Wheeler's rules.",
        group_name="xmr",
        owners=[metric.owner],
        kinds={"python", "xmr"},
        tags={"layer": "xmr", "metric": metric.id},
        metadata={
            "dagster/column_schema": column_schema(POINTS),
            "dagster/table_name": POINTS.address,
            "unit": metric.unit,
            "direction_of_good": metric.direction,
        },
        partitions_def=DEFINITIONS[metric.table_grain],
    )


def _check_specs(metric: Metric) -> Iterator[dg.AssetCheckSpec]:
    for name, (_, words) in RULES.items():
        yield dg.AssetCheckSpec(
            name,
            asset=asset_key(metric),
            description=f"{words} Fails in the partition in which the signal became known.",
            partitions_def=DEFINITIONS[metric.table_grain],
            blocking=False,
        )


def _check(made: MetricChart, name: str) -> dg.AssetCheckResult:
    """One rule's result for the partition: fails only for signals that became known at the judged point."""
    rule, _ = RULES[name]
    news = [s for s in made.news if s.rule == rule]
    limits = made.chart.limits
    bad = any(is_unfavourable(made.metric, s.side) for s in news)
    severe = rule == "outside_limits" and bad
    numbers: dict[str, Any] = {}
    if made.judged >= 0:
        numbers["value"] = float(made.rows[made.judged]["value"])
        numbers["period"] = made.chart.label(made.judged)
    if limits:
        numbers |= {k: float(getattr(limits, k)) for k in ("center", "unpl", "lnpl", "url")}
        numbers["limits"] = limits.status
    words = "; ".join(phrase(made.chart, s) for s in news) or made.problem or "No signal of this rule."
    if news:
        words += " (unfavourable)" if bad else " (favourable)" if made.metric.direction != "none" else ""
    return dg.AssetCheckResult(
        asset_key=asset_key(made.metric),
        check_name=name,
        passed=not news,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=f"{made.metric.title}: {words}",
        metadata=numbers,
    )


def _verdict(made: MetricChart) -> str:
    return f"Not judged: {made.problem}" if made.problem else made.chart.verdict


def _picture(made: MetricChart) -> dg.MetadataValue:
    svg = render_svg(made.chart, title=made.metric.title)
    return dg.MetadataValue.md(
        f"![{made.metric.title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
    )


def _point(made: MetricChart, partition: dt.date) -> dict[str, Any]:
    news = [
        {
            "rule": s.rule,
            "side": s.side,
            "start": made.chart.label(s.start),
            "known_at": made.chart.label(s.known_at),
            "members": [made.chart.label(i) for i in s.members],
            "strength": float(s.strength),
        }
        for s in made.news
    ]
    if made.judged < 0:
        row: dict[str, Any] = {"metric_id": made.metric.id, "period_start": partition, "limits_status": "none"}
    else:
        row = figures(made, made.judged)
    return {**row, "partition_start": partition, "signals": news, "verdict": _verdict(made)}


def load_series(warehouse: WarehouseResource, chosen: Sequence[Metric]) -> dict[str, list[dict[str, Any]]]:
    """Rows of `metric_series` by metric id."""
    found = warehouse.read(
        "SELECT metric_id, period_start, value, numerator, denominator, n, is_complete "
        f"FROM {warehouse.name('marts.metric_series')} WHERE segment = 'all' AND {warehouse.within('metric_id')}",
        [[m.id for m in chosen]],
    )
    series: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found.to_pylist():
        series[row["metric_id"]].append(row)
    return series


def sources_off() -> set[str]:
    """Sources that are switched off now."""
    settings = load_settings()
    return {name for name in SOURCES if settings.source(name).mode is Mode.OFF}


def build_charts(grain: Grain) -> dg.AssetsDefinition:
    """The charts of all metrics of a grain."""
    members = {asset_key(m): m for m in metrics() if m.table_grain is grain}
    days = {PERIOD_DAYS[m.grain] for m in members.values()}
    (length,) = days

    @dg.multi_asset(
        name=f"xmr_{grain.value}",
        specs=[_spec(m) for m in members.values()],
        check_specs=[spec for m in members.values() for spec in _check_specs(m)],
        can_subset=True,
    )
    def charts(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        """Chart the selected metrics as of the partition's close."""
        partition = dt.date.fromisoformat(context.partition_key)
        chosen = [m for key, m in members.items() if key in context.selected_asset_keys]
        series = load_series(warehouse, chosen)
        off = sources_off()
        made = [chart_as_of(m, series[m.id], partition + dt.timedelta(days=length), off) for m in chosen]
        warehouse.backend().write(
            POINTS,
            [partition.isoformat()],
            extract(POINTS, [_point(m, partition) for m in made], partition.isoformat()),
            context.run_id,
        )
        for one in made:
            yield dg.MaterializeResult(
                asset_key=asset_key(one.metric),
                metadata={
                    "verdict": _verdict(one),
                    "chart": _picture(one),
                    "points": len(one.rows),
                    **({"value": float(one.rows[one.judged]["value"])} if one.judged >= 0 else {}),
                },
                check_results=[
                    _check(one, name)
                    for name in RULES
                    if dg.AssetCheckKey(asset_key(one.metric), name) in context.selected_asset_check_keys
                ],
            )

    return charts


GRAINS = tuple(dict.fromkeys(m.table_grain for m in metrics()))
CHARTS = [build_charts(grain) for grain in GRAINS]


@dg.asset(
    **asset_settings(
        CURRENT,
        group_name="xmr",
        deps=[METRIC_SERIES],
        kinds={"python", "xmr"},
    )
)
def xmr_current(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[Extract]:
    """All charts as they stand now; their verdicts are the metadata."""
    chosen = list(metrics())
    series = load_series(warehouse, chosen)
    rows: list[dict[str, Any]] = []
    verdicts: dict[str, Any] = {}
    for metric in chosen:
        newest = max((r["period_start"] for r in series[metric.id] if r["is_complete"]), default=None)
        if newest is None:
            verdicts[metric.id] = "no complete period yet"
            continue
        made = chart_as_of(metric, series[metric.id], newest + metric.period, sources_off())
        verdicts[metric.id] = _verdict(made)
        belongs = defaultdict(set)
        for signal in made.chart.signals:
            for index in signal.members:
                belongs[index].add(signal.rule)
        rows += [
            {
                **figures(made, i),
                "numerator": made.rows[i]["numerator"],
                "denominator": made.rows[i]["denominator"],
                "is_judged": bool(made.chart.judged[i]),
                "rules": sorted(belongs[i]),
            }
            for i in range(len(made.rows))
        ]
    return dg.MaterializeResult(value=extract(CURRENT, rows, "all"), metadata=verdicts)
