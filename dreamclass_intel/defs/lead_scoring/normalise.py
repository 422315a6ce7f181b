"""Supabase rows to records of the contracts, and the reasons why a run cannot be one. No I/O."""

import datetime as dt
from typing import Any

from dreamclass_intel.contracts import Rejected
from dreamclass_intel.defs.lead_scoring import tables
from dreamclass_intel.defs.lead_scoring.client import Row, at, window_of
from dreamclass_intel.partitions import START, WINDOW
from dreamclass_intel.privacy import email_domain, email_hash, scrub
from dreamclass_intel.records import to_json

CLASSES = ("A", "B", "C", "D")
PERSONAL_FIELDS = frozenset({"email", "name", "first_name", "last_name", "full_name", "phone", "address"})


def refusal(run: Row) -> Rejected | None:
    """Why a run is no run of a window on the grid; None if it is one."""
    window = window_of(run)
    assert window is not None
    start, end = at(run["window_start"]), at(run["window_end"])
    if start != dt.datetime.combine(window.start, dt.time(), dt.UTC):
        field = "window_start"
        reason = f"window starts at {start.isoformat()}, off the {WINDOW.days}-day grid anchored at {START} (UTC)"
    elif end - start != WINDOW:
        field, reason = "window_end", f"window is {_days(end - start)} days long, not {WINDOW.days}"
    else:
        return None
    return Rejected(
        table=tables.RUNS.address,
        partition=window.key,
        reason=reason,
        field=field,
        record=to_json(scrub(run, PERSONAL_FIELDS)),
        origin=f"scoring_runs run_id={run['run_id']}",
    )


def run_record(run: Row) -> dict[str, Any]:
    """A run as a record of `raw.lead_scoring_runs`."""
    start, end = at(run["window_start"]), at(run["window_end"])
    distribution = run["class_distribution"]
    counts = distribution or {}
    return {
        "run_id": run["run_id"],
        "window_start_at": start,
        "window_end_at": end,
        "window_days": (end - start).days,
        "status": run["status"],
        "run_version": run["run_version"],
        "supersedes_run_id": run["supersedes_run_id"],
        "model_version": run["model_version"],
        "weights_version": run["weights_version"],
        "lqi": run["lqi"],
        "total_leads": run["total_leads"],
        "class_distribution": distribution,
        **{f"class_{c.lower()}_n": counts.get(c, 0) if distribution is not None else None for c in CLASSES},
        "distribution_n": sum(int(n or 0) for n in counts.values()) if distribution is not None else None,
        "created_at": run["created_at"],
        "completed_at": run["completed_at"],
        "updated_at": run["updated_at"],
        "_raw": scrub(run, PERSONAL_FIELDS),
        "_origin": f"scoring_runs run_id={run['run_id']}",
    }


def score_record(row: Row) -> dict[str, Any]:
    """A lead score as a record of `raw.lead_scoring_lead_scores`."""
    kept = ("run_id", "lead_id", "lead_class", "score", "account_id", "source", "medium", "campaign")
    return {
        **{name: row[name] for name in kept},
        "score_id": row["id"],
        "email_hash": email_hash(row["email"]),
        "email_domain": email_domain(row["email"]),
        "scored_at": row["scored_at"],
        "updated_at": row["updated_at"],
        "_raw": scrub(row, PERSONAL_FIELDS),
        "_origin": f"lead_scores id={row['id']}",
    }


def _days(length: dt.timedelta) -> str:
    return f"{length / dt.timedelta(days=1):g}"
