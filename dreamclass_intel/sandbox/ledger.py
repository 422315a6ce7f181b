"""The MRR ledger: every movement of every paying school, exact to a fraction of a cent.

Lives here: the truth that revenue models are checked against. Entries are `Fraction`s of minor units in the
subscription's own currency (annual prices / 12 are not whole cents); nothing is rounded and nothing is
converted.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from .model import Journey, LedgerEntry


def movements(journey: Journey) -> list[LedgerEntry]:
    """All movements of one school, whole future, in order of time."""
    out: list[LedgerEntry] = []
    held, ever = Fraction(0), False
    for sub in journey.subscriptions:
        for change in sub.changes:
            now = change.mrr_minor
            if now == held:
                continue
            if held == 0:
                movement = "reactivation" if ever else "new_biz"
            elif now == 0:
                movement = "churn"
            else:
                movement = "expansion" if now > held else "contraction"
            out.append(
                LedgerEntry(
                    change.at,
                    journey.school.school_id,
                    sub.customer_id,
                    sub.subscription_id,
                    movement,
                    now - held,
                    change.currency,
                    now,
                )
            )
            held, ever = now, True
    return out


def ledger(journeys: Iterable[Journey]) -> list[LedgerEntry]:
    """All movements of all schools, in order of time."""
    out = [entry for journey in journeys if journey.subscriptions for entry in movements(journey)]
    out.sort(key=lambda e: (e.at, e.school_id))
    return out
