"""What a warehouse can do for the suite. Backends implement exactly this."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dreamclass_intel.contracts import ContractError, Rejected, Table
from dreamclass_intel.records import Extract


@dataclass(frozen=True)
class WriteResult:
    """What one write did."""

    rows: int
    duplicates: int = 0  # identical rows read twice, stored once
    rejected: int = 0
    statistics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """What is wrong with a stored table, found by asking the table itself."""

    rows: int
    problems: tuple[str, ...]  # in words, naming the column and a first offending key
    quarantined: int


class Warehouse(Protocol):
    """Storage of declared tables. Every write is atomic: readers see the old rows or the new ones."""

    def write(self, table: Table, partitions: Sequence[str] | None, data: Extract, run_id: str) -> WriteResult:
        """Write `data` by `table.write`; None replaces an unpartitioned table whole."""
        ...

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a query with bound `?` parameters."""
        ...

    def ensure(self, tables: Sequence[Table]) -> None:
        """Create what is missing, empty and typed; add new columns; refuse any other schema change."""
        ...

    def audit(self, table: Table) -> Audit:
        """Check the stored rows against the contract: types, nulls, keys, and that no row was altered."""
        ...

    def content_hash(self, table: Table) -> str:
        """Hash of the stored content, blind to row order, load time and run."""
        ...


class Spool:
    """A stream of batches on disk as Parquet, so that slow vendors never hold the warehouse open.

    Checks on the way that every row belongs to a requested partition. A context manager: the file goes with it.
    """

    def __init__(self, table: Table, data: Extract, partitions: Sequence[str] | None, folder: Path) -> None:
        self.table, self.data, self.rows = table, data, 0
        self._allowed = None if partitions is None else set(partitions)
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        self._dir = tempfile.TemporaryDirectory(dir=folder, prefix=f"{os.getpid()}-{table.name}-")
        self.path = Path(self._dir.name) / "rows.parquet"

    def __enter__(self) -> Self:
        try:
            with pq.ParquetWriter(self.path, self.table.arrow_schema, compression="zstd") as writer:
                for batch in self.data.batches:
                    self._check(batch)
                    writer.write_batch(batch)
                    self.rows += batch.num_rows
        except BaseException:
            self._dir.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dir.cleanup()

    @property
    def rejected(self) -> list[Rejected]:
        """Refused records, complete once entered."""
        return self.data.rejected

    def _check(self, batch: pa.RecordBatch) -> None:
        if batch.schema != self.table.arrow_schema:
            raise ContractError(f"{self.table.address}: batch schema {batch.schema} is not the contract's")
        if self._allowed is None:
            return
        found = set(batch.column("_load_partition").unique().to_pylist())
        if found - self._allowed:
            raise ContractError(
                f"{self.table.address}: rows of partitions {sorted(found - self._allowed, key=str)[:5]} in a load of "
                f"{min(self._allowed)}..{max(self._allowed)}"
            )


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
