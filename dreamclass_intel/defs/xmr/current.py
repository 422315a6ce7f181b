"""The charts of now, and what the engine proposes about them: `xmr/current` and `xmr/proposals`."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.defs.xmr import decisions, proposals
from dreamclass_intel.defs.xmr.charts import MetricChart, figures, verdict
from dreamclass_intel.defs.xmr.series import current_charts
from dreamclass_intel.defs.xmr.tables import CURRENT, PROPOSALS
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import asset_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

METRIC_SERIES = dg.AssetKey(["marts", "metric_series"])


@dg.asset(
    **asset_settings(CURRENT, group_name="xmr", deps=[METRIC_SERIES], kinds={"python", "xmr"}),
    check_specs=[
        dg.AssetCheckSpec(
            "charts_fit",
            asset=["xmr", "current"],
            description="No series asks for another kind of chart than the registry gives it.",
        )
    ],
)
def xmr_current(warehouse: WarehouseResource) -> dg.MaterializeResult[Extract]:
    """All charts as they stand now, with all that is known now; their verdicts are the metadata."""
    rows: list[dict[str, Any]] = []
    told: dict[str, Any] = {}
    advice: list[str] = []
    for metric, made in current_charts(warehouse.backend(), decisions.load()):
        told[metric.id] = "no complete period yet" if made is None else verdict(made)
        if made is not None:
            rows += _rows(made)
            advice += [f"- **{metric.id}**: {a.words}. {a.suggests}".rstrip() for a in made.chart.advice()]
    return dg.MaterializeResult(
        value=extract(CURRENT, rows, "all"),
        metadata=told,
        check_results=[
            dg.AssetCheckResult(
                passed=not advice,
                check_name="charts_fit",
                severity=dg.AssetCheckSeverity.WARN,
                description="\n".join(advice) or "Every chart fits its series.",
            )
        ],
    )


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
    check_specs=[
        dg.AssetCheckSpec(
            "decided",
            asset=["xmr", "proposals"],
            description="No proposal of new limits waits for a decision (`dreamclass-intel rebaseline`).",
        )
    ],
)
def xmr_proposals(warehouse: WarehouseResource) -> dg.MaterializeResult[Extract]:
    """Where the charts of now may need new limits, with the evidence, and what was decided."""
    rows = [
        row
        for _, made in current_charts(warehouse.backend(), decisions.load())
        if made is not None
        for row in proposals.rows_of(made)
    ]
    waiting = [
        f"- **{row['metric_id']}** at {row['at']}: {row['evidence']}" for row in rows if row["state"] == "proposed"
    ]
    return dg.MaterializeResult(
        value=extract(PROPOSALS, rows, "all"),
        metadata={"waiting": len(waiting)},
        check_results=[
            dg.AssetCheckResult(
                passed=not waiting,
                check_name="decided",
                severity=dg.AssetCheckSeverity.WARN,
                description="\n".join(waiting) or "Nothing waits for a decision.",
            )
        ],
    )
