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


class Row(dict[str, Any]):
    """A record with the partition it belongs to."""

    def __init__(self, record: dict[str, Any], partition: str) -> None:
        super().__init__(record)
        self.partition = partition


@dataclass
class Notice:
    """What events said of one object: the newest day, and the last payload that had each row."""

    partition: str
    payloads: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """One load of `table`: the kind of object that feeds it, and how rows are told apart in the object.

    `child` names the embedded list whose members are the rows; without it the object is the row.
    """

    reader: Reader
    kind: Kind
    table: Table
    days: Days
    now: dt.datetime
    child: str | None = None
    counts: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """The rows. The first partition of all also holds what was created before it."""
        told = self._notices()
        self.counts.update(changed_objects=len(told), days_beyond_event_horizon=self._beyond(), deleted=0)
        since = None if self.days.start == START else self.days.start_at
        for item in self.reader.created(self.kind, since, self.days.end_at):
            partition = max(_day(item), START.isoformat())
            notice = told.pop(item["id"], None)
            yield from self._of(item, max(partition, notice.partition) if notice else partition, notice)
        for object_id, notice in told.items():
            yield from self._of(self.reader.retrieve(self.kind, object_id), notice.partition, notice)

    def _notices(self) -> dict[str, Notice]:
        """Objects that events of the days (within Stripe's memory) are about."""
        found: dict[str, Notice] = {}
        start = max(self.days.start_at, self.now - EVENT_HORIZON)
        for event in self.reader.events(start, self.days.end_at, self.kind.events):
            payload = event["data"]["object"]
            # An upcoming invoice is a preview: it has no id, or one that cannot be retrieved.
            if event["type"] == "invoice.upcoming" or not payload.get("id"):
                continue
            day = _day(event)
            notice = found.setdefault(payload["id"], Notice(day))
            notice.partition = max(notice.partition, day)
            # A member that this very change removed is only among the attributes of before.
            before = (event["data"].get("previous_attributes") or {}).get(self.child) if self.child else None
            for state in (payload, {**payload, self.child: before}) if before else (payload,):
                for row_id in self._ids(state):
                    notice.payloads.setdefault(row_id, state)  # newest first: the first is the last state
        return found

    def _of(self, item: dict[str, Any] | None, partition: str, notice: Notice | None) -> Iterator[Row]:
        current: set[str] = set()
        if item is not None and not item.get("deleted"):
            # A subscription's row names its items, so it needs them all; an invoice's row does not.
            if self.child or self.kind.children == "items":
                item = self.reader.whole(item, self.kind)
            current = set(self._ids(item))
            for record in records_of(item, self.table.address)[self.table.address]:
                yield Row(record, partition)
        for row_id, payload in notice.payloads.items() if notice else ():
            if row_id not in current:
                yield from self._gone(row_id, payload, partition)

    def _gone(self, row_id: str, payload: dict[str, Any], partition: str) -> Iterator[Row]:
        for record in records_of(payload, self.table.address).get(self.table.address, ()):
            if record[self.table.key[-1]] == row_id:
                self.counts["deleted"] += 1
                yield Row({**record, "_is_deleted": True}, partition)

    def _ids(self, item: dict[str, Any]) -> list[str]:
        if self.child is None:
            return [item["id"]]
        return [member["id"] for member in (item.get(self.child) or {}).get("data", ())]

    def _beyond(self) -> int:
        """Days whose events Stripe has wholly or partly forgotten."""
        edge = self.now - EVENT_HORIZON
        return sum(1 for day in self.days if dt.datetime.combine(day, dt.time(), dt.UTC) < edge)


def _day(item: dict[str, Any]) -> str:
    return dt.datetime.fromtimestamp(item["created"], dt.UTC).date().isoformat()


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
