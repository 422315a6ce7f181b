"""BigQuery's own: tables as declared, limits on every query, retries, statistics, the swap's rollback, streaming."""

import datetime as dt
import itertools
import random
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tenacity
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, NotFound, ServiceUnavailable
from google.api_core.retry import retry_unary
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import client

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Column, ContractError, Grain, Type, Write
from dreamclass_intel.records import extract
from dreamclass_intel.settings import BigQuerySettings, SettingsError
from dreamclass_intel.warehouse import bigquery_sql
from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse
from dreamclass_intel.warehouse.bigquery_jobs import connect, parameter
from dreamclass_intel.warehouse.bigquery_schema import types as types_of
from dreamclass_intel.warehouse.protocol import Audit
from dreamclass_intel_tests.contract import proxy as proxies
from dreamclass_intel_tests.contract.proxy import Fault, Proxy
from dreamclass_intel_tests.contract.stores import PROJECT, Place, leftovers, rows
from dreamclass_intel_tests.core.helpers import DAYS, full_row, load, partitions_of, table, things

D1, D2, D3 = DAYS[:3]
_numbers = itertools.count()


@pytest.fixture
def proxy(bigquery_endpoint: str) -> Iterator[Proxy]:
    with proxies.before(bigquery_endpoint) as found:
        yield found


@pytest.fixture
def place(proxy: Proxy, tmp_path: Path) -> Place:
    return Place("bigquery", tmp_path, f"own{next(_numbers)}_", proxy.url)


@pytest.fixture
def store(place: Place) -> BigQueryWarehouse:
    found = place.open()
    assert isinstance(found, BigQueryWarehouse)
    return found


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries do not wait; what they would have waited, in seconds."""
    asked: list[float] = []
    still = types.SimpleNamespace(sleep=asked.append, monotonic=time.monotonic)
    monkeypatch.setattr(tenacity.nap, "time", still)
    monkeypatch.setattr(retry_unary, "time", still)
    return asked


def stored(store: BigQueryWarehouse, name: str = "things") -> Any:
    return store.client.get_table(f"{PROJECT}.{store.settings.dataset_prefix}raw.{name}")


# --- tables ----------------------------------------------------------------------------------------------------


def test_a_table_is_made_as_declared(store):
    declared = table(Write.REPLACE, Column("paid_minor", Type.DECIMAL, "Paid", unit="USD"), cluster=("text",))
    store.ensure([declared])
    made = stored(store)
    assert made.description == "Things"
    assert (made.time_partitioning.type_, made.time_partitioning.field) == ("DAY", "_load_day")
    assert made.clustering_fields == ["text"]
    assert [(name, kind, f.mode) for f, (name, kind) in zip(made.schema, types_of(made).items(), strict=True)] == [
        ("id", "STRING", "REQUIRED"),
        ("number", "INT64", "NULLABLE"),
        ("text", "STRING", "NULLABLE"),
        ("paid_minor", "NUMERIC", "NULLABLE"),
        ("_load_partition", "STRING", "REQUIRED"),
        ("_loaded_at", "TIMESTAMP", "REQUIRED"),
        ("_run_id", "STRING", "REQUIRED"),
        ("_row_hash", "STRING", "REQUIRED"),
        ("_load_day", "DATE", "NULLABLE"),
    ]
    assert made.schema[3].description == "Paid [USD]"
    assert store.client.get_dataset(made.reference.dataset_id).location == "EU"
    store.write(declared, [D1, D2], extract(declared, things(("a", 1)), D2), "r")
    assert rows(store, "id, _load_partition, _load_day") == [("a", D2, dt.date.fromisoformat(D2))]


@pytest.mark.parametrize(
    ("declared", "by_day", "cluster"),
    [
        (table(Write.UPSERT), False, ["id"]),
        (table(Write.UPSERT, cluster=("text", "number")), False, ["text", "number"]),
        (table(Write.SNAPSHOT), True, None),
        (table(grain=Grain.SCORING_WINDOW, cluster=("text",)), False, ["_load_partition", "text"]),
        (table(grain=Grain.WEEKLY), False, ["_load_partition"]),
        (table(grain=Grain.NONE), False, None),
    ],
)
def test_what_grows_by_days_is_partitioned_what_is_looked_up_is_clustered(store, declared, by_day, cluster):
    store.ensure([declared])
    made = stored(store)
    assert bool(made.time_partitioning) is by_day
    assert made.clustering_fields == cluster
    assert ("_load_day" in [f.name for f in made.schema]) is by_day


def test_every_declared_table_can_be_made(store):
    declared = list(catalog.tables().values())
    store.ensure(declared)
    store.ensure(declared)
    assert all(store.exists(table.address) for table in declared)
    # What the emulator takes and BigQuery does not: floats to cluster by, or as a key.
    looked_up = {c for t in declared for c in t.data_columns if c.name in (*t.key, *bigquery_sql.clustering(t))}
    assert Type.FLOAT not in {c.type for c in looked_up}
    for address in ("raw.ga4_events", "core.companies", "xmr.points"):  # the widest; all would take half a minute
        found = catalog.table(address)
        store.write(found, partitions_of(found), load(found, [full_row(found)], D1), "r")
        assert store.audit(found) == Audit(1, (), 0)


def test_a_new_column_says_what_it_is(store):
    store.ensure([table()])
    store.ensure([table(Write.REPLACE, Column("more", Type.INT, "More", required=True, unit="s"))])
    found = stored(store)
    added = found.schema[-1]
    assert (added.name, added.mode, added.description) == ("more", "NULLABLE", "More [s]")
    assert types_of(found)["more"] == "INT64"


# --- what every query carries ----------------------------------------------------------------------------------


def test_every_job_has_limits_a_label_and_a_place(store, proxy):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    store.read(f"SELECT id FROM {store.name('raw.things')}")
    store.audit(declared)
    jobs = [a.json for a in proxy.asked if "configuration" in a.json]
    assert len(proxy.queries()) >= 5
    assert {q["query"]["maximumBytesBilled"] for q in proxy.queries()} == {str(100 * 2**30)}
    assert {j["configuration"]["jobTimeoutMs"] for j in jobs} == {"1800000"}
    assert [j["configuration"]["labels"] for j in jobs] == [{"app": "dreamclass-intel"}] * len(jobs)
    assert {j["jobReference"]["location"] for j in jobs} == {"EU"}
    assert not [a for a in proxy.asked if "authorization" in map(str.lower, a.headers)]
    assert "$" not in "".join(a.path for a in proxy.asked), "a partition decorator"


def test_the_limit_can_be_moved_or_lifted_and_is_named_when_it_bites(place, proxy):
    place.open(maximum_gib_billed=0.5).read("SELECT 1")
    place.open(maximum_gib_billed=0).read("SELECT 1")
    assert [q["query"].get("maximumBytesBilled") for q in proxy.queries()] == [str(2**29), None]
    words = "Query exceeded limit for bytes billed: 1. 10485760 or higher required."
    proxy.faults.append(Fault(lambda asked: bool(asked.query), 400, "bytesBilledLimitExceeded", words))
    with pytest.raises(GoogleAPICallError, match="limit for bytes billed") as caught:
        place.open().read("SELECT 1")
    assert caught.value.__notes__ == ["BIGQUERY_MAXIMUM_GIB_BILLED is the limit."]


def test_what_the_jobs_did_is_told(store, proxy):
    def amend(answer: dict[str, Any]) -> None:
        if "query" in answer.get("configuration", {}) and "statistics" in answer:
            used = {"totalBytesProcessed": "1000", "totalBytesBilled": str(2**38), "totalSlotMs": "70"}
            answer["statistics"] |= {"totalSlotMs": "70"}
            answer["statistics"].setdefault("query", {}).update(used)

    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    proxy.amend = amend
    told = store.write(declared, [D1], load(declared, things(("a", 2)), D1), "r").statistics
    # A look at what is staged, then the swap; the load itself is free.
    assert {k: v for k, v in told.items() if "job" not in k} == {
        "bytes_processed": 2000,
        "slot_ms": 140,
        "estimated_cost_usd": 3.125,
    }
    assert store.client.get_job(told["bigquery_job_id"]).job_type == "query"
    assert store.client.get_job(told["bigquery_load_job_id"]).job_type == "load"


# --- retries ---------------------------------------------------------------------------------------------------

TRANSIENT = [(503, "backendError"), (500, "internalError"), (429, "rateLimitExceeded"), (502, "badGateway")]


@pytest.mark.parametrize(("status", "reason"), TRANSIENT)
def test_a_transient_fault_is_retried(store, proxy, waits, status, reason):
    store.ensure([table()])
    for fits in (
        lambda asked: bool(asked.query),
        lambda asked: asked.method == "GET" and "/tables/things" in asked.path,
        lambda asked: asked.method == "DELETE",
    ):
        proxy.faults.append(Fault(fits, status, reason))
    store.write(table(), [D1], load(table(), things(("a", 1)), D1), "r")
    assert proxy.faults == []
    assert len(waits) == 3
    assert rows(store) == [("a", 1, D1)]
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "invalidQuery"), (403, "accessDenied"), (403, "quotaExceeded"), (404, "notFound")]
)
def test_any_other_fault_is_told_at_once(store, proxy, waits, status, reason):
    declared = table()
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    proxy.asked.clear()
    proxy.faults.append(Fault(lambda asked: bool(asked.query), status, reason))
    with pytest.raises(GoogleAPICallError, match="no such luck"):
        store.write(declared, [D1], load(declared, things(("b", 1)), D1), "r")
    assert waits == []
    assert len(proxy.queries()) == 1
    assert rows(store) == [("a", 1, D1)]
    assert leftovers(store) == []


def test_a_swap_that_others_make_bigquery_abort_is_tried_again(store, proxy, waits):
    words = f"Transaction is aborted due to concurrent update against table {PROJECT}:raw.things. Transaction ID: 1"

    def swap(asked: proxies.Asked) -> bool:
        return "INSERT" in asked.query.get("query", "")

    proxy.faults += [Fault(swap, 400, "invalidQuery", words) for _ in range(2)]
    store.write(table(), [D1], load(table(), things(("a", 1)), D1), "r")
    assert len(waits) == 2
    assert rows(store) == [("a", 1, D1)]


# --- the load --------------------------------------------------------------------------------------------------


def test_a_fault_in_the_middle_of_the_swap_rolls_everything_back(store, monkeypatch):
    declared = table()
    bad = {"id": "z", "number": "many"}
    store.write(declared, [D1], extract(declared, [*things(("a", 1)), bad], D1, on_bad="quarantine"), "r")
    whole = bigquery_sql.Swap._refusals
    monkeypatch.setattr(bigquery_sql.Swap, "_refusals", lambda *a: [*whole(*a), "SELECT ERROR('disk full')"])
    with pytest.raises(GoogleAPICallError, match="disk full"):
        store.write(declared, [D1], load(declared, things(("b", 2)), D1), "r2")
    assert rows(store, "id, number, _run_id") == [("a", 1, "r")]
    assert store.audit(declared).quarantined == 1
    assert leftovers(store) == []


def test_a_big_load_goes_up_in_pieces(store, proxy, monkeypatch):
    monkeypatch.setattr(client, "_DEFAULT_CHUNKSIZE", 4 * 2**20)  # of 100 MB otherwise
    rng, declared = random.Random(1), table()
    count = 24_000
    records = ({"id": str(n), "number": n, "text": rng.randbytes(500).hex()} for n in range(count))
    assert store.write(declared, [D1], extract(declared, records, D1), "r").rows == count
    uploads = [a for a in proxy.asked if a.path.startswith("/upload") or "/upload/" in a.path]
    assert "uploadType=resumable" in uploads[0].path
    assert [len(a.body) for a in uploads[1:-1]] == [4 * 2**20] * (len(uploads) - 2)
    assert len(uploads) > 4
    query = f"SELECT COUNT(DISTINCT id) AS ids, SUM(number) AS total FROM {store.name('raw.things')}"
    assert store.read(query).to_pylist() == [{"ids": count, "total": count * (count - 1) // 2}]


def test_days_are_read_only_where_rows_are_replaced(store, proxy):
    declared = table()
    store.write(declared, [D1, D3], load(declared, things(("a", 1)), D1), "r")
    (script,) = [q["query"]["query"] for q in proxy.queries() if "DELETE" in q["query"]["query"]]
    days = f"`_load_partition` IN ('{D1}', '{D3}') AND `_load_day` BETWEEN DATE '{D1}' AND DATE '{D3}'"
    assert days in script
    proxy.asked.clear()
    assert sum(batch.num_rows for batch in store.scan(declared, [D1, D3])) == 1
    (query,) = [q["query"]["query"] for q in proxy.queries()]
    assert query.endswith(days)


def test_partition_keys_and_run_ids_cannot_break_out_of_their_quotes(store):
    declared = table(grain=Grain.SCORING_WINDOW)
    hostile = "x' OR TRUE; DROP TABLE `raw.things`; --\\"
    store.write(declared, ["w"], load(declared, things(("a", 1)), "w"), "r")
    store.write(declared, [hostile], load(declared, things(("b", 2)), hostile), hostile)
    assert rows(store, "id, _load_partition, _run_id") == [("a", "w", "r"), ("b", hostile, hostile)]
    with pytest.raises(ContractError, match="is not an identifier"):
        store.name("raw.things`; DROP")


# --- getting there ---------------------------------------------------------------------------------------------


def test_parameters_take_their_types():
    at = dt.datetime(2024, 1, 1)
    kinds = {p.type_: p.value for p in map(parameter, ["a", True, 1, 0.5, at, at.date()])}
    assert kinds == {
        "STRING": "a",
        "BOOL": True,
        "INT64": 1,
        "FLOAT64": 0.5,
        "TIMESTAMP": at.replace(tzinfo=dt.UTC),
        "DATE": at.date(),
    }
    assert [(p.array_type, p.values) for p in map(parameter, [[], [at.date()], ("a",)])] == [
        ("STRING", []),
        ("DATE", [at.date()]),
        ("STRING", ["a"]),
    ]
    with pytest.raises(TypeError, match="dict cannot be bound"):
        parameter({})


def test_credentials_go_only_where_they_belong(tmp_path):
    emulator = connect(BigQuerySettings(project=PROJECT, api_endpoint="http://127.0.0.1:1", keyfile=tmp_path / "no"))
    assert isinstance(emulator._credentials, AnonymousCredentials)
    with pytest.raises(SettingsError, match="BIGQUERY_KEYFILE: FileNotFoundError"):
        connect(BigQuerySettings(project=PROJECT, keyfile=tmp_path / "no"))
    (tmp_path / "key").write_text('{"type": "service_account"}')
    with pytest.raises(SettingsError, match="BIGQUERY_KEYFILE: MalformedError"):
        connect(BigQuerySettings(project=PROJECT, keyfile=tmp_path / "key", api_endpoint="https://private.example"))
    with pytest.raises(SettingsError, match="needs BIGQUERY_PROJECT"):
        BigQueryWarehouse(BigQuerySettings(project=None), tmp_path)


def test_duckdb_never_loads_the_client(tmp_path):
    program = (
        "import sys; from dreamclass_intel.warehouse.io_manager import WarehouseResource; "
        "WarehouseResource().read('SELECT 1'); sys.exit('google.cloud.bigquery' in sys.modules)"
    )
    environment = {"STATE_DIR": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (Forbidden("no", errors=[{"reason": "accessDenied"}]), True),
        (Forbidden("no", errors=[{"reason": "rateLimitExceeded"}]), False),
        (BadRequest("no", errors=[{"reason": "invalidQuery"}]), True),
        (BadRequest("Transaction is aborted due to concurrent update against table t"), False),
        (NotFound("no"), True),
        (ServiceUnavailable("no"), False),
        (ConnectionError("no"), False),
    ],
)
def test_which_refusals_would_come_again(store, error, permanent):
    assert store.is_permanent(error) is permanent
