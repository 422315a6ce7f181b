"""Splits that metrics with `rebaseline: auto` have taken: kept like locked limits, read as decisions."""

from collections.abc import Iterable

from dreamclass_intel.defs.metrics.registry import Metric
from dreamclass_intel.defs.xmr import decisions as file
from dreamclass_intel.defs.xmr.charts import MetricChart
from dreamclass_intel.defs.xmr.tables import DIVIDERS
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse.protocol import Warehouse
from dreamclass_intel.xmr.decisions import Decision, Decisions


def known_decisions(warehouse: Warehouse, chosen: Iterable[Metric]) -> Decisions:
    """What was decided on the metrics: by themselves, and, which goes before, in the file."""
    automatic = {m.id for m in chosen if m.rebaseline == "auto"}
    taken: tuple[Decision, ...] = ()
    if automatic and warehouse.exists(DIVIDERS.address):
        rows = warehouse.read(
            f"SELECT * FROM {warehouse.name(DIVIDERS.address)} WHERE {warehouse.within('metric_id')}",
            [sorted(automatic)],
        ).to_pylist()
        taken = tuple(
            Decision(
                row["metric_id"],
                row["label"],
                "shift",
                "accepted",
                "auto",
                row["decided_on"].isoformat(),
                row["why"],
                row["evidence"],
            )
            for row in rows
        )
    return (*taken, *file.load())


def keep_taken(warehouse: Warehouse, made: Iterable[MetricChart], known: Decisions, run_id: str) -> int:
    """Write down the splits that these charts have taken by themselves and that are not `known`. Returns how many."""
    rows = [
        {
            "metric_id": d.metric,
            "label": d.at,
            "decided_on": d.when,
            "why": d.why,
            "evidence": d.evidence,
        }
        for chart in made
        for d in chart.decisions
        if d.who == "auto" and d not in known
    ]
    if rows:
        warehouse.write(DIVIDERS, None, extract(DIVIDERS, rows, "all"), run_id)
    return len(rows)
