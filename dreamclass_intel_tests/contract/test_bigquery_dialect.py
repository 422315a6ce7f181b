"""SQL that we send to BigQuery is read by sqlglot's BigQuery dialect, and no name in it is a reserved word.

Emulators run on DuckDB's engine and take names that BigQuery refuses; this is no proof that BigQuery runs it.
"""

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp

from dreamclass_intel import catalog
from dreamclass_intel.defs.ga4 import server_side
from dreamclass_intel.defs.ga4.flatten_sql import BigQuery, flattened
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.warehouse import bigquery_sql as sql

# https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#reserved_keywords
RESERVED_WORDS = """
all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube current
default define desc distinct else end enum escape except exclude exists extract false fetch following for from
full group grouping groups hash having if ignore in inner intersect interval into is join lateral left like
limit lookup merge natural new no not null nulls of on or order outer over partition preceding proto qualify
range recursive respect right rollup rows select set some struct tablesample then to treat true unbounded union
unnest using when where window with within
"""


def problems(text: str) -> list[str]:
    """Why BigQuery would not read the text, as far as sqlglot and the list of reserved words can say."""
    try:
        statements = sqlglot.parse(text, dialect="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.ParseError as error:
        return [str(error)]
    reserved = set(RESERVED_WORDS.split())
    commands = [s.sql() for s in statements if isinstance(s, exp.Command)]  # what sqlglot only passes through
    named = [
        name.this
        for statement in statements
        if statement
        for name in statement.find_all(exp.Identifier)
        if not name.args.get("quoted") and name.this.lower() in reserved
    ]
    return [f"not parsed: {c}" for c in commands] + [f"reserved word as a name: {n}" for n in named]


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT * FROM UNNEST([1]) AS r WITH OFFSET AS at ORDER BY at", "reserved word"),
        ("SELECT a FROM t GROUP a", "Invalid expression"),
        ("SELECT (a FROM t", "Expecting"),
    ],
)
def test_what_is_not_bigquerys_sql_is_found(text: str, why: str) -> None:
    assert why in str(problems(text))
