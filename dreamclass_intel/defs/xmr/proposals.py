"""Rebaseline proposals of a metric's chart as rows, each with its state."""

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

from dreamclass_intel.defs.xmr.charts import MetricChart
from dreamclass_intel.xmr import Proposal, propose, watch
from dreamclass_intel.xmr.decisions import NEAR, spoken_of

_FIGURES = ("shift", "sigma", "statistic", "threshold", "rank_z", "autocorrelation")


def undecided(made: MetricChart) -> list[tuple[str, Proposal]]:
    """(mode, proposal) of all that no decision speaks of: as they came, and those that only hindsight sees."""
    found = [("watch", p) for p in watch(made.chart)]
    for p in propose(made.chart):
        if not any(p.kind == q.kind and abs(p.index - q.index) <= NEAR for _, q in found):
            found.append(("review", p))
    return [(mode, p) for mode, p in found if spoken_of(p, made.chart, made.metric.id, made.decisions) is None]


def _finite(figure: float) -> float | None:
    """Null for a statistic without bounds: a straight line has no scatter."""
    return figure if math.isfinite(figure) else None


def rows_of(made: MetricChart) -> Iterator[dict[str, Any]]:
    """Rows of xmr.proposals: the undecided ones with their evidence, then the decisions."""
    label = made.chart.label
    for mode, p in undecided(made):
        yield {
            "metric_id": made.metric.id,
            "label": label(p.index),
            "mode": mode,
            "state": "proposed" if p.ready else "open",
            "who": "engine",
            "kind": p.kind,
            **{name: _finite(getattr(p, name)) for name in _FIGURES},
            **{name: label(getattr(p, name)) for name in ("earliest", "latest", "opened_at", "known_at")},
            "since_n": p.since,
            "shift_low": _finite(p.low),
            "shift_high": _finite(p.high),
            "run_n": p.run,
            "opposing_run_n": p.opposing_run,
            "evidence": p.sentence,
        }
    for d in made.decisions:
        yield {
            "metric_id": made.metric.id,
            "label": d.at,
            "mode": "decision",
            "kind": d.kind,
            "state": d.state,
            "who": d.who,
            "decided_on": dt.date.fromisoformat(d.when),
            "why": d.why,
            "evidence": d.evidence or d.why,
        }
