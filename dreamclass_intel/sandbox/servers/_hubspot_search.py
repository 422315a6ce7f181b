"""HubSpot's CRM search: filter groups, sorts and the wall at 10,000 results. Raises BadRequest."""

import datetime as dt
import math
from collections.abc import Callable, Iterable
from typing import Any

from dreamclass_intel.sandbox.servers._hubspot_objects import PROPERTY_TYPES, Record

MAX_RESULTS = 10_000
MAX_LIMIT = 200
MAX_GROUPS, MAX_FILTERS = 5, 6
COMPARE = {
    "EQ": lambda a, b: a == b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
}


class BadRequestError(Exception):
    """A 400; the text is the vendor's message."""


def _typed(kind: str, name: str, value: str) -> Any:
    type_ = PROPERTY_TYPES[kind].get(name, "string")
    try:
        if type_ == "datetime":
            if value.lstrip("-").isdigit():
                return int(value)
            return round(dt.datetime.fromisoformat(value).timestamp() * 1000)
        return float(value) if type_ == "number" else value.lower()
    except ValueError:
        raise BadRequestError(f"{value} is not a valid {type_} for property {name}") from None


def _value(kind: str, record: Record, name: str) -> Any:
    """The record's value as compared, or None for none."""
    if name not in record.typed:
        text = record.properties.get(name)
        record.typed[name] = _typed(kind, name, text) if text else None
    return record.typed[name]


def _condition(kind: str, given: dict[str, Any]) -> Callable[[Record], bool]:
    """A filter as a test of a record; like HubSpot's, NEQ and NOT_HAS_PROPERTY alone match an empty value."""
    name, operator = given["propertyName"], given["operator"]
    if operator == "HAS_PROPERTY":
        return lambda r: _value(kind, r, name) is not None
    if operator == "NOT_HAS_PROPERTY":
        return lambda r: _value(kind, r, name) is None
    if operator in ("IN", "NOT_IN"):
        listed = [_typed(kind, name, v) for v in given["values"]]
        wanted = operator == "IN"
        return lambda r: (v := _value(kind, r, name)) is not None and (v in listed) == wanted
    limit = _typed(kind, name, given["value"])
    if operator == "NEQ":
        return lambda r: _value(kind, r, name) != limit
    if operator == "BETWEEN":
        high = _typed(kind, name, given["highValue"])
        return lambda r: (v := _value(kind, r, name)) is not None and limit <= v <= high
    if operator == "CONTAINS_TOKEN":
        token = str(given["value"]).strip("*").lower()
        return lambda r: token in str(_value(kind, r, name) or "")
    if operator not in COMPARE:
        raise BadRequestError(f"Invalid operator {operator}")
    compare = COMPARE[operator]
    return lambda r: (v := _value(kind, r, name)) is not None and bool(compare(v, limit))


def search(kind: str, records: Iterable[Record], body: dict[str, Any]) -> tuple[int, list[Record], int | None]:
    """Total, the page, and the offset of the next page if there is one. Archived objects never appear."""
    limit, after = int(body.get("limit", 10)), int(body.get("after") or 0)
    if not 0 < limit <= MAX_LIMIT:
        raise BadRequestError(f"limit must be between 1 and {MAX_LIMIT}")
    if after + limit > MAX_RESULTS:
        raise BadRequestError(f"Paging past {MAX_RESULTS} results is not supported")
    groups = body.get("filterGroups") or []
    if len(groups) > MAX_GROUPS or any(len(g["filters"]) > MAX_FILTERS for g in groups):
        raise BadRequestError(f"at most {MAX_GROUPS} filter groups of {MAX_FILTERS} filters")
    tests = [[_condition(kind, f) for f in group["filters"]] for group in groups]
    found = [
        r for r in records if r.archived_at is None and (not tests or any(all(t(r) for t in group) for group in tests))
    ]
    for sort in reversed(body.get("sorts") or ["createdate"]):
        plain = isinstance(sort, str)
        name = sort.lstrip("-") if plain else sort["propertyName"]
        down = sort.startswith("-") if plain else sort.get("direction") == "DESCENDING"
        empty: Any = -math.inf if PROPERTY_TYPES[kind].get(name) in ("datetime", "number") else ""

        def key(record: Record, name: str = name, empty: Any = empty) -> Any:
            value = _value(kind, record, name)
            return empty if value is None else value

        found.sort(key=key, reverse=down)
    following = after + limit
    return len(found), found[after:following], following if following < len(found) else None
