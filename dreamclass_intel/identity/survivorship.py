"""Which source's value a company's field shows, with its provenance. Never averaged, never blended."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dreamclass_intel.identity import domains, normalise
from dreamclass_intel.identity.domains import DomainKind
from dreamclass_intel.identity.model import Key, SourceRecord


@dataclass(frozen=True, slots=True)
class Survivor:
    """The value shown, the system it comes from and the record that says so."""

    value: str
    source: str
    record: Key


def _name(record: SourceRecord) -> str | None:
    return (record.name or "").strip() or None


def _company_domain(raw: str | None) -> str | None:
    found = domains.parse(raw)
    return found.registrable if found and found.kind is DomainKind.COMPANY else None


def _web_domain(record: SourceRecord) -> str | None:
    return _company_domain(record.website) or _company_domain(record.domain)


def _email_domain(record: SourceRecord) -> str | None:
    return _company_domain(record.email_domain)


def _country(record: SourceRecord) -> str | None:
    return normalise.country(record.country)


def _city(record: SourceRecord) -> str | None:
    return (record.city or "").strip() or None


Read = Callable[[SourceRecord], str | None]
BILLING_FIRST = ("stripe", "chartmogul", "crm", "swan", "g2", "product", "leads")
SALES_FIRST = ("crm", "stripe", "chartmogul", "g2", "swan", "product", "leads")
# Field -> what to read of a record, best source first.
RANKS: Mapping[str, Sequence[tuple[Read, Sequence[str]]]] = {
    "display_name": ((_name, SALES_FIRST),),
    "primary_domain": (
        (_web_domain, ("crm", "swan", "g2", "chartmogul", "stripe", "product", "leads")),
        (_email_domain, ("crm", "stripe", "chartmogul", "leads", "product", "swan", "g2")),
    ),
    "country": ((_country, BILLING_FIRST),),
    "city": ((_city, BILLING_FIRST),),
}


def survivors(records: Iterable[SourceRecord], hubs: frozenset[str] = frozenset()) -> dict[str, Survivor]:
    """The surviving value of each field that any record knows; a hub's domain is nobody's primary domain.

    Order: records not deleted, the field's source rank, how often the value is said, the record's key.
    """
    members = sorted(records, key=lambda r: r.key)
    found: dict[str, Survivor] = {}
    for field, ways in RANKS.items():
        candidates = [
            (record.is_deleted, step, rank.index(record.system) if record.system in rank else len(rank), value, record)
            for step, (read, rank) in enumerate(ways)
            for record in members
            if (value := read(record)) is not None and not (field == "primary_domain" and value in hubs)
        ]
        said = Counter(normalise.plain(value) for *_, value, _ in candidates)
        if candidates:
            best = min(candidates, key=lambda c: (*c[:3], -said[normalise.plain(c[3])], c[4].key))
            found[field] = Survivor(best[3], best[4].system, best[4].key)
    return found
