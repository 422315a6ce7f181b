"""The identity assets over a hand-made int_company_records, and each check proven by corrupting a stored table."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import duckdb
import pytest

from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.companies import checks
from dreamclass_intel.defs.companies.assets import companies, publish_days
from dreamclass_intel.defs.companies.tables import COMPANIES, ID_HISTORY, TABLES, XREF
from dreamclass_intel.partitions import Days
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource

COLUMNS = (
    "source_system VARCHAR, source_record_id VARCHAR, name VARCHAR, domain VARCHAR, website VARCHAR, "
    "email_domain VARCHAR, country VARCHAR, city VARCHAR, stripe_customer_id VARCHAR, account_id VARCHAR, "
    "crm_company_id VARCHAR, ga_account_id VARCHAR, is_deleted BOOLEAN, observed_at TIMESTAMP, updated_at TIMESTAMP"
)
NAMES = [c.split()[0] for c in COLUMNS.split(", ")]
Row = dict[str, Any]


def row(system: str, record_id: str, observed: str, **more: Any) -> Row:
    at = dt.datetime.fromisoformat(observed + "T10:00:00")
    return {
        "source_system": system,
        "source_record_id": record_id,
        "observed_at": at,
        "updated_at": at,
        "is_deleted": False,
        **more,
    }


RECORDS = [
    row("swan", "s1", "2024-01-01", name="Blue Path", domain="bluepath.com", country="US", city="Austin"),
    row("crm", "1", "2024-01-02", name="Blue Path School", domain="www.bluepath.com", stripe_customer_id="cus_1"),
    row("stripe", "cus_1", "2024-01-03", name="Blue Path LLC", country="US", account_id="acc1"),
    row("product", "acc1", "2024-01-03"),
    row("leads", "l1", "2024-01-04", email_domain="bluepath.com"),
    row("leads", "l2", "2024-01-05", email_domain="gmail.com"),
    row("crm", "2", "2024-01-02", name="Red Gate", domain="redgate.gr", country="Greece"),
    row("stripe", "cus_2", "2024-01-06", name="Red Gate IKE", email_domain="redgate.gr"),
]


@pytest.fixture
def database(settings_env: Callable[..., None]) -> Callable[[Sequence[Row]], None]:
    """Write the rows of intermediate.int_company_records."""

    def write(rows: Sequence[Row]) -> None:
        path = load_settings().database
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE SCHEMA IF NOT EXISTS intermediate")
            con.execute(f"CREATE OR REPLACE TABLE intermediate.int_company_records ({COLUMNS})")
            con.executemany(
                f"INSERT INTO intermediate.int_company_records VALUES ({', '.join('?' * len(NAMES))})",
                [[r.get(n) for n in NAMES] for r in rows],
            )

    return write


Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def run(settings_env: Callable[..., None]) -> Run:
    """`run(first, last)`: a real ranged run of the assets."""
    instance = dg.DagsterInstance.ephemeral()
    defs = dg.Definitions(
        assets=[companies],
        resources={"warehouse": WarehouseResource()},
        jobs=[dg.define_asset_job("run", selection=[companies])],
    )

    def go(first: str, last: str | None = None, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        return defs.resolve_job_def("run").execute_in_process(
            instance=instance, tags=tags, raise_on_error=raise_on_error
        )

    return go


def hashes() -> list[str]:
    return [WarehouseResource().backend().content_hash(t) for t in TABLES]


def drop() -> None:
    with duckdb.connect(str(load_settings().database)) as con:
        for table in TABLES:
            con.execute(f"DROP TABLE {table.address}")


def corrupt(statement: str) -> None:
    with duckdb.connect(str(load_settings().database)) as con:
        con.execute(statement)


def test_current_state_and_cross_reference(database: Any, run: Run, read: Any) -> None:
    database(RECORDS)
    run("2024-01-01", "2024-01-07")
    found = read("SELECT * FROM core.companies ORDER BY first_seen_date, company_id")
    assert [(c["display_name"], c["record_count"], c["is_customer"]) for c in found] == [
        ("Blue Path School", 5, True),
        ("Red Gate", 2, True),
        (None, 1, False),
    ]
    blue = found[0]
    assert (blue["primary_domain"], blue["primary_domain__source"]) == ("bluepath.com", "crm")
    assert (blue["country"], blue["country__source"], blue["city__source"]) == ("US", "stripe", "swan")
    assert str(blue["first_seen_date"]) == "2024-01-01" and str(blue["published_date"]) == "2024-01-04"
    rules = {
        f"{r['source_system']}:{r['source_record_id']}": (r["match_rule"], str(r["matched_date"]))
        for r in read("SELECT * FROM core.companies_xref")
    }
    assert rules["crm:2"] == ("seed", "2024-01-02") and rules["stripe:cus_2"] == ("email_domain", "2024-01-06")
    assert len(rules) == len(RECORDS)


def test_a_range_equals_day_by_day_and_reruns_change_nothing(database: Any, run: Run) -> None:
    database(RECORDS)
    run("2024-01-01", "2024-01-07")
    whole = hashes()
    for first, last in (("2024-01-03", "2024-01-03"), ("2024-01-07", None), ("2024-01-01", "2024-01-07")):
        run(first, last)
        assert hashes() == whole
    drop()
    for n in range(1, 8):
        run(f"2024-01-0{n}")
    assert hashes() == whole


def test_a_late_record_republishes_to_the_newest_day(database: Any, run: Run, read: Any) -> None:
    database(RECORDS)
    run("2024-01-01", "2024-01-07")
    late = row("g2", "g1", "2024-01-02", name="Blue Path", domain="bluepath.com")
    database([*RECORDS, late])
    result = run("2024-01-02")
    assert result.success
    (event,) = [
        e for e in result.get_asset_materialization_events() if e.asset_key and e.asset_key.path[-1] == "companies"
    ]
    assert event.materialization.metadata["published_again"].value == "2024-01-03 to 2024-01-07"
    (found,) = read("SELECT * FROM core.companies_xref WHERE source_system = 'g2'")
    assert str(found["matched_date"]) == "2024-01-02"
    counts = read(
        "SELECT event_date, record_count FROM core.companies_id_history WHERE entity = 'generation' ORDER BY 1"
    )
    assert [c["record_count"] for c in counts] == [1, 4, 6, 7, 8, 9, 9]


def test_a_merge_leaves_a_redirect(database: Any, run: Run, read: Any) -> None:
    apart = [row("crm", "1", "2024-01-01", domain="a.com"), row("crm", "2", "2024-01-02", domain="b.com")]
    database(apart)
    run("2024-01-01", "2024-01-03")
    before = {r["source_record_id"]: r["company_id"] for r in read("SELECT * FROM core.companies_xref")}
    database([apart[0], {**apart[1], "domain": "a.com", "updated_at": dt.datetime.fromisoformat("2024-01-04")}])
    run("2024-01-04")
    (company,) = read("SELECT company_id FROM core.companies")
    assert company["company_id"] == before["1"]
    (merged,) = read("SELECT * FROM core.companies_id_history WHERE event = 'merged'")
    assert (merged["company_id"], merged["other_company_id"]) == (before["2"], before["1"])
    assert str(merged["event_date"]) == "2024-01-04"


def test_any_past_generation_is_one_query_away(database: Any, run: Run, read: Any) -> None:
    database(RECORDS)
    run("2024-01-01", "2024-01-03")
    then = {tuple(r.values()) for r in read("SELECT source_record_id, company_id FROM core.companies_xref")}
    run("2024-01-04", "2024-01-07")
    again = read(
        """
        SELECT source_record_id, company_id FROM core.companies_id_history
        WHERE entity = 'record' AND event_date <= DATE '2024-01-03'
        QUALIFY row_number() OVER (PARTITION BY subject ORDER BY event_date DESC) = 1 AND event <> 'removed'
        """
    )
    assert {tuple(r.values()) for r in again} == then


def test_missing_input_is_a_clean_error(run: Run) -> None:
    result = run("2024-01-01", raise_on_error=False)
    assert not result.success
    (failure,) = [e for e in result.all_node_events if e.is_step_failure]
    assert "build it with dbt first" in str(failure.step_failure_data.user_failure_data or failure.event_specific_data)


def test_a_vanished_source_is_refused(database: Any, run: Run) -> None:
    database([row("leads", str(n), "2024-01-01") for n in range(120)])
    run("2024-01-01")
    kept = hashes()
    database([row("leads", "1", "2024-01-01")])
    assert not run("2024-01-02", raise_on_error=False).success
    assert hashes() == kept


def verdict(check: Any) -> dg.AssetCheckResult:
    result: dg.AssetCheckResult = check(WarehouseResource())
    return result


ALL = [checks.every_record_once, checks.every_id_resolves, checks.no_merged_payers, checks.no_unlisted_hubs]


@pytest.mark.parametrize(
    ("check", "damage", "words"),
    [
        (
            checks.every_record_once,
            f"DELETE FROM {XREF.address} WHERE source_record_id = 'acc1'",
            "product:acc1 is in companies_xref 0 times",
        ),
        (
            checks.every_record_once,
            f"INSERT INTO {XREF.address} SELECT * FROM {XREF.address} WHERE source_record_id = 'l1'",
            "leads:l1 is in companies_xref 2 times",
        ),
        (
            checks.every_record_once,
            "DELETE FROM intermediate.int_company_records WHERE source_record_id = 'l2'",
            "leads:l2 is in companies_xref and not in",
        ),
        (
            checks.every_id_resolves,
            f"UPDATE {XREF.address} SET company_id = 'cmp_nobody' WHERE source_record_id = 'l2'",
            "cmp_nobody, which is not in companies",
        ),
        (
            checks.every_id_resolves,
            f"UPDATE {ID_HISTORY.address} SET event = 'created' WHERE event = 'merged'",
            "was issued, is not in companies and has no redirect",
        ),
        (
            checks.every_id_resolves,
            f"UPDATE {ID_HISTORY.address} SET other_company_id = 'cmp_nobody' WHERE event = 'merged'",
            "is redirected to cmp_nobody",
        ),
        (
            checks.no_merged_payers,
            f"UPDATE {XREF.address} SET company_id = 'cmp_one' WHERE source_system = 'stripe'",
            "cmp_one holds cus_1 and cus_2",
        ),
        (
            checks.no_unlisted_hubs,
            "INSERT INTO intermediate.int_company_records BY NAME SELECT 'crm' AS source_system, 'h' || n AS "
            "source_record_id, 'Hub ' || n AS name, 'City ' || n AS city, 'hub.net' AS domain FROM range(12) AS t(n)",
            "hub.net (12 records)",
        ),
    ],
)
def test_checks_see_damage(database: Any, check: Any, damage: str, words: str) -> None:
    backend = WarehouseResource().backend()
    database(RECORDS)
    publish_days(backend, Days(dt.date(2024, 1, 1), dt.date(2024, 1, 7)), "run")
    late = {**RECORDS[-3], "email_domain": "bluepath.com", "updated_at": dt.datetime.fromisoformat("2024-01-07")}
    database([*RECORDS[:-3], late, *RECORDS[-2:]])
    publish_days(backend, Days(dt.date(2024, 1, 7), dt.date(2024, 1, 8)), "run")  # merges l2's company
    for one in ALL:
        assert verdict(one).passed, verdict(one).description
    corrupt(damage)
    found = verdict(check)
    assert not found.passed
    assert words in str(found.description)


def test_assets_hang_on_the_records_and_on_daily_tables_with_explicit_mappings() -> None:
    from dreamclass_intel.defs.dbt.project import partitioned_ancestors

    ancestors = set(partitioned_ancestors("int_company_records", Grain.DAILY))
    assert ancestors
    for spec in companies.specs:
        deps = {d.asset_key: d.partition_mapping for d in spec.deps}
        assert deps.pop(dg.AssetKey(["intermediate", "int_company_records"])) is None
        assert deps.keys() == ancestors
        assert all(isinstance(m, dg.TimeWindowPartitionMapping) for m in deps.values())
        assert spec.metadata["dagster/column_schema"].columns
    assert {s.key.to_user_string() for s in companies.specs} == {t.address.replace(".", "/") for t in TABLES}
    assert COMPANIES.key == ("company_id",)
