"""What BigQuery would not take, found without BigQuery: the emulator runs DuckDB's functions and types as well.

A statement must be readable as BigQuery's SQL (sqlglot's dialect) and may call and cast to nothing but what stands
here, which Google's reference of GoogleSQL knows.
"""

import itertools
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """abs array_to_string cast ceil coalesce concat count countif current_timestamp date date_add date_diff date_sub
    date_trunc datetime_add datetime_diff extract floor format greatest if ifnull json_query json_query_array
    json_value lag last_day least length logical_or lower max md5 min mod nullif parse_date power regexp_contains
    regexp_extract regexp_replace round row_number rtrim safe_cast starts_with string_agg strpos sum timestamp
    timestamp_add timestamp_diff timestamp_micros timestamp_trunc to_hex to_json_string trim trunc unix_micros unnest
    upper"""
)
TYPES = _words("array bool boolean date datetime float64 int64 numeric string timestamp")
# Columns and aliases of these names need backticks.
# https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#reserved_keywords
RESERVED = _words(
    """all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube current
    default define desc distinct else end enum escape except exclude exists extract false fetch following for from full
    group grouping groups hash having if ignore in inner intersect interval into is join lateral left like limit lookup
    merge natural new no not null nulls of on or order outer over partition preceding proto qualify range recursive
    respect right rollup rows select set some struct tablesample then to treat true unbounded union unnest using when
    where window with within"""
)


def problems(sql: str) -> list[str]:
    """What is wrong with the statements of a text, in words."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
        tokens = BigQuery().tokenize(sql)
    except SqlglotError as error:
        return [str(error).splitlines()[0]]
    found = [f"not understood: {tree.sql()[:80]}" for tree in trees if isinstance(tree, exp.Command)]
    found += [f"{name} is a reserved word" for name in _names(trees) if name in RESERVED]
    found += [f"{name}() is unknown" for name in _calls(tokens) if name not in FUNCTIONS]
    found += [f"{name} is no type" for name in _casts(tokens) if name not in TYPES]
    if any(token.token_type is TokenType.DCOLON for token in tokens):
        found.append(":: is no operator")
    if any(
        token.token_type is TokenType.STRING and "\n" in token.text and not _tripled(sql, token) for token in tokens
    ):
        found.append("a string goes over lines")
    return found


def _tripled(sql: str, token: Token) -> bool:
    return sql[token.start : token.start + 3] in ("'''", '"""')


def _names(trees: list[exp.Expression]) -> Iterator[str]:
    for tree in trees:
        for identifier in tree.find_all(exp.Identifier):
            if not identifier.quoted:
                yield identifier.name.lower()


def _calls(tokens: list[Token]) -> Iterator[str]:
    """Bare words before an opening parenthesis that are no keyword of the grammar."""
    grammar = RESERVED - FUNCTIONS | {"insert", "options", "over", "partition", "replace", "values", "cluster"}
    for token, following in itertools.pairwise(tokens):
        bare = token.token_type is not TokenType.IDENTIFIER and token.text.isidentifier()
        if following.token_type is TokenType.L_PAREN and bare and token.text.lower() not in grammar:
            yield token.text.lower()


def _casts(tokens: list[Token]) -> Iterator[str]:
    """The types that `cast(… as type)` names."""
    inside = list[bool]()  # of each open parenthesis: whether a cast opened it
    for before, token, following in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.token_type is TokenType.L_PAREN:
            inside.append(before.text.lower() in ("cast", "safe_cast"))
        elif token.token_type is TokenType.R_PAREN:
            inside.pop()
        elif token.text.lower() == "as" and inside and inside[-1]:
            yield following.text.lower()
