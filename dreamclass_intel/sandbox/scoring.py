"""Lead-scoring runs of the 14-day windows, their scores and the LQI, as the scoring job stores them.

Lives here: what Supabase holds. Windows are half-open, contiguous from START; a few are scored again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from . import ids, regimes
from .model import Journey, LeadScore, ScoringRun
from .rng import Draw

RESCORED = 0.10  # share of windows that get a second run
_WEIGHTS = {c: Decimal(str(w)) for c, w in regimes.WEIGHTS.items()}
_ID_STRIDE, _VERSION_STRIDE = 1000, 500  # ids of lead scores rise with (window, version, lead), with gaps


def window_bounds(index: int) -> tuple[datetime, datetime]:
    """Start and end of window `index`."""
    start = datetime.combine(regimes.START, time(), UTC) + timedelta(days=regimes.WINDOW_DAYS * index)
    return start, start + timedelta(days=regimes.WINDOW_DAYS)


def window_of(at: datetime) -> int:
    """Index of the window that holds a moment."""
    return (at.date() - regimes.START).days // regimes.WINDOW_DAYS


def versions(seed: int, index: int) -> list[tuple[int, datetime, datetime]]:
    """The runs of a window: (version, created_at, completed_at)."""
    _, end = window_bounds(index)
    d = Draw(seed, end.date().toordinal(), "scoring")
    created = end + timedelta(hours=5, minutes=30 + d.below(25))
    out = [(1, created, created + timedelta(minutes=10 + d.below(25), seconds=d.below(60)))]
    if d.chance(RESCORED):
        again = end + timedelta(days=3 + d.below(6), hours=8 + d.below(8))
        out.append((2, again, again + timedelta(minutes=10 + d.below(25))))
    return out


def run_id(seed: int, index: int, version: int) -> str:
    """The id of a run."""
    return ids.uuid_of("scoring_run", seed, index, version)


def lqi(classes: Sequence[str]) -> Decimal | None:
    """LQI of a list of classes, rounded as numeric(6,3); None without leads."""
    if not classes:
        return None
    total = sum((_WEIGHTS[c] for c in classes), Decimal(0))
    return (100 * total / len(classes)).quantize(Decimal("0.001"), ROUND_HALF_EVEN)


def class_at(journey: Journey, at: datetime) -> tuple[str, float]:
    """A lead's class and score as the job sees them at a moment."""
    lead = journey.lead
    if (
        lead.reclass is not None
        and lead.reclass_score is not None
        and lead.reclassified_at is not None
        and lead.reclassified_at <= at
    ):
        return lead.reclass, lead.reclass_score
    return lead.lead_class, lead.score


def run(
    seed: int,
    index: int,
    version: int,
    created: datetime,
    completed: datetime,
    leads: Sequence[Journey],
    now: datetime,
) -> ScoringRun | None:
    """A run as its row reads at `now`: absent, running, or completed."""
    if created > now:
        return None
    start, end = window_bounds(index)
    done = completed <= now
    classes = [class_at(j, created)[0] for j in leads]
    value = lqi(classes)
    return ScoringRun(
        run_id(seed, index, version),
        index,
        start,
        end,
        "completed" if done else "running",
        version,
        run_id(seed, index, version - 1) if version > 1 else None,
        regimes.MODEL_VERSION,
        regimes.WEIGHTS_VERSION,
        created,
        completed if done else None,
        completed if done else created,
        str(value) if done and value is not None else None,
        len(leads) if done else 0,
        {c: classes.count(c) if done else 0 for c in regimes.CLASSES},
    )


def scores(item: ScoringRun, leads: Sequence[Journey]) -> list[LeadScore]:
    """The lead scores of a completed run; empty while it is running."""
    if item.completed_at is None:
        return []
    out = []
    first = 1 + item.window_index * _ID_STRIDE + (item.run_version - 1) * _VERSION_STRIDE
    for n, journey in enumerate(leads):
        lead = journey.lead
        name, score = class_at(journey, item.created_at)
        at = item.created_at + (item.completed_at - item.created_at) * (n + 1) / (len(leads) + 1)
        known = lead.account_created_at is not None and lead.account_created_at <= item.created_at
        out.append(
            LeadScore(
                first + n,
                item.run_id,
                lead.lead_id,
                name,
                f"{score:.3f}",
                lead.account_id if known else None,
                lead.email,
                lead.source,
                lead.medium,
                lead.campaign,
                at,
                at,
            )
        )
    return out
