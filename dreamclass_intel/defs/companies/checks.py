"""The identity tables held against each other and against their input; they are read again, whole."""

from typing import Any

import dagster as dg

from dreamclass_intel.defs.companies import store
from dreamclass_intel.defs.companies.tables import COMPANIES, ID_HISTORY, TABLES, XREF
from dreamclass_intel.identity.stable_ids import resolve
from dreamclass_intel.warehouse.io_manager import WarehouseResource

SHOWN = 5
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def _stored(warehouse: WarehouseResource, query: str) -> list[dict[str, Any]]:
    """Rows of a query over `{records}`, `{companies}`, `{xref}` and `{history}`."""
    backend = warehouse.backend()
    backend.ensure(list(TABLES))
    addresses = {"companies": COMPANIES.address, "xref": XREF.address, "history": ID_HISTORY.address}
    names = {key: backend.name(address) for key, address in {**addresses, "records": store.RECORDS}.items()}
    rows: list[dict[str, Any]] = backend.read(query.format(**names)).to_pylist()
    return rows


def _verdict(bad: list[str], fine: str, severity: dg.AssetCheckSeverity = ERROR) -> dg.AssetCheckResult:
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return dg.AssetCheckResult(
        passed=not bad,
        severity=severity,
        description="; ".join(bad[:SHOWN]) + more if bad else fine,
        metadata={"failed": len(bad)},
    )


@dg.asset_check(
    asset=[XREF.schema, XREF.name],
    blocking=True,
    description="Every source record observed by the newest generation is in companies_xref exactly once, and "
    "nothing else is.",
)
def every_record_once(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Input and cross-reference, both ways."""
    rows = _stored(
        warehouse,
        """
        WITH newest AS (SELECT max(event_date) AS day FROM {history} WHERE entity = 'generation'),
        input AS (
            SELECT source_system, source_record_id, min(observed_at) AS observed_at
            FROM {records} GROUP BY source_system, source_record_id
        ),
        stored AS (
            SELECT source_system, source_record_id, count(*) AS n
            FROM {xref} GROUP BY source_system, source_record_id
        )
        SELECT coalesce(input.source_system, stored.source_system) AS source_system,
            coalesce(input.source_record_id, stored.source_record_id) AS source_record_id,
            coalesce(stored.n, 0) AS n
        FROM input FULL OUTER JOIN stored ON input.source_system = stored.source_system
            AND input.source_record_id = stored.source_record_id
        CROSS JOIN newest
        WHERE coalesce(stored.n, 0) > 1 OR (input.source_record_id IS NULL AND stored.n = 1)
            OR (stored.n IS NULL AND coalesce(CAST(input.observed_at AS DATE) <= newest.day, newest.day IS NOT NULL))
        ORDER BY 1, 2
        """,
    )
    known = {(r["source_system"], r["source_record_id"]): r["n"] for r in rows}
    return _verdict(
        [
            f"{system}:{record} is in companies_xref {n} times"
            if n != 1
            else f"{system}:{record} is in companies_xref and not in int_company_records"
            for (system, record), n in known.items()
        ],
        "Every source record is there once.",
    )


@dg.asset_check(
    asset=[XREF.schema, XREF.name],
    blocking=True,
    description="Every company_id of companies_xref is in companies, and every id ever issued is live, redirected to "
    "a live one, or retired without records.",
)
def every_id_resolves(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Ids of the cross-reference and of the ledger."""
    live = {r["company_id"] for r in _stored(warehouse, "SELECT company_id FROM {companies}")}
    used = {r["company_id"] for r in _stored(warehouse, "SELECT DISTINCT company_id FROM {xref}")}
    events = _stored(
        warehouse,
        "SELECT company_id, event, other_company_id FROM {history} WHERE entity = 'company' ORDER BY event_date",
    )
    gone: dict[str, str | None] = {}
    for row in events:
        if row["event"] in ("merged", "retired", "restated"):
            gone[row["company_id"]] = row["other_company_id"]
        elif row["event"] == "revived":
            gone.pop(row["company_id"], None)
    bad = [f"companies_xref names {c}, which is not in companies" for c in sorted(used - live)]
    bad += [f"companies has {c}, which no record belongs to" for c in sorted(live - used)]
    for company in sorted({r["company_id"] for r in events} - live):
        if company not in gone:
            bad.append(f"{company} was issued, is not in companies and has no redirect")
        elif (end := resolve(company, gone)) is not None and end not in live:
            bad.append(f"{company} is redirected to {end}, which is not in companies")
    return _verdict(bad, f"{len(live)} live ids, {len(gone)} redirected or retired.")


@dg.asset_check(
    asset=[COMPANIES.schema, COMPANIES.name],
    blocking=False,
    description="No company holds two Stripe customers: joining two payers is the costly mistake.",
)
def no_merged_payers(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Stripe customers by company."""
    rows = _stored(
        warehouse,
        "SELECT x.company_id, x.source_record_id AS customer FROM {xref} AS x "
        "INNER JOIN {records} AS r ON r.source_system = x.source_system "
        "AND r.source_record_id = x.source_record_id "
        "WHERE x.source_system = 'stripe' AND NOT coalesce(r.is_deleted, false) ORDER BY 1, 2",
    )
    held: dict[str, list[str]] = {}
    for row in rows:
        held.setdefault(row["company_id"], []).append(row["customer"])
    bad = [f"{company} holds {' and '.join(found)}" for company, found in held.items() if len(found) > 1]
    return _verdict(bad, f"{len(held)} paying companies, one Stripe customer each.")


@dg.asset_check(
    asset=[COMPANIES.schema, COMPANIES.name],
    blocking=False,
    description="Domains that look like a company's and are shared by too many schools; they are not used as evidence. "
    "Put them into the lists of identity/domain_lists.py.",
)
def no_unlisted_hubs(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The hub guard over the stored records."""
    found = store.hub_domains(o.record for o in store.observations(warehouse.backend()))
    return _verdict([f"{d} ({n} records)" for d, n in found.items()], "No shared domain is unlisted.", WARN)
