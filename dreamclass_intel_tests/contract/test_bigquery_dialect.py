"""The SQL of loads and of GA4's selections is BigQuery's, as far as that can be said without BigQuery."""

import datetime as dt
from collections.abc import Iterator

from dreamclass_intel import catalog
from dreamclass_intel.defs.ga4 import server_side
from dreamclass_intel.defs.ga4.flatten_sql import BigQuery, flattened
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.warehouse import bigquery_sql as sql
from dreamclass_intel_tests.bigquery_dialect import problems


def scripts() -> Iterator[str]:
    for table in catalog.tables().values():
        target, quarantine = f"`p.{table.schema}.{table.name}`", "`p.raw.quarantine`"
        swap = sql.Swap(
            table, target, "`p.raw.s`", ["2024-01-01"], quarantine, "`p.raw.r`", dt.datetime.now(dt.UTC), "run"
        )
        yield swap.counts()
        yield swap.torn()
        script = swap.script(clear_refused=True)
        assert script
        yield script.removeprefix("BEGIN TRANSACTION;\n").removesuffix("COMMIT TRANSACTION;")
        yield sql.audit_counts(table, target, quarantine)
        yield sql.audit_twice(table, target)
        yield sql.audit_altered(table, target)


def selections() -> Iterator[str]:
    fields = dict(server_side.SCHEMA)
    young = {k: v for k, v in fields.items() if k not in ("device", "event_bundle_sequence_id")}
    for shard, columns, new in (
        (Shard("20240101", dt.datetime.now(dt.UTC)), fields, []),
        (Shard("20240102"), {**young, "novelty": "STRING"}, ["novelty"]),
    ):
        yield flattened(f"({server_side._branch('p.analytics_1.events', shard, columns, new)})", BigQuery())


def test_everything_that_loads_send_is_bigquerys_sql() -> None:
    found = {text: wrong for text in (*scripts(), *selections()) if (wrong := problems(text))}
    assert found == {}
