"""Brings the warehouse up to date without a daemon: what `make run` and the headless daily workflow call.

Runs the same jobs on the same Dagster instance as the sensors do, in this process, so that the UI shows every
run and partition. Windows first, then one ranged run of days, then the charts of each window and week.
"""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context

import dagster as dg
from filelock import Timeout

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Grain
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.due import Load, daily_loads
from dreamclass_intel.defs.lead_scoring.sensors import windows_to_load
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.monitoring.client import Notifier
from dreamclass_intel.defs.monitoring.ledger import Ledger
from dreamclass_intel.defs.monitoring.sensors import deliver, newest_positions, remember
from dreamclass_intel.defs.xmr.late import weeks_to_redraw
from dreamclass_intel.partitions import DAY, START, WEEKLY, register_windows, windows_until
from dreamclass_intel.run_launcher import update_lock
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

Say = Callable[[str], None]
SHOWN = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.HANDLED_OUTPUT}


ChartRun = tuple[str, str]  # job, partition
WORKERS, WORTH_WORKERS = 2, 20
MODELS = ("seeds", "staging", "intermediate", "marts")  # dbt's layers


class UpdateError(RuntimeError):
    """A run failed; the message names run, step and reason."""


def update(say: Say = print, alerts: bool = False) -> None:
    """Load what is missing up to the newest ready day; with `alerts`, then tell what the daemon would have told.

    Raises UpdateError at the first failed run (after telling of it) or beside another update, DeliveryError if a
    channel is down.
    """
    try:
        with update_lock():
            _update(say, alerts)
    except Timeout:
        raise UpdateError("another update is running") from None


def _update(say: Say, alerts: bool) -> None:
    newest = Clock().newest_ready_day()
    if newest < START:
        say(f"Nothing to load: START_DATE is {START}.")
        return
    instance = dg.DagsterInstance.get()
    defs = build_defs()
    _claim(instance)
    ledger = Ledger(load_settings().state_dir / "alerts")
    seen = ledger.positions() if alerts else None  # what an earlier update could not deliver is still to be told
    seen = seen or newest_positions(instance)
    try:
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            driver = _Driver(defs, instance, say)
            driver.windows(newest)
            driver.days(newest, pool)
            driver.charts(newest, pool)
    finally:
        if alerts:
            ledger.keep_positions(seen)
            sent = 0
            for reached, told, _run in deliver(instance, seen, Notifier(), Clock()):
                ledger.keep_positions(reached)
                sent += told
            say(f"{sent} alerts sent")
        else:
            for key, episode in sorted(remember(instance, seen).items()):
                say(f"Open signal: {key}, last in {episode.last_failed}")


def _claim(instance: dg.DagsterInstance) -> None:
    """Note whose data the state holds. UpdateError when Dagster remembers loads of a warehouse that is not there."""
    settings = load_settings()
    if instance.get_materialized_partitions(dg.AssetKey(["core", "dim_dates"])):
        if settings.warehouse == "duckdb" and not settings.database.exists():
            raise UpdateError(f"Dagster remembers loads, but {settings.database} is gone: restore it, or make clean")
        if settings.warehouse == "bigquery" and not WarehouseResource().backend().exists("core.dim_dates"):
            raise UpdateError(
                f"Dagster remembers loads, but BigQuery's project {settings.bigquery.project} holds none: bring them "
                "there with dreamclass-intel copy-warehouse --to bigquery, or begin anew with another STATE_DIR"
            )
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    settings.world_file.write_text("sandbox" if settings.uses_sandbox else "live")


class _Driver:
    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, say: Say) -> None:
        self.defs, self.instance, self.say = defs, instance, say
        self.reloaded: list[str] = []

    def windows(self, newest: dt.date) -> None:
        """Scoring tables of the closed windows that miss, or were scored (again) since, as one ranged run."""
        closed = windows_until(newest + DAY)
        if not closed:
            return
        register_windows(self.instance, closed[-1])
        missing = sorted({*self._missing("core/lqi", [w.key for w in closed]), *windows_to_load(closed[-1])})
        if missing:
            self.say(f"Scoring windows {missing[0]} to {missing[-1]}")
            load = Load(dt.date.fromisoformat(missing[0]), dt.date.fromisoformat(missing[-1]))
            self._run("score_window_tables", load.tags)
        self.reloaded = missing

    def days(self, newest: dt.date, pool: Executor) -> None:
        """What the daily tables miss, and the models: one ranged run, before it one of tables that are behind.
        The models alone where the tables were copied here from another warehouse."""
        graph = self.defs.resolve_asset_graph()
        loads = daily_loads(self.instance, graph, newest)
        if not loads and not WarehouseResource().backend().exists("marts.metric_series"):
            self.say("The models are not in this warehouse yet")
            models = [key for key in graph.materializable_asset_keys if graph.get(key).tags.get("layer") in MODELS]
            self._run("daily", Load(newest, newest).tags, asset_selection=models)
        if any(load.last - load.first > WORTH_WORKERS * 7 * DAY for load in loads):
            for _ in range(WORKERS):  # the charts to come will need them; meanwhile they import
                pool.submit(_ready)
        for load in loads:
            some = sorted(load.tables or ())
            self.say(f"Days {load.first} to {load.last}" + (f" of {', '.join(some)}" if some else ""))
            chosen = [dg.AssetKey.from_user_string(name) for name in some] or None
            self._run("daily", load.tags, asset_selection=chosen)

    def charts(self, newest: dt.date, pool: Executor) -> None:
        """Charts and their checks, one run a window and a week, so that each has its own verdict."""
        windows = [w.key for w in windows_until(newest + DAY)]
        moment = dt.datetime.combine(newest + DAY, dt.time(), dt.UTC)
        weeks = list(WEEKLY.get_partition_keys(current_time=moment))
        again = {
            Grain.SCORING_WINDOW: set(self.reloaded) & set(windows),
            Grain.WEEKLY: set(weeks_to_redraw(WarehouseResource().backend(), weeks)),
        }
        older, last = list[ChartRun](), list[ChartRun]()
        for job, grain, keys in (
            ("score_window_charts", Grain.SCORING_WINDOW, windows),
            ("weekly", Grain.WEEKLY, weeks),
        ):
            charts = [f"xmr/{m.id}" for m in metrics() if m.table_grain is grain]
            missing = sorted({key for chart in charts for key in self._missing(chart, keys)} | again[grain])
            older += [(job, key) for key in missing[:-1]]
            last += [(job, key) for key in missing[-1:]]
        for number, (job, key) in enumerate(self._drawn(older, pool), 1):
            if number == 1 or number % 13 == 0 or number == len(older):
                self.say(f"Charts: {number} of {len(older)} ({job} {key})")
        for job, key in last:  # alone and at the end: what ran last is what the UI shows of an asset
            self.say(f"Charts of the newest: {job} {key}")
            self.chart((job, key))

    def _drawn(self, runs: Sequence[ChartRun], pool: Executor) -> Iterator[ChartRun]:
        """Two processes share many charts: a run's second is nearly all Dagster's own bookkeeping."""
        if len(runs) < WORTH_WORKERS:
            yield from map(self.chart, runs)
        else:
            yield from pool.map(_chart, runs)

    def chart(self, run: ChartRun) -> ChartRun:
        """The charts of one window or week. Raises UpdateError."""
        job, key = run
        self._run(job, partition_key=key, quiet=True)
        return run

    def _missing(self, asset: str, keys: Sequence[str]) -> list[str]:
        stored = set(self.instance.get_materialized_partitions(dg.AssetKey(asset.split("/"))))
        return [key for key in keys if key not in stored]

    def _run(
        self,
        job: str,
        tags: dict[str, str] | None = None,
        partition_key: str | None = None,
        asset_selection: list[dg.AssetKey] | None = None,
        quiet: bool = False,
    ) -> None:
        run_id = str(uuid.uuid4())
        with _progress(self.instance, run_id, (lambda _line: None) if quiet else self.say):
            result = self.defs.resolve_job_def(job).execute_in_process(
                instance=self.instance,
                tags=tags,
                partition_key=partition_key,
                asset_selection=asset_selection,
                run_id=run_id,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},  # progress is said below
            )
        if not result.success:
            raise UpdateError(f"Run {run_id} of {job} failed: {_why(result)}")


@cache
def _worker() -> _Driver:
    return _Driver(build_defs(), dg.DagsterInstance.get(), lambda _line: None)


def _ready() -> None:
    _worker()


def _chart(run: ChartRun) -> ChartRun:
    return _worker().chart(run)


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            return f"{event.step_key}: {cause.message.strip().splitlines()[0] if cause else 'no reason given'}"
    return "no step failed; see the run in the UI"


@contextmanager
def _progress(instance: dg.DagsterInstance, run_id: str, say: Say) -> Iterator[None]:
    """Says each finished step with its duration and rows while a run is under way."""
    stop = threading.Event()

    def watch() -> None:
        cursor, started, rows = None, time.monotonic(), dict[str, int]()
        while True:
            last_look = stop.wait(1.0)
            page = instance.get_records_for_run(run_id, cursor=cursor, of_type=SHOWN)
            cursor = page.cursor
            for record in page.records:
                event = record.event_log_entry.dagster_event
                assert event is not None
                step = str(event.step_key)
                if event.event_type is dg.DagsterEventType.HANDLED_OUTPUT:
                    found = event.event_specific_data.metadata.get("dagster/partition_row_count")  # type: ignore[union-attr]
                    if found is not None:
                        rows[step] = int(str(found.value))
                else:
                    shown = f", {rows[step]:,} rows" if step in rows else ""
                    seconds = event.event_specific_data.duration_ms / 1000  # type: ignore[union-attr]
                    say(f"  {time.monotonic() - started:4.0f} s  {step} ({seconds:.1f} s{shown})")
            if last_look:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
