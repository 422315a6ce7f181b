"""local-bigquery over loopback: the second, stricter emulator, in an environment of its own (Python 3.13).

`.ci/local-bigquery` makes the environment and runs the warehouse tests on it: LOCAL_BIGQUERY names its folder. It
runs as it comes but for its DuckDB, which is 1.5.5 (the extensions it loads exist as wheels for that one only), and
for one shim: a job of CREATE TABLE … AS SELECT says what table it made, as BigQuery's does and dbt needs.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from dreamclass_intel_tests.bigquery_emulator import Emulator

PATIENCE_S = 120
SHIMMED = """
import os, sys, threading

from local_bigquery import cli
from local_bigquery.jobs import query

execute = query.execute


def executed(*arguments, **named):
    statistics, children, destination = execute(*arguments, **named)
    if statistics.statementType == "CREATE_TABLE_AS_SELECT":
        destination = destination or statistics.ddlTargetTable
    return statistics, children, destination


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


query.execute = executed
threading.Thread(target=end_with_parent, daemon=True).start()
cli.main()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(environment: Path) -> Iterator[Emulator]:
    """A running emulator; raises AssertionError with its last words when it does not start."""
    with tempfile.TemporaryDirectory() as scratch:
        home, rest, grpc = Path(scratch), _free_port(), _free_port()
        for extension in environment.glob("lib/*/site-packages/duckdb_extension_*/extensions/*/*.duckdb_extension"):
            version = extension.parent.name
            target = home / ".duckdb" / "extensions" / version / "linux_amd64"
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(extension, target)
        command = [str(environment / "bin" / "python"), "-c", SHIMMED, "serve", "--host", "127.0.0.1"]
        where = ["--port", str(rest), "--grpc-port", str(grpc), "--data-dir", str(home / "data")]
        log = home / "log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                command + where,
                env={**os.environ, "HOME": scratch},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(server, f"http://127.0.0.1:{rest}", log)
            yield Emulator(f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}")
        finally:
            server.communicate(timeout=30)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_S * 5):
        assert server.poll() is None, log.read_text()[-2000:]
        with suppress(requests.ConnectionError):
            if requests.get(f"{url}/bigquery/v2/projects/p/datasets", timeout=5).ok:
                return
        pause.wait(0.2)
    raise AssertionError(f"local-bigquery did not answer: {log.read_text()[-2000:]}")
