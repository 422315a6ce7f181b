"""GA4's export in BigQuery: pulled into DuckDB or selected within BigQuery, it is what its files say, row by row.

The export's data set lies in an emulator, filled by load jobs from the very files the third route reads.
"""

import datetime as dt
import gzip
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import google.cloud.bigquery_storage as storage
import grpc
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from dreamclass_intel.contracts import QUARANTINE
from dreamclass_intel.defs.ga4 import flatten, server_side, tables
from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.http import SourceError
from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.bigquery_emulator import Emulator
from dreamclass_intel_tests.contract.proxy import Fault, before
from dreamclass_intel_tests.sources.helpers import event, failure, fresh_assets

FIRST, LAST = "2024-02-05", "2024-02-08"
FIELD_TYPES = {"STRING": "STRING", "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_numbers = itertools.count(1)


def fields(schema: dict[str, Any]) -> list[bigquery.SchemaField]:
    """The schema file's columns as BigQuery's."""
    made = []
    for name, kind in schema.items():
        mode, one = ("REPEATED", kind[0]) if isinstance(kind, list) else ("NULLABLE", kind)
        if isinstance(one, dict):
            made.append(bigquery.SchemaField(name, "RECORD", mode, fields=fields(one)))
        else:
            made.append(bigquery.SchemaField(name, FIELD_TYPES.get(one, one), mode))
    return made


class Export:
    """One export, as a folder of files and as a data set."""

    def __init__(self, emulator: Emulator, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.project = f"export-{number}"
        self.client = bigquery.Client(
            project=self.project,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": emulator.url},
        )
        self.client.create_dataset(f"analytics_{number}")
        folder.mkdir()

    def table(self, name: str) -> str:
        return f"{self.project}.analytics_{self.number}.{name}"

    def publish(self, name: str, rows: Iterable[dict[str, Any]], schema: dict[str, Any]) -> None:
        """A shard in both places, of one age."""
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        table = self.client.create_table(bigquery.Table(self.table(name), schema=fields(schema)))
        config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", schema=table.schema)
        if body:
            self.client.load_table_from_file(io.BytesIO(body), table.reference, job_config=config, size=None).result()
        path = self.folder / f"{name}.jsonl.gz"
        path.write_bytes(gzip.compress(body))
        modified = self.client.get_table(table).modified
        assert modified
        at = int(modified.timestamp() * 1000) * 1_000_000
        os.utime(path, ns=(at, at))


def known_fields(row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in schema}


@pytest.fixture
def export(emulator: Emulator, sandbox: str, tmp_path: Path) -> Export:
    """Four days: the sandbox's, an older schema, a newer one with all that is odd, and a day of nothing."""
    made = Export(emulator, tmp_path / "export", next(_numbers))
    answer = requests.get(
        f"{sandbox}/ga4/export/events_20240205.jsonl.gz",
        headers={"Authorization": f"Bearer {SANDBOX_KEY}"},
        timeout=60,
    )
    schema = dict(server_side.SCHEMA)
    world = [known_fields(json.loads(line), schema) for line in gzip.decompress(answer.content).splitlines()]
    made.publish("events_20240205", world, schema)
    young = ("session_traffic_source_last_click", "is_active_user", "batch_page_id", "privacy_info")
    old = {k: v for k, v in schema.items() if k not in young}
    old["device"] = {"operating_system": "STRING"}
    made.publish("events_20240206", [event(n, date="20240206") for n in range(3)], old)
    new = {**schema, "novelty": {"m": "STRING"}, "brand_new": "INTEGER"}
    made.publish("events_20240207", odd_rows(), new)
    made.publish("events_20240208", [], schema)
    made.publish("events_intraday_20240209", [event(1, date="20240209")], schema)
    return made


def odd_rows() -> list[dict[str, Any]]:
    date = "20240207"
    texts = {
        "page_location": "https://schüle.example/?e=josé%40schüle.de&f=müller@x.de",
        "page_title": "von\nnora@schule.de\u00a0an\u3000उदा@उदाहरण.भारत",
        "form_value": 'a "quoted" \\ text; dora@school.org',
        "dora@school.org": "key",
    }
    same = event(5, date=date, params={"ga_session_id": 5, "b": "x"})
    twice = [{"key": "k", "value": {"string_value": "z"}}, {"key": "k", "value": {"int_value": "7"}}]
    numbers = [
        {"key": "weight", "value": {"double_value": 0.1}},
        {"key": "old_weight", "value": {"float_value": 0.5}},
        {"key": "engagement_time_msec", "value": {"int_value": "1200"}},
        {"key": "ga_session_id", "value": {"string_value": "s1747323152$o5$g1$t1747323200$j0"}},
        {"key": "ga_session_number", "value": {"double_value": 3.0}},
        {"key": "nothing", "value": {}},
    ]
    return [
        event(1, date=date, params=texts, user_id="ева@школа.рф", novelty={"m": "finn@school.org"}),
        same,
        {**same, "event_params": same["event_params"][::-1]},
        {**same, "geo": {"country": "Greece"}},
        event(6, date=date, event_params=[*twice, *numbers], brand_new=7, is_active_user=True, batch_page_id="3"),
        {**event(7, date=date), "event_params": []},
        event(8, date="20240206"),  # not the shard's day
        {"event_date": date, "event_timestamp": "1707300000000000"},  # no name
    ]


@pytest.fixture
def storage_api(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's Storage Read client talks to the emulator over plain gRPC, which no setting of it allows."""
    channel = grpc.insecure_channel(emulator.grpc, options=[("grpc.max_receive_message_length", -1)])
    made = storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
    monkeypatch.setattr(storage, "BigQueryReadClient", lambda **_: made)


Load = Callable[..., Any]
Loaded = tuple[str, list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def load(
    export: Export, emulator: Emulator, storage_api: None, settings_env: Any, materialise: Any, tmp_path: Path
) -> Any:
    """`load(warehouse, route)`: the four days' hash, rows, refusals and metadata."""

    def run(warehouse: str, route: str, **more: object) -> Loaded:
        variables: dict[str, object] = {
            "WAREHOUSE": warehouse,
            "STATE_DIR": tmp_path / f"{warehouse}-{route}",
            "BIGQUERY_PROJECT": f"warehouse-{export.number}",
            "BIGQUERY_DATASET_PREFIX": f"{route}_",
            "BIGQUERY_API_ENDPOINT": emulator.url,
            "GA4_ROUTE": route,
            "GA4_MODE": "live",
            "GA4_EXPORT_DIR": export.folder,
            "GA4_BIGQUERY_PROJECT": export.project,
            "GA4_PROPERTY_ID": export.number,
            "PII_KEY": "k",
        }
        settings_env(**{**variables, **more})
        chosen = [fresh_assets("dreamclass_intel.defs.ga4").ga4_events]
        result = materialise(chosen, FIRST, LAST, raise_on_error=False)
        assert result.success, failure(result)
        backend = WarehouseResource().backend()
        (told,) = [e.materialization.metadata for e in result.all_events if e.is_step_materialization][-1:]
        query = "SELECT * FROM {} ORDER BY {}"
        stored = backend.read(query.format(backend.name("raw.ga4_events"), "event_date, event_key, duplicate_ordinal"))
        refused = backend.read(query.format(backend.name(QUARANTINE.address), "reason"))
        assert backend.audit(tables.EVENTS).problems == ()
        return (
            backend.content_hash(tables.EVENTS),
            stored.to_pylist(),
            refused.to_pylist(),
            {name: value.value for name, value in told.items()},
        )

    return run


def test_all_routes_store_the_same(load: Load) -> None:
    of_files, rows, refused, _ = load("duckdb", "files")
    pulled, pulled_rows, _, _ = load("duckdb", "bigquery")
    own = set(pulled_rows[0]) - {"_loaded_at", "_run_id"}
    assert [{k: r[k] for k in own} for r in pulled_rows] == [{k: r[k] for k in own} for r in rows]
    assert pulled == of_files
    selected, selected_rows, selected_refused, told = load("bigquery", "bigquery")
    assert [{k: r[k] for k in own} for r in selected_rows] == [{k: r[k] for k in own} for r in rows]
    assert selected == of_files
    assert told["unknown_columns"] == ["brand_new", "novelty"]
    assert told["shards"] == 4
    reasons = ["event_date: not the date of its shard", "event_name: missing in a required column"]
    assert [r["reason"] for r in refused] == [r["reason"] for r in selected_refused] == reasons
    assert [r["origin"] for r in selected_refused] == ["events_20240207"] * 2


def test_a_selected_day_can_be_repeated_and_emptied(load: Load, export: Export) -> None:
    first, rows, _, _ = load("bigquery", "bigquery")
    assert load("bigquery", "bigquery")[0] == first
    export.client.query(f"DELETE FROM `{export.table('events_20240207')}` WHERE TRUE").result()
    _, left, refused, _ = load("bigquery", "bigquery")
    assert {r["event_date"].day for r in rows} == {5, 6, 7}
    assert {r["event_date"].day for r in left} == {5, 6}
    assert refused == []


def test_what_a_selection_reads_is_told_before_it_runs(
    load: Load, emulator: Emulator, settings_env: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def amend(answer: dict[str, Any]) -> None:
        if proxy.asked[-1].json.get("configuration", {}).get("dryRun"):
            answer["statistics"] = {"query": {"totalBytesProcessed": str(3 * 2**30)}}

    with before(emulator.url) as proxy:
        proxy.amend = amend
        *_, told = load("bigquery", "bigquery", BIGQUERY_API_ENDPOINT=proxy.url)
        assert told["dry_run_bytes"] == 3 * 2**30
        dry = [n for n, q in enumerate(proxy.queries()) if q.get("dryRun")]
        inserts = [n for n, q in enumerate(proxy.queries()) if q["query"]["query"].startswith("INSERT")]
        assert dry and inserts and max(dry) < min(inserts)
        assert "GA4 export: 4 shards, 3.00 GiB to read, about 0.02 USD" in capfd.readouterr().err
        with pytest.raises(AssertionError, match="over BIGQUERY_MAXIMUM_GIB_BILLED=1"):
            load("bigquery", "bigquery", BIGQUERY_API_ENDPOINT=proxy.url, BIGQUERY_MAXIMUM_GIB_BILLED=1)


def test_shards_beyond_one_query_are_all_read(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, *_ = load("bigquery", "bigquery")
    monkeypatch.setattr(server_side, "SHARDS_A_QUERY", 1)
    assert load("bigquery", "bigquery")[0] == whole


def test_a_column_of_another_type_is_named(load: Load, export: Export) -> None:
    export.client.delete_table(export.table("events_20240206"))
    schema = {**server_side.SCHEMA, "geo": {"country": "INTEGER"}}
    export.publish("events_20240206", [event(1, date="20240206", geo={"country": 30})], schema)
    with pytest.raises(AssertionError, match=r"geo\.country is INTEGER, not STRING"):
        load("bigquery", "bigquery")


# --- the shards as such -----------------------------------------------------------------------------------------


@pytest.fixture
def shards(export: Export, emulator: Emulator, storage_api: None, settings_env: Any) -> BigQueryShards:
    settings_env(BIGQUERY_PROJECT=export.project, BIGQUERY_API_ENDPOINT=emulator.url, PII_KEY="k")
    return BigQueryShards(None, str(export.number))


def test_whole_days_are_listed_with_age_and_size(shards: BigQueryShards, export: Export) -> None:
    found = {s.table: s for s in shards.list_shards()}
    assert sorted(found) == [f"events_2024020{n}" for n in (5, 6, 7, 8)]
    assert (found["events_20240206"].row_count, found["events_20240208"].row_count) == (3, 0)
    modified = export.client.get_table(export.table("events_20240206")).modified
    assert modified and found["events_20240206"].last_modified
    assert abs(found["events_20240206"].last_modified - modified) < dt.timedelta(milliseconds=1)


def test_a_busy_moment_is_waited_out(export: Export, emulator: Emulator, settings_env: Any, waits: list[float]) -> None:
    with before(emulator.url) as proxy:
        settings_env(BIGQUERY_PROJECT=export.project, BIGQUERY_API_ENDPOINT=proxy.url, BIGQUERY_RETRY_S=0, PII_KEY="k")
        proxy.faults.append(Fault(lambda asked: asked.method == "POST", 503, "backendError", "busy"))
        assert len(BigQueryShards(None, str(export.number)).list_shards()) == 4


def test_a_missing_data_set_is_a_permanent_failure(emulator: Emulator, settings_env: Any, waits: list[float]) -> None:
    settings_env(BIGQUERY_PROJECT="nowhere", BIGQUERY_API_ENDPOINT=emulator.url, PII_KEY="k")
    with pytest.raises(SourceError, match="Not found") as caught:
        list(BigQueryShards(None, "999").schemas([Shard("20240205")]))
    assert caught.value.permanent
    assert waits == []


def test_a_shard_that_changed_while_it_was_pulled_is_a_transient_failure(
    shards: BigQueryShards, export: Export, tmp_path: Path
) -> None:
    listed = [shard for shard in shards.list_shards() if shard.suffix == "20240206"]
    export.client.query(f"DELETE FROM `{export.table('events_20240206')}` WHERE event_timestamp > 0").result()
    pulled = flatten.parts(shards, listed, tmp_path / "spool", lambda unknown: None, "500MB", numbered=True)
    with pytest.raises(SourceError, match="0 of 3 rows") as caught, pulled:
        pytest.fail("the change went unseen")
    assert not caught.value.permanent
