"""`core.companies`, its cross-reference and its ledger: the run's days published, and every later day again."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dreamclass_intel.contracts import Grain, Table
from dreamclass_intel.defs.companies import store
from dreamclass_intel.defs.companies.tables import COMPANIES, ID_HISTORY, TABLES, XREF
from dreamclass_intel.defs.dbt.project import partitioned_ancestors
from dreamclass_intel.identity.generations import Event
from dreamclass_intel.identity.history import Observation, Publication, publish
from dreamclass_intel.partitions import DAILY, Days
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import DATA_ENGINEERING, asset_settings, days
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.warehouse.protocol import Warehouse

INT_COMPANY_RECORDS = dg.AssetKey(["intermediate", "int_company_records"])
GUARDED = 100  # from this many records on, more than half vanishing is a fault, not a change


def _deps() -> Iterator[dg.AssetDep]:
    """The records, and the daily tables behind them: a UI backfill drops or misorders a partitioned asset that
    hangs on unpartitioned ones alone. The scoring-window tables reach it through the unpartitioned model only."""
    yield dg.AssetDep(INT_COMPANY_RECORDS)
    for key in partitioned_ancestors("int_company_records", Grain.DAILY):
        yield dg.AssetDep(key, partition_mapping=dg.TimeWindowPartitionMapping())


def _spec(table: Table) -> dg.AssetSpec:
    settings = asset_settings(table)
    return dg.AssetSpec(
        settings["key"],
        deps=list(_deps()),
        description=table.description,
        group_name="core",
        owners=[DATA_ENGINEERING],
        kinds=settings["kinds"],
        tags={"layer": "core"},
        metadata=settings["metadata"],
        partitions_def=DAILY,
    )


def _observations(warehouse: Warehouse) -> list[Observation]:
    try:
        return store.observations(warehouse)
    except Exception as error:
        if warehouse.exists(store.RECORDS):
            raise
        raise dg.Failure(
            f"{store.RECORDS} does not exist yet: build it with dbt first "
            "(materialise intermediate/int_company_records)",
            allow_retries=False,
        ) from error


def _refuse_collapse(known: int, gone: int) -> None:
    if known >= GUARDED and gone > known / 2:
        raise dg.Failure(
            f"{gone} of {known} known records are no longer in {store.RECORDS}: refusing to retire their companies. "
            "A source was probably switched off or its table lost; nothing was written",
            allow_retries=False,
        )


def _write(warehouse: Warehouse, publication: Publication, run_id: str) -> dict[str, int]:
    """The history first: the other two are rebuilt from it by any later run."""
    history = extract(ID_HISTORY, store.history_rows(publication), lambda r: r["event_date"].isoformat())
    restated = [d.isoformat() for d in publication.days]
    companies = extract(COMPANIES, store.company_rows(publication.newest), lambda r: r["published_date"].isoformat())
    xref = extract(XREF, store.xref_rows(publication.newest), lambda r: r["matched_date"].isoformat())
    return {
        ID_HISTORY.name: warehouse.write(ID_HISTORY, restated, history, run_id).rows,
        XREF.name: warehouse.write(XREF, None, xref, run_id).rows,
        COMPANIES.name: warehouse.write(COMPANIES, None, companies, run_id).rows,
    }


def publish_days(warehouse: Warehouse, window: Days, run_id: str) -> tuple[Publication, dict[str, int]]:
    """Publish and store; what was published, and the rows written by table. Raises dg.Failure."""
    ledger, published = store.ledger(warehouse)
    seen = _observations(warehouse)
    known = {e.key for e in ledger if e.key is not None}
    _refuse_collapse(len(known), len(known - {o.record.key for o in seen}))
    result = publish(ledger, published, seen, window.start, window.last)
    return result, _write(warehouse, result, run_id)


@dg.multi_asset(
    name="companies",
    specs=[_spec(table) for table in TABLES],
    pool="warehouse",
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def companies(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Publish the run's days in order, then every later day that was published before, in one go."""
    window = days(context)
    result, rows = publish_days(warehouse.backend(), window, context.run.run_id)
    again = [d for d in result.days if d > window.last]
    if again:
        context.log.info(f"Later days published again: {again[0]} to {again[-1]}.")
    shared: dict[str, Any] = {
        "published": f"{window.start} to {window.last}",
        "published_again": f"{again[0]} to {again[-1]}" if again else "none",
        "newest_generation": result.days[-1].isoformat(),
    }
    run_days = list(window)
    events = {f"{e.value}_in_run": result.count(e, run_days) for e in Event}
    hubs = sorted(k.value for k in result.newest.hubs)
    for table in TABLES:
        yield dg.MaterializeResult(
            asset_key=[table.schema, table.name],
            metadata={
                **shared,
                "rows_written": rows[table.name],
                **(events if table is ID_HISTORY else {}),
                **({"hub_domains": hubs} if table is COMPANIES else {}),
            },
        )
