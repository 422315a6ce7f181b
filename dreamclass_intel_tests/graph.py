"""The whole graph once, in a process of its own: `python -m dreamclass_intel_tests.graph` over the settings in force.

Windows, days and the newest charts by the jobs themselves, as `dreamclass_intel.update` runs them, then some days of
the past again: what changed is built anew, and nothing else.
"""

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.automation.due import Load
from dreamclass_intel.partitions import DAY, START, WEEKLY, register_windows, windows_until

AGAIN = Load(dt.date(2024, 2, 13), dt.date(2024, 2, 15))
TRAFFIC = ["raw/ga4_events", "intermediate/int_session_days", "intermediate/int_sessions", "marts/fct_traffic_daily"]


def fill(charts: int = 2) -> None:
    """Materialise everything there is up to the newest ready day; of the charts the newest `charts` weeks' and the
    newest window's."""
    newest = Clock().newest_ready_day()
    windows = windows_until(newest + DAY)
    weeks = WEEKLY.get_partition_keys(current_time=dt.datetime.combine(newest + DAY, dt.time(), dt.UTC))
    defs = build_defs()
    with dg.DagsterInstance.ephemeral() as instance:
        register_windows(instance, windows[-1])

        def run(job: str, tags: dict[str, str], key: str | None = None, chosen: Sequence[str] = ()) -> None:
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                tags=tags,
                partition_key=key,
                asset_selection=[dg.AssetKey.from_user_string(name) for name in chosen] or None,
                run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            )
            failed = [e.asset_check_key for e in result.get_asset_check_evaluations() if not e.passed and e.blocking]
            assert not failed, failed

        run("score_window_tables", Load(windows[0].start, windows[-1].start).tags)
        run("daily", Load(START, newest).tags)
        run("score_window_charts", {}, windows[-1].key)
        for week in weeks[-charts:]:
            run("weekly", {}, week)
        run("daily", AGAIN.tags, chosen=TRAFFIC)


def places(folder: Path, bigquery_endpoint: str) -> dict[str, dict[str, str]]:
    """The settings of a DuckDB warehouse in a folder, and of one on an emulator of BigQuery."""
    return {
        "duckdb": {"WAREHOUSE": "duckdb", "STATE_DIR": str(folder / "duckdb")},
        "bigquery": {
            "WAREHOUSE": "bigquery",
            "STATE_DIR": str(folder / "bigquery"),
            "BIGQUERY_PROJECT": "whole-graph",
            "BIGQUERY_DATASET_PREFIX": "dci_",
            "BIGQUERY_API_ENDPOINT": bigquery_endpoint,
        },
    }


def fill_all(settings: Mapping[str, Mapping[str, str]], sandbox_url: str) -> dict[str, float]:
    """`fill` in a process each, all at once; returns their seconds. Raises AssertionError with a failed one's words."""

    def run(name: str) -> float:
        started = time.monotonic()
        environment = {**os.environ, **settings[name], "SANDBOX_URL": sandbox_url}
        command = [sys.executable, "-m", __spec__.name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600, check=False)
        assert done.returncode == 0, name + done.stdout[-3000:] + done.stderr[-6000:]
        return time.monotonic() - started

    with ThreadPoolExecutor(len(settings)) as pool:
        return dict(zip(settings, pool.map(run, settings), strict=True))


if __name__ == "__main__":
    fill()
