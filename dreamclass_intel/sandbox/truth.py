"""Writes the planted truth to a file of its own: who is who, the MRR ledger, the shifts, the true LQI.

Lives here: the answer sheet. Only tests and benches read it; no stand-in server and no part of the pipeline
does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import ids, regimes, scoring
from .world import World


def identities(world: World, now: datetime) -> Iterator[tuple[str, str, str]]:
    """(vendor record type, record id, school_id) of every record a vendor may show by `now`."""
    for journey in world.journeys(now):
        school, lead = journey.school.school_id, journey.lead
        yield "supabase.lead", lead.lead_id, school
        yield "hubspot.contact", ids.hubspot_contact_id(lead.lead_id), school
        if lead.account_id is not None and lead.account_created_at is not None and lead.account_created_at <= now:
            yield "product.account", lead.account_id, school
        for n, sub in enumerate(s for s in journey.subscriptions if s.created_at <= now):
            if n == 0:
                yield "stripe.customer", sub.customer_id, school
                yield "chartmogul.customer", ids.chartmogul_customer_uuid(school), school
            yield "stripe.subscription", sub.subscription_id, school
        if journey.deal is not None and journey.deal.created_at <= now:
            yield "hubspot.deal", journey.deal.deal_id, school
    for record in world.crm_companies(now):
        yield "hubspot.company", record.company_id, record.school.school_id
    seen: set[tuple[str, str]] = set()
    day = world.config.start
    while day <= now.date():
        for visit in world.swan_visits(day):
            key = ("swan.visitor", visit.visitor_id)
            if visit.seen_at <= now and key not in seen:
                seen.add(key)
                yield *key, visit.school.school_id
                company = ("swan.company", ids.swan_company_id(visit.school.school_id))
                if company not in seen:
                    seen.add(company)
                    yield *company, visit.school.school_id
        for signal in world.g2_signals(day):
            key = ("g2.company", ids.g2_company_id(signal.school.school_id))
            if signal.last_seen_at <= now and key not in seen:
                seen.add(key)
                yield *key, signal.school.school_id
        day = day.fromordinal(day.toordinal() + 1)


def exact(value: Fraction) -> str:
    """A fraction as text: `2900` or `29000/12` in lowest terms."""
    return str(value)


def truth(world: World, now: datetime) -> dict[str, Any]:
    """The whole answer sheet as of `now`."""
    identity: dict[str, dict[str, str]] = {}
    for kind, record, school in identities(world, now):
        identity.setdefault(kind, {})[record] = school
    entries = [
        {
            "date": e.at.date().isoformat(),
            "at": e.at.isoformat(),
            "school_id": e.school_id,
            "customer_id": e.customer_id,
            "subscription_id": e.subscription_id,
            "movement": e.movement,
            "delta_minor": exact(e.delta_minor),
            "currency": e.currency,
            "mrr_after": exact(e.mrr_after_minor),
        }
        for e in world.ledger(now)
    ]
    windows = []
    for run in world.scoring_runs(now):
        windows.append(
            {
                "window_start": run.window_start.date().isoformat(),
                "run_version": run.run_version,
                "status": run.status,
                "lqi": run.lqi,
                "total_leads": run.total_leads,
                "expected_lqi": round(regimes.true_lqi(run.window_start.date()), 3),
            }
        )
    shifts = [
        {
            "id": s.id,
            "title": s.title,
            "metric_ids": list(s.metric_ids),
            "start": s.start.isoformat(),
            "end": s.end.isoformat() if s.end else None,
            "before": s.before,
            "after": s.after,
            "unit": s.unit,
            "description": s.description,
        }
        for s in regimes.SHIFTS
    ]
    return {
        "seed": world.config.seed,
        "scale": world.config.scale,
        "now": now.isoformat(),
        "start": world.config.start.isoformat(),
        "settled": regimes.SETTLED.isoformat(),
        "window_days": regimes.WINDOW_DAYS,
        "windows_closed": scoring.window_of(now),
        "identity": identity,
        "ledger": entries,
        "lqi": windows,
        "shifts": shifts,
    }


def write_truth(world: World, now: datetime, path: Path | str) -> Path:
    """Write the answer sheet as JSON, replacing the file in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(truth(world, now), ensure_ascii=False, sort_keys=True), encoding="utf-8")
    os.replace(temporary, path)
    return path
