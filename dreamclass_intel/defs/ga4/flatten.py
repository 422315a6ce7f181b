"""Shard files to rows of `raw.ga4_events`: read and flattened by DuckDB, streamed on as Arrow. No Python per row."""

import datetime as dt
import json
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dreamclass_intel.contracts import ContractError, Rejected
from dreamclass_intel.defs.ga4.flatten_sql import SCALARS, DuckDB, flattened
from dreamclass_intel.defs.ga4.shards import Shard, ShardSource
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.http import SourceError
from dreamclass_intel.records import conform, to_json

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "export_schema.json").read_text())
GROUP_SHARDS, GROUP_BYTES = 32, 64 << 20  # small shards are read together, a big one alone
AHEAD = 4  # shards opened while others are flattened
BATCH_ROWS = 50_000

# What is read of the export's schema; the test suite checks it against the schema's names and types.
READ: dict[str, str] = {
    "event_date": "VARCHAR",
    "event_timestamp": "BIGINT",
    "event_name": "VARCHAR",
    "event_params": "STRUCT(key VARCHAR, value STRUCT(string_value VARCHAR, int_value BIGINT, float_value DOUBLE, "
    "double_value DOUBLE))[]",
    "event_bundle_sequence_id": "BIGINT",
    "user_id": "VARCHAR",
    "user_pseudo_id": "VARCHAR",
    "privacy_info": "STRUCT(analytics_storage VARCHAR)",
    "device": "STRUCT(category VARCHAR)",
    "geo": "STRUCT(country VARCHAR, city VARCHAR)",
    "traffic_source": "STRUCT(name VARCHAR, medium VARCHAR, source VARCHAR)",
    "stream_id": "VARCHAR",
    "platform": "VARCHAR",
    "collected_traffic_source": "STRUCT(manual_source VARCHAR, manual_medium VARCHAR, manual_campaign_name VARCHAR, "
    "gclid VARCHAR)",
    "is_active_user": "BOOLEAN",
    "batch_event_index": "BIGINT",
    "batch_page_id": "BIGINT",
    "batch_ordering_id": "BIGINT",
    "session_traffic_source_last_click": "STRUCT(cross_channel_campaign STRUCT(source VARCHAR, medium VARCHAR, "
    "campaign_name VARCHAR, default_channel_group VARCHAR))",
}


@dataclass
class Reading:
    """What was read, filled while streaming."""

    rows: Counter[str] = field(default_factory=Counter)  # by table
    unknown_columns: set[str] = field(default_factory=set)
    rejected: list[Rejected] = field(default_factory=list)


def events(
    source: ShardSource, shards: Sequence[Shard], reading: Reading, spool: Path, memory_limit: str
) -> Iterator[pa.RecordBatch]:
    """The rows of `shards` as batches of `EVENTS`, in bounded memory and with a few shards in `spool` at a time.

    Raises SourceError when a shard cannot be got or changed meanwhile, ContractError when its rows do not parse.
    """
    spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ga4-", dir=spool) as scratch:
        con = duckdb.connect()
        try:
            con.execute(f"SET memory_limit = '{memory_limit}'")
            con.execute("SET temp_directory = ?", [scratch])
            con.execute("SET preserve_insertion_order = false")
            for group in _groups(source, shards, Path(scratch)):
                yield from _flattened(con, group, reading)
                for opened in group:
                    shutil.rmtree(opened.folder)
        finally:
            con.close()
    for shard in shards:
        if shard.row_count is not None and shard.row_count != reading.rows[shard.table]:
            read = reading.rows[shard.table]
            raise SourceError("ga4", shard.table, f"changed while it was read ({read} of {shard.row_count} rows)")


@dataclass(frozen=True)
class _Opened:
    shard: Shard
    folder: Path
    files: list[Path]

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    @property
    def is_parquet(self) -> bool:
        return all(path.suffix == ".parquet" for path in self.files)


def _groups(source: ShardSource, shards: Sequence[Shard], scratch: Path) -> Iterator[list[_Opened]]:
    """Opened shards of one file format, opened ahead in threads; order is kept."""

    def open_one(shard: Shard) -> _Opened:
        folder = scratch / shard.suffix
        folder.mkdir()
        return _Opened(shard, folder, source.open_shard(shard, folder))

    group: list[_Opened] = []
    waiting = deque(shards)
    opening: deque[Future[_Opened]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="ga4") as pool:
        try:
            while waiting or opening:
                while waiting and len(opening) < AHEAD:
                    opening.append(pool.submit(open_one, waiting.popleft()))
                opened = opening.popleft().result()
                if group and group[0].is_parquet != opened.is_parquet:
                    yield group
                    group = []
                group.append(opened)
                if len(group) == GROUP_SHARDS or sum(o.size for o in group) > GROUP_BYTES:
                    yield group
                    group = []
        finally:
            pool.shutdown(cancel_futures=True)
    if group:
        yield group


def _flattened(con: duckdb.DuckDBPyConnection, group: list[_Opened], reading: Reading) -> Iterator[pa.RecordBatch]:
    files = [(str(path), o.shard) for o in group for path in o.files]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE shards AS SELECT unnest(?) AS filename, unnest(?) AS suffix, "
        "unnest(?::TIMESTAMP[]) AS last_modified",
        [[name for name, _ in files], [s.suffix for _, s in files], [_naive(s.last_modified) for _, s in files]],
    )
    paths = [name for name, _ in files]
    try:
        relation, unknown = _parquet(con, paths) if group[0].is_parquet else _json_lines(con, paths)
        reading.unknown_columns |= set(unknown)
        for batch in con.sql(_sql(relation, unknown)).to_arrow_reader(BATCH_ROWS):
            if batch.num_rows:
                yield from _checked(batch, reading)
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
        # DuckDB quotes the offending record; its first line says where without saying what.
        where = f"{group[0].shard.table}..{group[-1].shard.table}"
        raise ContractError(f"{EVENTS.address}: {where}: {str(error).splitlines()[0][:300]}") from None


def _naive(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _json_lines(con: duckdb.DuckDBPyConnection, paths: list[str]) -> tuple[str, list[str]]:
    """A typed reading of JSON lines (INT64 are strings there), and the columns nobody announced."""
    listed = "[" + ", ".join(map(_literal, paths)) + "]"
    keys = con.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM read_ndjson_objects({listed})").fetchall()
    unknown = sorted({key for (key,) in keys} - set(SCHEMA))
    types = {**READ, **dict.fromkeys(unknown, "JSON")}
    columns = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in types.items())
    return (
        f"read_json({listed}, format = 'newline_delimited', columns = {{{columns}}}, filename = true)",
        unknown,
    )


def _parquet(con: duckdb.DuckDBPyConnection, paths: list[str]) -> tuple[str, list[str]]:
    """The same of Parquet; files may differ in their columns."""
    listed = "[" + ", ".join(map(_literal, paths)) + "]"
    reader = f"read_parquet({listed}, union_by_name = true, filename = true)"
    present = [name for name, *_ in con.execute(f"DESCRIBE SELECT * EXCLUDE (filename) FROM {reader}").fetchall()]
    unknown = sorted(set(present) - set(SCHEMA))
    typed = [
        f"CAST({_quoted(name) if name in present else 'NULL'} AS {kind}) AS {_quoted(name)}"
        for name, kind in READ.items()
    ] + [f"to_json({_quoted(name)}) AS {_quoted(name)}" for name in unknown]
    return f"(SELECT {', '.join(typed)}, filename FROM {reader})", unknown


def _sql(relation: str, unknown: list[str]) -> str:
    scalars = ", ".join(f"{path} AS {name}" for name, path in SCALARS.items())
    extra = "NULL::VARCHAR"
    if unknown:
        pairs = ", ".join(f"{_literal(name)}, {_quoted(name)}" for name in unknown)
        # A merge patch drops nulls, so rows without any of the columns get none.
        extra = f"nullif(json_merge_patch('{{}}', json_object({pairs}))::VARCHAR, '{{}}')"
    shard = "shards.suffix AS shard, shards.last_modified AS table_last_modified"
    return flattened(
        f"(SELECT {scalars}, event_params, {extra} AS extra, {shard} FROM {relation} JOIN shards USING (filename))",
        DuckDB(),
    )


def _checked(batch: pa.RecordBatch, reading: Reading) -> Iterator[pa.RecordBatch]:
    """Count, set refused rows aside, cast to the contract."""
    for entry in pc.value_counts(batch.column("source_table")).to_pylist():
        reading.rows[entry["values"]] += entry["counts"]
    refused = pc.is_valid(batch.column("_problem"))
    if pc.any(refused).as_py():
        reading.rejected += [_rejection(row) for row in batch.filter(refused).to_pylist()]
        batch = batch.filter(pc.invert(refused))
    yield from conform(EVENTS, pa.table(batch).drop_columns(["_problem"])).to_batches()


def _rejection(row: dict[str, Any]) -> Rejected:
    problem = row.pop("_problem")
    record = {k: str(v) if isinstance(v, dt.date) else v for k, v in row.items() if v is not None}
    return Rejected(
        EVENTS.address, row["_load_partition"], problem, problem.split(":")[0], to_json(record), row["source_table"]
    )
