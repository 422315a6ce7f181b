"""dbt as the pipeline runs it: its command line as a subprocess, with target and logs in a temporary folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamclass_intel.settings import PROJECT_DIR

DBT_DIR = PROJECT_DIR / "dbt"
Dbt = Callable[..., str]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """`dbt(database, "build", as_of="2024-03-20", start_date=...)` returns its output; a failing command fails
    the test with dbt's words."""
    work = tmp_path_factory.mktemp("dbt")

    def run(database: Path, command: str, *arguments: str, as_of: str = "2025-12-28", **variables: str) -> str:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("dbt")),
                "--no-use-colors",
                "--log-path",
                str(work / "logs"),
                command,
                "--project-dir",
                str(DBT_DIR),
                "--profiles-dir",
                str(DBT_DIR),
                "--target-path",
                str(work / "target"),
                *(["--vars", json.dumps(variables)] if variables else []),
                *arguments,
            ],
            env={
                **os.environ,
                "AS_OF_DATE": as_of,
                "DUCKDB_PATH": str(database),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    run.target = work / "target"  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="session")
def manifest(dbt: Dbt) -> dict[str, Any]:
    """The parsed project."""
    dbt(Path("unused.duckdb"), "parse")
    content: dict[str, Any] = json.loads((dbt.target / "manifest.json").read_text())  # type: ignore[attr-defined]
    return content
