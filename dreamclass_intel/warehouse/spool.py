"""A load on its way: checked, on disk, and the questions both warehouses ask of it. Knows no warehouse."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from dreamclass_intel.contracts import PARTITION, QUARANTINE, ContractError, Rejected, Table, Write
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import to_batch

Dress = Callable[[pa.RecordBatch, int], pa.RecordBatch]  # batch, number of its first row -> batch as filed


class Spool:
    """A stream of batches on disk as Parquet, so that slow vendors never hold the warehouse open.

    Checks on the way that every row belongs to a requested partition. A context manager: the file goes with it.
    """

    def __init__(
        self,
        table: Table,
        data: Extract,
        partitions: Sequence[str] | None,
        folder: Path,
        dress: Dress | None = None,
        schema: pa.Schema | None = None,  # the batches'; as assets hand them over by default
    ) -> None:
        self.table, self.data, self.rows = table, data, 0
        self.schema = schema or table.arrow_schema
        self.found: set[str] = set()  # partitions the rows name
        self._dress = dress or (lambda batch, _: batch)
        self._allowed = None if partitions is None else set(partitions)
        self._held = ExitStack()
        self.path = self._held.enter_context(scratch(folder, table.name)) / "rows.parquet"

    def __enter__(self) -> Self:
        schema = self._dress(pa.RecordBatch.from_pylist([], schema=self.schema), 0).schema
        try:
            with pq.ParquetWriter(self.path, schema, compression="lz4") as writer:
                for batch in self.data.batches:
                    self._check(batch)
                    writer.write_batch(self._dress(batch, self.rows))
                    self.rows += batch.num_rows
            pa.default_memory_pool().release_unused()  # the warehouse wants it next
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def rejected(self) -> list[Rejected]:
        """Refused records, complete once entered."""
        return self.data.rejected

    def _check(self, batch: pa.RecordBatch) -> None:
        if batch.schema != self.schema:
            raise ContractError(f"{self.table.address}: batch schema {batch.schema} is not the contract's")
        found = set(batch.column(PARTITION.name).unique().to_pylist())
        self.found |= found
        check_partitions(self.table, found, self._allowed)


def replaces(
    table: Table, partitions: Sequence[str] | None, found: Collection[str], rejected: Sequence[Rejected]
) -> list[str] | None:
    """The partitions whose stored rows and refusals give way, of those asked for; None for the whole table.
    `found`: those the rows name."""
    if partitions is None or table.write is not Write.SNAPSHOT:
        return None if partitions is None else list(partitions)
    # Taken in a ranged run it belongs to the day its rows name; other days keep theirs.
    return sorted({*found, *(r.partition for r in rejected)}) or [max(partitions)]


def check_partitions(table: Table, found: Collection[str], allowed: Collection[str] | None) -> None:
    """Raise ContractError for rows of partitions that were not asked for."""
    if allowed is not None and (foreign := set(found) - set(allowed)):
        raise ContractError(
            f"{table.address}: rows of partitions {sorted(foreign, key=str)[:5]} in a load of "
            f"{min(allowed)}..{max(allowed)}"
        )


def fitted(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """A scanned batch in the form of `Table.copied_schema`. Raises ContractError for nulls where none may be."""
    arrays = []
    for item in table.copied_schema:
        column = batch.column(item.name).cast(item.type)
        if column.null_count and not item.nullable:
            raise ContractError(f"{table.address}.{item.name} is null in stored rows")
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=table.copied_schema)


def quarantine_batch(rejected: Sequence[Rejected]) -> pa.RecordBatch:
    """The refused records as rows of `raw.quarantine`; one refused twice is kept once."""
    rows = {}
    for item in rejected:
        digest = hashlib.md5(  # a name for the row, not a secret
            f"{item.table}|{item.partition}|{item.reason}|{item.record}".encode(), usedforsecurity=False
        ).hexdigest()
        values = (item.table, item.reason, item.field, item.origin, item.record, digest, item.partition)
        rows[item.table, digest] = list(values)
    return to_batch(QUARANTINE, list(rows.values()))


def conflict(table: Table, keys: Sequence[Sequence[object]]) -> ContractError:
    """Two different rows under one key, named."""
    shown = "; ".join(", ".join(f"{k}={v}" for k, v in zip(table.row_key, row, strict=False)) for row in keys)
    return ContractError(f"{table.address}: different rows share the key ({shown})")


@contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """A new folder in `folder`, gone afterwards; what a killed process left is removed by the next one."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{os.getpid()}-{name}-") as made:
        yield Path(made)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left."""
    for left in folder.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, so it lives
    return True
