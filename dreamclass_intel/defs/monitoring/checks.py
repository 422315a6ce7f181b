"""Contract checks on every raw and core table: they ask what is stored, not what was just written.

Unpartitioned on purpose: a partitioned check in a ranged run is never evaluated (docs/decisions.md).
"""

from collections.abc import Iterator

import dagster as dg

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Table
from dreamclass_intel.warehouse.io_manager import WarehouseResource


def contract_checks(table: Table) -> dg.AssetChecksDefinition:
    """`contract` (blocking ERROR) and `nothing_quarantined` (WARN) of one table."""
    key = dg.AssetKey([table.schema, table.name])

    @dg.multi_asset_check(
        name=f"contract_{table.schema}_{table.name}",
        specs=[
            dg.AssetCheckSpec(
                "contract",
                asset=key,
                blocking=True,
                description="Stored types, required columns, unique keys, rows unaltered since they were loaded.",
            ),
            dg.AssetCheckSpec(
                "nothing_quarantined",
                asset=key,
                description="No record of this table lies refused in raw.quarantine.",
            ),
        ],
        pool="warehouse",
    )
    def check(warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        backend = warehouse.backend()
        if not backend.exists(table.address):
            backend.ensure([table])
        audit = backend.audit(table)
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name="contract",
            passed=not audit.problems,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{table.address}: {'; '.join(audit.problems[:10]) or 'as declared'}",
            metadata={"rows": audit.rows, "problems": len(audit.problems)},
        )
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name="nothing_quarantined",
            passed=audit.quarantined == 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{table.address}: {audit.quarantined} records refused; see raw.quarantine",
            metadata={"quarantined": audit.quarantined},
        )

    return check


CHECKED = [t for t in catalog.tables().values() if t.schema in ("raw", "core") and t.address != "raw.quarantine"]
CONTRACT_CHECKS = [contract_checks(table) for table in CHECKED]
