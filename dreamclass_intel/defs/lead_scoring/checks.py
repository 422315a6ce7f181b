"""Reconciliation of the stored scoring tables: they are read again, whole, whoever wrote them. Blocking."""

from typing import Any

import dagster as dg

from dreamclass_intel.defs.lead_scoring.tables import LEAD_SCORES, RUNS
from dreamclass_intel.warehouse.io_manager import WarehouseResource

SHOWN = 5


def stored(warehouse: WarehouseResource, *queries: str) -> list[list[dict[str, Any]]]:
    """Rows of each query over `{runs}` and `{scores}`."""
    warehouse.backend().ensure([RUNS, LEAD_SCORES])
    names = {n: warehouse.name(t.address) for n, t in (("runs", RUNS), ("scores", LEAD_SCORES))}
    return [warehouse.read(query.format(**names)).to_pylist() for query in queries]


def verdict(bad: list[str], checked: int, what: str, **metadata: Any) -> dg.AssetCheckResult:
    """Failed if anything is bad, naming the first few."""
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return dg.AssetCheckResult(
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(bad[:SHOWN]) + more if bad else f"{checked} {what} agree",
        metadata={"checked": checked, "failed": len(bad), **metadata},
    )


def _check(name: str, description: str) -> dict[str, Any]:
    key = dg.AssetKey([LEAD_SCORES.schema, LEAD_SCORES.name])
    return {"asset": key, "name": name, "description": description, "blocking": True}


@dg.asset_check(
    **_check(
        "totals_reconcile",
        "Every completed run: sum of class_distribution = total_leads = number of its lead scores.",
    )
)
def totals_reconcile(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Three counts of the same leads."""
    (rows,) = stored(
        warehouse,
        "SELECT r.run_id, r._load_partition AS window_key, r.distribution_n, r.total_leads, count(s.lead_id) AS scores "
        "FROM {runs} AS r LEFT JOIN {scores} AS s ON s.run_id = r.run_id WHERE r.status = 'completed' "
        "GROUP BY r.run_id, r._load_partition, r.distribution_n, r.total_leads ORDER BY r._load_partition, r.run_id",
    )
    bad = [
        f"run {r['run_id']} of window {r['window_key']}: class_distribution sums to {r['distribution_n']}, "
        f"total_leads is {r['total_leads']}, {r['scores']} scores are stored"
        for r in rows
        if not r["distribution_n"] == r["total_leads"] == r["scores"]
    ]
    return verdict(bad, len(rows), "completed runs")


@dg.asset_check(
    **_check("classes_match", "Every score's class is A-D or null, and each class counts what its run says.")
)
def classes_match(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Classes of the scores against the allowed set and against class_distribution."""
    counted = ", ".join(
        f"count(CASE WHEN s.lead_class = '{c}' THEN 1 END) AS {c.lower()}_n, r.class_{c.lower()}_n" for c in "ABCD"
    )
    unknown, rows = stored(
        warehouse,
        "SELECT run_id, lead_class, count(*) AS n FROM {scores} "
        "WHERE lead_class NOT IN ('A', 'B', 'C', 'D') GROUP BY run_id, lead_class ORDER BY run_id, lead_class",
        f"SELECT r.run_id, {counted} FROM {{runs}} AS r LEFT JOIN {{scores}} AS s ON s.run_id = r.run_id "
        "WHERE r.status = 'completed' GROUP BY r.run_id, r.class_a_n, r.class_b_n, r.class_c_n, r.class_d_n "
        "ORDER BY r.run_id",
    )
    bad = [f"run {r['run_id']}: {r['n']} scores of class {r['lead_class']!r}" for r in unknown]
    bad += [
        f"run {r['run_id']}: {r[f'{c}_n']} scores of class {c.upper()}, its distribution says {r[f'class_{c}_n']}"
        for r in rows
        for c in "abcd"
        if r[f"{c}_n"] != r[f"class_{c}_n"]
    ]
    return verdict(bad, len(rows), "completed runs")


@dg.asset_check(**_check("one_row_per_run_and_lead", "No run holds a lead twice, and no run is stored twice."))
def one_row_per_run_and_lead(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Keys across all windows: a run that moved to another window would be stored in both."""
    scores, runs, (total,) = stored(
        warehouse,
        "SELECT run_id, lead_id, count(*) AS n FROM {scores} GROUP BY run_id, lead_id "
        "HAVING count(*) > 1 ORDER BY run_id, lead_id",
        "SELECT run_id, count(*) AS n FROM {runs} GROUP BY run_id HAVING count(*) > 1 ORDER BY run_id",
        "SELECT count(*) AS n FROM {scores}",
    )
    bad = [f"run {r['run_id']} is stored {r['n']} times" for r in runs]
    bad += [f"lead {r['lead_id']} has {r['n']} scores in run {r['run_id']}" for r in scores]
    return verdict(bad, total["n"], "rows")
