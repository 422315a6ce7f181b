"""bqemulator over loopback, in a process of its own, with what it needs to run offline and to keep its word.

`python -m dreamclass_intel_tests.bigquery_emulator` prints its ports, serves, and ends when stdin closes, so that no
killed test run leaves a server behind. The shims, each for one thing that BigQuery does and 1.4.0 does not:

1. starts offline: its DuckDB extensions `spatial` and `avro` (unused here) would be downloaded;
2. `tables.patch` with a new column adds it to the stored table too, not to the catalogue alone;
3. `ALTER TABLE` by SQL reaches `tables.get`;
4. a table's `expirationTime` is kept and shown (expired tables are not removed);
5. a table in a missing data set is 404, not 500;
6. a data set's `__TABLES__` can be asked;
7. `CREATE TABLE t (columns) AS (SELECT …)`: the query may stand in parentheses, as dbt writes it under a contract;
8. `CAST(x AS NUMERIC)` keeps nine decimals, not three;
9. a statement is parsed once, not twenty times, which is most of its time otherwise.
"""

import asyncio
import datetime as dt
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, TextIO


class Emulator(NamedTuple):
    """Where it answers: REST, and the Storage Read API over gRPC."""

    url: str
    grpc: str


@contextmanager
def serving() -> Iterator[Emulator]:
    """A running emulator."""
    server = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin
    assert server.stdout
    try:
        ports = server.stdout.readline().split()
        assert ports, "the emulator did not start; its words are above"
        yield Emulator(f"http://127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}")
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


def _shims() -> None:
    from bqemulator.api.routes import tables
    from bqemulator.catalog import ddl_sync
    from bqemulator.jobs import executor
    from bqemulator.storage.engine import DuckDBEngine
    from bqemulator.storage.sql_identifiers import quoted_table_ref
    from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

    engines: list[Any] = []
    start = DuckDBEngine.start

    async def started(self: Any) -> None:
        engines.append(self)
        await start(self)

    DuckDBEngine.start = started
    DuckDBEngine._load_spatial = lambda self: None
    DuckDBEngine._load_format_extensions = lambda self: None

    to_meta, to_rest = tables._rest_to_table_meta, tables._table_to_rest

    def table_meta(project: str, dataset: str, body: dict[str, Any], clock: Any, existing: Any = None) -> Any:
        made = to_meta(project, dataset, body, clock, existing)
        schemas = "SELECT 1 FROM information_schema.schemata WHERE schema_name = ?"
        if not engines[0].execute(schemas, [f"{project}__{dataset}"]).fetchall():
            raise tables.resource_not_found(tables.ResourceRef("dataset", project, dataset))
        if existing is not None:
            known = {field.name for field in existing.schema_.fields}
            new = [tables._field_to_rest(field) for field in made.schema_.fields if field.name not in known]
            target = quoted_table_ref(project, dataset, made.table_id)
            for name, kind in bq_schema_to_duckdb_columns(new):
                engines[0].execute(f"ALTER TABLE {target} ADD COLUMN {name} {kind}")
        if expires := body.get("expirationTime"):
            at = dt.datetime.fromtimestamp(int(expires) / 1000, dt.UTC)
            made = made.model_copy(update={"expiration_time": at})
        return made

    def table_rest(meta: Any) -> dict[str, Any]:
        shown = to_rest(meta)
        if meta.expiration_time:
            shown["expirationTime"] = str(int(meta.expiration_time.timestamp() * 1000))
        return shown

    tables._rest_to_table_meta, tables._table_to_rest = table_meta, table_rest

    dropped = executor.sync_dropped_object

    def synced(sql: str, project: str, ctx: Any) -> None:
        dropped(sql, project, ctx)
        if sql.lstrip().upper().startswith("ALTER TABLE"):
            *_, dataset, table = sql.split()[2].replace("`", "").split(".")
            meta = ctx.catalog.get_table(project, dataset, table)
            schema = ddl_sync._introspect_schema(project, dataset, table, ctx)
            ctx.catalog.update_table(meta.model_copy(update={"schema_": schema}))

    executor.sync_dropped_object = synced


def _shim_tables_view() -> None:
    from bqemulator.jobs import executor

    body = executor._run_query_body

    def view(match: re.Match[str], ctx: Any) -> str:
        tables = ctx.catalog.list_tables(match["project"], match["dataset"])
        rows = [
            f"SELECT '{t.table_id}' AS table_id, {t.num_rows} AS row_count, "
            f"{int(t.last_modified_time.timestamp() * 1000)} AS last_modified_time"
            for t in tables
        ]
        none = "SELECT '' AS table_id, 0 AS row_count, 0 AS last_modified_time WHERE FALSE"
        return f"({' UNION ALL '.join(rows or [none])})"

    async def with_view(*, bq_sql: str, ctx: Any, **rest: Any) -> Any:
        pattern = r"`(?P<project>[\w-]+)\.(?P<dataset>\w+)\.__TABLES__`"
        return await body(bq_sql=re.sub(pattern, lambda match: view(match, ctx), bq_sql), ctx=ctx, **rest)

    executor._run_query_body = with_view


def _shim_sql() -> None:
    from bqemulator.sql.rewriter import create_table_schema_ctas as ctas
    from sqlglot import exp
    from sqlglot.dialects.duckdb import DuckDB

    written = DuckDB.Generator.TRANSFORMS  # its methods may be compiled
    first_select, type_of = ctas._first_select, written[exp.DataType]

    def unwrapped(body: Any) -> Any:
        while isinstance(body, exp.Subquery):
            body = body.this
        return first_select(body)

    def with_scale(self: Any, kind: Any) -> str:
        bare = kind.this is exp.DataType.Type.DECIMAL and not kind.expressions
        sql: str = "DECIMAL(38, 9)" if bare else type_of(self, kind)
        return sql

    ctas._first_select = unwrapped
    written[exp.DataType] = with_scale


def _shim_parser() -> None:
    import sqlglot

    parse = lru_cache(maxsize=64)(sqlglot.parse_one)
    readers = {  # they only look at what was parsed
        "bqemulator.catalog.ddl_sync",
        "bqemulator.jobs.ddl_result",
        "bqemulator.jobs.executor",
        "bqemulator.jobs.routine_ddl",
        "bqemulator.sql.catalog_schema",
    }

    def parsed(*arguments: Any, **named: Any) -> Any:
        tree = parse(*arguments, **named)
        return tree if sys._getframe(1).f_globals["__name__"] in readers else tree.copy()

    sqlglot.parse_one = parsed


async def _serve(told: TextIO) -> None:
    from bqemulator.config import Settings
    from bqemulator.server import EmulatorServer

    server = EmulatorServer(Settings(rest_port=0, grpc_port=0, log_level="error"))
    await server.start()
    print(server.rest_port, server.grpc_port, file=told, flush=True)
    await asyncio.Event().wait()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    port = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # its log writes to stdout
    _shims()
    _shim_tables_view()
    _shim_sql()
    _shim_parser()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(_serve(port))
