"""A million GA4-shaped events through our IO path into DuckDB, against DuckDB's own readers and dlt, in one run.

    python benchmarks/bench_warehouse_load.py [--rows 1000000] [--dlt PYTHON]

`limit_*` is DuckDB reading the same files into a table: no masking, no keys, no checks, not safe to repeat.
`ours_jsonl` and `ours_parquet` are what a run does: shards looked through, selected, masked, keyed, hashed, checked and
swapped in by one transaction (`DuckDBWarehouse.write` of a Selection). `ours_write` is the other way in: nested Arrow
batches, spooled, into a table with a list of records. dlt lives in an environment of its own: PYTHON is its interpreter
(`python -m venv X && X/bin/pip install 'dlt[duckdb]' pyarrow`). Every loader runs in a fresh process on a fresh
database; the time is what it takes after its imports, memory is the peak of the whole process.
"""

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DAYS = 31
MEMORY = "250MB"  # DUCKDB_MEMORY_LIMIT
VALUE = "STRUCT(string_value VARCHAR, int_value BIGINT, float_value DOUBLE, double_value DOUBLE)"
COLUMNS = {
    "event_date": "VARCHAR",
    "event_timestamp": "BIGINT",
    "event_name": "VARCHAR",
    "event_params": f'STRUCT("key" VARCHAR, "value" {VALUE})[]',
    "user_pseudo_id": "VARCHAR",
    "user_id": "VARCHAR",
    "device": "STRUCT(category VARCHAR, operating_system VARCHAR, language VARCHAR)",
    "geo": "STRUCT(country VARCHAR, city VARCHAR)",
    "traffic_source": "STRUCT(source VARCHAR, medium VARCHAR, name VARCHAR)",
    "platform": "VARCHAR",
}


def make(folder: Path, rows: int) -> None:
    """A month's shards, as JSON lines and as Parquet; event i has session i // 8."""
    import duckdb

    def param(key: str, text: str = "NULL", whole: str = "NULL", real: str = "NULL") -> str:
        return (
            f"{{'key': '{key}', 'value': {{'string_value': {text}::VARCHAR, 'int_value': {whole}::BIGINT, "
            f"'float_value': NULL::DOUBLE, 'double_value': {real}::DOUBLE}}}}"
        )

    params = ", ".join(
        [
            param("ga_session_id", whole="(1700000000 + i // 8)"),
            param("page_location", text="('https://dreamclass.example/c/' || (hash(i, 2) % 500) || '?utm=x')"),
            param("page_title", text="('Lesson ' || (hash(i, 3) % 300))"),
            param("engagement_time_msec", whole="(hash(i, 4) % 60000)::BIGINT"),
            param("value", real="((hash(i, 5) % 10000) / 100.0)"),
        ]
    )
    con = duckdb.connect()
    for day in range(DAYS):
        name = f"events_202501{day + 1:02}"
        query = f"""
            SELECT '202501{day + 1:02}' AS event_date,
                {1735689600000000 + day * 86_400_000_000} + (hash(i) % 86400000000)::BIGINT AS event_timestamp,
                ['page_view', 'session_start', 'user_engagement', 'lesson_start'][1 + (hash(i, 1) % 4)::INT]
                    AS event_name,
                [{params}] AS event_params, 'u' || (hash(i // 40) % 40000) AS user_pseudo_id,
                CASE WHEN i % 3 = 0 THEN 'user-' || (i // 40 % 40000) END AS user_id,
                {{'category': ['mobile', 'desktop'][1 + i % 2], 'operating_system': 'iOS', 'language': 'en-us'}}
                    AS device,
                {{'country': ['US', 'AE', 'IN', 'GB'][1 + i % 4], 'city': 'City ' || (i % 200)}} AS geo,
                {{'source': 'google', 'medium': ['cpc', 'organic'][1 + i % 2], 'name': 'c ' || (i % 20)}}
                    AS traffic_source, 'WEB' AS platform
            FROM (SELECT unnest(range({day}, {rows}, {DAYS})) AS i)"""
        for kind, how in (("parquet", "FORMAT parquet, COMPRESSION zstd"), ("jsonl", "FORMAT json")):
            (folder / kind).mkdir(exist_ok=True)
            con.execute(f"COPY ({query}) TO '{folder}/{kind}/{name}.{kind}' ({how})")


# --- loaders: (folder of shards, database) -----------------------------------------------------------------------


def limit_parquet(folder: Path, database: Path) -> None:
    """DuckDB's own."""
    import duckdb

    duckdb.connect(str(database)).execute(f"CREATE TABLE events AS FROM read_parquet('{folder}/parquet/*.parquet')")


def limit_jsonl(folder: Path, database: Path) -> None:
    """DuckDB's own, told the types."""
    import duckdb

    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    duckdb.connect(str(database)).execute(
        f"CREATE TABLE events AS FROM read_json('{folder}/jsonl/*.jsonl', format = 'newline_delimited', "
        f"columns = {{{columns}}})"
    )


def _ours(folder: Path, database: Path) -> None:
    from dreamclass_intel.defs.ga4 import flatten, tables
    from dreamclass_intel.defs.ga4.shards import FolderShards
    from dreamclass_intel.loads import Selection
    from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

    source = FolderShards(folder)
    shards = source.list_shards()
    parts = flatten.parts(source, shards, database.parent / "spool", lambda unknown: None, MEMORY, numbered=False)
    days = [shard.day.isoformat() for shard in shards]
    warehouse = DuckDBWarehouse(database, memory_limit=MEMORY)
    warehouse.write(tables.EVENTS, days, Selection(parts, tables.EVENTS_ORIGIN, flatten.NUMBERING), "bench")


def ours_parquet(folder: Path, database: Path) -> None:
    """Our route of files, Parquet."""
    _ours(folder / "parquet", database)


def ours_jsonl(folder: Path, database: Path) -> None:
    """Our route of files, JSON lines."""
    _ours(folder / "jsonl", database)


def ours_write(folder: Path, database: Path) -> None:
    """Our warehouse alone: batches with a list of records, keyed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dreamclass_intel.contracts import Column, Table, Type
    from dreamclass_intel.loads import Extract
    from dreamclass_intel.records import conform
    from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

    values = [Column("string_value", Type.STRING, "x"), Column("int_value", Type.INT, "x")]
    fields = (Column("key", Type.STRING, "x"), *values, Column("double_value", Type.FLOAT, "x"))
    texts = ("event_date", "event_name", "user_pseudo_id", "user_id", "platform")
    table = Table(
        "raw",
        "events",
        "Events",
        (
            Column("number", Type.INT, "Row"),
            Column("event_timestamp", Type.INT, "x"),
            *(Column(name, Type.STRING, "x") for name in texts),
            Column("event_params", Type.RECORDS, "x", fields=fields),
        ),
        key=("number",),
    )

    def batches():
        number = 0
        for path in sorted((folder / "parquet").iterdir()):
            for batch in pq.ParquetFile(path).iter_batches(50_000, columns=[*texts, "event_timestamp", "event_params"]):
                size = batch.num_rows
                lists = batch.column("event_params")
                value = lists.values.field("value")
                flat = pa.StructArray.from_arrays(
                    [lists.values.field("key"), *(value.field(f.name) for f in fields[1:])], [f.name for f in fields]
                )
                columns = {name: batch.column(name) for name in (*texts, "event_timestamp")}
                columns["event_params"] = pa.ListArray.from_arrays(lists.offsets, flat)
                columns["number"] = pa.array(range(number, number + size), pa.int64())
                columns["_load_partition"] = pa.array([path.stem[-8:]] * size)
                number += size
                yield from conform(table, pa.table(columns)).to_batches()

    days = [path.stem[-8:] for path in (folder / "parquet").iterdir()]
    DuckDBWarehouse(database, memory_limit=MEMORY).write(table, days, Extract(batches()), "bench")


def _dlt(database: Path, rows: object, nesting: int | None = None) -> None:
    import dlt

    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="raw",
        pipelines_dir=str(database.parent / "dlt"),
    )
    pipeline.run(dlt.resource(rows, name="events", max_table_nesting=nesting), loader_file_format="parquet")


def _lines(folder: Path):
    for path in sorted((folder / "jsonl").iterdir()):
        with path.open() as file:
            yield from map(json.loads, file)


def dlt_child_tables(folder: Path, database: Path) -> None:
    """dlt as it comes: lists become child tables."""
    _dlt(database, _lines(folder))


def dlt_json_column(folder: Path, database: Path) -> None:
    """dlt without nesting: lists become JSON."""
    _dlt(database, _lines(folder), nesting=0)


def dlt_arrow(folder: Path, database: Path) -> None:
    """dlt fed with Arrow batches: its fastest."""
    import pyarrow.parquet as pq

    files = sorted((folder / "parquet").iterdir())
    _dlt(database, (batch for path in files for batch in pq.ParquetFile(path).iter_batches(20_000)))


LIMITS: tuple[Callable[..., None], ...] = (limit_parquet, limit_jsonl)
OURS: tuple[Callable[..., None], ...] = (ours_write, ours_parquet, ours_jsonl)
PEERS: tuple[Callable[..., None], ...] = (dlt_child_tables, dlt_json_column, dlt_arrow)
IMPORTS = {"limit": ["duckdb"], "ours": ["dreamclass_intel.defs.ga4.flatten"], "dlt": ["dlt", "dlt.destinations"]}


def child(name: str, folder: Path, database: Path) -> None:
    """One loader: its seconds and peak memory as JSON."""
    for module in IMPORTS[name.partition("_")[0]]:
        importlib.import_module(module)
    started = time.perf_counter()
    globals()[name](folder, database)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": round(seconds, 2), "peak_mib": int(peak) // 1024}))


def measure(loader: str, python: str, data: Path) -> dict[str, float]:
    """One loader in a fresh process."""
    scratch = Path(tempfile.mkdtemp(dir=data))
    command = [python, __file__, "--child", loader, "--data", str(data), "--database", str(scratch / "w.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(scratch)
    if done.returncode:
        raise SystemExit(f"{loader}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make the data, run all loaders, print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dlt", help="python of an environment with dlt[duckdb] and pyarrow")
    parser.add_argument("--dlt-rows", type=int, default=50_000, help="dlt's modes that pass Python objects take hours")
    parser.add_argument("--child")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--database", type=Path)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.data, given.database)
        return
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as home:

        def run(loaders: tuple[Callable[..., None], ...], rows: int, python: str) -> None:
            data = Path(home) / str(rows)
            if not data.exists():
                data.mkdir()
                make(data, rows)
            for loader in loaders:
                name = loader.__name__
                found = measure(name, python, data)
                rates[name] = rows / found["seconds"]
                print(
                    f"{name:20} {rows:>10,} rows {found['seconds']:8.2f} s {rates[name]:>10,.0f} rows/s "
                    f"{found['peak_mib']:>6} MiB",
                    flush=True,
                )

        run((*LIMITS, *OURS), given.rows, sys.executable)
        if given.dlt:
            run((dlt_arrow,), given.rows, given.dlt)
            run((dlt_child_tables, dlt_json_column), given.dlt_rows, given.dlt)
    print()
    for kind in ("parquet", "jsonl"):
        print(f"ours_{kind}: {rates[f'limit_{kind}'] / rates[f'ours_{kind}']:.2f} x the limit's time")
    print(f"ours_write: {rates['limit_parquet'] / rates['ours_write']:.2f} x the limit's time")
    for peer in filter(rates.get, (p.__name__ for p in PEERS)):
        ours = "ours_parquet" if peer == "dlt_arrow" else "ours_jsonl"
        print(f"{ours}: {rates[ours] / rates[peer]:.1f} x the rate of {peer}")


if __name__ == "__main__":
    main()
