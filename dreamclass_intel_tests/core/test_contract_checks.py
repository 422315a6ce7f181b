"""Every table's `contract` check is proven by corrupting a stored table."""

from pathlib import Path

import dagster as dg
import pytest

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Rejected, Table
from dreamclass_intel.defs.monitoring.checks import CHECKED, CONTRACT_CHECKS
from dreamclass_intel.records import extract
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel.warehouse.duckdb_tables import sql_name
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel_tests.core.helpers import OTHER_SQL, full_row, partitions_of

REAL = ["raw.backend_events", "raw.stripe_subscriptions", "raw.crm_owners", "core.dim_dates", "core.lqi"]


def write_one(store: DuckDBWarehouse, table: Table, refused: int = 0) -> None:
    partitions = partitions_of(table)
    day = partitions[0] if partitions else "all"
    data = extract(table, [full_row(table)], day)
    data.rejected += [Rejected(table.address, day, f"no {n}", None, "{}") for n in range(refused)]
    assert store.write(table, partitions, data, "r").rows == 1


def alteration(table: Table) -> str:
    """SQL that gives one column another valid value."""
    column = next((c for c in table.data_columns if c.name not in table.key), table.data_columns[0])
    return f"UPDATE {sql_name(table)} SET {column.name} = {OTHER_SQL[column.type]}"


def test_every_raw_and_core_table_is_checked():
    expected = {a for a in catalog.tables() if a.split(".")[0] in ("raw", "core")} - {"raw.quarantine"}
    assert {t.address for t in CHECKED} == expected
    found = {
        (".".join(spec.asset_key.path), spec.name): spec.blocking for d in CONTRACT_CHECKS for spec in d.check_specs
    }
    assert found == {(a, n): n == "contract" for a in expected for n in ("contract", "nothing_quarantined")}


@pytest.mark.parametrize("table", CHECKED, ids=lambda t: t.address)
def test_a_corrupted_table_is_found(tmp_path: Path, table: Table):
    store = DuckDBWarehouse(tmp_path / "w.duckdb")
    write_one(store, table)
    sound = store.audit(table)
    assert (sound.rows, sound.problems) == (1, ())
    name, required = sql_name(table), sorted(table.required)[0]
    with store.connect() as con:
        con.execute(alteration(table))
    (altered,) = store.audit(table).problems
    assert altered.startswith("row altered since it was loaded: ")
    with store.connect() as con:
        con.execute(f"INSERT INTO {name} SELECT * FROM {name}")
        con.execute(f"ALTER TABLE {name} ALTER {required} DROP NOT NULL")
        con.execute(f"INSERT INTO {name} SELECT * REPLACE (NULL AS {required}) FROM {name} LIMIT 1")
    problems = store.audit(table).problems
    assert f"{required} is null in 1 rows" in problems
    assert any(p.startswith("key stored twice: ") for p in problems)
    with store.connect() as con:
        con.execute(f"ALTER TABLE {name} DROP COLUMN {required}")
    assert any(p.startswith(f"column {required} is missing") for p in store.audit(table).problems)


def evaluate(tables: list[Table]) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """Run the real checks of `tables`."""
    keys = {dg.AssetKey([t.schema, t.name]) for t in tables}
    checks = [d for d in CONTRACT_CHECKS if {s.asset_key for s in d.check_specs} <= keys]
    defs = dg.Definitions(
        assets=[dg.AssetSpec(key) for key in keys],
        asset_checks=checks,
        resources={"warehouse": WarehouseResource()},
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())],
    )
    result = defs.resolve_job_def("checks").execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), raise_on_error=False
    )
    return {(".".join(e.asset_key.path), e.check_name): e for e in result.get_asset_check_evaluations()}


def test_the_real_checks_pass_on_sound_tables_and_fail_on_corrupted_ones(settings_env):
    tables = [catalog.table(address) for address in REAL]
    store = WarehouseResource().backend()
    assert isinstance(store, DuckDBWarehouse)
    # Never materialised: empty, typed, sound.
    assert all(e.passed for e in evaluate(tables).values())
    for table in tables:
        write_one(store, table)
    sound = evaluate(tables)
    assert len(sound) == 2 * len(REAL)
    assert all(e.passed for e in sound.values())
    assert all(e.metadata["rows"].value == 1 for (_, name), e in sound.items() if name == "contract")
    with store.connect() as con:
        for table in tables:
            con.execute(alteration(table))
    failed = evaluate(tables)
    for address in REAL:
        found = failed[address, "contract"]
        assert not found.passed
        assert found.severity == dg.AssetCheckSeverity.ERROR
        assert found.blocking
        assert found.description.startswith(f"{address}: row altered since it was loaded: ")


def test_a_changed_schema_fails_the_check_instead_of_breaking_it(settings_env):
    table = catalog.table(REAL[0])
    store = WarehouseResource().backend()
    write_one(store, table)
    with store.connect() as con:
        con.execute(f"ALTER TABLE {sql_name(table)} ADD COLUMN extra INT")
        con.execute(f"ALTER TABLE {sql_name(table)} DROP COLUMN _run_id")
    found = evaluate([table])[table.address, "contract"]
    assert not found.passed
    assert "column extra is not declared" in found.description
    assert "column _run_id is missing, not VARCHAR" in found.description


def test_quarantined_records_warn(settings_env):
    table = catalog.table(REAL[1])
    write_one(WarehouseResource().backend(), table, refused=3)
    found = evaluate([table])
    assert found[table.address, "contract"].passed
    warning = found[table.address, "nothing_quarantined"]
    assert not warning.passed
    assert warning.severity == dg.AssetCheckSeverity.WARN
    assert warning.metadata["quarantined"].value == 3
