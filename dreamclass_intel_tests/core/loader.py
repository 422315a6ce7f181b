"""A loader to be killed: writes one version of some partitions after another and tells when."""

from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dreamclass_intel.contracts import Table
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import conform
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.core.helpers import DAYS, table

ROWS = 400  # a partition
THINGS: Table = table()


def rows(days: list[str], version: int) -> pd.DataFrame:
    """One version of the partitions."""
    keys = [(f"{day} {n}", day) for day in days for n in range(ROWS)]
    return pd.DataFrame({"id": [k for k, _ in keys], "number": version, "_load_partition": [day for _, day in keys]})


def load_versions(path: Path, first: int, pipe: Connection) -> None:
    """Write version after version, each to two or three partitions, until killed."""
    store = DuckDBWarehouse(path)
    version = first
    while True:
        days = DAYS[version % 4 : version % 4 + 2 + version % 2]
        data = conform(THINGS, pa.Table.from_pandas(rows(days, version), preserve_index=False))
        pipe.send(("begin", version))
        store.write(THINGS, days, Extract(iter(data.to_batches())), str(version))
        pipe.send(("done", version))
        version += 1
