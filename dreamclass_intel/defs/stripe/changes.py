"""Which objects a day's partition holds: those created on the day, and those an event of the day touched.

Lists have no updated-since filter, so events are the only notice of a change. An event is no more than that:
its payload is frozen in an old API version, so the object is retrieved as it is now, and the payload serves only
for what Stripe has no more (deleted objects, removed items and lines).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.stripe.client import EVENT_HORIZON, Kind, Reader
from dreamclass_intel.defs.stripe.normalise import records_of
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import START, Days

Key = tuple[Any, ...]


class Row(dict[str, Any]):
    """A record with the partition it belongs to."""

    def __init__(self, record: dict[str, Any], partition: str) -> None:
        super().__init__(record)
        self.partition = partition


@dataclass
class Notice:
    """What events said of one object: the newest day, and the table's rows their payloads had."""

    partition: str
    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)


def rows_of(
    reader: Reader,
    kind: Kind,
    table: Table,
    days: Days,
    now: dt.datetime,
    *,
    whole: bool = False,
    counts: dict[str, Any] | None = None,
) -> Iterator[Row]:
    """Rows of `table` in `days`. The first partition of all also holds what was created before it.

    `whole` reads embedded lists to their end. `counts` gets numbers for the materialisation's metadata.
    """
    told = notices(reader, kind, table, days, now)
    numbers = counts if counts is not None else {}
    numbers |= {"changed_objects": len(told), "days_beyond_event_horizon": _beyond(days, now), "deleted": 0}
    since = None if days.start == START else days.start_at
    for item in reader.created(kind, since, days.end_at):
        day = dt.datetime.fromtimestamp(item["created"], dt.UTC).date()
        partition = max(day, START).isoformat()
        notice = told.pop(item["id"], None)
        if notice is not None:
            partition = max(partition, notice.partition)
        yield from _rows(reader, kind, table, item, partition, notice, numbers, whole)
    for object_id, notice in told.items():
        found = reader.retrieve(kind, object_id)
        yield from _rows(reader, kind, table, found, notice.partition, notice, numbers, whole)


def _rows(
    reader: Reader,
    kind: Kind,
    table: Table,
    item: dict[str, Any] | None,
    partition: str,
    notice: Notice | None,
    numbers: dict[str, Any],
    whole: bool,
) -> Iterator[Row]:
    current: set[Key] = set()
    if item is not None and not item.get("deleted"):
        for record in records_of(reader.whole(item, kind) if whole else item)[table.address]:
            current.add(_key(table, record))
            yield Row(record, partition)
    for key, record in notice.rows.items() if notice else ():
        if key not in current:
            numbers["deleted"] += 1
            yield Row({**record, "_is_deleted": True}, partition)


def notices(reader: Reader, kind: Kind, table: Table, days: Days, now: dt.datetime) -> dict[str, Notice]:
    """Objects that events in `days` (and within Stripe's memory) are about."""
    found: dict[str, Notice] = {}
    start = max(days.start_at, now - EVENT_HORIZON)
    for event in reader.events(start, days.end_at, kind.events):
        payload = event["data"]["object"]
        # An upcoming invoice is a preview: it has no id, or one that cannot be retrieved.
        if event["type"] == "invoice.upcoming" or not payload.get("id"):
            continue
        day = dt.datetime.fromtimestamp(event["created"], dt.UTC).date().isoformat()
        notice = found.setdefault(payload["id"], Notice(day))
        notice.partition = max(notice.partition, day)
        for record in records_of(payload).get(table.address, ()):
            notice.rows.setdefault(_key(table, record), record)  # newest first: the first is the last state
    return found


def _key(table: Table, record: dict[str, Any]) -> Key:
    return tuple(record[name] for name in table.key)


def _beyond(days: Days, now: dt.datetime) -> int:
    """Days whose events Stripe has wholly or partly forgotten."""
    return sum(1 for day in days if dt.datetime.combine(day, dt.time(), dt.UTC) < now - EVENT_HORIZON)


def one_mode(rows: Iterable[Row], table: Table, stored: bool | None) -> Iterator[Row]:
    """Pass rows through; refuse the first whose livemode differs from the stored rows' or from another row's."""
    names = {True: "live", False: "test"}
    for row in rows:
        mode = row["livemode"]
        if stored is None:
            stored = mode
        if mode is not None and mode != stored:
            raise SourceError(
                "stripe",
                table.address,
                f"refusing to mix modes: the key reads {names[mode]}-mode objects, {table.address} holds "
                f"{names[stored]}-mode rows. Use the other key, another warehouse, or drop the table",
                status=400,
            )
        yield row
