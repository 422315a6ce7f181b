"""The whole graph from one sandbox on both warehouses: every table it makes is the same, row by row."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamclass_intel.defs.dbt.project import manifest
from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests import graph
from dreamclass_intel_tests.bigquery_dialect import problems
from dreamclass_intel_tests.comparison import Line, compare, tables_differ
from dreamclass_intel_tests.conftest import START
from dreamclass_intel_tests.contract import proxy

WEEKS = 17
# Nothing is refused, and nothing locks, signals or is proposed in so few weeks.
NOT_YET = ("signals", "contributions", "baselines", "dividers", "proposals")
EMPTY = {"raw.quarantine", *(f"xmr.{name}" for name in NOT_YET)}


@pytest.mark.slow
def test_the_whole_graph_is_equal_on_both(
    settings_env: Callable[..., None], bigquery_endpoint: str, tmp_path: Path
) -> None:
    site = build_site(seed=7, scale=0.05, clock_path=tmp_path / "clock.json")
    site.clock.initial = dt.datetime.combine(START, dt.time(), dt.UTC) + dt.timedelta(weeks=WEEKS)
    with running(site) as url, proxy.before(bigquery_endpoint) as between:
        places = graph.places(tmp_path, between.url)
        graph.fill_all(places, url)
    # Figures and names of staging tables apart, some dozens of statements are sent again and again.
    sent = {re.sub(r"[0-9a-f]{6,}|\d+", "0", q["query"]["query"]): q["query"]["query"] for q in between.queries()}
    assert len(sent) > 300
    assert {sql: found for sql in sent.values() if (found := problems(sql))} == {}
    places = graph.places(tmp_path, bigquery_endpoint)

    settings_env(**places["bigquery"])
    other = WarehouseResource().backend()
    settings_env(**places["duckdb"])
    lines = list(compare(WarehouseResource().backend(), other, manifest()))
    print("", *lines, sep="\n")
    assert [line for line in lines if line.difference] == []
    assert {line.name for line in lines if not line.rows} == EMPTY
    assert {"marts.metric_series", "xmr.points", "core.companies", "raw.ga4_events"} <= {line.name for line in lines}


def test_a_difference_is_told() -> None:
    import pyarrow as pa

    one = pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.1 + 0.2, None], "_run_id": ["r", "r"]})
    same = pa.table({"x": [None, 0.3], "n": [2, 1], "k": ["b", "a"], "_run_id": ["s", "s"]})
    assert tables_differ(one, same) == ""
    assert "x: " in tables_differ(one, pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.3001, None]}))
    assert "n: " in tables_differ(one, pa.table({"k": ["a", "b"], "n": [1, 3], "x": [0.3, None]}))
    assert "rows" in tables_differ(one, one.slice(0, 1))
    assert "columns" in tables_differ(one, one.drop_columns(["n"]))
    assert str(Line("raw.x", 1200, "")) == f"{'raw.x':<45}     1,200  equal"
