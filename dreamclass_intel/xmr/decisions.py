"""What people decided on rebaseline proposals, as plain data: proposed, accepted or rejected, by whom, when and why.

A decision names its metric and the first window of the new level by its label, so that it survives a longer or a
shorter series. Pure functions from decisions to decisions; what an accepted one means to a chart is `dividers_of`.
Not here: the file they are kept in (defs/xmr/decisions.py), the making of proposals (proposals.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from dreamclass_intel.xmr.chart import Chart
from dreamclass_intel.xmr.proposals import Proposal

Kind = Literal["shift", "trend"]
State = Literal["proposed", "accepted", "rejected"]
NEAR = 3  # a decision within this many windows of a proposal speaks of it


@dataclass(frozen=True, order=True)
class Decision:
    """The state of one proposal from a day on: proposed, then perhaps accepted, then perhaps taken back. Earlier states
    stay, so that a chart of an old day knows what held then.

    `at` is the label of the first window of the new level, `when` an ISO date. `evidence` is the proposal in words
    (empty where a person put the divider without one). Raises ValueError naming the field.
    """

    metric: str
    at: str
    kind: Kind
    state: State
    who: str
    when: str
    why: str
    evidence: str = ""

    def __post_init__(self) -> None:
        for name in ("metric", "at", "who", "when", "why", "evidence"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ValueError(f"{name} must be text, not {value!r}")
            if not value.strip() and name != "evidence":
                raise ValueError(f"{name} is empty")
        for name, allowed in (("kind", get_args(Kind)), ("state", get_args(State))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        try:
            canonical = dt.date.fromisoformat(self.when).isoformat() == self.when
        except ValueError:
            canonical = False
        if not canonical:
            raise ValueError(f"when must be a date like 2026-01-31, not {self.when!r}")


Decisions = tuple[Decision, ...]


def _identity(decision: Decision) -> tuple[str, str, str]:
    return decision.metric, decision.at, decision.kind


def ordered(decisions: Iterable[Decision]) -> Decisions:
    """Decisions by metric, window, kind and day; ValueError where two speak of the same on one day."""
    found = tuple(sorted(decisions, key=lambda d: (*_identity(d), d.when)))
    for one, other in pairwise(found):
        if (_identity(one), one.when) == (_identity(other), other.when):
            raise ValueError(f"two decisions on the {one.kind} of {one.metric} at {one.at} on {one.when}")
    return found


def latest(decisions: Iterable[Decision], as_of: str | None = None) -> Decisions:
    """The newest state of each proposal, of those of `as_of` (ISO date) or before."""
    found: dict[tuple[str, str, str], Decision] = {}
    for d in decisions:
        if as_of is None or d.when <= as_of:
            known = found.get(_identity(d))
            found[_identity(d)] = d if known is None or d.when >= known.when else known
    return tuple(found.values())


def spoken_of(proposal: Proposal, chart: Chart, metric: str, decisions: Decisions) -> Decision | None:
    """The newest decision that speaks of a proposal: one of the same kind at its window, within 3 windows of it, or
    where the new level may have begun (`earliest` to `latest`).
    """
    index = {chart.label(i): i for i in range(chart.values.size)}
    first, last = min(proposal.earliest, proposal.index - NEAR), max(proposal.latest, proposal.index + NEAR)
    for d in latest(decisions):
        if (d.metric, d.kind) == (metric, proposal.kind) and d.at in index and first <= index[d.at] <= last:
            return d
    return None


def pending(proposals: Iterable[Proposal], chart: Chart, metric: str, decisions: Decisions) -> tuple[Proposal, ...]:
    """The proposals that no decision speaks of."""
    return tuple(p for p in proposals if spoken_of(p, chart, metric, decisions) is None)


def record(
    decisions: Decisions, metric: str, chart: Chart, proposals: Iterable[Proposal], *, when: str, who: str = "engine"
) -> Decisions:
    """The decisions with every ready proposal added, as proposed, that none of them speaks of. A proposal that is not
    ready is not recorded: its window may still move.
    """
    ready = [p for p in proposals if p.ready]
    news = [
        Decision(metric, chart.label(p.index), p.kind, "proposed", who, when, "evidence of a change", p.sentence)
        for p in pending(ready, chart, metric, decisions)
    ]
    return ordered((*decisions, *news))


def decide(
    decisions: Decisions,
    metric: str,
    at: str,
    state: State,
    *,
    who: str,
    when: str,
    why: str,
    kind: Kind | None = None,
) -> Decisions:
    """The decisions with a proposal accepted or rejected from `when` on; of one day the last word counts. A decision
    may be taken back by the opposite one. ValueError where there is none to decide, where it is in that state
    already or was decided on a later day, where `kind` is left out and both are proposed, or for the state
    "proposed".
    """
    if state == "proposed":
        raise ValueError("a proposal is accepted or rejected, not proposed, by a decision")
    found = [d for d in latest(decisions) if (d.metric, d.at) == (metric, at) and kind in (None, d.kind)]
    if not found:
        raise ValueError(f"no proposal on {metric} at {at}")
    if len(found) > 1:
        raise ValueError(f"a shift and a trend are proposed on {metric} at {at}: say which")
    (before,) = found
    if before.state == state:
        raise ValueError(f"{metric} at {at} is {state} already, by {before.who} on {before.when}")
    if before.when > when:
        raise ValueError(f"{metric} at {at} was {before.state} on {before.when}, after {when}")
    others = (d for d in decisions if d is not before or before.when < when)
    return ordered((*others, replace(before, state=state, who=who, when=when, why=why)))


def dividers_of(
    decisions: Decisions, metric: str, labels: Sequence[str], *, as_of: str | None = None
) -> dict[int, str]:
    """The dividers of a chart and their reasons, by index: the accepted splits of `metric` on the axis `labels`.

    `as_of` (ISO date) leaves out what was decided later. Windows before the first label or after the last one are left
    out as well, as labels sort by time (ISO dates and weeks do); ValueError for one between them that is not a label.
    """
    index = {label: i for i, label in enumerate(labels)}
    found = {}
    for d in latest(decisions, as_of):
        if d.metric != metric or d.state != "accepted" or d.kind != "shift":
            continue
        if d.at in index:
            found[index[d.at]] = f"{d.why} ({d.who}, {d.when})"
        elif labels and labels[0] < d.at < labels[-1]:
            raise ValueError(f"decision on {metric} at {d.at}: no window of the chart is called so")
    return dict(sorted(found.items()))
