"""One asset and a check a rule for each metric. Partition P is the chart as of P's close, judging the newest mature
point with nothing but what was known then.

All metrics of a grain are one step: one read of `metric_series`, one write each of points, signals, contributions.
"""

import base64
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dreamclass_intel.contracts import Grain, Table
from dreamclass_intel.defs.dbt.project import partitioned_ancestors
from dreamclass_intel.defs.metrics.registry import PERIOD_DAYS, Metric, metrics
from dreamclass_intel.defs.xmr.baselines import Locked, keep, load
from dreamclass_intel.defs.xmr.charts import MetricChart, chart_as_of, figures, is_unfavourable, verdict
from dreamclass_intel.defs.xmr.contributions import Moved, attributions, rows_of
from dreamclass_intel.defs.xmr.dividers import keep_taken, known_decisions
from dreamclass_intel.defs.xmr.rules import check_result, check_specs, checks_of
from dreamclass_intel.defs.xmr.series import load_series, sources_off
from dreamclass_intel.defs.xmr.tables import BASELINES, CONTRIBUTIONS, DIVIDERS, POINTS, SIGNALS
from dreamclass_intel.partitions import DEFINITIONS
from dreamclass_intel.records import extract
from dreamclass_intel.settings import load_settings
from dreamclass_intel.typed_assets import DATA_ENGINEERING, column_schema
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.warehouse.protocol import Warehouse
from dreamclass_intel.xmr import KINDS, render_svg

METRIC_SERIES = dg.AssetKey(["marts", "metric_series"])
# The tables that the charts of all grains share: what they say of a partition, kept.
STORED = (POINTS, SIGNALS, CONTRIBUTIONS, BASELINES, DIVIDERS)


def asset_key(metric: Metric) -> dg.AssetKey:
    """`xmr/<metric id>`."""
    return dg.AssetKey(["xmr", metric.id])


def _key(table: Table) -> dg.AssetKey:
    return dg.AssetKey([table.schema, table.name])


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
        description=f"**{metric.question}**\n\n{KINDS[metric.chart].title} of {metric.title} ({metric.unit}), a point "
        f"a {metric.grain.replace('_', ' ')}. Good is {metric.direction}. Limits lock after "
        f"{metric.baseline.count} periods; rules: {metric.preset}. The chart of a partition knows what was known "
        "at its close; `xmr/current` is the chart of now.",
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


def _picture(made: MetricChart) -> dg.MetadataValue:
    good = None if made.metric.direction == "none" else made.metric.direction
    svg = render_svg(made.chart, title=made.metric.title, good=good, reasons=made.reasons)
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
    drawn = {"chart": made.metric.chart, "preset": made.metric.preset}
    return {**row, **drawn, "partition_start": partition, "signals": news, "verdict": verdict(made)}


def _told(moved: Sequence[Moved], rule: str) -> str:
    """Who moved, for the check of a rule."""
    return "; ".join(dict.fromkeys(m.words for m in moved if m.signal.rule == rule))


def _who_moved(moved: Sequence[Moved]) -> dg.MarkdownMetadataValue:
    """The attribution of each signal as a table."""
    parts = []
    for signal, found, words in moved:
        parts.append(f"**{signal.rule} {signal.side}**: {words}\n")
        if found is not None:
            parts += ["| segment | contribution | 95 % interval | q |", "|---|---|---|---|"]
            parts += [
                f"| {row.segment.replace('|', '/')} | {row.contribution:+.4g} "
                f"| {row.ci_low:+.4g} to {row.ci_high:+.4g} | {row.q:.3g} |"
                for row in found.rows
            ]
            parts.append("")
    return dg.MetadataValue.md("\n".join(parts))


def _signals(made: MetricChart, partition: dt.date) -> Iterator[dict[str, Any]]:
    for s in made.news:
        yield {
            "metric_id": made.metric.id,
            "partition_start": partition,
            "rule": s.rule,
            "side": s.side,
            "start_period": made.periods[s.start],
            "end_period": made.periods[s.end],
            "known_at": made.periods[s.known_at],
            "members": [made.periods[i].isoformat() for i in s.members],
            "strength": s.strength if math.isfinite(s.strength) else None,
            "is_unfavourable": is_unfavourable(made.metric, s.side),
            "limits_id": s.limits_id,
        }


def _store(
    backend: Warehouse,
    made: Sequence[MetricChart],
    moved: Mapping[str, Sequence[Moved]],
    known: Mapping[str, Locked],
    partition: dt.date,
    run: str,
) -> dict[str, int]:
    """Write what the charts say of a partition; the number of rows by table."""
    key = partition.isoformat()
    locked = keep(backend, made, known, partition, run)
    backend.write(POINTS, [key], extract(POINTS, [_point(m, partition) for m in made], key), run)
    # A metric drawn again loses the signals it had in this partition; the other metrics keep theirs.
    parts = [f"{m.metric.id} {key}" for m in made]
    counts = {POINTS.name: len(made), BASELINES.name: locked}
    for table, rows in (
        (SIGNALS, [row for m in made for row in _signals(m, partition)]),
        (CONTRIBUTIONS, [row for m in made for row in rows_of(m, moved[m.metric.id], partition)]),
    ):
        backend.write(table, parts, extract(table, rows, lambda row: f"{row['metric_id']} {key}"), run)
        counts[table.name] = len(rows)
    return counts


def build_charts(grain: Grain) -> dg.AssetsDefinition:
    """The charts of all metrics of a grain."""
    members = {asset_key(m): m for m in metrics() if m.table_grain is grain}
    days = {PERIOD_DAYS[m.grain] for m in members.values()}
    (length,) = days

    @dg.multi_asset(
        name=f"xmr_{grain.value}",
        specs=[_spec(m) for m in members.values()],
        check_specs=[spec for m in members.values() for spec in check_specs(m, asset_key(m))],
        can_subset=True,
    )
    def charts(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        """Chart the selected metrics as of the partition's close."""
        partition = dt.date.fromisoformat(context.partition_key)
        chosen = [m for key, m in members.items() if key in context.selected_asset_keys]
        backend = warehouse.backend()
        series, known = load_series(backend, chosen), load(backend, chosen)
        off, decided = sources_off(), known_decisions(backend, chosen)
        close = partition + dt.timedelta(days=length)
        made, broken = [], []
        for metric in chosen:
            try:
                one = chart_as_of(metric, series[metric.id], close, off, known.get(metric.id), decided, close)
            except ValueError as error:
                broken.append(f"{metric.id} cannot be drawn: {error}")
            else:
                made.append(one)
        split = [m.metric for m in made if m.news and m.metric.segments]
        parts = load_series(backend, split, segments=True) if split else {}
        moved = {m.metric.id: attributions(m, parts.get(m.metric.id, ())) for m in made}
        counts = _store(backend, made, moved, known, partition, context.run_id)
        counts[DIVIDERS.name] = keep_taken(backend, made, decided, context.run_id)
        for table in STORED:
            context.log_event(dg.AssetMaterialization(_key(table), metadata={"rows": counts[table.name]}))
        for one in made:
            told = moved[one.metric.id]
            yield dg.MaterializeResult(
                asset_key=asset_key(one.metric),
                metadata={
                    "verdict": verdict(one),
                    "chart": _picture(one),
                    "points": len(one.rows),
                    **({"who_moved": _who_moved(told)} if told else {}),
                    **({"value": float(one.rows[one.judged]["value"])} if one.judged >= 0 else {}),
                },
                check_results=[
                    check_result(one, asset_key(one.metric), name, _told(told, rule))
                    for name, rule in checks_of(one.metric).items()
                    if dg.AssetCheckKey(asset_key(one.metric), name) in context.selected_asset_check_keys
                ],
            )
        if broken:  # the other metrics are drawn and kept
            raise dg.Failure("; ".join(broken), allow_retries=False)

    return charts


GRAINS = tuple(dict.fromkeys(m.table_grain for m in metrics()))
CHARTS = [build_charts(grain) for grain in GRAINS]

TABLES_OF_CHARTS = [
    dg.AssetSpec(
        _key(table),
        deps=[dg.AssetDep(asset_key(m), partition_mapping=dg.AllPartitionMapping()) for m in metrics()],
        description=table.description,
        group_name="xmr",
        owners=[DATA_ENGINEERING],
        kinds={"python", load_settings().warehouse},
        metadata={"dagster/column_schema": column_schema(table), "dagster/table_name": table.address},
    )
    for table in STORED
]
