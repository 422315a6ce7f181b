"""What a warehouse can do for the suite. Backends implement exactly this."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from dreamclass_intel.contracts import Table
from dreamclass_intel.loads import Data


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

    def write(self, table: Table, partitions: Sequence[str] | None, data: Data, run_id: str) -> WriteResult:
        """Write `data` by `table.write`; None replaces an unpartitioned table whole."""
        ...

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a query with bound `?` parameters; timestamps come as naive UTC.

        Both engines read it: tables by `name`, lists by `within`, no double quotes.
        """
        ...

    def name(self, address: str) -> str:
        """`schema.table` as this warehouse's SQL calls it."""
        ...

    def within(self, column: str) -> str:
        """The condition that a column is in a list bound as one `?`."""
        ...

    def is_permanent(self, error: Exception) -> bool:
        """Whether an error of the warehouse would come again if the same were tried again."""
        ...

    def exists(self, address: str) -> bool:
        """Whether `schema.table` is there, declared or built by dbt, whatever its columns."""
        ...

    def ensure(self, tables: Sequence[Table]) -> None:
        """Create what is missing, empty and typed; add new columns; refuse any other schema change."""
        ...

    def audit(self, table: Table) -> Audit:
        """Check the stored rows against the contract: types, nulls, keys, and that no row was altered."""
        ...

    def scan(self, table: Table, partitions: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The stored rows as a stream of `Table.copied_schema`, in no order; those of some partitions, None for all."""
        ...

    def restore(self, table: Table, partitions: Sequence[str] | None, rows: Iterable[pa.RecordBatch]) -> WriteResult:
        """Take over `rows` as another warehouse scanned them: they take the place of the partitions' rows (None: of
        all), whatever `table.write`, and keep their load times and runs. Their hashes are formed anew."""
        ...

    def content_hash(self, table: Table) -> str:
        """Hash of the stored content, blind to row order, load time and run."""
        ...


def digest(parts: Iterable[str]) -> str:
    """SHA-256 of texts in their order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode())
    return total.hexdigest()
