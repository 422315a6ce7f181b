"""One check a rule: what it is called in the UI, and how its result for a partition is told."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.defs.metrics.registry import Metric
from dreamclass_intel.defs.xmr.charts import MetricChart, figures, is_unfavourable
from dreamclass_intel.partitions import DEFINITIONS
from dreamclass_intel.xmr import phrase
from dreamclass_intel.xmr.rules import rules_of
from dreamclass_intel.xmr.svg_looks import look_of

# Names of checks are words; the library's rules may begin with a figure.
_NAMES = {
    "2_of_3": "two_of_three",
    "2_of_3_near_limit": "two_of_three_near_limit",
    "3_of_4": "three_of_four",
    "4_of_5": "four_of_five",
    "8_beyond_1_sigma": "eight_beyond_one_sigma",
    "15_within_1_sigma": "fifteen_within_one_sigma",
}


def checks_of(metric: Metric) -> dict[str, str]:
    """The metric's checks: name of the check -> rule of the xmr library."""
    return {_NAMES.get(rule.name, rule.name): rule.name for rule in rules_of(metric.preset)}


def check_specs(metric: Metric, asset: dg.AssetKey) -> Iterator[dg.AssetCheckSpec]:
    """The specs of a metric's checks."""
    for name, rule in checks_of(metric).items():
        yield dg.AssetCheckSpec(
            name,
            asset=asset,
            description=f"{look_of(rule).words.capitalize()}. Fails in the partition in which the signal became known.",
            partitions_def=DEFINITIONS[metric.table_grain],
            blocking=False,
        )


def check_result(made: MetricChart, asset: dg.AssetKey, name: str, told: str = "") -> dg.AssetCheckResult:
    """One rule's result for the partition: fails only for signals that became known at the judged point. `told` is
    said after them.
    """
    rule = checks_of(made.metric)[name]
    news = [s for s in made.news if s.rule == rule]
    bad = any(is_unfavourable(made.metric, s.side) for s in news)
    severe = rule == "outside_limits" and bad
    numbers: dict[str, Any] = {}
    if made.judged >= 0:
        point = figures(made, made.judged)
        numbers |= {name: float(point[name]) for name in ("value", "center", "unpl", "lnpl", "url") if name in point}
        numbers["period"] = made.chart.label(made.judged)
    if limits := made.chart.limits:
        numbers["limits"] = limits.status
    words = "; ".join(phrase(made.chart, s) for s in news) or made.problem or "No signal of this rule."
    if news:
        words += " (unfavourable)" if bad else " (favourable)" if made.metric.direction != "none" else ""
        words += f". {told}" if told else ""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not news,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=f"{made.metric.title}: {words}",
        metadata=numbers,
    )
