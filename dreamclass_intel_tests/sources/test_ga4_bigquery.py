"""GA4's export in BigQuery: pulled into DuckDB or selected within BigQuery, it is what its files say, row by row.

The export's data set lies in an emulator, filled by load jobs from the very files the third route reads.
"""

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
from dreamclass_intel.defs.ga4 import server_side, tables
from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.bigquery_emulator import Emulator
from dreamclass_intel_tests.sources.helpers import event, fresh_assets

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


Loaded = tuple[str, list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def load(
    export: Export, emulator: Emulator, storage_api: None, settings_env: Any, materialise: Any, tmp_path: Path
) -> Any:
    """`load(warehouse, route)`: the four days' hash, rows, refusals and metadata."""

    def run(warehouse: str, route: str) -> Loaded:
        settings_env(
            WAREHOUSE=warehouse,
            STATE_DIR=tmp_path / f"{warehouse}-{route}",
            BIGQUERY_PROJECT=f"warehouse-{export.number}",
            BIGQUERY_DATASET_PREFIX=f"{route}_",
            BIGQUERY_API_ENDPOINT=emulator.url,
            GA4_ROUTE=route,
            GA4_MODE="live",
            GA4_EXPORT_DIR=export.folder,
            GA4_BIGQUERY_PROJECT=export.project,
            GA4_PROPERTY_ID=export.number,
            PII_KEY="k",
        )
        result = materialise([fresh_assets("dreamclass_intel.defs.ga4").ga4_events], FIRST, LAST)
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


def test_all_routes_store_the_same(load: Callable[[str, str], Loaded]) -> None:
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
