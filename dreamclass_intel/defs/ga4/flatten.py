"""Shard files to queries for rows of `raw.ga4_events`: DuckDB reads and flattens them. No Python per row."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dreamclass_intel.contracts import ContractError
from dreamclass_intel.defs.ga4.dialects import DuckDB
from dreamclass_intel.defs.ga4.flatten_sql import ORDINAL, SCALARS, SCHEMA, flattened
from dreamclass_intel.defs.ga4.shards import Shard, ShardSource
from dreamclass_intel.defs.ga4.tables import EVENTS, EVENTS_ORIGIN
from dreamclass_intel.http import SourceError
from dreamclass_intel.loads import PROBLEM, Extract, Numbering, Part, Selection
from dreamclass_intel.records import BATCH_ROWS, conform, set_aside
from dreamclass_intel.warehouse.duckdb_load import UNREADABLE, unreadable
from dreamclass_intel.warehouse.spool import scratch

PART_ROWS = 1_000_000  # shards read together
AT_ONCE = 4  # shards opened
NUMBERING = Numbering("duplicate_ordinal", ORDINAL)
JSON_CONTENT = (
    "SELECT filename, count(*), json_keys(json) AS keys FROM read_ndjson_objects(?, filename = true) GROUP BY ALL"
)

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


@dataclass(frozen=True)
class _Opened:
    """A shard's files, what is in them, and the columns nobody announced."""

    shard: Shard
    files: list[str]
    rows: int
    is_parquet: bool
    columns: frozenset[str]

    @property
    def unknown(self) -> set[str]:
        return set(self.columns) - set(SCHEMA)


@contextmanager
def parts(
    source: ShardSource,
    shards: Sequence[Shard],
    spool: Path,
    tell_of: Callable[[set[str]], None],
    memory_limit: str,
    *,
    numbered: bool,
) -> Iterator[list[Part]]:
    """Queries for the rows of `shards`, for as long as their files lie open; downloaded ones in `spool`, as they came.

    Queries that are not `numbered` stream; NUMBERING is left to do. `tell_of` hears the columns nobody announced.
    Raises SourceError when a shard cannot be got or changed meanwhile, ContractError when a file cannot be read.
    """
    with scratch(spool, "ga4") as downloads:

        def download(shard: Shard) -> list[Path]:
            folder = downloads / shard.suffix
            folder.mkdir()
            return source.open_shard(shard, folder)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ga4") as pool:
            files = list(pool.map(download, shards))
        lying = [_state(path) for paths in files for path in paths]
        with _engine(downloads, memory_limit) as con:
            opened = list(_inspected(con, shards, files))
        tell_of(set().union(*(o.unknown for o in opened)))
        yield [_part(group, numbered=numbered) for group in _groups(opened)]
        if lying != [_state(path) for paths in files for path in paths]:
            raise SourceError("ga4", f"{shards[0].table}..{shards[-1].table}", "changed while it was read")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@contextmanager
def _engine(folder: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own, which spills into the folder."""
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{memory_limit}'")
        con.execute("SET temp_directory = ?", [str(folder)])
        con.execute("SET preserve_insertion_order = false")
        yield con


def streamed(
    parts: AbstractContextManager[Sequence[Part]], spool: Path, memory_limit: str, metadata: dict[str, Any]
) -> Extract:
    """The same rows as a stream, for a warehouse that cannot read the files."""
    result = Extract(iter(()), metadata=metadata)
    refusals = Selection(nullcontext([]), EVENTS_ORIGIN, rejected=result.rejected)

    def stream() -> Iterator[pa.RecordBatch]:
        with parts as queries, scratch(spool, "ga4") as folder, _engine(folder, memory_limit) as con:
            for part in queries:
                try:
                    for batch in con.sql(part.query).to_arrow_reader(BATCH_ROWS):
                        refused = pc.is_valid(batch.column(PROBLEM))
                        for row in batch.filter(refused).to_pylist():
                            set_aside(refusals, EVENTS, row)
                        fine = pa.table(batch.filter(pc.invert(refused))).drop_columns([PROBLEM])
                        yield from conform(EVENTS, fine).to_batches()
                except UNREADABLE as error:
                    raise unreadable(EVENTS.address, part, error) from None

    result.batches = stream()
    return result


def _groups(opened: Sequence[_Opened]) -> Iterator[list[_Opened]]:
    """Neighbours of one file format, up to PART_ROWS."""
    for _, alike in groupby(opened, key=lambda o: o.is_parquet):
        group: list[_Opened] = []
        for each in alike:
            if group and sum(o.rows for o in group) + each.rows > PART_ROWS:
                yield group
                group = []
            group.append(each)
        yield group


@dataclass
class _Content:
    rows: int = 0
    columns: set[str] = field(default_factory=set)


def _inspected(
    con: duckdb.DuckDBPyConnection, shards: Sequence[Shard], files: Sequence[Sequence[Path]]
) -> Iterator[_Opened]:
    """What lies in the files of each shard. Raises as `parts` does."""
    content: dict[Path, _Content] = {path: _Content() for paths in files for path in paths}
    lines = [str(path) for path in content if not _is_parquet(path)]
    try:
        for name, rows, columns in con.execute(JSON_CONTENT, [lines]).fetchall() if lines else ():
            content[Path(name)].rows += rows
            content[Path(name)].columns |= set(columns or ())
    except UNREADABLE as error:
        raise unreadable(EVENTS.address, Part("", "export", files=tuple(lines)), error) from None
    for path in filter(_is_parquet, content):
        try:
            file = pq.ParquetFile(path)
        except pa.ArrowException as error:
            raise ContractError(f"{EVENTS.address}: {path.name}: {error}") from None
        content[path] = _Content(file.metadata.num_rows, set(file.schema_arrow.names))
    for shard, paths in zip(shards, files, strict=True):
        rows = sum(content[path].rows for path in paths)
        if shard.row_count not in (None, rows):
            raise SourceError("ga4", shard.table, f"changed while it was read ({rows} of {shard.row_count} rows)")
        columns = frozenset[str]().union(*(content[path].columns for path in paths))
        if len({_is_parquet(path) for path in paths}) > 1:
            raise SourceError("ga4", shard.table, "lies there in two formats, JSON lines and Parquet", status=409)
        yield _Opened(shard, [str(path) for path in paths], rows, any(map(_is_parquet, paths)), columns)


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def _part(group: Sequence[_Opened], *, numbered: bool) -> Part:
    first, last = group[0].shard, group[-1].shard
    unknown = sorted(set().union(*(o.unknown for o in group)))
    scalars = ", ".join(f"{path} AS {name}" for name, path in SCALARS.items())
    extra = "NULL::VARCHAR"
    if unknown:
        pairs = ", ".join(f"{_literal(name)}, {_quoted(name)}" for name in unknown)
        # A merge patch drops nulls, so rows without any of the columns get none.
        extra = f"nullif(json_merge_patch('{{}}', json_object({pairs}))::VARCHAR, '{{}}')"
    known = ", ".join(f"({_literal(path)}, '{o.shard.suffix}', {_moment(o.shard)})" for o in group for path in o.files)
    relation = (
        f"(SELECT {scalars}, event_params, {extra} AS extra, shard, table_last_modified "
        f"FROM {_read_parquet(group, unknown) if group[0].is_parquet else _read_json(group, unknown)} "
        f"JOIN (VALUES {known}) AS shards(filename, shard, table_last_modified) USING (filename))"
    )
    reads = first.table if first is last else f"{first.table}..{last.table}"
    files = tuple(path for o in group for path in o.files)
    return Part(flattened(relation, DuckDB(), numbered=numbered), reads, sum(o.rows for o in group), files)


def _moment(shard: Shard) -> str:
    at = shard.last_modified
    return f"TIMESTAMP '{at.astimezone(dt.UTC).replace(tzinfo=None)}'" if at else "NULL::TIMESTAMP"


def _files(group: Sequence[_Opened]) -> str:
    return f"[{', '.join(_literal(path) for o in group for path in o.files)}]"


def _read_json(group: Sequence[_Opened], unknown: Sequence[str]) -> str:
    """A typed reading of JSON lines (INT64 are strings there)."""
    types = {**READ, **dict.fromkeys(unknown, "JSON")}
    columns = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in types.items())
    return f"read_json({_files(group)}, format = 'newline_delimited', columns = {{{columns}}}, filename = true)"


def _read_parquet(group: Sequence[_Opened], unknown: Sequence[str]) -> str:
    """The same of Parquet; files may differ in their columns."""
    present = set().union(*(o.columns for o in group))
    typed = [
        f"CAST({_quoted(name) if name in present else 'NULL'} AS {kind}) AS {_quoted(name)}"
        for name, kind in READ.items()
    ] + [f"to_json({_quoted(name)}) AS {_quoted(name)}" for name in unknown]
    reader = f"read_parquet({_files(group)}, union_by_name = true, filename = true)"
    return f"(SELECT {', '.join(typed)}, filename FROM {reader})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
