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
from dreamclass_intel.xmr.decisions import Decision, Decisions, Kind, State, decide, ordered, record


def with_proposals(warehouse: Warehouse, decisions: Decisions, today: dt.date, metric: str | None = None) -> Decisions:
    """The decisions, and what the charts of now (of one metric, or of all) add: every ready proposal that nothing
    speaks of, as proposed, and the splits that metrics with `rebaseline: auto` have taken.
    """
    chosen = [m for m in metrics() if metric in (None, m.id)]
    for one, made in current_charts(warehouse, chosen):
        if isinstance(made, str):
            continue
        taken = (d for d in made.decisions if d.who == "auto" and d not in decisions)
        decisions = ordered((*decisions, *taken))
        if one.rebaseline == "propose":
            found = [p for _, p in undecided(made)]
            decisions = record(decisions, one.id, made.chart, found, when=today.isoformat())
    return decisions


def record_proposals(warehouse: Warehouse, today: dt.date) -> Decisions:
    """Write what `with_proposals` finds into the file. Returns the new ones."""
    with file.changing():
        before = file.load()
        after = with_proposals(warehouse, before, today)
        if after != before:
            file.save(after)
    return tuple(d for d in after if d not in before)


def settle(
    warehouse: Warehouse,
    metric: str,
    at: str,
    state: State,
    *,
    who: str,
    why: str,
    today: dt.date,
    kind: Kind | None = None,
) -> Decision:
    """Accept or reject the proposal on `metric` at the window called `at`, be it in the file or new. Raises ValueError,
    and writes nothing, where there is no such metric or proposal, or nothing to change.
    """
    if metric not in {m.id for m in metrics()}:
        raise ValueError(f"no such metric: {metric!r} (there are {', '.join(m.id for m in metrics())})")
    with file.changing():
        known = file.load()
        if not any((d.metric, d.at) == (metric, at) and kind in (None, d.kind) for d in known):
            known = with_proposals(warehouse, known, today, metric)
        decided = decide(known, metric, at, state, who=who, when=today.isoformat(), why=why, kind=kind)
        file.save(decided)
    return next(d for d in decided if d not in known)


class DecisionConfig(dg.Config):
    """What a launch of `decide_rebaseline` says."""

    metric: str
    at: str
    state: str
    who: str
    why: str
    kind: str | None = None


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
            kind=config.kind,  # type: ignore[arg-type]
        )
    except (ValueError, OSError) as error:  # a container's own copy of the file cannot be written
        raise dg.Failure(str(error), allow_retries=False) from None
    context.log.info(f"{made.metric} at {made.at}: {made.state}. Commit {file.PATH}.")


@dg.job(description="Accept or reject a rebaseline proposal (table xmr.proposals): who decides, and why.")
def decide_rebaseline() -> None:
    """One decision a launch."""
    decide_on_proposal()
