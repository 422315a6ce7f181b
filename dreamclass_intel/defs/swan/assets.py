"""Raw visitor-feed assets: client -> contract, nothing else."""

import dagster as dg

from dreamclass_intel.defs.swan import normalise, tables
from dreamclass_intel.defs.swan.client import SwanResource
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract, timestamp
from dreamclass_intel.typed_assets import days, raw_asset


@raw_asset(tables.VISITS, source="swan")
def swan_visits(context: dg.AssetExecutionContext, swan: SwanResource) -> Extract:
    """Identified visits seen on the run's days."""
    return extract(
        tables.VISITS,
        map(normalise.visit, swan.visits(days(context))),
        lambda record: timestamp(record["seen_at"]).date().isoformat(),
    )


@raw_asset(tables.COMPANIES, source="swan")
def swan_companies(context: dg.AssetExecutionContext, swan: SwanResource) -> Extract:
    """Companies whose record last changed on the run's days."""
    return extract(
        tables.COMPANIES,
        map(normalise.company, swan.companies(days(context))),
        lambda record: timestamp(record["updated_at"]).date().isoformat(),
    )
