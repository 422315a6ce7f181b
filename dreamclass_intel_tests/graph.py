"""The whole graph once, in a process of its own: `python -m dreamclass_intel_tests.graph` over the settings in force.

Windows, days and the newest charts by the jobs themselves, as `dreamclass_intel.update` runs them, then some days of
the past again: what changed is built anew, and nothing else.
"""

import datetime as dt
from collections.abc import Sequence

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


if __name__ == "__main__":
    fill()
