"""Two warehouses side by side: is every table that the graph makes the same in both, row by row?"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from dreamclass_intel import catalog
from dreamclass_intel.warehouse.protocol import Warehouse

TOLERANCE = 1e-9  # of floats: the engines add up in different orders
OF_THE_LOAD = (
    "_loaded_at",
    "_run_id",
    "loaded_at",
    "built_by",
    "_load_day",
)  # moments and runs differ, and BigQuery's own column
BUILT = ("intermediate", "marts")


class Line(NamedTuple):
    """One table's verdict; `difference` is empty for equal ones."""

    name: str
    rows: int
    difference: str

    def __str__(self) -> str:
        return f"{self.name:<45} {self.rows:>9,}  {self.difference or 'equal'}"


def compare(one: Warehouse, other: Warehouse, manifest: dict[str, Any]) -> Iterator[Line]:
    """Every declared table by its content hash, and all but the raw ones and every model of BUILT row by row."""
    for table in catalog.tables().values():
        counts = [_count(store, table.address) for store in (one, other)]
        hashes = [store.content_hash(table) for store in (one, other)]
        difference = f"{counts[0]} rows and {counts[1]}" if counts[0] != counts[1] else ""
        if not difference and hashes[0] != hashes[1]:
            difference = "content hashes differ"
        if not difference and table.schema != "raw":
            difference = _difference(one, other, table.address)
        yield Line(table.address, counts[0], difference)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["config"]["schema"] in BUILT:
            address = f"{node['config']['schema']}.{node['name']}"
            yield Line(address, _count(one, address), _difference(one, other, address))


def _count(store: Warehouse, address: str) -> int:
    count: int = store.read(f"SELECT COUNT(*) AS n FROM {store.name(address)}").column("n")[0].as_py()
    return count


def _difference(one: Warehouse, other: Warehouse, address: str) -> str:
    return tables_differ(*(store.read(f"SELECT * FROM {store.name(address)}") for store in (one, other)))


def tables_differ(one: pa.Table, other: pa.Table) -> str:
    """The first difference in words, empty for none. Blind to the order of rows and to what is of the load."""
    columns = [name for name in one.column_names if name not in OF_THE_LOAD]
    others = [name for name in other.column_names if name not in OF_THE_LOAD]
    if sorted(columns) != sorted(others):
        return f"columns {sorted(set(columns) ^ set(others))} are in one only"
    if one.num_rows != other.num_rows:
        return f"{one.num_rows} rows and {other.num_rows}"
    # Floats last, so that equal keys meet whatever the last digit of a float is.
    exact = [name for name in columns if not pa.types.is_floating(one.schema.field(name).type)]
    order = exact + [name for name in columns if name not in exact]
    for left, right in zip(_sorted(one, order), _sorted(other, order), strict=True):
        for name, a, b in zip(order, left, right, strict=True):
            if not _same(a, b):
                return f"{name}: {a!r} and {b!r} in {dict(zip(order, left, strict=True))}"
    return ""


def _sorted(table: pa.Table, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    return sorted((tuple(map(_plain, row)) for row in rows), key=lambda row: [(v is not None, str(v)) for v in row])


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):  # 1 and 1.000000000 are one number
        return value.normalize() if value % 1 else int(value)
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)
