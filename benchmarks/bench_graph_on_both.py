"""Two years of the sandbox through the whole graph on DuckDB and on BigQuery's emulator, then every table compared.

    PYTHONPATH=. python benchmarks/bench_graph_on_both.py [--scale 0.05] [--weeks 104]

Prints a line a table: its rows, and `equal` or the first difference (floats to 1e-9, the rest exactly; of raw tables
the content hash). Exit code 1 when any differs. The test suite does the same over some weeks
(`contract/test_whole_graph.py`).
"""

import argparse
import datetime as dt
import os
import sys
import tempfile
from pathlib import Path

from dreamclass_intel.defs.dbt.project import manifest
from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests import bigquery_emulator, graph
from dreamclass_intel_tests.comparison import compare
from dreamclass_intel_tests.conftest import START


def main() -> None:
    """Fill both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--weeks", type=int, default=104)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, bigquery_emulator.serving() as emulator:
        site = build_site(seed=7, scale=given.scale, clock_path=Path(home) / "clock.json")
        site.clock.initial = dt.datetime.combine(START, dt.time(), dt.UTC) + dt.timedelta(weeks=given.weeks)
        places = graph.places(Path(home), emulator.url)
        with running(site) as url:
            seconds = graph.fill_all(places, url)
        backends = {}
        for name, settings in places.items():
            os.environ.update(settings)
            load_settings.cache_clear()
            backends[name] = WarehouseResource().backend()
        os.environ.update(places["duckdb"])
        load_settings.cache_clear()
        lines = list(compare(backends["duckdb"], backends["bigquery"], manifest()))
    print(*lines, sep="\n")
    different = sum(bool(line.difference) for line in lines)
    filled = sum(line.rows > 0 for line in lines)
    print(f"{len(lines)} tables, {filled} with rows, {different} different; seconds (both at once): {seconds}")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
