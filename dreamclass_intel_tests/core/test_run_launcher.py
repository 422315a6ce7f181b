"""A run whose process is gone is failed by Dagster's own monitoring and so no longer blocks the queue."""

import json
import logging
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test, instance_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from dreamclass_intel.run_launcher import WatchedRunLauncher, update_lock
from dreamclass_intel.update import UpdateError, update
from dreamclass_intel_tests.e2e.suite import free_port

STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture
def instance(settings_env: Callable[..., None]) -> Iterator[dg.DagsterInstance]:
    launcher = {"module": WatchedRunLauncher.__module__, "class": WatchedRunLauncher.__name__}
    with instance_for_test(overrides={"run_launcher": launcher, "run_monitoring": {"enabled": True}}) as found:
        yield found


def watch(instance: dg.DagsterInstance) -> None:
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
        for error in execute_run_monitoring_iteration(workspace, logging.getLogger("test")):
            assert error is None


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_a_run_of_a_dead_code_server_is_failed_with_a_reason(instance: dg.DagsterInstance) -> None:
    gone = json.dumps({"host": "127.0.0.1", "port": free_port()})
    run = create_run_for_test(instance, status=STARTED, tags={GRPC_INFO_TAG: gone})
    watch(instance)
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE
    assert any("the run's process is gone" in str(log.message) for log in instance.all_logs(run.run_id))


def test_a_run_of_an_update_lives_as_long_as_the_update(instance: dg.DagsterInstance) -> None:
    run = create_run_for_test(instance, status=STARTED)
    with update_lock():
        watch(instance)
        assert status(instance, run) is STARTED
        assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    watch(instance)
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE


def test_two_updates_do_not_run_side_by_side(settings_env: Callable[..., None]) -> None:
    with update_lock(), pytest.raises(UpdateError, match="another update is running"):
        update()
