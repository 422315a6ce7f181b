"""The SQL of loads and of GA4's selections is BigQuery's, as far as that can be said without BigQuery."""

import datetime as dt
from collections.abc import Iterator

import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import ContractError
from dreamclass_intel.defs.ga4 import server_side
from dreamclass_intel.defs.ga4.dialects import BigQuery
from dreamclass_intel.defs.ga4.flatten_sql import flattened
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


def test_parameters_of_shards_that_differ_are_selected_in_one_form() -> None:
    shard, announced = Shard("20240101"), server_side.SCHEMA["event_params"]
    older = {"event_params": [{"key": "STRING", "value": {"string_value": "STRING", "int_value": "INTEGER"}}]}
    form = server_side._params(shard, older)
    assert "ep.value.int_value AS int_value" in form
    assert "CAST(NULL AS FLOAT64) AS double_value" in form
    assert problems(f"SELECT {form} AS event_params FROM `p.d.t`") == []
    assert server_side._params(shard, {"event_params": announced}).count("ep.value.") == len(announced[0]["value"])
    with pytest.raises(ContractError, match=r"events_20240101\.event_params is STRING, not a list of records"):
        server_side._params(shard, {"event_params": "STRING"})
    wrong = {"event_params": [{"key": "STRING", "value": {"string_value": "INTEGER"}}]}
    with pytest.raises(ContractError, match=r"events_20240101\.value\.string_value is INTEGER, not STRING"):
        server_side._params(shard, wrong)
