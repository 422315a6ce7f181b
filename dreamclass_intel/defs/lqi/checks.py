"""Each completed run's stored index against one recomputed from its stored leads. Read again, whole; blocking."""

from collections import defaultdict
from typing import Any

import dagster as dg

from dreamclass_intel.defs.lead_scoring.checks import Finding, stored, superseded, verdict
from dreamclass_intel.defs.lqi.tables import LQI
from dreamclass_intel.statistics.lqi import CLASSES, TOLERANCE, WEIGHTS, lqi
from dreamclass_intel.warehouse.io_manager import WarehouseResource


def _disagreement(run: dict[str, Any], counts: dict[str, int]) -> str | None:
    """What is wrong with a completed run's stored index; None if nothing."""
    where = f"run {run['run_id']} of window {run['window_key']}"
    index = lqi(counts, run["weights_version"])
    if index is None:
        empty = not sum(counts.values())
        return f"{where}: LQI {run['lqi']} without a scored lead" if empty and run["lqi"] is not None else None
    if run["lqi"] is None:
        return f"{where}: no LQI stored for {index.n} scored leads"
    if abs(float(run["lqi"]) - index.lqi) > TOLERANCE:
        return f"{where}: LQI stored {run['lqi']:f}, recomputed {index.lqi:.4f} from {index.n} leads"
    return None


@dg.asset_check(
    asset=dg.AssetKey([LQI.schema, LQI.name]),
    blocking=True,
    description=f"Every completed run with known class weights: |stored LQI - recomputed LQI| <= {TOLERANCE}; "
    "the same in core.lqi, whose class counts sum to leads_n.",
)
def stored_lqi_matches(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Raw runs against raw scores, then `core.lqi` in itself."""
    (rows,) = stored(
        warehouse,
        "SELECT r.run_id, r._load_partition AS window_key, r.lqi, r.weights_version, s.lead_class, "
        "count(s.lead_id) AS n FROM {runs} AS r LEFT JOIN {scores} AS s ON s.run_id = r.run_id "
        "WHERE r.status = 'completed' "
        "GROUP BY r.run_id, r._load_partition, r.lqi, r.weights_version, s.lead_class "
        "ORDER BY r._load_partition, r.run_id",
    )
    runs = {row["run_id"]: row for row in rows}
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(CLASSES, 0))
    for row in rows:
        if row["lead_class"] in CLASSES:
            counts[row["run_id"]][row["lead_class"]] += row["n"]
    bad: list[Finding] = [(key, text) for key, run in runs.items() if (text := _disagreement(run, counts[key]))]
    warehouse.backend().ensure([LQI])
    bad += [
        (
            None,
            f"core.lqi {r['window_start_date']}: LQI {r['lqi']}, recomputed {r['lqi_recomputed']}, "
            f"{r['leads_n']} leads, classes sum to {r['classes_n']}",
        )
        for r in warehouse.read(
            "SELECT window_start_date, lqi, lqi_recomputed, leads_n, "
            "class_a_n + class_b_n + class_c_n + class_d_n AS classes_n "
            f"FROM {warehouse.name(LQI.address)} ORDER BY window_start_date"
        ).to_pylist()
        if r["classes_n"] != r["leads_n"] or (r["lqi_recomputed"] is not None and _apart(r["lqi"], r["lqi_recomputed"]))
    ]
    unknown = sorted({str(run["weights_version"]) for run in runs.values()} - set(WEIGHTS))
    return verdict(
        bad, len(runs), "completed runs", superseded(warehouse), unknown_weights=", ".join(unknown) or "none"
    )


def _apart(stored_lqi: Any, recomputed: float) -> bool:
    return stored_lqi is None or abs(float(stored_lqi) - recomputed) > TOLERANCE
