"""A loader to be killed: writes one version of some partitions after another and tells when."""

from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa

from dreamclass_intel.contracts import Table
from dreamclass_intel.records import Extract, conform
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.core.helpers import DAYS, table

ROWS = 400  # a partition
THINGS: Table = table()


def load_versions(path: Path, first: int, pipe: Connection) -> None:
    """Write version after version, each to two or three partitions, until killed."""
    store = DuckDBWarehouse(path)
    version = first
    while True:
        days = DAYS[version % 4 : version % 4 + 2 + version % 2]
        data = pa.table(
            {
                "id": [f"{day} {n}" for day in days for n in range(ROWS)],
                "number": [version] * ROWS * len(days),
                "_partition": [day for day in days for _ in range(ROWS)],
            }
        )
        pipe.send(("begin", version))
        store.write(THINGS, days, Extract(iter(conform(THINGS, data).to_batches())), str(version))
        pipe.send(("done", version))
        version += 1
