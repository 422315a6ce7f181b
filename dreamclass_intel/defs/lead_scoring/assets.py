"""Raw scoring runs and lead scores of the run's scoring windows: client -> contract, nothing else."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.contracts import Rejected
from dreamclass_intel.defs.lead_scoring import tables
from dreamclass_intel.defs.lead_scoring.client import LeadScoringResource, Row, window_of
from dreamclass_intel.defs.lead_scoring.normalise import refusal, run_record, score_record
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import raw_asset


def _sorted_out(runs: list[Row]) -> tuple[list[Row], list[Rejected]]:
    """Runs of windows on the grid, and the refusals of all others."""
    judged = [(run, refusal(run)) for run in runs]
    return [run for run, why in judged if why is None], [why for _, why in judged if why is not None]


def _windows(context: dg.AssetExecutionContext) -> list[ScoringWindow]:
    # Dynamic partitions are in order of insertion: never trust the ends of a range, take every key.
    return [ScoringWindow.from_key(key) for key in context.partition_keys]


def _key(run: Row) -> str:
    window = window_of(run)
    assert window is not None
    return window.key


@raw_asset(tables.RUNS, source="lead_scoring")
def lead_scoring_runs(context: dg.AssetExecutionContext, lead_scoring: LeadScoringResource) -> Extract:
    """All runs of the windows, whatever their status and version."""
    runs, refused = _sorted_out(lead_scoring.runs(_windows(context)))
    partition = {run["run_id"]: _key(run) for run in runs}
    found = extract(tables.RUNS, map(run_record, runs), lambda record: partition[record["run_id"]])
    found.rejected = refused
    return found


@raw_asset(
    tables.LEAD_SCORES,
    source="lead_scoring",
    # Runs are stored first: a run that completes in between then has scores too many, never too few.
    deps=[
        dg.AssetDep(
            dg.AssetKey([tables.RUNS.schema, tables.RUNS.name]),
            partition_mapping=dg.IdentityPartitionMapping(),
        )
    ],
)
def lead_scoring_lead_scores(context: dg.AssetExecutionContext, lead_scoring: LeadScoringResource) -> Extract:
    """The scores of all runs on the grid; those of a quarantined run have no window to belong to."""
    runs, refused = _sorted_out(lead_scoring.runs(_windows(context)))
    partition = {run["run_id"]: _key(run) for run in runs}

    def records() -> Iterator[dict[str, Any]]:
        return map(score_record, lead_scoring.lead_scores(runs))

    return extract(
        tables.LEAD_SCORES,
        records(),
        lambda record: partition[record["run_id"]],
        metadata={"runs": len(runs), "runs_quarantined": len(refused)},
    )
