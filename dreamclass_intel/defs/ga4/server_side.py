"""Shards flattened where they lie: BigQuery selects them into the warehouse, no event passes through Python."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamclass_intel.contracts import ContractError
from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.flatten_sql import SCALARS, BigQuery, flattened
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.records import Part

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "export_schema.json").read_text())
TYPES = {"STRING": "STRING", "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
SHARDS_A_QUERY = 32  # a query's text is limited to 1 MB


@contextmanager
def parts(source: BigQueryShards, shards: Sequence[Shard], tell_of: Callable[[set[str]], None]) -> Iterator[list[Part]]:
    """Queries for `raw.ga4_events`' columns over the shards; `tell_of` hears the columns nobody announced.

    Raises SourceError when a shard cannot be seen, ContractError when its known columns have other types.
    """
    made, unknown = [], set[str]()
    for first in range(0, len(shards), SHARDS_A_QUERY):
        group, branches = shards[first : first + SHARDS_A_QUERY], []
        for shard, fields in source.schemas(group):
            new = sorted(set(fields) - set(SCHEMA))
            branches.append(_branch(source.table(shard), shard, fields, new))
            unknown |= set(new)
        query = flattened(f"({' UNION ALL '.join(branches)})", BigQuery())
        made.append(Part(query, f"{group[0].table}..{group[-1].table}"))
    tell_of(unknown)
    yield made


def _branch(table: str, shard: Shard, fields: Mapping[str, Any], unknown: Sequence[str]) -> str:
    """One shard's rows, in the columns that all shards share: older ones lack some, newer ones have more."""
    scalars = ", ".join(f"{_scalar(shard, fields, path)} AS {name}" for name, path in SCALARS.items())
    modified = f"TIMESTAMP '{shard.last_modified:%Y-%m-%d %H:%M:%S.%f}+00:00'" if shard.last_modified else "NULL"
    return (
        f"SELECT {scalars}, event_params, {_extra(unknown)} AS extra, '{shard.suffix}' AS shard, "
        f"CAST({modified} AS TIMESTAMP) AS table_last_modified FROM `{table}`"
    )


def _scalar(shard: Shard, fields: Mapping[str, Any], path: str) -> str:
    announced = _at(SCHEMA, path)
    found = _at(fields, path)
    if found not in (None, announced):
        raise ContractError(f"{EVENTS.address}: {shard.table}.{path} is {found}, not {announced}")
    return path if found else f"CAST(NULL AS {TYPES[announced]})"


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
