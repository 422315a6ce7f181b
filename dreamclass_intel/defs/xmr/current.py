"""The charts of now, and what the engine proposes about them: `xmr/current` and `xmr/proposals`."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.defs.xmr import proposals
from dreamclass_intel.defs.xmr.charts import MetricChart, figures, verdict
from dreamclass_intel.defs.xmr.series import NONE_YET, current_charts
from dreamclass_intel.defs.xmr.tables import CURRENT, PROPOSALS
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import asset_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

METRIC_SERIES = dg.AssetKey(["marts", "metric_series"])


@dg.asset(
    **asset_settings(CURRENT, group_name="xmr", deps=[METRIC_SERIES], kinds={"python", "xmr"}),
)
def xmr_current(warehouse: WarehouseResource) -> dg.MaterializeResult[Extract]:
    """All charts as they stand now, with all that is known now; their verdicts are the metadata."""
    rows: list[dict[str, Any]] = []
    told: dict[str, Any] = {}
    for metric, made in current_charts(warehouse.backend()):
        told[metric.id] = made if isinstance(made, str) else verdict(made)
        rows += [] if isinstance(made, str) else _rows(made)
    return dg.MaterializeResult(value=extract(CURRENT, rows, "all"), metadata=told)


def _rows(made: MetricChart) -> Iterator[dict[str, Any]]:
    belongs = defaultdict(set)
    for signal in made.chart.signals:
        for index in signal.members:
            belongs[index].add(signal.rule)
    for i in range(len(made.rows)):
        yield {
            **figures(made, i),
            "numerator": made.rows[i]["numerator"],
            "denominator": made.rows[i]["denominator"],
            "is_judged": bool(made.chart.judged[i]),
            "rules": sorted(belongs[i]),
            "divider": made.reasons.get(i),
        }


@dg.asset(
    **asset_settings(PROPOSALS, group_name="xmr", deps=[METRIC_SERIES], kinds={"python", "xmr"}),
)
def xmr_proposals(warehouse: WarehouseResource) -> dg.MaterializeResult[Extract]:
    """Where the charts of now may need new limits, with the evidence, and what was decided."""
    rows = [
        row
        for _, made in current_charts(warehouse.backend())
        if not isinstance(made, str)
        for row in proposals.rows_of(made)
    ]
    return dg.MaterializeResult(
        value=extract(PROPOSALS, rows, "all"),
        metadata={"waiting": sum(row["state"] == "proposed" for row in rows)},
    )


@dg.asset_check(asset=["xmr", "current"], pool="warehouse")
def charts_fit(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every metric can be drawn, and no series asks for another kind of chart than the registry gives it (by the points
    that its limits rest on).
    """
    advice: list[str] = []
    broken: list[str] = []
    for metric, made in current_charts(warehouse.backend()):
        if isinstance(made, str):
            broken += [f"- **{metric.id}** {made}"] * (made != NONE_YET)
            continue
        advice += [f"- **{metric.id}**: {a.words}. {a.suggests}".rstrip() for a in made.chart.advice(baseline=True)]
    return dg.AssetCheckResult(
        passed=not (broken or advice),
        severity=dg.AssetCheckSeverity.ERROR if broken else dg.AssetCheckSeverity.WARN,
        description="\n".join(broken + advice) or "Every chart fits its series.",
    )


@dg.asset_check(asset=["xmr", "proposals"], pool="warehouse")
def decided(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No proposal of new limits waits for a decision (`dreamclass-intel rebaseline`)."""
    waiting = warehouse.read(
        f"SELECT metric_id, label, evidence FROM {warehouse.name(PROPOSALS.address)} WHERE state = 'proposed' "
        "ORDER BY metric_id, label"
    ).to_pylist()
    told = [f"- **{row['metric_id']}** at {row['label']}: {row['evidence']}" for row in waiting]
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(told) or "Nothing waits for a decision.",
    )
