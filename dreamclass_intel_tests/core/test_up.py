"""`make run`'s supervisor: one clear line when it cannot start, nothing left running when it ends."""

import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dreamclass_intel import up as supervisor
from dreamclass_intel.settings import PROJECT_DIR, SettingsError
from dreamclass_intel.up import Children, UpError, environment, up


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "dreamclass_intel.cli", "up"],
            env={**os.environ, "WEBSERVER_PORT": str(port), "STATE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"dreamclass-intel: Port {port} is taken; set WEBSERVER_PORT in .env to another"
    ]


def test_a_full_disk_is_said_before_anything_starts(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, 5_000_000))
    with pytest.raises(UpError, match="Disk full: 5 MB free"):
        up()


def test_a_state_folder_that_cannot_be_written_is_named(settings_env: Callable[..., None], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    settings_env(STATE_DIR=blocked / "state")
    with pytest.raises(UpError, match="STATE_DIR"):
        up()


def test_in_the_image_the_deployments_instance_is_the_home(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The image holds `deploy/dagster.yaml` only, in its DAGSTER_HOME: `update` there fills what the daemon watches."""
    monkeypatch.setenv("DAGSTER_HOME", "/opt/dagster")
    assert environment()["DAGSTER_HOME"] == str((tmp_path / "state").resolve()), "elsewhere it is the state's own"
    monkeypatch.setattr(supervisor, "PROJECT_DIR", tmp_path)
    assert environment()["DAGSTER_HOME"] == "/opt/dagster"


def test_broken_settings_are_one_line_a_variable(settings_env: Callable[..., None]) -> None:
    settings_env(SANDBOX_SCALE="much", WEBSERVER_PORT="http")
    with pytest.raises(SettingsError) as error:
        up()
    lines = str(error.value).splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["SANDBOX_SCALE", "WEBSERVER_PORT"]
    assert "much" not in str(error.value)


def test_stopping_ends_children_and_all_they_started(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    note = tmp_path / "pid"
    code = (
        "import sys, pathlib\n"
        "from dreamclass_intel.up import Children\n"
        "children = Children()\n"
        f"children.start('tree', [sys.executable, '-c', {script!r}, {str(note)!r}])\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "while not (note.exists() and note.read_text()):\n"
        "    pass\n"
        "children.stop()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    grandchild = int(note.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)


def test_a_child_that_fails_is_named() -> None:
    with pytest.raises(UpError, match="update stopped with exit code 3"):
        Children().run("update", [sys.executable, "-c", "raise SystemExit(3)"])


def test_another_state_folder_is_a_home_of_its_own_for_dagster(
    settings_env: Callable[..., None], tmp_path: Path
) -> None:
    home = Path(environment()["DAGSTER_HOME"])
    assert home == tmp_path / "state"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert Path(instance.event_log_storage._base_dir).is_relative_to(home)  # type: ignore[attr-defined]
    settings_env(STATE_DIR=PROJECT_DIR / ".state")
    assert environment()["DAGSTER_HOME"] == str(PROJECT_DIR)
