"""The doctor's look at the DuckDB file: writable, locked by whom, room on the disk, readable by this version.

The BigQuery backend's is `bigquery_doctor.py`; the doctor takes the one that WAREHOUSE names.
"""

import os
import re
import shutil
import time
from pathlib import Path

import duckdb

from dreamclass_intel.doctor.checkup import Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import load_settings
from dreamclass_intel.up import NEEDED_BYTES

PATIENCE_S = 3.0  # most loads hold the file for less; dbt, and many GA4 events, for longer
_HOLDER = re.compile(r"\(PID (\d+)\)")


def probe(checkup: Checkup) -> None:
    """Look at the file and its disk; open it for reading once, for a moment."""
    path = load_settings().database
    folder = _existing(path.parent)
    if not folder.is_dir() or not all(os.access(place, os.W_OK) for place in (folder, path) if place.exists()):
        checkup.problem(Aspect.PERMITTED, "read-only", f"{path} cannot be written by this user")
    else:
        checkup.ok(Aspect.PERMITTED)
    _room(checkup, path, folder)
    if path.exists():
        _open(checkup, path)
    else:
        checkup.ok(Aspect.REACHABLE, "not made yet", f"{path} will be made by the first load")


def _open(checkup: Checkup, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        started = time.monotonic()
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
        except duckdb.Error as error:
            text = str(error)
            if "set lock" not in text:
                checkup.problem(
                    Aspect.REACHABLE, "unreadable", f"{path}: {_reason(text)} (DuckDB {duckdb.__version__})"
                )
                return
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            checkup.warn(
                Aspect.REACHABLE,
                "locked",
                f"{path} is held by {_holder(text)}; a load or dbt does that while it works, others wait for it",
            )
            return
        checkup.ok(Aspect.REACHABLE, f"{(time.monotonic() - started) * 1000:.0f} ms", f"DuckDB {duckdb.__version__}")
        return


def _reason(text: str) -> str:
    """DuckDB's first sentence, without its advice."""
    return text.splitlines()[0][:200]


def _holder(text: str) -> str:
    """Who holds the lock: the process's number and program, not its arguments (they may hold a secret)."""
    match = _HOLDER.search(text)
    if match is None:
        return "another process"
    number = match.group(1)
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"process {number}"
    names = [Path(word).name for word in words[:3] if re.fullmatch(r"[\w./-]+", word) and not word.startswith("-")]
    return f"process {number} ({' '.join(names)})" if names else f"process {number}"


def _room(checkup: Checkup, path: Path, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if path.exists() else 0
    shown = f"{free / 1e9:.1f} GB free"
    if free < NEEDED_BYTES:
        checkup.problem(Aspect.QUOTA, shown, f"{shown} beside {path}; {NEEDED_BYTES / 1e9:.0f} GB are needed")
    elif free < 2 * size:
        checkup.warn(
            Aspect.QUOTA, shown, f"{shown} beside {path} of {size / 1e9:.1f} GB: a rebuild may need twice its size"
        )
    else:
        checkup.ok(Aspect.QUOTA, shown)


def _existing(place: Path) -> Path:
    """The nearest place above that is there already."""
    return next(p for p in (place, *place.parents) if p.exists())
