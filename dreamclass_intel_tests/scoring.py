"""Helpers for tests around lead scoring: a world whose runs a test edits, and runs of window assets."""

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from dreamclass_intel.defs.lead_scoring.client import RESOURCES
from dreamclass_intel.partitions import ScoringWindow, register_windows
from dreamclass_intel.sandbox.clock import SandboxClock
from dreamclass_intel.sandbox.model import LeadScore, ScoringRun
from dreamclass_intel.sandbox.servers.server import running
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.warehouse.io_manager import WarehouseIOManager, WarehouseResource

LAST_WINDOW = "2024-03-11"  # the newest that is scored at conftest.NOW


class ScoringWorld:
    """The simulated company with scoring runs added or changed; the rest of its world is untouched."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.extra: list[ScoringRun] = []
        self.change: Callable[[ScoringRun], ScoringRun | None] = lambda run: run
        self.change_scores: Callable[[list[LeadScore]], list[LeadScore]] = lambda scores: scores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def scoring_runs(self, now: dt.datetime) -> list[ScoringRun]:
        known = [*self._world.scoring_runs(now), *(r for r in self.extra if r.created_at <= now)]
        return [changed for run in known if (changed := self.change(run)) is not None]

    def lead_scores(self, run: ScoringRun) -> list[LeadScore]:
        return self.change_scores(self._world.lead_scores(run))

    def rescore(self, run: ScoringRun, at: dt.datetime, run_id: str) -> ScoringRun:
        """A second run of the window of `run`, completed at `at`."""
        again = replace(
            run, run_id=run_id, run_version=2, supersedes_run_id=run.run_id, created_at=at,
            completed_at=at + dt.timedelta(minutes=10), updated_at=at + dt.timedelta(minutes=10),
        )  # fmt: skip
        self.extra.append(again)
        return again


@contextmanager
def own_sandbox(world: Any, now: dt.datetime, folder: Path) -> Iterator[tuple[Site, str]]:
    """A sandbox over `world` with a clock of its own."""
    clock = SandboxClock(folder / "own_clock.json", initial=now)
    site = Site(world, clock)
    with running(site) as url:
        yield site, url


def resources() -> dict[str, Any]:
    warehouse = WarehouseResource()
    return {
        **RESOURCES,
        "warehouse": warehouse,
        "warehouse_io": WarehouseIOManager(warehouse=warehouse),
    }


@functools.cache
def _instance() -> dg.DagsterInstance:
    instance = dg.DagsterInstance.ephemeral()
    register_windows(instance, ScoringWindow.from_key(LAST_WINDOW))
    return instance


class Windows:
    """A Dagster instance with all windows registered; `load` is one real run of real assets.

    All share one instance: what an earlier test materialised is in its history, never in the warehouse.
    """

    def __init__(self) -> None:
        self.instance = _instance()
        self._jobs: dict[tuple[Any, ...], dg.JobDefinition] = {}

    def load(
        self,
        assets: Sequence[Any],
        first: str,
        last: str | None = None,
        *,
        checks: Sequence[Any] = (),
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        job = self._job((*assets, *checks), assets, checks)
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last or first,
        }
        return job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=raise_on_error)

    def _job(self, key: tuple[Any, ...], assets: Sequence[Any], checks: Sequence[Any]) -> dg.JobDefinition:
        if key not in self._jobs:
            defs = dg.Definitions(
                assets=list(assets),
                asset_checks=list(checks),
                resources=resources(),
                jobs=[dg.define_asset_job("run", selection=dg.AssetSelection.all())],
            )
            self._jobs[key] = defs.resolve_job_def("run")
        return self._jobs[key]
