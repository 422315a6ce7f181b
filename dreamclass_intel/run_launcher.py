"""Dagster's local run launcher, able to say whether a run's process still lives.

Stock `DefaultRunLauncher` cannot: a run whose process was killed (power cut, SIGKILL) stays STARTED for ever and,
one run at a time, blocks every other. With this class Dagster's run monitoring fails it and run retries go on
from the step it was in.
"""

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from filelock import FileLock, Timeout

from dreamclass_intel.settings import load_settings


def update_lock() -> FileLock:
    """Held by the process that runs `update` for as long as it lives; its runs are its own children."""
    folder = load_settings().state_dir
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "update.lock", timeout=0)


class WatchedRunLauncher(DefaultRunLauncher):
    """`DefaultRunLauncher` with worker health."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that started the run, or else an `update`, still works on it."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            alive = _update_is_running()
        else:
            try:
                answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=10)
                alive = deserialize_value(answer, CanCancelExecutionResult).can_cancel
            except DagsterUserCodeUnreachableError as error:
                # Too busy to answer in time is not dead.
                code = getattr(error.__cause__, "code", None)
                alive = code is not None and code().name == "DEADLINE_EXCEEDED"
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the run's process is gone")


def _update_is_running() -> bool:
    try:
        with update_lock():
            return False
    except Timeout:
        return True
