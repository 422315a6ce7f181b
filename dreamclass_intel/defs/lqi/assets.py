"""`core.lqi`: raw runs and scores of the windows -> one index a window. Maths: `statistics/lqi.py`."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from dreamclass_intel.defs.lqi.tables import LQI
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.records import extract
from dreamclass_intel.statistics.lqi import CLASSES, SMALL_SAMPLE, lqi
from dreamclass_intel.typed_assets import DATA_ENGINEERING, GROWTH, asset_settings

_RAW_RUNS = dg.AssetKey(["raw", "lead_scoring_runs"])
_RAW_SCORES = dg.AssetKey(["raw", "lead_scoring_lead_scores"])


def _input(key: dg.AssetKey) -> dg.AssetIn:
    return dg.AssetIn(key=key, partition_mapping=dg.IdentityPartitionMapping(), input_manager_key="warehouse_io")


def newest_completed(runs: pa.Table) -> dict[str, dict[str, Any]]:
    """The run that counts, by window key: the highest version among the completed ones."""
    newest: dict[str, dict[str, Any]] = {}
    for run in runs.to_pylist():
        if run["status"] != "completed" or run["completed_at"] is None:
            continue
        other = newest.get(run["_load_partition"])
        if other is None or _rank(run) > _rank(other):
            newest[run["_load_partition"]] = run
    return newest


def _rank(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["run_version"], run["completed_at"], run["run_id"]


def records(runs: pa.Table, scores: pa.Table) -> Iterator[dict[str, Any]]:
    """Records of `core.lqi` from stored runs and lead scores."""
    classes: Counter[tuple[str, str | None]] = Counter(
        zip(scores["run_id"].to_pylist(), scores["lead_class"].to_pylist(), strict=True)
    )
    for key, run in sorted(newest_completed(runs).items()):
        window = ScoringWindow.from_key(key)
        counts = {c: classes[run["run_id"], c] for c in CLASSES}
        n = sum(counts.values())
        index = lqi(counts, run["weights_version"])
        yield {
            "window_start_date": window.start,
            "window_end_date": window.end,
            **{k: run[k] for k in ("run_id", "run_version", "completed_at", "model_version")},
            "weights_version": run["weights_version"],
            "lqi": run["lqi"] if n else None,
            "lqi_recomputed": index and index.lqi,
            "lqi_se": index and index.se,
            "ci_low": index and index.ci_low,
            "ci_high": index and index.ci_high,
            "leads_n": n,
            "is_small_sample": n < SMALL_SAMPLE,
            **{f"class_{c.lower()}_n": count for c, count in counts.items()},
            **{f"class_{c.lower()}_share": count / n if n else None for c, count in counts.items()},
            "unscored_n": classes[run["run_id"], None],
        }


@dg.asset(
    **asset_settings(LQI, owners=[GROWTH, DATA_ENGINEERING], tags={"layer": "core"}),
    ins={"runs": _input(_RAW_RUNS), "lead_scores": _input(_RAW_SCORES)},
)
def lqi_of_window(runs: pa.Table, lead_scores: pa.Table) -> dg.MaterializeResult[Extract]:
    """The index of each of the run's windows, from its newest completed scoring run."""
    return dg.MaterializeResult(
        value=extract(LQI, records(runs, lead_scores), lambda r: r["window_start_date"].isoformat())
    )
