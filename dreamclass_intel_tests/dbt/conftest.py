"""dbt as the pipeline runs it: its command line as a subprocess, with target and logs in a temporary folder."""

import datetime as dt
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from dreamclass_intel import catalog
from dreamclass_intel.defs.dbt.project import DBT, DBT_DIR, environment
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.warehouse.protocol import Warehouse

Dbt = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt writes: `target`, `logs`."""
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture
def dbt(dbt_folder: Path) -> Dbt:
    """`dbt("build", as_of="2024-03-20", start_date=...)` over the warehouse of the settings in force returns its
    output; a failing command fails the test with dbt's words."""

    def run(
        command: str,
        *arguments: str,
        as_of: str = "2025-12-28",
        changed: Collection[dt.date] | None = None,
        fails: bool = False,
        **variables: str,
    ) -> str:
        target = load_settings().warehouse
        with environment(dt.date.fromisoformat(as_of), changed):
            done = subprocess.run(
                [
                    DBT,
                    "--no-use-colors",
                    "--log-path",
                    str(dbt_folder / "logs"),
                    command,
                    "--project-dir",
                    str(DBT_DIR),
                    "--profiles-dir",
                    str(DBT_DIR),
                    "--target",
                    target,
                    *(["--vars", json.dumps(variables)] if variables else []),
                    *arguments,
                ],
                env={**os.environ, "DBT_TARGET_PATH": str(dbt_folder / "target" / target)},
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        assert (done.returncode != 0) == fails, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    return run


@pytest.fixture
def manifest(dbt: Dbt, dbt_folder: Path, duckdb_store: Warehouse) -> dict[str, Any]:
    """The parsed project."""
    parsed = dbt_folder / "target" / "duckdb" / "manifest.json"
    if not parsed.exists():
        dbt("parse")
    content: dict[str, Any] = json.loads(parsed.read_text())
    return content


def _empty() -> Warehouse:
    found = WarehouseResource().backend()
    found.ensure(list(catalog.tables().values()))
    return found


@pytest.fixture
def duckdb_store(settings_env: Callable[..., None], tmp_path: Path) -> Warehouse:
    """The settings point to a DuckDB warehouse of empty tables."""
    settings_env(WAREHOUSE="duckdb", DUCKDB_PATH=tmp_path / "warehouse.duckdb")
    return _empty()


@pytest.fixture(params=["duckdb", "bigquery"])
def store(request: pytest.FixtureRequest, settings_env: Callable[..., None], tmp_path: Path) -> Warehouse:
    """The settings point to a warehouse of empty tables: once DuckDB, once the emulator of BigQuery."""
    if request.param == "duckdb":
        settings_env(WAREHOUSE="duckdb", DUCKDB_PATH=tmp_path / "warehouse.duckdb")
    else:
        endpoint = request.getfixturevalue("bigquery_endpoint")
        use_bigquery(settings_env, endpoint)
    return _empty()


def use_bigquery(settings_env: Callable[..., None], endpoint: str) -> None:
    """Point the settings to data sets of this test's own; the prefix is one for all, so that dbt keeps its parse."""
    settings_env(
        WAREHOUSE="bigquery",
        BIGQUERY_PROJECT=f"dbt-{next(_numbers)}",
        BIGQUERY_DATASET_PREFIX="dci_",
        BIGQUERY_API_ENDPOINT=endpoint,
        BIGQUERY_RETRY_S=5,
    )
