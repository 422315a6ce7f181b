"""Shards flattened where they lie: BigQuery selects them into the warehouse, no event passes through Python."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dreamclass_intel.contracts import ContractError
from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.dialects import BigQuery
from dreamclass_intel.defs.ga4.flatten_sql import SCALARS, SCHEMA, flattened
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.loads import Part

TYPES = {"STRING": "STRING", "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
SHARDS_A_QUERY = 32  # a query's text is limited to 1 MB


@contextmanager
def parts(source: BigQueryShards, shards: Sequence[Shard], tell_of: Callable[[set[str]], None]) -> Iterator[list[Part]]:
    """Queries for `raw.ga4_events`' columns over the shards; `tell_of` hears the columns nobody announced.

    Raises SourceError when a shard cannot be seen, ContractError when its known columns have other types.
    """
    made, unknown = [], set[str]()
    for first in range(0, len(shards), SHARDS_A_QUERY):
        group = shards[first : first + SHARDS_A_QUERY]
        schemas = list(source.schemas(group))
        alike = all(fields.get("event_params") == SCHEMA["event_params"] for _, fields in schemas)
        branches = []
        for shard, fields in schemas:
            new = sorted(set(fields) - set(SCHEMA))
            params = "event_params" if alike else _params(shard, fields)
            branches.append(_branch(source.table(shard), shard, fields, new, params))
            unknown |= set(new)
        query = flattened(f"({' UNION ALL '.join(branches)})", BigQuery())
        made.append(Part(query, f"{group[0].table}..{group[-1].table}"))
    tell_of(unknown)
    yield made


def _branch(
    table: str, shard: Shard, fields: Mapping[str, Any], unknown: Sequence[str], params: str = "event_params"
) -> str:
    """One shard's rows, in the columns that all shards share: older ones lack some, newer ones have more."""
    scalars = ", ".join(f"{_scalar(shard, fields, path)} AS {name}" for name, path in SCALARS.items())
    modified = f"TIMESTAMP '{shard.last_modified:%Y-%m-%d %H:%M:%S.%f}+00:00'" if shard.last_modified else "NULL"
    return (
        f"SELECT {scalars}, {params} AS event_params, {_extra(unknown)} AS extra, '{shard.suffix}' AS shard, "
        f"CAST({modified} AS TIMESTAMP) AS table_last_modified FROM `{table}`"
    )


def _params(shard: Shard, fields: Mapping[str, Any]) -> str:
    """The parameters in the form that all shards share: one may have a kind of value that others lack."""
    found, announced = fields.get("event_params"), SCHEMA["event_params"][0]
    if not isinstance(found, list) or not isinstance(found[0], Mapping):
        raise ContractError(f"{EVENTS.address}: {shard.table}.event_params is {found}, not a list of records")
    values = ", ".join(
        f"{_scalar(shard, found[0], f'value.{name}', announced, 'ep.')} AS {name}" for name in announced["value"]
    )
    return f"ARRAY(SELECT AS STRUCT ep.key AS key, STRUCT({values}) AS value FROM UNNEST(event_params) AS ep)"


def _scalar(
    shard: Shard, fields: Mapping[str, Any], path: str, schema: Mapping[str, Any] = SCHEMA, owner: str = ""
) -> str:
    announced = _at(schema, path)
    found = _at(fields, path)
    if found not in (None, announced):
        raise ContractError(f"{EVENTS.address}: {shard.table}.{path} is {found}, not {announced}")
    return f"{owner}{path}" if found else f"CAST(NULL AS {TYPES[announced]})"


def _at(fields: Mapping[str, Any], path: str) -> Any:
    found: Any = fields
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _extra(unknown: Sequence[str]) -> str:
    """The unannounced columns that hold something, as one JSON object; null for none."""
    if not unknown:
        return "CAST(NULL AS STRING)"
    members = ", ".join(
        f"IF(`{name}` IS NULL, NULL, CONCAT('\"{name}\":', TO_JSON_STRING(`{name}`)))" for name in unknown
    )
    return f"NULLIF(CONCAT('{{', ARRAY_TO_STRING([{members}], ','), '}}'), '{{}}')"
