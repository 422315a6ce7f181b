"""What an asset hands to the warehouse: rows as a stream, or where the warehouse finds them. No conversion, no SQL."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dreamclass_intel.contracts import Rejected

PROBLEM = "_problem"  # column of a selection: why a row cannot be stored


class Data:
    """What an asset hands to the warehouse: rows (`Extract`), or where the warehouse has them (`Selection`).

    `rejected` fills while it is written; `metadata` is shown on the materialisation.
    """

    rejected: list[Rejected]
    metadata: dict[str, Any]


@dataclass
class Extract(Data):
    """Rows: a stream of Arrow batches, each row with its `_load_partition`.

    `rejected` fills while the stream is consumed; `metadata` is shown on the materialisation and may also be
    filled while streaming.
    """

    batches: Iterator[pa.RecordBatch]
    rejected: list[Rejected] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A query for some of a selection's rows: data columns, `_load_partition`, and `_problem` (null where a row is
    fine). `reads` says in words what it reads; `rows` how many it gives, where that is known beforehand; `files` those
    that it reads.
    """

    query: str
    reads: str
    rows: int | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbering:
    """The column of the key that numbers rows alike in all the rest of it, from 0, in this order (nulls first)."""

    column: str
    order: Sequence[str]


@dataclass
class Selection(Data):
    """Rows that the warehouse selects itself. Entering `parts` brings what they read within its reach.

    `origin` is the column that says where a refused row comes from; `numbering` is for queries that give every row a
    0 there; `told` hears what the queries will cost before they run, where that is known.
    """

    parts: AbstractContextManager[Sequence[Part]]
    origin: str
    numbering: Numbering | None = None
    told: Callable[[str], None] = lambda _line: None
    rejected: list[Rejected] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
