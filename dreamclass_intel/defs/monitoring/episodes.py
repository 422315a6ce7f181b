"""Episodes: a failing check opens one, stays quiet while it goes on, and is told once when it is over. Pure.

The unit of alerting is (asset, check): one message when it opens, one when it resolves.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

QUIET_PERIODS = 4  # an XmR episode is over after this many periods without the rule signalling again


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a check. `partition` is None for checks of a whole table."""

    asset: str
    check: str
    passed: bool
    severity: str
    words: str
    partition: str | None = None
    period_days: int = 1

    @property
    def key(self) -> str:
        """What an episode is about."""
        return f"{self.asset}:{self.check}"


@dataclass(frozen=True)
class Episode:
    """An open episode."""

    opened: str  # partition, or the run that showed it
    last_failed: str


@dataclass(frozen=True)
class News:
    """Something to tell: an episode opened or resolved."""

    kind: Literal["opened", "resolved"]
    evaluation: Evaluation


def step(
    episodes: Mapping[str, Episode], evaluation: Evaluation, run_id: str
) -> tuple[dict[str, Episode], News | None]:
    """The episodes after one evaluation, and what to tell. Seeing an evaluation again changes nothing."""
    after = dict(episodes)
    known = episodes.get(evaluation.key)
    where = evaluation.partition or run_id
    if not evaluation.passed:
        if known is None or (evaluation.partition and _quiet_for(known.last_failed, evaluation) > QUIET_PERIODS):
            after[evaluation.key] = Episode(where, where)
            return after, News("opened", evaluation)
        after[evaluation.key] = replace(
            known, last_failed=max(known.last_failed, where) if evaluation.partition else where
        )
        return after, None
    if known and (evaluation.partition is None or _quiet_for(known.last_failed, evaluation) >= QUIET_PERIODS):
        del after[evaluation.key]
        return after, News("resolved", evaluation)
    return after, None


def _quiet_for(last_failed: str, evaluation: Evaluation) -> float:
    """Periods since the rule signalled last."""
    assert evaluation.partition
    quiet = dt.date.fromisoformat(evaluation.partition) - dt.date.fromisoformat(last_failed)
    return quiet.days / evaluation.period_days
