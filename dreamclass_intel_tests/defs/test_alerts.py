"""Alerts: one message an episode, whatever fails on the way. A real instance and a real webhook receiver."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.monitoring.client import DeliveryError, Notifier
from dreamclass_intel.defs.monitoring.episodes import QUIET_PERIODS, Episode, Evaluation, step
from dreamclass_intel.defs.monitoring.ledger import Ledger
from dreamclass_intel.defs.monitoring.sensors import alerts, newest_positions, remember
from dreamclass_intel.partitions import ScoringWindow, windows_until
from dreamclass_intel.settings import load_settings
from dreamclass_intel_tests.receiver import Receiver

WINDOWS = windows_until(ScoringWindow.from_key("2024-03-25").end)
NEWEST = WINDOWS[-1].key  # the newest closed window of the shared sandbox (now = 2024-04-08)
OLDER = WINDOWS[-3].key


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


class Chain:
    """Runs whose checks pass or fail as told, and the alert sensor over them, with its cursor kept."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("scoring_window", [w.key for w in WINDOWS])
        self.cursor: str | None = None
        self.tick()  # the first tick starts at now

    def run(self, partition: str, failed: set[str], tags: dict[str, str] | None = None) -> None:
        windows = dg.DynamicPartitionsDefinition(name="scoring_window")
        rules = ("outside_limits", "run_of_8", "three_of_four")

        @dg.asset(
            key=["xmr", "lqi"],
            partitions_def=windows,
            check_specs=[dg.AssetCheckSpec(r, asset=["xmr", "lqi"], partitions_def=windows) for r in rules],
        )
        def lqi():  # type: ignore[no-untyped-def]
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        check_name=r,
                        passed=r not in failed,
                        severity=dg.AssetCheckSeverity.WARN,
                        description=f"LQI: {r}",
                    )
                    for r in rules
                ]
            )

        dg.materialize([lqi], instance=self.instance, partition_key=partition, tags=tags)

    def tick(self) -> str:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"notifier": Notifier(), "clock": Clock()}
        )
        try:
            answer = alerts(context)
        finally:
            self.cursor = context.cursor
        assert isinstance(answer, dg.SkipReason)
        return answer.skip_message or ""


@pytest.fixture
def chain(sandbox: str, receiver: Receiver, settings_env: Callable[..., None]) -> Chain:
    settings_env(ALERT_URLS=receiver.url)
    return Chain()


def test_a_failed_check_is_posted_once_warnings_included(chain: Chain, receiver: Receiver) -> None:
    chain.run(NEWEST, {"run_of_8"})
    chain.tick()
    chain.tick()
    assert len(receiver.posts) == 1
    assert "LQI: run_of_8" in str(receiver.posts[0]["message"])
    assert receiver.keys[0]


def test_several_rules_of_one_run_are_one_message(chain: Chain, receiver: Receiver) -> None:
    chain.run(NEWEST, {"outside_limits", "three_of_four"})
    chain.tick()
    assert len(receiver.posts) == 1
    assert {"LQI: outside_limits", "LQI: three_of_four"} <= {
        line.partition(": ")[2] for line in str(receiver.posts[0]["message"]).splitlines()
    }


def test_nothing_is_posted_for_passing_checks_old_partitions_or_history(chain: Chain, receiver: Receiver) -> None:
    chain.run(NEWEST, set())
    chain.run(OLDER, {"outside_limits"})
    chain.tick()
    assert receiver.posts == []
    late = Chain()
    late.run(NEWEST, {"outside_limits"})
    late.cursor = None  # a sensor that starts after the run sees history, not news
    late.tick()
    assert receiver.posts == []


def test_running_the_partition_again_does_not_post_again(chain: Chain, receiver: Receiver) -> None:
    for _ in range(3):
        chain.run(NEWEST, {"outside_limits"})
        chain.tick()
    assert len(receiver.posts) == 1


def test_a_receiver_that_is_down_delays_the_alert_and_loses_nothing(chain: Chain, receiver: Receiver) -> None:
    receiver.status = 500
    chain.run(NEWEST, {"outside_limits"})
    before = chain.cursor
    for _ in range(2):
        with pytest.raises(DeliveryError):
            chain.tick()
        assert chain.cursor == before
    receiver.status = 200
    chain.tick()
    chain.tick()
    assert len(receiver.posts) == 1


def test_a_crash_between_delivery_and_cursor_does_not_repeat_the_alert(chain: Chain, receiver: Receiver) -> None:
    before = chain.cursor
    chain.run(NEWEST, {"outside_limits"})
    chain.tick()
    chain.cursor = before  # the tick's commit was lost
    chain.tick()
    assert len(receiver.posts) == 1


def test_what_a_fill_remembered_is_no_news_until_it_was_quiet(chain: Chain, receiver: Receiver) -> None:
    before = newest_positions(chain.instance)
    for window in (WINDOWS[-2], WINDOWS[-3]):  # charts of a fill are drawn side by side: not in order
        chain.run(window.key, {"outside_limits"})
    chain.run(WINDOWS[-4].key, {"run_of_8"})
    assert remember(chain.instance, before) == {
        "xmr/lqi:outside_limits": Episode(opened=WINDOWS[-3].key, last_failed=WINDOWS[-2].key),
        "xmr/lqi:run_of_8": Episode(opened=WINDOWS[-4].key, last_failed=WINDOWS[-4].key),
    }
    chain.cursor = None  # the daemon starts after the fill
    chain.tick()
    chain.run(NEWEST, {"outside_limits"})
    chain.tick()
    assert receiver.posts == []
    chain.run(NEWEST, {"outside_limits", "three_of_four"})
    chain.tick()
    (post,) = receiver.posts
    assert "three_of_four" in str(post["message"])
    assert "outside_limits" not in str(post["message"])


def test_a_cursor_of_another_version_starts_at_now(chain: Chain, receiver: Receiver) -> None:
    chain.run(NEWEST, {"outside_limits"})
    chain.cursor = "1234"
    chain.tick()
    assert receiver.posts == []
    assert json.loads(chain.cursor or "")["version"] == 2


def backfill(status: BulkActionStatus) -> PartitionBackfill:
    return PartitionBackfill("bf1", status, from_failure=False, tags={}, backfill_timestamp=0.0)


def test_a_backfill_sends_one_digest_when_it_is_over(chain: Chain, receiver: Receiver) -> None:
    chain.instance.add_backfill(backfill(BulkActionStatus.REQUESTED))
    for window in WINDOWS[:4]:  # a first wave; all its runs are over before the next one starts
        chain.run(window.key, {"outside_limits"}, tags={"dagster/backfill": "bf1"})
    chain.tick()
    chain.run(NEWEST, {"run_of_8"}, tags={"dagster/backfill": "bf1"})
    failing_job(chain, fails=True, tags={"dagster/backfill": "bf1"})
    chain.tick()
    assert receiver.posts == []
    chain.instance.update_backfill(backfill(BulkActionStatus.COMPLETED_FAILED))
    chain.tick()
    chain.tick()
    assert [p["title"] for p in receiver.posts] == ["DreamClass: backfill bf1 finished"]
    digest = str(receiver.posts[0]["message"])
    assert "xmr/lqi:outside_limits: failed in 4 partitions" in digest
    assert "xmr/lqi:run_of_8: failed in 1 partition" in digest
    assert "failed: work: ValueError: vendor is down" in digest
    assert json.loads(chain.cursor or "")["backfills"] == []


def failing_job(chain: Chain, fails: bool, tags: dict[str, str] | None = None) -> None:
    @dg.op
    def work() -> None:
        if fails:
            raise ValueError("vendor is down")

    @dg.job(name="daily")
    def daily() -> None:
        work()

    daily.execute_in_process(instance=chain.instance, raise_on_error=False, tags=tags)


def test_a_failed_run_is_told_once_and_its_recovery_once(chain: Chain, receiver: Receiver) -> None:
    for fails in (True, True, False, False, True):  # and its next failure, on the same day
        failing_job(chain, fails)
        chain.tick()
    assert ["resolved" in str(p["title"]) for p in receiver.posts] == [False, True, False]
    assert "vendor is down" in str(receiver.posts[0]["message"])


def test_a_broken_channel_does_not_repeat_the_message_on_the_others(
    chain: Chain, receiver: Receiver, settings_env: Callable[..., None]
) -> None:
    broken = Receiver(status=500)
    try:
        settings_env(ALERT_URLS=f"{broken.url},{receiver.url}")
        chain.run(NEWEST, {"outside_limits"})
        for _ in range(3):
            with pytest.raises(DeliveryError):
                chain.tick()
        assert (len(receiver.posts), broken.posts) == (1, [])
        broken.status = 200
        chain.tick()
        assert (len(receiver.posts), len(broken.posts)) == (1, 1)
    finally:
        broken.close()


def test_without_channels_alerts_go_to_the_log_and_are_recorded(sandbox: str) -> None:
    chain = Chain()
    chain.run(NEWEST, {"outside_limits"})
    assert "1 alerts sent" in chain.tick()
    (entry,) = Ledger(load_settings().state_dir / "alerts").entries()
    assert entry["channel"] == "log"


def test_a_wrong_channel_is_named_without_its_token(settings_env: Callable[..., None]) -> None:
    settings_env(ALERT_URLS="nonsense://token-123")
    with pytest.raises(DeliveryError) as error:
        Notifier().send(*Notifier().channels(), "t", "b", "k")
    assert "nonsense" in str(error.value)
    assert "token-123" not in str(error.value)


def weekly(passed: bool, week: int) -> Evaluation:
    day = dt.date(2024, 1, 1) + dt.timedelta(weeks=week)
    return Evaluation("xmr/sessions", "outside_limits", passed, "WARN", "words", day.isoformat(), 7)


def told(pattern: list[bool]) -> list[str]:
    episodes: dict[str, Episode] = {}
    kinds = []
    for week, passed in enumerate(pattern):
        episodes, news = step(episodes, weekly(passed, week), "run")
        if news:
            kinds.append(news.kind)
    return kinds


def test_a_twenty_point_step_is_one_message_and_its_end_another() -> None:
    assert told([True] * 10 + [False] * 20 + [True] * 10) == ["opened", "resolved"]


def test_a_short_lull_is_the_same_episode_a_long_one_is_not() -> None:
    lull = [True] * (QUIET_PERIODS - 1)
    assert told([False, *lull, False]) == ["opened"]
    assert told([False, *lull, True, False]) == ["opened", "resolved", "opened"]


@given(st.lists(st.booleans(), max_size=60))
def test_messages_alternate_and_seeing_everything_twice_adds_none(pattern: list[bool]) -> None:
    kinds = told(pattern)
    assert kinds == [("opened", "resolved")[i % 2] for i in range(len(kinds))]
    assert bool(kinds) == (False in pattern)


def test_the_ledger_survives_a_restart(tmp_path: Path) -> None:
    Ledger(tmp_path).keep({"a:b": Episode("2024-01-01", "2024-01-08")})
    Ledger(tmp_path).record({"key": "k", "channel": "log"})
    again = Ledger(tmp_path)
    assert again.episodes() == {"a:b": Episode("2024-01-01", "2024-01-08")}
    assert again.was_delivered("k", "log")
    assert not again.was_delivered("other", "log")
    assert not again.was_delivered("k", "json:1")
