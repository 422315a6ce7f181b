"""HubSpot's CRM search: filter groups, sorts and the wall at 10,000 results. Raises BadRequest."""

import datetime as dt
import math
from collections.abc import Iterable
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


def _matches(kind: str, record: Record, condition: dict[str, Any]) -> bool:
    name, operator = condition["propertyName"], condition["operator"]
    text = record.properties.get(name)
    if operator == "HAS_PROPERTY":
        return bool(text)
    if operator == "NOT_HAS_PROPERTY":
        return not text
    if operator == "NEQ":
        return not text or _typed(kind, name, text) != _typed(kind, name, condition["value"])
    if not text:
        return False
    value = _typed(kind, name, text)
    if operator in COMPARE:
        return bool(COMPARE[operator](value, _typed(kind, name, condition["value"])))
    if operator == "BETWEEN":
        low, high = condition["value"], condition["highValue"]
        return bool(_typed(kind, name, low) <= value <= _typed(kind, name, high))
    if operator in ("IN", "NOT_IN"):
        return (value in [_typed(kind, name, v) for v in condition["values"]]) == (operator == "IN")
    if operator == "CONTAINS_TOKEN":
        return condition["value"].strip("*").lower() in text.lower()
    raise BadRequestError(f"Invalid operator {operator}")


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
    found = [
        r
        for r in records
        if r.archived_at is None
        and (not groups or any(all(_matches(kind, r, f) for f in g["filters"]) for g in groups))
    ]
    for sort in reversed(body.get("sorts") or ["createdate"]):
        plain = isinstance(sort, str)
        name = sort.lstrip("-") if plain else sort["propertyName"]
        down = sort.startswith("-") if plain else sort.get("direction") == "DESCENDING"
        empty: Any = -math.inf if PROPERTY_TYPES[kind].get(name) in ("datetime", "number") else ""

        def key(record: Record, name: str = name, empty: Any = empty) -> Any:
            text = record.properties.get(name)
            return _typed(kind, name, text) if text else empty

        found.sort(key=key, reverse=down)
    following = after + limit
    return len(found), found[after:following], following if following < len(found) else None
