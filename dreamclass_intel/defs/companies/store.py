"""Between the warehouse's rows and the identity library's objects. No Dagster here."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from dreamclass_intel.defs.companies.tables import ID_HISTORY
from dreamclass_intel.identity.edges import is_hub
from dreamclass_intel.identity.generations import OF_RECORD, Entry, Event, Generation
from dreamclass_intel.identity.history import Observation, Publication
from dreamclass_intel.identity.model import EVIDENCE, BlockKey, Key, Rule, SourceRecord
from dreamclass_intel.identity.survivorship import RANKS, survivors
from dreamclass_intel.warehouse.protocol import Warehouse

RECORDS = "intermediate.int_company_records"
BILLING = frozenset(["stripe", "chartmogul"])
_RULES = {rule.label: rule for rule in Rule}
Row = dict[str, Any]


def observations(warehouse: Warehouse) -> list[Observation]:
    """Every source record as dbt has it now."""
    columns = ", ".join(("source_system", "source_record_id", *EVIDENCE, "observed_at", "updated_at"))
    return [
        Observation(_record(row), _day(row["observed_at"]), _day(row["updated_at"]))
        for row in warehouse.read(f"SELECT {columns} FROM {warehouse.name(RECORDS)}").to_pylist()
    ]


def _record(row: Row) -> SourceRecord:
    said = {n: row.get(n) for n in EVIDENCE if n != "is_deleted"}
    return SourceRecord(
        row["source_system"],
        row["source_record_id"],
        **{n: str(v) for n, v in said.items() if v not in (None, "")},
        is_deleted=bool(row.get("is_deleted")),
    )


def _day(value: Any) -> dt.date | None:
    return value.date() if isinstance(value, dt.datetime) else value


def ledger(warehouse: Warehouse) -> tuple[list[Entry], list[dt.date]]:
    """The stored events and the days ever published."""
    warehouse.ensure([ID_HISTORY])
    entries: list[Entry] = []
    days: list[dt.date] = []
    for row in warehouse.read(f"SELECT * FROM {warehouse.name(ID_HISTORY.address)}").to_pylist():
        if row["entity"] == "generation":
            days.append(row["event_date"])
            continue
        key = Key(row["source_system"], row["source_record_id"]) if row["entity"] == "record" else None
        said = orjson.loads(row["record"]) if row["record"] else None
        entries.append(
            Entry(
                row["event_date"],
                Event(row["event"]),
                row["company_id"],
                row["other_company_id"],
                key,
                _RULES[row["match_rule"]] if row["match_rule"] else None,
                SourceRecord(*key, **said) if key and said is not None else None,
            )
        )
    return entries, days


def history_rows(publication: Publication) -> Iterator[Row]:
    """Rows of `core.companies_id_history` for the published days."""
    for day, (records, companies) in publication.published.items():
        yield {
            "event_date": day,
            "subject": "generation",
            "entity": "generation",
            "event": "published",
            "record_count": records,
            "company_count": companies,
        }
    for entry in publication.entries:
        yield {
            "event_date": entry.day,
            "subject": entry.subject,
            "entity": "record" if entry.event in OF_RECORD else "company",
            "event": entry.event.value,
            "company_id": entry.company,
            "other_company_id": entry.other,
            "source_system": entry.key.system if entry.key else None,
            "source_record_id": entry.key.record_id if entry.key else None,
            "match_rule": entry.rule.label if entry.rule else None,
            "match_score": entry.rule.weight if entry.rule else None,
            "record": entry.record.to_dict() if entry.record else None,
        }


def xref_rows(generation: Generation) -> Iterator[Row]:
    """Rows of `core.companies_xref`."""
    for key, company in generation.company_of.items():
        rule, tied = generation.rules[key]
        yield {
            "source_system": key.system,
            "source_record_id": key.record_id,
            "company_id": company,
            "match_rule": rule.label,
            "match_score": rule.weight,
            "matched_to_system": tied.system if tied else None,
            "matched_to_record_id": tied.record_id if tied else None,
            "matched_date": generation.joined[key],
        }


def company_rows(generation: Generation) -> Iterator[Row]:
    """Rows of `core.companies`."""
    hubs = frozenset(k.value for k in generation.hubs if k.namespace == "domain")
    for company, members in generation.members.items():
        if not members:
            continue
        records = [generation.records[k] for k in members]
        shown = survivors(records, hubs)
        row: Row = {
            "company_id": company,
            "is_customer": any(r.system in BILLING and not r.is_deleted for r in records),
            "first_seen_date": generation.companies[company].first_seen,
            "record_count": len(records),
            "sources": sorted({r.system for r in records}),
            "published_date": generation.companies[company].changed,
        }
        for name in RANKS:
            if name in shown:
                row |= {
                    name: shown[name].value,
                    f"{name}__source": shown[name].source,
                    f"{name}__record_id": shown[name].record.record_id,
                }
        yield row


def hub_domains(records: Iterable[SourceRecord]) -> dict[str, int]:
    """Company-looking domains that too many schools share, with how many records hold them."""
    probe = Generation()
    blocks: set[BlockKey] = set()
    for record in records:
        blocks |= probe.learn(record)
    return {b.value: len(probe.blocks[b]) for b in sorted(blocks) if is_hub(b, probe.blocks[b], probe.features)}
