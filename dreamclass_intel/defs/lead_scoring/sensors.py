"""What starts `score_window`: a completed scoring run that has not been requested yet."""

import datetime as dt
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import dagster as dg

from dreamclass_intel.defs.automation.due import failed_windows, request
from dreamclass_intel.defs.lead_scoring.client import LeadScoringResource, Row, at, window_of
from dreamclass_intel.defs.lead_scoring.tables import RUNS
from dreamclass_intel.partitions import SCORING_WINDOWS, ScoringWindow, unregistered_windows
from dreamclass_intel.settings import Mode, load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

METRIC_SERIES = dg.AssetKey(["marts", "metric_series"])
CURSOR_VERSION = 1
BATCH = 10  # requests a tick: a first fill of two years must not flood the queue
OVERLAP = dt.timedelta(hours=1)  # a transaction may become visible after one that completed later


@dataclass(frozen=True)
class Cursor:
    """How far completed runs have been handled.

    `seen`: run keys handled within OVERLAP of `until`. `filling_until`: a first fill goes on up to there;
    runs that are stored already, and runs that a later one replaced, are passed over.
    """

    until: dt.datetime | None = None
    seen: frozenset[str] = frozenset()
    filling_until: dt.datetime | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """From the stored text; none, or another version's, starts anew."""
        try:
            found = json.loads(text or "")
            if found["version"] != CURSOR_VERSION:
                return cls()
            until, filling = (
                found[name] and dt.datetime.fromisoformat(found[name]) for name in ("until", "filling_until")
            )
            return cls(until, frozenset(found["seen"]), filling)
        except (ValueError, KeyError, TypeError):
            return cls()

    def dump(self) -> str:
        """As stored."""
        return json.dumps(
            {
                "version": CURSOR_VERSION,
                "until": self.until and self.until.isoformat(),
                "seen": sorted(self.seen),
                "filling_until": self.filling_until and self.filling_until.isoformat(),
            }
        )


def run_key(run: Row) -> str:
    """Names one completion of one run: a re-score in place gets a request of its own."""
    return _key(run["run_id"], at(run["completed_at"]))


def _key(run_id: str, completed: dt.datetime) -> str:
    return f"{run_id}:{completed.astimezone(dt.UTC).isoformat()}"


def stored_runs(warehouse: WarehouseResource) -> set[str]:
    """Run keys of the completed runs in the warehouse."""
    warehouse.backend().ensure([RUNS])
    found = warehouse.read(
        f"SELECT run_id, completed_at FROM {warehouse.name(RUNS.address)} "
        "WHERE status = 'completed' AND completed_at IS NOT NULL"
    )
    return {_key(row["run_id"], row["completed_at"].replace(tzinfo=dt.UTC)) for row in found.to_pylist()}


def windows_to_load(newest: ScoringWindow) -> list[str]:
    """Keys of the windows up to `newest` with a completed run that is not stored. Raises SourceError."""
    if load_settings().lead_scoring.mode is Mode.OFF:
        return []
    stored = stored_runs(WarehouseResource())
    runs = LeadScoringResource().completed_since(None, timeout_s=60, attempts=5)
    on_grid = (run for run in runs if (w := target(run)) and at(run["window_start"]).date() == w.start)
    missing = {window_of(run) for run in on_grid if run_key(run) not in stored}  # off-grid runs are quarantined
    return sorted(window.key for window in missing if window and window <= newest)


def target(run: Row) -> ScoringWindow | None:
    """The window to load for a run; an off-grid run's is where it will be quarantined.

    None for a run before the first window, or of one that had not closed: nothing may register the future.
    """
    window = window_of(run)
    return window if window and window.end <= at(run["completed_at"]).date() else None


def plan(
    runs: Sequence[Row], cursor: Cursor, stored: Collection[str]
) -> tuple[list[tuple[Row, ScoringWindow]], Cursor]:
    """The runs to request now with their windows, oldest completion first, and the cursor after that.

    `runs`: completed, in order of completion; `stored`: run keys of the completed runs that are stored.
    """
    filling_until = cursor.filling_until
    if cursor.until is None and runs:
        filling_until = at(runs[-1]["completed_at"])
    newest = {target(run): run["run_id"] for run in runs}
    requested: list[tuple[Row, ScoringWindow]] = []
    until, handled = cursor.until, dict[str, dt.datetime]()
    for run in runs:
        moment, key, window = at(run["completed_at"]), run_key(run), target(run)
        filling = filling_until is not None and moment <= filling_until
        passed_over = filling and window and (key in stored or newest[window] != run["run_id"])
        if window and key not in cursor.seen and not passed_over:
            if len(requested) == BATCH:
                break
            requested.append((run, window))
        until = max(moment, until or moment)
        handled[key] = moment
    else:
        filling_until = None
    seen = frozenset(key for key, moment in handled.items() if until and moment >= until - OVERLAP)
    return requested, Cursor(until, seen, filling_until)


@dg.sensor(
    job_name="score_window",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One run of `score_window` for each scoring run that completes or is scored again.",
)
def scoring_runs(
    context: dg.SensorEvaluationContext, lead_scoring: LeadScoringResource, warehouse: WarehouseResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask Supabase what completed since the cursor; register the windows and request their runs together. Windows
    whose run failed are asked for again."""
    if load_settings().lead_scoring.mode is Mode.OFF:
        return dg.SkipReason("Lead scoring is off.")
    if context.instance.get_latest_materialization_event(METRIC_SERIES) is None:
        # A used run key is burnt: a run that fails for want of the other marts would not be asked for again.
        return dg.SkipReason("Waiting for the first daily run: it builds the models that the charts read.")
    cursor = Cursor.parse(context.cursor)
    runs = lead_scoring.completed_since(cursor.until and cursor.until - OVERLAP)
    if not runs and cursor.until is None:
        return dg.SkipReason(
            "No completed scoring run is visible. If there are any, row-level security hides them from the key."
        )
    for run in runs:
        if target(run) is None and run_key(run) not in cursor.seen:
            context.log.warning(f"Scoring run {run['run_id']} ignored: no window had closed for it.")
    first_fill = cursor.until is None or cursor.filling_until
    requested, following = plan(runs, cursor, stored_runs(warehouse) if first_fill else ())
    newest = max(filter(None, map(target, runs)), default=None)
    missing = unregistered_windows(context.instance, newest) if newest else []
    return dg.SensorResult(
        run_requests=[
            request(run_key(run), 0, partition_key=window.key, tags={"scoring_run_id": run["run_id"]})
            for run, window in requested
        ]
        + failed_windows(context.instance, "score_window"),
        dynamic_partitions_requests=[SCORING_WINDOWS.build_add_request(missing)] if missing else [],
        cursor=following.dump(),
        skip_reason=None if requested else f"Every run completed by {following.until:%Y-%m-%d %H:%M} UTC is handled.",
    )
