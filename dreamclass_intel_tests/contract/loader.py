"""Loads in processes of their own: one stopped before its swap, to be killed; one that writes again and again."""

import signal
from multiprocessing.connection import Connection
from typing import Any

from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse
from dreamclass_intel.warehouse.duckdb_load import Load
from dreamclass_intel_tests.contract.stores import Place
from dreamclass_intel_tests.core.helpers import load, table, things

ROWS = 50


def version(number: int) -> list[dict[str, Any]]:
    """One version of a partition's rows."""
    return things(*((f"{n}", number) for n in range(ROWS)))


def stop_before_swap(place: Place, day: str, pipe: Connection) -> None:
    """Load up to the swap, say so, and wait to be killed."""
    store = place.open()

    def stop(*_: Any) -> None:
        pipe.send("staged")
        signal.pause()

    BigQueryWarehouse._swap = stop  # type: ignore[method-assign]
    Load._insert = stop  # type: ignore[method-assign]
    store.write(table(), [day], load(table(), version(2), day), "killed")


def write_often(place: Place, day: str, times: int, pipe: Connection) -> None:
    """Write versions of one partition, one after the other, once told to begin."""
    store = place.open(retry_s=300)
    declared = table(name="things")
    pipe.send("ready")
    pipe.recv()
    for number in range(1, times + 1):
        rows = [{**row, "id": f"{day} {row['id']}"} for row in version(number)]
        store.write(declared, [day], load(declared, rows, day), f"{day} {number}")
    pipe.send("done")
