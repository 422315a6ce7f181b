"""A read-only PostgREST over Python rows: the subset of its query language that supabase-py speaks.

Lives here: select with aliases and casts, filters with and/or/not, order, ranges, counts, error bodies. Knows
nothing of lead scoring. Written after PostgREST 12 to 14; the contract tests also run against a real one.
"""

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

MAX_ROWS = 1000  # db-max-rows, Supabase's default
Row = Mapping[str, Any]
Predicate = Callable[[Row], bool | None]  # None is SQL's unknown
RESERVED = {"select", "order", "limit", "offset", "and", "or", "not.and", "not.or", "columns", "on_conflict"}


class PostgrestError(Exception):
    """An error as PostgREST answers it."""

    def __init__(
        self, status: int, code: str, message: str, *, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "details": details, "hint": hint, "message": message}


@dataclass(frozen=True)
class Relation:
    """A table: column types as Postgres names them, and typed rows."""

    name: str
    types: Mapping[str, str]
    rows: Sequence[Row]

    def type_of(self, column: str) -> str:
        """Type of a column; 42703 if there is none."""
        if column not in self.types:
            raise PostgrestError(400, "42703", f"column {self.name}.{column} does not exist")
        return self.types[column]


@dataclass(frozen=True)
class Page:
    """What a query found: JSON rows, their offset, and the total if it was asked for."""

    rows: list[dict[str, Any]]
    offset: int
    total: int | None

    @property
    def content_range(self) -> str:
        """The Content-Range header."""
        span = f"{self.offset}-{self.offset + len(self.rows) - 1}" if self.rows else "*"
        return f"{span}/{'*' if self.total is None else self.total}"

    @property
    def status(self) -> int:
        """206 when a counted answer is partial."""
        return 206 if self.total is not None and len(self.rows) < self.total else 200


def query(
    relation: Relation, params: Sequence[tuple[str, str]], *, count: bool = False, span: str | None = None
) -> Page:
    """Answer a GET: `params` in order, `span` the Range header (`0-9`). Raises PostgrestError."""
    given = dict(params)
    columns = _select(relation, given.get("select") or "*")
    keep = [_filter(relation, name, value) for name, value in params if name not in RESERVED]
    for name, value in params:
        if name.removeprefix("not.") in ("and", "or"):
            keep.append(_logic(relation, *_negation(name), value))
    found = [row for row in relation.rows if all(test(row) is True for test in keep)]
    for name, descending, nulls_first in reversed(_order(relation, given.get("order", ""))):
        found.sort(key=lambda r, n=name: _sort_key(r[n]), reverse=descending)  # type: ignore[misc]
        found.sort(key=lambda r, n=name: (r[n] is None) != nulls_first)  # type: ignore[misc]
    offset, limit = _range(given, span)
    if count and offset and offset >= len(found):
        raise PostgrestError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details=f"An offset of {offset} was requested, but there are only {len(found)} rows.",
        )
    page = found[offset : offset + min(limit, MAX_ROWS)]
    out = [{alias: render(row) for alias, render in columns} for row in page]
    return Page(out, offset, len(found) if count else None)


# --- values --------------------------------------------------------------------------------------------
def literal(type_: str, text: str) -> Any:
    """A literal as Postgres reads it for a column of a type."""
    names = {"timestamptz": "timestamp with time zone", "int8": "bigint", "int4": "integer"}
    bad = PostgrestError(
        400,
        "22007" if type_ == "timestamptz" else "22P02",
        f'invalid input syntax for type {names.get(type_, type_)}: "{text}"',
    )
    try:
        if type_ == "uuid":
            return str(uuid.UUID(text))
        if type_ in ("int4", "int8"):
            return int(text)
        if type_ == "numeric":
            return Decimal(text)
        if type_ == "timestamptz":
            moment = dt.datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if type_ == "jsonb":
            return json.loads(text)
    except (ValueError, InvalidOperation):
        raise bad from None
    return text


def _json(value: Any) -> Any:
    """A value as to_json writes it."""
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f").encode())  # numeric keeps its trailing zeros
    if isinstance(value, dt.datetime):
        return _moment(value, "T")
    return value


def _text(value: Any) -> str | None:
    """A value as `::text` writes it."""
    if isinstance(value, dt.datetime):
        return _moment(value, " ").removesuffix(":00")
    if isinstance(value, dict | list):
        return json.dumps(value)
    return None if value is None else format(value, "f") if isinstance(value, Decimal) else str(value)


def _moment(value: dt.datetime, separator: str) -> str:
    value = value.astimezone(dt.UTC)
    micros = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{value:%Y-%m-%d}{separator}{value:%H:%M:%S}{micros}+00:00"


CASTS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "float8": lambda v: None if v is None else float(v),
    "int8": lambda v: None if v is None else int(v),
}


# --- select and order ----------------------------------------------------------------------------------
_ITEM = re.compile(r"^(?:(?P<alias>\w+):(?!:))?(?P<name>\w+|\*)(?:::(?P<cast>\w+))?$")


def _select(relation: Relation, text: str) -> list[tuple[str, Callable[[Row], Any]]]:
    out: dict[str, Callable[[Row], Any]] = {}
    for part in text.split(","):
        match = _ITEM.match(part)
        if not match:
            raise _unparsable("select parameter", text)
        if match["name"] == "*":
            out.update((name, _reader(name, _json)) for name in relation.types)
            continue
        relation.type_of(match["name"])
        cast = CASTS.get(match["cast"] or "", _json if not match["cast"] else None)
        if cast is None:
            raise PostgrestError(400, "42704", f'type "{match["cast"]}" does not exist')
        out[match["alias"] or match["name"]] = _reader(match["name"], cast)
    return list(out.items())


def _reader(name: str, render: Callable[[Any], Any]) -> Callable[[Row], Any]:
    return lambda row: render(row[name])


def _order(relation: Relation, text: str) -> list[tuple[str, bool, bool]]:
    out = []
    for part in filter(None, text.split(",")):
        name, *flags = part.split(".")
        if set(flags) - {"asc", "desc", "nullsfirst", "nullslast"}:
            raise _unparsable("order", text)
        relation.type_of(name)
        descending = "desc" in flags
        out.append((name, descending, "nullsfirst" in flags or (descending and "nullslast" not in flags)))
    return out


def _sort_key(value: Any) -> Any:
    return (
        value is not None,
        json.dumps(value) if isinstance(value, dict) else value if value is not None else 0,
    )


def _range(params: Mapping[str, str], span: str | None) -> tuple[int, int]:
    try:
        offset, limit = int(params.get("offset", 0)), int(params.get("limit", MAX_ROWS))
    except ValueError:
        offset, limit = 0, MAX_ROWS  # as PostgREST: an unreadable limit is no limit
    if span and re.fullmatch(r"\d+-\d*", span) and "limit" not in params and "offset" not in params:
        first, _, last = span.partition("-")
        offset, limit = int(first), int(last) - int(first) + 1 if last else MAX_ROWS
    if limit < 0:
        raise PostgrestError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details="Limit should be greater than or equal to zero.",
        )
    return max(offset, 0), limit


# --- filters -------------------------------------------------------------------------------------------
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
_IS = {"null": None, "true": True, "false": False}


def _negation(name: str) -> tuple[str, bool]:
    return name.removeprefix("not."), name.startswith("not.")


def _filter(relation: Relation, name: str, value: str, *, quoted: bool = False) -> Predicate:
    """`name=value` of a query, or (`quoted`) an item within and/or, where double quotes delimit a value."""
    text, negated = _negation(value)
    operator, dot, operand = text.partition(".")
    if not dot or operator not in {*_COMPARE, "in", "is"}:
        raise _unparsable("filter", value)
    type_ = relation.type_of(name)
    if operator == "is":
        if operand not in _IS:
            raise _unparsable("filter", value)
        wanted = _IS[operand]
        return lambda row: (row[name] is wanted) != negated
    if operator == "in":
        if not (operand.startswith("(") and operand.endswith(")")):
            raise _unparsable("filter", value)
        values = {literal(type_, _unquote(item)) for item in _split(operand[1:-1], value) if item}
        return lambda row: None if row[name] is None else (row[name] in values) != negated
    right = literal(type_, _unquote(operand) if quoted else operand)
    compare = _COMPARE[operator]
    return lambda row: None if row[name] is None else compare(row[name], right) != negated


def _logic(relation: Relation, kind: str, negated: bool, text: str) -> Predicate:
    """`and`/`or` over a parenthesised list, nested to any depth."""
    if not (text.startswith("(") and text.endswith(")") and len(text) > 2):
        raise _unparsable("logic tree", text)
    tests = []
    for item in _split(text[1:-1], text):
        nested = re.match(r"^((?:not\.)?(?:and|or))(\(.*\))$", item, re.S)
        if nested:
            tests.append(_logic(relation, *_negation(nested[1]), nested[2]))
            continue
        name, dot, rest = item.partition(".")
        if not dot:
            raise _unparsable("logic tree", text)
        tests.append(_filter(relation, name, rest, quoted=True))

    def decide(row: Row) -> bool | None:
        results = [test(row) for test in tests]
        short = kind == "or"
        value = short if short in results else None if None in results else not short
        return None if value is None else value != negated

    return decide


def _split(text: str, whole: str) -> list[str]:
    """Split at commas outside quotes and parentheses."""
    out, depth, quoted, escaped, start = [], 0, False, False, 0
    for n, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "," and not depth:
            out.append(text[start:n])
            start = n + 1
    if depth or quoted:
        raise _unparsable("logic tree", whole)
    return [*out, text[start:]]


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _unparsable(part: str, text: str) -> PostgrestError:
    return PostgrestError(
        400, "PGRST100", f'"failed to parse {part} ({text})" (line 1, column 1)', details="unexpected input"
    )
