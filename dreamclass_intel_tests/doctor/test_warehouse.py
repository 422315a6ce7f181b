"""The DuckDB file: not made yet, in use by another process, not writable, not a database; and the disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from dreamclass_intel.doctor.report import Aspect, Level
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse import duckdb_doctor
from dreamclass_intel_tests.doctor.conftest import found, grave, the


@pytest.fixture
def database(alone) -> Path:
    path = load_settings().database
    path.parent.mkdir(parents=True)
    duckdb.connect(str(path)).close()
    return path


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Another process has the file open; its arguments hold a secret."""
    code = f"import duckdb; con = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    command = [sys.executable, "-c", code, "--password=canary-4242"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield child.pid
        finally:
            child.kill()


def test_before_the_first_load(alone):
    report = found("warehouse")
    assert grave(report) == []
    assert the(report, Aspect.REACHABLE).shown == "not made yet"
    assert report.mode == "duckdb"
    assert not load_settings().state_dir.exists(), "looking makes nothing"


def test_a_file_in_good_health(database):
    before = database.read_bytes()
    report = found("warehouse")
    assert grave(report) == []
    assert the(report, Aspect.REACHABLE).detail == f"DuckDB {duckdb.__version__}"
    assert the(report, Aspect.QUOTA).shown.endswith("GB free")
    assert database.read_bytes() == before


def test_who_holds_the_lock(database, monkeypatch):
    monkeypatch.setattr(duckdb_doctor, "PATIENCE_S", 0.2)
    with held(database) as process:
        (finding,) = grave(found("warehouse"))
    assert (finding.aspect, finding.level, finding.shown) == (Aspect.REACHABLE, Level.WARNING, "locked")
    assert f"held by process {process} (python" in finding.detail
    assert "canary" not in finding.detail
    assert the(found("warehouse"), Aspect.REACHABLE).level is Level.OK


def test_a_lock_that_is_soon_given_back_is_waited_for(database):
    with held(database):
        pass
    assert grave(found("warehouse")) == []


def test_what_is_no_database(database):
    database.write_bytes(b"not a database" * 1000)
    (finding,) = grave(found("warehouse"))
    assert (finding.aspect, finding.level, finding.shown) == (Aspect.REACHABLE, Level.PROBLEM, "unreadable")
    assert str(database) in finding.detail


def test_a_place_that_cannot_be_written(alone, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "warehouse.duckdb"
    alone(DUCKDB_PATH=path)
    finding = the(found("warehouse"), Aspect.PERMITTED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "read-only")
    assert str(path) in finding.detail


@pytest.mark.skipif(os.access("/proc/sys", os.W_OK), reason="needs a read-only file system; containers have one")
def test_a_read_only_file_system(alone):
    alone(DUCKDB_PATH="/proc/sys/warehouse.duckdb")
    finding = the(found("warehouse"), Aspect.PERMITTED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "read-only")


@pytest.mark.parametrize(("needed", "level"), [(1e18, Level.PROBLEM), (1e6, Level.OK)])
def test_the_disks_room(database, monkeypatch, needed, level):
    monkeypatch.setattr(duckdb_doctor, "NEEDED_BYTES", needed)
    assert the(found("warehouse"), Aspect.QUOTA).level is level


def test_a_file_larger_than_the_room_beside_it(alone, tmp_path):
    big = tmp_path / "big.duckdb"
    with big.open("wb") as stream:
        stream.truncate(1 << 43)  # a sparse 8 TiB
    alone(DUCKDB_PATH=big)
    finding = the(found("warehouse"), Aspect.QUOTA)
    assert finding.level is Level.WARNING
    assert "twice its size" in finding.detail
