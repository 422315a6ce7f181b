"""Reconciliation of the stored scoring tables: they are read again, whole, whoever wrote them. Blocking."""

from collections.abc import Collection
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


def superseded(warehouse: WarehouseResource) -> set[str]:
    """Completed runs that a later completed run of their window has replaced."""
    (rows,) = stored(
        warehouse,
        "SELECT run_id FROM (SELECT run_id, row_number() OVER (PARTITION BY _load_partition ORDER BY run_version DESC, "
        "completed_at DESC, run_id DESC) AS recency FROM {runs} WHERE status = 'completed') AS ranked "
        "WHERE recency > 1",
    )
    return {row["run_id"] for row in rows}


Finding = tuple[str | None, str]  # run id, what is wrong


def verdict(
    bad: list[Finding], checked: int, what: str, replaced: Collection[str] = (), **metadata: Any
) -> dg.AssetCheckResult:
    """Failed if anything is bad, naming the first few. What is wrong with replaced runs only warns: it must not
    block windows that a repaired run, or another, counts for."""
    severe = [words for run, words in bad if run not in replaced]
    mild = [f"{words} (superseded)" for run, words in bad if run in replaced]
    shown = severe + mild
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return dg.AssetCheckResult(
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN if mild and not severe else dg.AssetCheckSeverity.ERROR,
        description="; ".join(shown[:SHOWN]) + more if bad else f"{checked} {what} agree",
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
    bad: list[Finding] = [
        (
            r["run_id"],
            f"run {r['run_id']} of window {r['window_key']}: class_distribution sums to {r['distribution_n']}, "
            f"total_leads is {r['total_leads']}, {r['scores']} scores are stored",
        )
        for r in rows
        if not r["distribution_n"] == r["total_leads"] == r["scores"]
    ]
    return verdict(bad, len(rows), "completed runs", superseded(warehouse))


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
    bad: list[Finding] = [
        (r["run_id"], f"run {r['run_id']}: {r['n']} scores of class {r['lead_class']!r}") for r in unknown
    ]
    bad += [
        (r["run_id"], f"run {r['run_id']}: {r[f'{c}_n']} scores of class {c.upper()}, its distribution says {n}")
        for r in rows
        for c in "abcd"
        if r[f"{c}_n"] != (n := r[f"class_{c}_n"])
    ]
    return verdict(bad, len(rows), "completed runs", superseded(warehouse))


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
    bad: list[Finding] = [(None, f"run {r['run_id']} is stored {r['n']} times") for r in runs]
    bad += [(None, f"lead {r['lead_id']} has {r['n']} scores in run {r['run_id']}") for r in scores]
    return verdict(bad, total["n"], "rows")
