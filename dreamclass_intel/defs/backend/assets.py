"""Raw backend events: client -> contract, nothing else."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.defs.backend import tables
from dreamclass_intel.defs.backend.client import BackendResource
from dreamclass_intel.records import Extract, extract, timestamp
from dreamclass_intel.typed_assets import days, raw_asset

# Children's data must never land: only these properties are kept.
ALLOWED_PROPERTIES = frozenset(
    {"count", "feature", "trigger", "import_id", "plan_id", "period_id", "class_id", "kind", "channel"}
)


def to_records(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Events of the API as records of `raw.backend_events`; properties outside the allow-list are dropped."""
    for event in events:
        late = timestamp(event["received_at"]) - timestamp(event["occurred_at"])
        kept = {k: v for k, v in (event.get("properties") or {}).items() if k in ALLOWED_PROPERTIES}
        yield {**event, "properties": kept, "lateness_s": int(late.total_seconds())}


@raw_asset(tables.EVENTS, source="backend")
def backend_events(context: dg.AssetExecutionContext, backend: BackendResource) -> Extract:
    """Events received on the run's days."""
    window = days(context)
    return extract(
        tables.EVENTS,
        to_records(backend.events(window.start_at, window.end_at)),
        lambda record: timestamp(record["received_at"]).date().isoformat(),
    )
