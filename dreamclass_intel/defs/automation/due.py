"""What is due: the days that tables miss, and what may be asked for again after a failure.

The first half is pure; the second asks Dagster's instance.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from dreamclass_intel.contracts import Write
from dreamclass_intel.partitions import DAILY, DAY, START

TRAILING_DAYS = 4  # GA4 restates a day for three more
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
DUE = "dreamclass/due"  # tag of the runs that were asked for one and the same thing
MAX_ATTEMPTS = 5
PAUSE = dt.timedelta(minutes=30)  # after a first failure; doubles


@dataclass(frozen=True)
class Load:
    """A range of days to load, both ends included; of all daily tables, or of some only."""

    first: dt.date
    last: dt.date
    tables: frozenset[str] | None = None

    @property
    def tags(self) -> dict[str, str]:
        """What makes a run of it a ranged one."""
        return {RANGE_START: self.first.isoformat(), RANGE_END: self.last.isoformat()}


def loads(newest: dt.date, loaded: Mapping[str, Collection[str]], derived: Collection[str] = ()) -> list[Load]:
    """What to load so that no table misses a day up to `newest`: at most two ranges, in order.

    `loaded`: stored partition keys by table; `derived`: tables below the models, which need the whole job. The last
    range is of all tables and covers TRAILING_DAYS; after common downtime, and where a derived table is behind, it
    starts earlier. Tables that miss days before it (a vendor that was down for a week) are caught up alone.
    """
    every = [START + n * DAY for n in range((newest - START).days + 1)]
    missing = {name: next((d for d in every if d.isoformat() not in keys), None) for name, keys in loaded.items()}
    if missing and not any(missing.values()):
        return []
    start = max(newest - (TRAILING_DAYS - 1) * DAY, START)
    behind = {name: day for name, day in missing.items() if day and day < start}
    if len(behind) == len(missing):
        start = max(behind.values(), default=start)
    start = min([start, *(behind[name] for name in derived if name in behind)])
    alone = {name: day for name, day in behind.items() if day < start}
    found = [Load(start, newest)]
    if alone:
        found.insert(0, Load(min(alone.values()), start - DAY, frozenset(alone)))
    return found


def daily_loads(instance: dg.DagsterInstance, graph: BaseAssetGraph, newest: dt.date) -> list[Load]:
    """`loads` of the instance's daily tables. Snapshots are left out: a missed day cannot be taken any more."""
    keys = [
        key
        for key in graph.materializable_asset_keys
        if graph.get(key).partitions_def == DAILY and graph.get(key).metadata.get("write") != Write.SNAPSHOT.value
    ]
    loaded = {key.to_user_string(): instance.get_materialized_partitions(key) for key in keys}
    derived = [key.to_user_string() for key in keys if key.path[0] == "core" and graph.get(key).parent_keys]
    return loads(newest, loaded, derived)


def loaded_until(instance: dg.DagsterInstance) -> dt.date | None:
    """Newest day that a successful run of the job `daily` covered."""
    runs = instance.get_runs(dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS]), limit=20)
    ends = [run.tags[RANGE_END] for run in runs if RANGE_END in run.tags]
    return dt.date.fromisoformat(max(ends)) if ends else None


def next_attempt(instance: dg.DagsterInstance, due: str) -> int | None:
    """Number (from 0) of the attempt to make now at what is due.

    None while one is under way, for PAUSE (doubling) after the last one ended, and after MAX_ATTEMPTS.
    """
    made = instance.get_run_records(dg.RunsFilter(tags={DUE: due}))
    if len(made) >= MAX_ATTEMPTS or not all(record.dagster_run.is_finished for record in made):
        return None
    if made:
        ended = dt.datetime.fromtimestamp(max(record.end_time or 0 for record in made), dt.UTC)
        if dt.datetime.now(dt.UTC) < ended + PAUSE * 2 ** (len(made) - 1):
            return None
    return len(made)


def request(due: str, attempt: int, **settings: Any) -> dg.RunRequest:
    """A run request for what is due; further arguments are RunRequest's."""
    tags = {**(settings.pop("tags", None) or {}), DUE: due}
    return dg.RunRequest(run_key=f"{due}#{attempt}" if attempt else due, tags=tags, **settings)


def failed_windows(instance: dg.DagsterInstance, job: str) -> list[dg.RunRequest]:
    """Requests for partitions of `job` whose newest run failed, if another attempt may be made now."""
    newest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(job_name=job), limit=100):  # newest first
        if key := run.tags.get("dagster/partition"):
            newest.setdefault(key, run)
    found = []
    for key, run in sorted(newest.items()):
        due = run.tags.get(DUE)
        if run.status is dg.DagsterRunStatus.FAILURE and due and (attempt := next_attempt(instance, due)) is not None:
            kept = {k: v for k, v in run.tags.items() if not k.startswith((".", "dagster/"))}
            found.append(request(due, attempt, partition_key=key, tags=kept))
    return found
