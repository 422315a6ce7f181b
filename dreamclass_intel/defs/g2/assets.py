"""Raw G2 asset: client -> contract, nothing else."""

import dagster as dg

from dreamclass_intel.defs.g2 import normalise, tables
from dreamclass_intel.defs.g2.client import G2Resource
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel.typed_assets import days, raw_asset


@raw_asset(tables.BUYER_INTENT, source="g2")
def g2_buyer_intent(context: dg.AssetExecutionContext, g2: G2Resource) -> Extract:
    """Buyer intent of the run's days."""
    return extract(
        tables.BUYER_INTENT,
        map(normalise.buyer_intent, g2.buyer_intent(days(context))),
        lambda record: str(record["intent_date"]),
    )
