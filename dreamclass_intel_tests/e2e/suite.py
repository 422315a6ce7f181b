"""A whole suite for end-to-end tests: sandbox, `dagster dev`, a webhook receiver; and its GraphQL API."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from dreamclass_intel_tests.conftest import REPOSITORY
from dreamclass_intel_tests.receiver import Receiver

LOCATION = {"repositoryLocationName": "dreamclass_intel", "repositoryName": "__repository__"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, probe: Callable[[], Any], patience_s: float = 600) -> Any:
    """Poll until `probe` gives something true; AssertionError names what never came."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        pause.wait(0.5)
    raise AssertionError(f"waited {patience_s:.0f} s in vain for {what}")


class Suite:
    """The running processes, all under one throw-away folder."""

    def __init__(self, folder: Path, scale: float, start_date: dt.date) -> None:
        self.folder = folder
        self.receiver = Receiver(status=503)
        self.port, sandbox_port = free_port(), free_port()
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.url = f"http://127.0.0.1:{self.port}"
        state = folder / ".state"
        (state / "sandbox").mkdir(parents=True)
        self.clock = state / "sandbox" / "clock.json"
        self.set_now(f"{start_date}T18:00:00+00:00")  # no day has closed: the sensors find nothing to start
        (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
        self.env = {
            **os.environ,
            "DAGSTER_HOME": str(folder),
            "STATE_DIR": str(state),
            "SANDBOX_URL": self.sandbox_url,
            "SANDBOX_SCALE": str(scale),
            "START_DATE": start_date.isoformat(),
            "ALERT_URLS": self.receiver.url,
            "DAGSTER_EVENT_BATCH_SIZE": "2000",
            "PYTHONWARNINGS": "ignore",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def set_now(self, moment: str) -> None:
        """Move the sandbox's clock, behind the sensors' back."""
        self.clock.write_text(json.dumps({"now": moment}))

    def start(self, name: str, arguments: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_sandbox(self) -> None:
        self.start("sandbox", ["dreamclass_intel.cli", "sandbox"])
        until("the sandbox", lambda: self._answers(f"{self.sandbox_url}/clock"))

    def start_dagster(self) -> None:
        workspace = str(REPOSITORY / "workspace.yaml")
        self.start("dagster", ["dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(self.port)])
        until("the UI", lambda: self._answers(f"{self.url}/server_info"))

    def kill(self, name: str) -> None:
        """SIGKILL the process and all it started."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.receiver.close()

    def _answers(self, url: str) -> bool:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended:\n{(self.folder / f'{name}.log').read_text()[-3000:]}"
        try:
            return requests.get(url, timeout=5).ok
        except requests.RequestException:
            return False

    # --- GraphQL ---------------------------------------------------------------------------------------------
    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    def add_windows(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.ask(
                "mutation($s: RepositorySelector!, $k: String!) {addDynamicPartition(repositorySelector: $s, "
                'partitionsDefName: "scoring_window", partitionKey: $k) {__typename ... on PythonError {message}}}',
                s=LOCATION,
                k=key,
            )

    def backfill(self, assets: Sequence[str], partitions: Sequence[str], patience_s: float = 1200) -> str:
        """Launch a backfill as the UI does and wait for it; returns its id."""
        launched = self.ask(
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {__typename "
            "... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}",
            p={
                "assetSelection": [{"path": a.split("/")} for a in assets],
                "partitionNames": list(partitions),
                "fromFailure": False,
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        backfill_id: str = launched["backfillId"]

        def state() -> str | None:
            found = self.ask(
                "query($b: String!) {partitionBackfillOrError(backfillId: $b) {... on PartitionBackfill {status "
                "error {message}}}}",
                b=backfill_id,
            )["partitionBackfillOrError"]
            assert "FAIL" not in found["status"], (found, self.failures())
            return found["status"] if found["status"] == "COMPLETED_SUCCESS" else None

        until(f"backfill of {assets[0]} …", state, patience_s)
        return backfill_id

    def failures(self) -> list[str]:
        """Why steps of failed runs failed."""
        found = self.ask(
            "{runsOrError(filter: {statuses: [FAILURE]}) {... on Runs {results {jobName runId eventConnection {events "
            "{... on ExecutionStepFailureEvent {stepKey error {message causes {message}}}}}}}}}"
        )["runsOrError"]["results"]
        return [
            f"{run['jobName']} {event['stepKey']}: {event['error']}"[:600]
            for run in found
            for event in run["eventConnection"]["events"]
            if event
        ]

    def runs(self, job: str) -> list[str]:
        """Statuses of a job's runs, oldest first."""
        found = self.ask(
            "query($j: String!) {runsOrError(filter: {pipelineName: $j}) {... on Runs {results {status}}}}", j=job
        )["runsOrError"]["results"]
        return [run["status"] for run in reversed(found)]

    def stored_partitions(self, asset: str) -> set[str]:
        found = self.ask(
            "query($k: AssetKeyInput!) {assetNodeOrError(assetKey: $k) {... on AssetNode {"
            "assetMaterializations(limit: 2000) {partition}}}}",
            k={"path": asset.split("/")},
        )["assetNodeOrError"]
        return {m["partition"] for m in found["assetMaterializations"]}

    def materialised_at(self, asset: str) -> float:
        """Time stamp of the newest materialisation; 0 for none."""
        found = self.ask(
            "query($k: AssetKeyInput!) {assetNodeOrError(assetKey: $k) {... on AssetNode {"
            "assetMaterializations(limit: 1) {timestamp}}}}",
            k={"path": asset.split("/")},
        )["assetNodeOrError"]["assetMaterializations"]
        return float(found[0]["timestamp"]) / 1000 if found else 0.0

    def check(self, asset: str, name: str) -> list[dict[str, Any]]:
        """Executions of a check, newest first."""
        found: list[dict[str, Any]] = self.ask(
            "query($k: AssetKeyInput!, $n: String!) {assetCheckExecutions(assetKey: $k, checkName: $n, limit: 50) {"
            "status evaluation {severity description success partition metadataEntries {label "
            "... on FloatMetadataEntry {floatValue}}}}}",
            k={"path": asset.split("/")},
            n=name,
        )["assetCheckExecutions"]
        return found

    def sensors(self, run: bool, names: Sequence[str]) -> None:
        for name in names:
            selector = {**LOCATION, "sensorName": name}
            if run:
                self.ask("mutation($s: SensorSelector!) {startSensor(sensorSelector: $s) {__typename}}", s=selector)
                continue
            identity = self.ask(
                "query($s: SensorSelector!) {sensorOrError(sensorSelector: $s) {... on Sensor {id}}}", s=selector
            )["sensorOrError"]["id"]
            self.ask("mutation($i: String!) {stopSensor(id: $i) {__typename}}", i=identity)

    def last_tick(self, name: str) -> dict[str, Any] | None:
        found = self.ask(
            "query($s: SensorSelector!) {sensorOrError(sensorSelector: $s) {... on Sensor {sensorState {ticks(limit: 1)"
            " {status skipReason error {message}}}}}}",
            s={**LOCATION, "sensorName": name},
        )["sensorOrError"]["sensorState"]["ticks"]
        return found[0] if found else None


def telemetry_is_off() -> bool:
    config = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    return config["telemetry"]["enabled"] is False and config["nux"]["enabled"] is False
