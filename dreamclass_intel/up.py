"""`make run`: the sandbox, a filled warehouse and the Dagster UI, as child processes that end with it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import requests

from dreamclass_intel.settings import PROJECT_DIR, Settings, SettingsError, load_settings

HOST = "127.0.0.1"
NEEDED_BYTES = 1_000_000_000
PATIENCE_S = 180.0


class UpError(RuntimeError):
    """Why the suite cannot start or go on, in one line."""


def environment() -> dict[str, str]:
    """What child processes run with: Dagster's home, planned events in batches."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # starts are slow without
    return {
        **inherited,
        "DAGSTER_HOME": str(_home(load_settings().state_dir)),
        "DAGSTER_EVENT_BATCH_SIZE": "2000",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _home(state_dir: Path) -> Path:
    """Dagster's home: the project, whose dagster.yaml keeps everything under .state; another STATE_DIR is a home of
    its own, so that two states never mix. In the image, which has another dagster.yaml, the one it names."""
    if not (PROJECT_DIR / "dagster.yaml").exists() and (named := os.environ.get("DAGSTER_HOME")):
        return Path(named)
    if state_dir.resolve() == (PROJECT_DIR / ".state").resolve():
        return PROJECT_DIR
    state_dir.mkdir(parents=True, exist_ok=True)
    config = (PROJECT_DIR / "dagster.yaml").read_text(encoding="utf-8")
    moved = config.replace(".state/dagster", f"{state_dir.resolve()}/dagster")
    (state_dir / "dagster.yaml").write_text(moved, encoding="utf-8")
    return state_dir.resolve()


def up() -> None:
    """Start everything, print where to look, stay until Ctrl-C. Raises UpError or SettingsError."""
    settings = load_settings()
    settings.check()
    _room(settings)
    _free(settings.webserver_port, "WEBSERVER_PORT")
    if settings.uses_sandbox:
        _free(settings.sandbox_port, "SANDBOX_URL")
    children = Children()
    with contextlib.ExitStack() as stack:
        stack.callback(children.stop)
        children.stop_on_signals()
        if settings.uses_sandbox:
            children.start("sandbox", [sys.executable, "-m", "dreamclass_intel.cli", "sandbox"])
            children.wait_for(f"{settings.sandbox_url}/clock", "sandbox")
            print(f"Sandbox vendors: {settings.sandbox_url}", flush=True)
        filled = settings.state_dir / "filled"
        if filled.exists():
            print("The warehouse is filled; the sensors load what is new and tell of it.", flush=True)
        else:
            children.run("update", [sys.executable, "-m", "dreamclass_intel.cli", "update"])
            filled.touch()
        port = settings.webserver_port
        children.start(
            "dagster", [sys.executable, "-m", "dagster", "dev", "-h", HOST, "-p", str(port), "--log-level", "warning"]
        )
        children.wait_for(f"http://{HOST}:{port}/server_info", "dagster")
        print(
            f"\nDagster UI:      http://{HOST}:{port}\n"
            f"Asset graph:     http://{HOST}:{port}/asset-groups\n"
            f"Charts:          http://{HOST}:{port}/locations/dreamclass_intel/asset-groups/xmr\n"
            f"Two weeks on:    make advance DAYS=14\n"
            f"Stop:            Ctrl-C",
            flush=True,
        )
        children.watch()


class Children:
    """Child processes, each in a session of its own, so that stopping one stops all it started."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a child in the background."""
        child = subprocess.Popen(command, cwd=PROJECT_DIR, env=environment(), start_new_session=True)
        self._running[name] = child
        return child

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a child to its end. UpError if it fails."""
        code = self.start(name, command).wait()
        self._running.pop(name, None)
        if code and not self._stopping:
            raise UpError(f"{name} stopped with exit code {code}; its last lines say why")

    def wait_for(self, url: str, name: str) -> None:
        """Wait until `url` answers. UpError if the child dies or takes longer than PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                raise UpError(f"{name} stopped with exit code {self._running[name].returncode} while starting")
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=5).ok:
                    return
            time.sleep(0.2)
        raise UpError(f"{name} did not answer on {url} within {PATIENCE_S:.0f} s")

    def watch(self) -> None:
        """Stay until a signal, or raise UpError when a child ends by itself."""
        while True:
            for name, child in self._running.items():
                if child.poll() is not None:
                    raise UpError(f"{name} stopped with exit code {child.returncode}")
            time.sleep(0.5)

    def stop_on_signals(self) -> None:
        """SIGINT and SIGTERM end everything, quietly."""

        def leave(_signal: int, _frame: FrameType | None) -> None:
            self._stopping = True
            raise SystemExit(0)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)

    def stop(self) -> None:
        """Ask every child's whole session to end, then make it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for how, patience in ((signal.SIGINT, 15.0), (signal.SIGKILL, 5.0)):
            for child in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, how)
            deadline = time.monotonic() + patience
            while any(_alive(c) for c in self._running.values()) and time.monotonic() < deadline:
                time.sleep(0.1)


def _alive(child: subprocess.Popen[bytes]) -> bool:
    child.poll()
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _room(settings: Settings) -> None:
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.state_dir).free
    except OSError as error:
        raise UpError(f"STATE_DIR {settings.state_dir} cannot be written: {error.strerror}") from None
    if free < NEEDED_BYTES:
        raise UpError(f"Disk full: {free / 1e6:.0f} MB free at {settings.state_dir}, 1000 MB are needed")


def _free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UpError(f"Port {port} is taken; set {variable} in .env to another") from None


__all__ = ["SettingsError", "UpError", "environment", "up"]
