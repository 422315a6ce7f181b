"""The same project on BigQuery: green on the emulator, and not a statement that BigQuery itself would not take."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamclass_intel import catalog
from dreamclass_intel.defs.dbt.assets import Translator
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.bigquery_dialect import problems
from dreamclass_intel_tests.contract import proxy
from dreamclass_intel_tests.dbt.conftest import Dbt, use_bigquery


@pytest.mark.slow
def test_everything_is_green_and_every_statement_is_bigquerys(
    dbt: Dbt, settings_env: Callable[..., None], bigquery_endpoint: str
) -> None:
    with proxy.before(bigquery_endpoint) as between:
        use_bigquery(settings_env, between.url)
        settings_env(BIGQUERY_MAXIMUM_GIB_BILLED=2, BIGQUERY_TIMEOUT_S=77)
        WarehouseResource().backend().ensure(list(catalog.tables().values()))
        dbt("build")  # contracts, seeds, models, data tests, unit tests
        dbt("run", "--select", "int_session_days", changed=[dt.date(2024, 1, 2), dt.date(2024, 1, 5)])
    jobs = [job for job in between.queries() if job.get("labels", {}).get("dbt_node")]
    sent = [job["query"]["query"] for job in jobs]
    assert len(sent) > 150

    assert {sql: found for sql in sent if (found := problems(sql))} == {}
    (merge,) = {sql for sql in sent if "merge into" in sql}
    assert "date '2024-01-02', date '2024-01-05'" in " ".join(merge.split())
    assert not [sql for sql in sent if "declare" in sql.lower()]

    for job in jobs:
        assert job["labels"]["app"] == "dreamclass-intel"
        assert job["query"]["maximumBytesBilled"] == str(2 * 2**30)
        assert job["jobTimeoutMs"] == "77000"
        assert job["query"]["priority"] == "INTERACTIVE"
    assert {"int_sessions", "fct_traffic_daily"} <= {job["labels"]["dbt_node"] for job in jobs}
    made = [job["query"]["query"] for job in jobs if job["labels"]["dbt_node"] == "int_sessions"]
    (sessions,) = [sql for sql in made if "create or replace table" in sql]
    assert "partition by session_date" in sessions
    assert "cluster by channel, source" in sessions


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("select a from", "Expected table name"),
        ("select bool_or(a) from t", "bool_or() is unknown"),
        ("select cast(a as double) from t", "double is no type"),
        ("select cast(a as varchar) from t", "varchar is no type"),
        ("select a as rows from t", "rows is a reserved word"),
        ("select a::int64 from t", ":: is no operator"),
        ("select 'one\ntwo'", "a string goes over lines"),
        ("vacuum t", "not understood"),
    ],
)
def test_a_broken_statement_is_found(statement: str, problem: str) -> None:
    assert any(words.startswith(problem) for words in problems(statement)), problems(statement)
    assert problems("select cast(`rows` as int64), '''one\ntwo''' from t") == []


def test_data_sets_have_the_prefix_and_asset_keys_have_not(
    dbt: Dbt, settings_env: Callable[..., None], dbt_folder: Path
) -> None:
    use_bigquery(settings_env, "http://127.0.0.1:9")  # parsing asks nobody
    dbt("parse")
    manifest = json.loads((dbt_folder / "target" / "bigquery" / "manifest.json").read_text())
    built = {k: n for k, n in manifest["nodes"].items() if n["resource_type"] in ("model", "seed")}
    assert {n["schema"] for n in built.values()} == {"dci_staging", "dci_intermediate", "dci_marts"}
    assert {s["schema"] for s in manifest["sources"].values()} == {"dci_raw", "dci_core", "dci_xmr"}
    keys = {tuple(Translator().get_asset_spec(manifest, key, None).key.path) for key in built}
    assert keys == {(n["schema"].removeprefix("dci_"), n["name"]) for n in built.values()}
    sources = {tuple(Translator().get_asset_spec(manifest, key, None).key.path) for key in manifest["sources"]}
    assert sources == {(table.schema, table.name) for table in catalog.tables().values()}


def test_no_limit_on_cost_and_a_key_file_reach_dbt(dbt: Dbt, settings_env: Callable[..., None], tmp_path: Path) -> None:
    keyfile = tmp_path / "key.json"
    keyfile.write_text(json.dumps({"type": "service_account", "private_key": "not-to-be-shown"}))
    use_bigquery(settings_env, "https://127.0.0.1:9")
    settings_env(BIGQUERY_KEYFILE=keyfile, BIGQUERY_MAXIMUM_GIB_BILLED=0)
    said = dbt("debug", "--connection", fails=True)
    assert "method: service-account" in said
    assert "maximum_bytes_billed: None" in said
    assert "not-to-be-shown" not in said
