"""Deciding on rebaseline proposals: what the command line and the Dagster job both do. All of it ends in the decisions
file, which is under version control: commit it.
"""

import datetime as dt

import dagster as dg

from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr import decisions as file
from dreamclass_intel.defs.xmr.proposals import undecided
from dreamclass_intel.defs.xmr.series import current_charts
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.warehouse.protocol import Warehouse
from dreamclass_intel.xmr.decisions import Decision, Decisions, State, decide, ordered, record


def record_proposals(warehouse: Warehouse, today: dt.date, metric: str | None = None) -> Decisions:
    """Write every ready proposal of the charts of now (of one metric, or of all) into the file, as proposed; those of
    metrics with `rebaseline: auto` as accepted. Returns the new ones.
    """
    before = decided = file.load()
    chosen = [m for m in metrics() if metric in (None, m.id)]
    for one, made in current_charts(warehouse, before, chosen):
        if made is not None:
            found = [p for _, p in undecided(made)]
            automatic = (d for d in made.decisions if d not in before)
            decided = ordered((*decided, *automatic))
            decided = record(decided, one.id, made.chart, found, when=today.isoformat())
    decided = file.accept_by_config(decided, when=today.isoformat())
    if decided != before:
        file.save(decided)
    return tuple(d for d in decided if d not in before)


def settle(warehouse: Warehouse, metric: str, at: str, state: State, *, who: str, why: str, today: dt.date) -> Decision:
    """Accept or reject the proposal on `metric` at the window called `at`, recording it first where it is new. Raises
    ValueError where there is no such metric or proposal, or nothing to change.
    """
    if metric not in {m.id for m in metrics()}:
        raise ValueError(f"no such metric: {metric!r} (there are {', '.join(m.id for m in metrics())})")
    if not any((d.metric, d.at) == (metric, at) for d in file.load()):
        record_proposals(warehouse, today, metric)
    decided = decide(file.load(), metric, at, state, who=who, when=today.isoformat(), why=why)
    file.save(decided)
    return next(d for d in decided if (d.metric, d.at) == (metric, at))


class DecisionConfig(dg.Config):
    """What a launch of `decide_rebaseline` says."""

    metric: str
    at: str
    state: str
    who: str
    why: str


@dg.op(description="Accept or reject one rebaseline proposal; the decision is written to defs/xmr/decisions.yaml.")
def decide_on_proposal(context: dg.OpExecutionContext, config: DecisionConfig, warehouse: WarehouseResource) -> None:
    """Write one decision. A launch that cannot be followed fails with the reason."""
    try:
        made = settle(
            warehouse.backend(),
            config.metric,
            config.at,
            config.state,  # type: ignore[arg-type]  # decide() says which there are
            who=config.who,
            why=config.why,
            today=dt.datetime.now(dt.UTC).date(),
        )
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.log.info(f"{made.metric} at {made.at}: {made.state}. Commit {file.PATH}.")


@dg.job(description="Accept or reject a rebaseline proposal (table xmr.proposals): who decides, and why.")
def decide_rebaseline() -> None:
    """One decision a launch."""
    decide_on_proposal()
