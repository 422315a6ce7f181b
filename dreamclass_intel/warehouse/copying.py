"""A declared table from one warehouse into the other, with its history, and the proof that it arrived.

Knows both warehouses by their protocol alone. What differs is found by partition, so that a copy that was cut short
goes on where it stopped; what is copied keeps its partition, load time and run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dreamclass_intel.contracts import PARTITION, ROW_HASH, Table
from dreamclass_intel.warehouse.protocol import Warehouse, digest

LISTED_ROWS = 50_000_000  # of larger tables BigQuery gives no list of hashes: their partitions' marks are compared
CHUNK_ROWS = 500_000  # one load's: on disk, and of a streamed result; BigQuery allows 1,500 loads a table and day


class CopyError(RuntimeError):
    """A table did not arrive as it was; the message names it and says why."""


@dataclass(frozen=True)
class Mark:
    """What a partition's rows come to, whatever their order."""

    rows: int
    low: int
    high: int


@dataclass(frozen=True)
class Copied:
    """What was done with a table. `rows`: copied now; `held`: there now; `content`: the hash that both sides share."""

    rows: int
    held: int
    content: str


def copy(table: Table, source: Warehouse, target: Warehouse, say: Callable[[str], None]) -> Copied | None:
    """Make the target's table equal to the source's; None where the source has none. Raises CopyError."""
    if not source.exists(table.address):
        return None
    source.ensure([table])  # columns declared since
    target.ensure([table])
    theirs, ours = marks(source, table), marks(target, table)
    held = sum(mark.rows for mark in theirs.values())
    content = _content(source, table, theirs)
    if ours == theirs and _content(target, table, ours) == content:
        return Copied(0, held, content)
    missing = [key for key, mark in sorted(theirs.items()) if ours.get(key) != mark]
    rows = 0
    for keys in chunks(missing, theirs):
        rows += target.restore(table, keys, source.scan(table, keys)).rows
        say(f"{rows:,} rows copied, up to {keys[-1]}")
    if surplus := sorted(set(ours) - set(theirs)):
        target.restore(table, surplus, ())
    if _content(target, table, marks(target, table)) != content:
        raise CopyError(_why(table, source, target, content))
    return Copied(rows, held, content)


def _content(warehouse: Warehouse, table: Table, found: Mapping[str, Mark]) -> str:
    """The table's content hash, or that of its marks where it is too large."""
    if sum(mark.rows for mark in found.values()) <= LISTED_ROWS:
        return warehouse.content_hash(table)
    return digest(f"{key}:{mark.rows}:{mark.low}:{mark.high};" for key, mark in sorted(found.items()))


def marks(warehouse: Warehouse, table: Table) -> dict[str, Mark]:
    """A mark of each stored partition, by its key."""
    halves = (f"BIT_XOR(CAST(CONCAT('0x', SUBSTR({ROW_HASH.name}, {at}, 15)) AS INT64))" for at in (1, 17))
    found = warehouse.read(
        f"SELECT {PARTITION.name} AS part, COUNT(*) AS n, {next(halves)} AS low, {next(halves)} AS high "
        f"FROM {warehouse.name(table.address)} GROUP BY {PARTITION.name}"
    )
    return {row["part"]: Mark(row["n"], row["low"], row["high"]) for row in found.to_pylist()}


def chunks(keys: Sequence[str], sizes: Mapping[str, Mark]) -> Iterator[list[str]]:
    """Keys in order, in groups of about CHUNK_ROWS rows, at least one key each."""
    group, rows = list[str](), 0
    for key in keys:
        if group and rows + sizes[key].rows > CHUNK_ROWS:
            yield group
            group, rows = [], 0
        group.append(key)
        rows += sizes[key].rows
    if group:
        yield group


def _why(table: Table, source: Warehouse, target: Warehouse, content: str) -> str:
    theirs, ours = marks(source, table), marks(target, table)
    if _content(source, table, theirs) != content:
        return f"{table.address} changed while it was copied: stop what writes to it, and copy again"
    different = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
    problems = [f"source: {p}" for p in source.audit(table).problems]
    problems += [f"copy: {p}" for p in target.audit(table).problems]
    shown = ", ".join(different[:5]) + (f" and {len(different) - 5} more" if len(different) > 5 else "")
    return f"{table.address} is not the same on both sides in {shown}" + "".join(f"; {p}" for p in problems)
