"""CSV exports as records of a raw table: newest row of each key, days of a window, everything else accounted for.

Files are read twice, so memory holds one short entry a key and never a file.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any

from dreamclass_intel.contracts import Column, Rejected, Table
from dreamclass_intel.defs.crm.csv_files import CsvFile, Sheet, open_sheet
from dreamclass_intel.defs.crm.csv_mapping import KINDS, MOMENTS, PERSONAL_TARGETS, Join, MappingError
from dreamclass_intel.defs.crm.csv_values import Aliases, CellError, aliases, parse
from dreamclass_intel.loads import Extract
from dreamclass_intel.partitions import START, Days
from dreamclass_intel.privacy import email_domain, email_hash, scrub
from dreamclass_intel.records import extract, to_json

START_AT = dt.datetime.combine(START, dt.time())


class Record(dict[str, Any]):
    """A record of a table that knows its date (None: unknown), its place in the order of versions, and the
    cells it came from, personal ones left out.
    """

    stamp: dt.datetime | None = None
    order: Any = None
    cells: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Row:
    """One row of a file: its record, or why there is none."""

    record: Record
    problem: tuple[str | None, str] | None  # column, reason


@dataclass
class Account:
    """What became of the rows of a load; shown as metadata."""

    counts: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    not_loaded: dict[str, list[str]] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """For the materialisation."""
        names = ("rows_read", "rows_superseded", "rows_of_other_days", "rows_before_start_date")
        return {name: self.counts[name] for name in names} | {
            "csv_files_sha256": self.files,
            "csv_columns_not_loaded": self.not_loaded,
        }


def load(kind: str, files: Sequence[CsvFile], window: Days) -> Extract:
    """The rows of all files of `kind` whose date lies in `window`, bad ones quarantined.

    Of several rows with one key the newest readable one counts, in whatever file; so any order of loading
    gives the same table. Raises MappingError when a file does not fit its mapping.
    """
    table = KINDS[kind]
    sheets = [open_sheet(file) for file in files if file.mapping.kind == kind]
    account = Account()
    rejected: list[Rejected] = []
    source: Iterable[Record] = _records(table, sheets, window, account, rejected)
    if kind == "stage_history":
        told = {sheet.file.mapping.source for sheet in sheets}
        deals = [f for f in files if f.mapping.kind == "deals" and f.mapping.source not in told]
        source = chain(source, _compared([open_sheet(file) for file in deals], window))
    loaded = extract(table, source, _day, on_bad="quarantine")
    loaded.rejected = rejected

    def stream() -> Iterator[Any]:
        yield from loaded.batches
        loaded.metadata.update(account.metadata())

    return Extract(stream(), rejected, loaded.metadata)


def span(file: CsvFile) -> tuple[dt.date, dt.date] | None:
    """First and last date of a file's readable rows, or None without any."""
    stamps = [row.record.stamp for row in rows(open_sheet(file)) if row.problem is None]
    known = [s for s in stamps if s is not None]
    return (min(known).date(), max(known).date()) if known else None


def rows(sheet: Sheet) -> Iterator[Row]:
    """All rows of a file."""
    mapping = sheet.file.mapping
    shown, rules = _cells_to_keep(sheet), _rules(sheet)
    deletes = "_is_deleted" in {c.name for c in mapping.table.data_columns}
    for number, cells in sheet.rows():
        record = Record(source=mapping.source, _origin=f"{sheet.file.path.name} row {number}")
        if deletes:
            record["_is_deleted"] = False
        fits = len(cells) == sheet.width or (len(cells) > sheet.width and not any(cells[sheet.width :]))
        if not fits:
            yield Row(record, (None, f"{len(cells)} cells, the header has {sheet.width}"))
            continue
        record.cells = {t: cells[p] for t, p in shown if cells[p].strip()}
        if any("@" in cell for cell in record.cells.values()):
            record.cells = scrub(record.cells, ())
        if mapping.table.keep_raw:
            record["_raw"] = record.cells
        problem = _fill(sheet, rules, record, cells)
        yield Row(record, problem or _unfit(sheet, record))


@dataclass(frozen=True)
class Rule:
    """How one column of ours is read from the cells of a row."""

    ours: str
    positions: list[int]
    separator: str | None  # None: the first cell with content
    column: Column | None  # None: personal data on their way to a hash
    alias: Aliases

    def text(self, cells: list[str]) -> str:
        """The text of the row's cell, or of its cells together."""
        if len(self.positions) == 1:
            return cells[self.positions[0]].strip()
        texts = [cells[p].strip() for p in self.positions]
        if self.separator is not None:
            return self.separator.join(texts) if all(texts) else ""
        return next((t for t in texts if t), "")


def _rules(sheet: Sheet) -> list[Rule]:
    mapping = sheet.file.mapping
    columns = {c.name: c for c in mapping.table.columns}
    out = []
    for ours, rule in mapping.columns.items():
        positions = [p for t in mapping.theirs(ours) if (p := sheet.position(t)) is not None]
        separator = rule.separator if isinstance(rule, Join) else None
        out.append(Rule(ours, positions, separator, columns.get(ours), aliases(mapping, ours)))
    return out


def _fill(sheet: Sheet, rules: list[Rule], record: Record, cells: list[str]) -> tuple[str, str] | None:
    """Put the row's values into `record`; the first cell that cannot be read is returned with its reason."""
    mapping, problem = sheet.file.mapping, None
    record |= mapping.constants
    for rule in rules:
        ours, text = rule.ours, rule.text(cells)
        if rule.column is not None:
            try:
                record[ours] = parse(mapping, rule.column, text, rule.alias)
            except CellError as error:
                record[ours] = None
                problem = problem or (ours, scrub({"reason": str(error)}, ())["reason"])
        elif ours == "email":
            record |= {"email_hash": email_hash(text), "email_domain": email_domain(text)}
        else:
            hashed = email_hash(text)
            record["owner_id"] = f"owner_{hashed[:16]}" if hashed else None
    if mapping.kind == "deals" and record.get("is_closed") is False and record.get("closed_at"):
        # Most CRMs have one close date: while a deal is open it is only planned.
        record["expected_close_at"] = record.get("expected_close_at") or record["closed_at"]
        record["closed_at"] = None
    if mapping.kind == "stage_history":
        record.setdefault("time_precision", "event")
    record.stamp = _stamp(sheet, record)
    record.order = record.get(mapping.order_by) if mapping.order_by else record.stamp
    return problem


def _unfit(sheet: Sheet, record: Record) -> tuple[str, str] | None:
    mapping = sheet.file.mapping
    missing = sorted(n for n in mapping.table.required if record.get(n) is None)
    if missing:
        return missing[0], "is empty"
    if record.stamp is None:
        return next(n for n in MOMENTS if n in mapping.columns), "is empty, so the row has no date"
    if record.order is None:
        return mapping.order_by or "", "is empty, so the row has no place in the order of versions"
    return None


def _cells_to_keep(sheet: Sheet) -> list[tuple[str, int]]:
    """Their columns that may go to `_raw`: mapped or named under `keep`, none that holds personal data."""
    mapping = sheet.file.mapping
    personal = {sheet.position(t) for o in mapping.columns if o in PERSONAL_TARGETS for t in mapping.theirs(o)}
    names = [*(t for ours in mapping.columns for t in mapping.theirs(ours)), *mapping.keep]
    found = ((t, sheet.position(t)) for t in dict.fromkeys(names))
    return [(t, p) for t, p in found if p is not None and p not in personal]


def _records(
    table: Table, sheets: Sequence[Sheet], window: Days, account: Account, rejected: list[Rejected]
) -> Iterator[Record]:
    newest: dict[tuple[Any, ...], tuple[Any, int, int]] = {}
    for number, sheet in enumerate(sheets):
        for place, row in enumerate(rows(sheet)):
            if row.problem is None:
                key = tuple(row.record[k] for k in table.key)
                entry = (row.record.order, number, place)
                try:
                    newest[key] = max(newest.get(key, entry), entry)
                except TypeError:
                    raise MappingError(
                        f"{sheet.file.path.name}: order_by differs in type from another file's"
                    ) from None
    for number, sheet in enumerate(sheets):
        name = sheet.file.path.name
        account.files[name] = sheet.file.sha256
        account.not_loaded[name] = _not_loaded(sheet)
        for place, row in enumerate(rows(sheet)):
            account.counts["rows_read"] += 1
            record = row.record
            if record.stamp is not None and record.stamp < START_AT:
                account.counts["rows_before_start_date"] += 1
            elif row.problem is not None:
                # A row without a readable date belongs to no day: every load reports it, under the first.
                if record.stamp is None or window.holds(_day(record)):
                    rejected.append(_refused(table, row))
            elif newest[tuple(record[k] for k in table.key)][1:] != (number, place):
                account.counts["rows_superseded"] += 1
            elif window.holds(_day(record)):
                yield record
            else:
                account.counts["rows_of_other_days"] += 1


def _compared(sheets: Sequence[Sheet], window: Days) -> Iterator[Record]:
    """Stage changes seen by comparing successive exports of deals: as precise as the exports are frequent."""
    versions: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for number, sheet in enumerate(sheets):
        for place, row in enumerate(rows(sheet)):
            record = row.record
            if row.problem is None and record.get("stage_id"):
                entry = (record.stamp, number, place, record["stage_id"], record.get("pipeline_id"))
                versions[record["source"], record["deal_id"]].append(entry)
    for (source, deal_id), entries in versions.items():
        before = None
        for stamp, _, _, stage, pipeline in sorted(entries, key=lambda e: e[:3]):
            if stage != before and stamp >= START_AT and window.holds(stamp.date().isoformat()):
                change = Record(
                    source=source,
                    deal_id=deal_id,
                    changed_at=stamp,
                    to_stage=stage,
                    pipeline_id=pipeline,
                    time_precision="import",
                    change_source="CSV",
                )
                change.stamp = stamp
                yield change
            before = stage


def _day(record: Any) -> str:
    stamp = record.stamp
    return START.isoformat() if stamp is None else stamp.date().isoformat()


def _stamp(sheet: Sheet, record: Record) -> dt.datetime | None:
    """When the row last changed: updated_at, else the latest of its other dates, else the file's as_of."""
    known = [record[n] for n in MOMENTS if record.get(n) is not None]
    if record.get("updated_at") is not None:
        return record["updated_at"]
    if known:
        return max(known)
    as_of = sheet.file.mapping.as_of
    return None if as_of is None else dt.datetime.combine(as_of, dt.time())


def _refused(table: Table, row: Row) -> Rejected:
    assert row.problem is not None
    column, reason = row.problem
    text = f"{column}: {reason}" if column else reason
    origin = row.record["_origin"]
    # The origin keeps two rows with equal cells apart. Cells out of place are not shown: any may be a name.
    record = to_json({**row.record.cells, "_origin": origin})
    return Rejected(table.address, _day(row.record), text, column, record, origin)


def _not_loaded(sheet: Sheet) -> list[str]:
    mapping = sheet.file.mapping
    used = {sheet.position(t) for ours in mapping.columns for t in mapping.theirs(ours)}
    used |= {sheet.position(t) for t in mapping.keep}
    return [name for position, name in enumerate(sheet.header) if position not in used]
