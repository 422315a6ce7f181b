"""Raw backend events: client -> contract, nothing else."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.contracts import Rejected
from dreamclass_intel.defs.backend import tables
from dreamclass_intel.defs.backend.client import BackendResource
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract, timestamp, to_json
from dreamclass_intel.typed_assets import days, raw_asset

# Children's data must never land: only these properties are kept.
ALLOWED_PROPERTIES = frozenset(
    {"count", "feature", "trigger", "import_id", "plan_id", "period_id", "class_id", "kind", "channel"}
    | {"trial_id", "days", "locale", "plan", "quantity"}
)
# An event outside these bounds has a broken clock behind it; it is put aside, not dated by guesswork.
MAX_AHEAD, MAX_LATE = dt.timedelta(minutes=5), dt.timedelta(days=30)


def to_records(events: Iterable[dict[str, Any]], rejected: list[Rejected]) -> Iterator[dict[str, Any]]:
    """Events of the API as records of `raw.backend_events`; fields the contract does not name and properties
    outside the allow-list are dropped.

    Events with an impossible date are appended to `rejected` instead.
    """
    for event in events:
        received = timestamp(event["received_at"])
        late = received - timestamp(event["occurred_at"])
        kept = {k: v for k, v in (event.get("properties") or {}).items() if k in ALLOWED_PROPERTIES}
        record = {**{c.name: event.get(c.name) for c in tables.EVENTS.columns}, "properties": kept}
        if -MAX_AHEAD <= late <= MAX_LATE:
            yield {**record, "lateness_s": int(late.total_seconds())}
            continue
        reason = "occurred more than 30 days before" if late > MAX_LATE else "occurred more than 5 minutes after"
        rejected.append(
            Rejected(
                tables.EVENTS.address,
                received.date().isoformat(),
                f"occurred_at: {reason} it was received",
                "occurred_at",
                to_json(record),
                f"/v1/events {event['event_id']}",
            )
        )


@raw_asset(tables.EVENTS, source="backend")
def backend_events(context: dg.AssetExecutionContext, backend: BackendResource) -> Extract:
    """Events received on the run's days."""
    window = days(context)
    rejected: list[Rejected] = []
    result = extract(
        tables.EVENTS,
        to_records(backend.events(window.start_at, window.end_at), rejected),
        lambda record: timestamp(record["received_at"]).date().isoformat(),
    )
    result.rejected = rejected
    return result
