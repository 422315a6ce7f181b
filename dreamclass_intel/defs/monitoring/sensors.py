"""The alert sensor: reads finished runs after its cursor, tells of opened and resolved episodes, then moves on.

A plain sensor over run-status changes: Dagster's run_status_sensor moves its cursor even when delivery fails,
and check evaluations cannot be followed by event id on SQLite (docs/decisions.md). The cursor moves only after
delivery; the ledger's idempotency keys cover a crash between delivery and cursor.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import dagster as dg
from dagster._core.event_api import RunStatusChangeRecordsFilter
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.metrics.registry import PERIOD_DAYS, Metric, metrics
from dreamclass_intel.defs.monitoring.client import DeliveryError, Notifier
from dreamclass_intel.defs.monitoring.episodes import Episode, Evaluation, News, step
from dreamclass_intel.defs.monitoring.ledger import Ledger
from dreamclass_intel.settings import load_settings

CURSOR_VERSION = 2
BACKFILL = "dagster/backfill"
FINISHED: tuple[Any, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)
BATCH = 100
MAX_LINES = 12


Positions = dict[str, int]
Message = tuple[str, str, str]  # title, body, idempotency key


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(context: dg.SensorEvaluationContext, notifier: Notifier, clock: Clock) -> dg.SkipReason:
    """Posts each newly failed check once. Only newest partitions alert; a backfill sends one digest."""
    positions, backfills = _seen(context)
    runs = sent = 0
    try:
        for reached, told, run in deliver(context.instance, positions, notifier, clock):
            runs, sent, positions = runs + 1, sent + told, reached
            backfills |= {run.tags[BACKFILL]} if BACKFILL in run.tags else set()
            context.update_cursor(_cursor(positions, backfills))
        backfills, told = tell_of_backfills(context.instance, backfills, notifier)
        sent += told
    except DeliveryError as error:
        if not sent:
            raise  # a failing tick is what shows in the UI
        return dg.SkipReason(f"{sent} alerts sent, then: {error}")
    context.update_cursor(_cursor(positions, backfills))
    return dg.SkipReason(f"{runs} finished runs looked at, {sent} alerts sent.")


def deliver(
    instance: dg.DagsterInstance, positions: Positions, notifier: Notifier, clock: Clock
) -> Iterator[tuple[Positions, int, dg.DagsterRun]]:
    """Tell of the runs that finished after `positions`, oldest first; yields the position reached, how many
    messages went out, and the run. Raises DeliveryError before moving past a run that could not be told."""
    ledger = Ledger(load_settings().state_dir / "alerts")
    while finished := sorted(_finished(instance, positions), key=lambda f: f[2]):
        for event_type, storage_id, _, run in finished:
            told = _tell(run, instance, notifier, ledger, clock)
            positions = {**positions, event_type.value: storage_id}
            yield positions, told, run


def remember(instance: dg.DagsterInstance, positions: Positions) -> dict[str, Episode]:
    """Keep the episodes of the runs that finished after `positions` without telling of any: after a fill, what
    has been going on for months is no news. Returns the open ones."""
    ledger = Ledger(load_settings().state_dir / "alerts")
    episodes = ledger.episodes()
    seen: list[tuple[Evaluation, str]] = []
    while finished := sorted(_finished(instance, positions), key=lambda f: f[2]):
        for event_type, storage_id, _, run in finished:
            seen += [(evaluation, run.run_id) for evaluation in evaluations(instance, run.run_id)]
            positions = {**positions, event_type.value: storage_id}
    # A fill draws charts side by side: by period, not as they came.
    for evaluation, run_id in sorted(seen, key=lambda pair: pair[0].partition or ""):
        episodes, _news = step(episodes, evaluation, run_id)
    ledger.keep(episodes)
    return episodes


def _cursor(positions: Positions, backfills: Collection[str]) -> str:
    return json.dumps({"version": CURSOR_VERSION, "positions": positions, "backfills": sorted(backfills)})


def _seen(context: dg.SensorEvaluationContext) -> tuple[Positions, set[str]]:
    """Storage ids seen so far and backfills under way; a missing or older cursor starts at now, so that history
    raises no storm."""
    try:
        stored = json.loads(context.cursor or "")
        if stored["version"] == CURSOR_VERSION:
            return dict(stored["positions"]), set(stored["backfills"])
    except (ValueError, KeyError, TypeError):
        pass
    return newest_positions(context.instance), set()


def newest_positions(instance: dg.DagsterInstance) -> Positions:
    """Where a reader that has seen everything stands."""
    now = {}
    for event_type in FINISHED:
        newest = instance.fetch_run_status_changes(event_type, limit=1).records
        now[event_type.value] = newest[0].storage_id if newest else 0
    return now


Finished = tuple[dg.DagsterEventType, int, float, dg.DagsterRun]


def _finished(instance: dg.DagsterInstance, positions: dict[str, int]) -> Iterator[Finished]:
    for event_type in FINISHED:
        found = instance.fetch_run_status_changes(
            RunStatusChangeRecordsFilter(event_type, after_storage_id=positions.get(event_type.value, 0)),
            limit=BATCH,
            ascending=True,
        )
        for record in found.records:
            run = instance.get_run_by_id(record.event_log_entry.run_id)
            if run:
                yield event_type, record.storage_id, record.timestamp, run


def _tell(run: dg.DagsterRun, instance: dg.DagsterInstance, notifier: Notifier, ledger: Ledger, clock: Clock) -> int:
    """Send at most one message about a finished run; 1 if one was sent. A backfill's runs are told of together."""
    episodes = ledger.episodes()
    news: list[News] = []
    for evaluation in evaluations(instance, run.run_id):
        if not _is_newest(evaluation, clock):
            continue
        episodes, item = step(episodes, evaluation, run.run_id)
        if item and (item.evaluation.partition or item.evaluation.severity == "ERROR"):
            news.append(item)
    outcome = _outcome(run, instance)
    if outcome:
        episodes, item = step(episodes, outcome, run.run_id)
        news += [item] if item else []
    message = None if BACKFILL in run.tags else _message(news, run.run_id)
    sent = _deliver(message, notifier, ledger, run.run_id) if message else 0
    ledger.keep(episodes)
    return sent


def _outcome(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Evaluation | None:
    """The run itself as something that passed or failed; None for one that is retried or was cancelled."""
    if run.status is dg.DagsterRunStatus.FAILURE and run.tags.get("dagster/will_retry") != "true":
        return Evaluation(f"job {run.job_name}", "run", False, "ERROR", _reason(instance, run))
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Evaluation(f"job {run.job_name}", "run", True, "ERROR", "runs again")
    return None


def _deliver(message: Message, notifier: Notifier, ledger: Ledger, run_id: str) -> int:
    """Send on every channel that has not had it; 1 if any took it now. DeliveryError if one did not."""
    title, body, key = message
    sent, failed = 0, list[DeliveryError]()
    for channel in notifier.channels():
        if ledger.was_delivered(key, channel):
            continue
        try:
            notifier.send(channel, title, body, key)
        except DeliveryError as error:
            failed.append(error)
            continue
        sent = 1
        ledger.record(
            {"key": key, "channel": channel, "at": dt.datetime.now(dt.UTC).isoformat(), "run_id": run_id}
            | {"title": title, "body": body}
        )
    if failed:
        raise failed[0]
    return sent


def evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterator[Evaluation]:
    """The check evaluations of a run."""
    by_asset = {f"xmr/{m.id}": m for m in metrics()}
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    for record in found.records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        data = event.asset_check_evaluation_data
        asset = data.asset_key.to_user_string()
        metric: Metric | None = by_asset.get(asset)
        yield Evaluation(
            asset,
            data.check_name,
            data.passed,
            data.severity.value,
            data.description or data.check_name,
            data.partition,
            PERIOD_DAYS[metric.grain] if metric else 1,
        )


def _is_newest(evaluation: Evaluation, clock: Clock) -> bool:
    """Whether a partitioned check judges the newest closed period, or the one before it (a late run)."""
    if evaluation.partition is None:
        return True
    close = dt.date.fromisoformat(evaluation.partition) + dt.timedelta(days=evaluation.period_days)
    age = clock.newest_day() + dt.timedelta(days=1) - close
    return age.days < 2 * evaluation.period_days


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    found = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for record in found.records:
        event = record.event_log_entry.dagster_event
        error = event.step_failure_data.error if event else None
        cause = error.cause if error and error.cause else error
        if event and cause:
            return f"{event.step_key}: {cause.message.strip().splitlines()[0][:300]}"
    return "no step failed; see the run"


def _message(news: Sequence[News], run_id: str) -> Message | None:
    """Title, body and idempotency key of what opened and resolved; None for nothing.

    A partition's news is the same whichever run shows it; a whole table's or a job's belongs to the run.
    """
    if not news:
        return None
    opened = [n for n in news if n.kind == "opened"]
    lines = [f"{n.evaluation.severity if n.kind == 'opened' else 'resolved'}: {n.evaluation.words}" for n in news]
    about = opened or list(news)
    where = ", ".join(dict.fromkeys(n.evaluation.asset for n in about))
    title = f"DreamClass: {'signal' if opened else 'resolved'} in {where}"[:200]
    identity = sorted(f"{n.kind}|{n.evaluation.key}|{n.evaluation.partition or run_id}" for n in news)
    return title, _listed(lines), hashlib.sha256("\n".join(identity).encode()).hexdigest()


def tell_of_backfills(
    instance: dg.DagsterInstance, backfills: Collection[str], notifier: Notifier
) -> tuple[set[str], int]:
    """One digest for each backfill that is over. Returns those still under way, and how many messages went out."""
    ledger = Ledger(load_settings().state_dir / "alerts")
    waiting, sent = set[str](), 0
    for backfill_id in sorted(backfills):
        backfill = instance.get_backfill(backfill_id)
        if backfill and backfill.status not in BULK_ACTION_TERMINAL_STATUSES:
            waiting.add(backfill_id)
        else:
            sent += _deliver(_digest(instance, backfill_id), notifier, ledger, backfill_id)
    return waiting, sent


def _digest(instance: dg.DagsterInstance, backfill_id: str) -> Message:
    """What failed in a whole backfill: runs with their reasons, then checks with the number of partitions."""
    failed: dict[str, int] = {}
    lines = []
    for run in instance.get_runs(dg.RunsFilter(tags={BACKFILL: backfill_id})):
        if run.status is dg.DagsterRunStatus.FAILURE:
            lines.append(f"run {run.run_id[:8]} failed: {_reason(instance, run)}")
        for evaluation in evaluations(instance, run.run_id):
            if not evaluation.passed:
                failed[evaluation.key] = failed.get(evaluation.key, 0) + 1
    lines += [f"{name}: failed in {count} partition{'s' * (count > 1)}" for name, count in sorted(failed.items())]
    key = hashlib.sha256(f"backfill|{backfill_id}".encode()).hexdigest()
    return f"DreamClass: backfill {backfill_id} finished", _listed(lines) or "Nothing failed.", key


def _listed(lines: list[str]) -> str:
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"… and {len(lines) - MAX_LINES + 1} more; see Dagster"]
    return "\n".join(lines)
