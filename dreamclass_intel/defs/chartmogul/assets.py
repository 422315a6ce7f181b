"""Raw ChartMogul assets: client -> contract, nothing else."""

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.chartmogul import normalise, tables
from dreamclass_intel.defs.chartmogul.client import ChartMogulResource
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract, timestamp
from dreamclass_intel.typed_assets import days, raw_asset, snapshot_day


@raw_asset(tables.ACTIVITIES, source="chartmogul")
def chartmogul_activities(context: dg.AssetExecutionContext, chartmogul: ChartMogulResource) -> Extract:
    """MRR movements that take effect on the run's days."""
    return extract(
        tables.ACTIVITIES,
        map(normalise.activity, chartmogul.activities(days(context))),
        lambda record: timestamp(record["activity_at"]).date().isoformat(),
    )


@raw_asset(tables.MRR_DAILY, source="chartmogul")
def chartmogul_mrr_daily(context: dg.AssetExecutionContext, chartmogul: ChartMogulResource) -> Extract:
    """ChartMogul's MRR at the end of the run's days."""
    window, account = days(context), chartmogul.account()
    entries = chartmogul.mrr(window.start, window.last)
    return extract(
        tables.MRR_DAILY,
        (normalise.mrr_day(e, account["currency"]) for e in entries if window.holds(str(e["date"])[:10])),
        lambda record: str(record["metric_date"]),
        metadata={"account_time_zone": account["time_zone"]},
    )


@raw_asset(tables.CUSTOMERS, source="chartmogul")
def chartmogul_customers(context: dg.AssetExecutionContext, chartmogul: ChartMogulResource, clock: Clock) -> Extract:
    """All customers, as they stand now."""
    day = snapshot_day(context, clock)
    return extract(tables.CUSTOMERS, map(normalise.customer, chartmogul.customers()), day)


@raw_asset(tables.SUBSCRIPTIONS, source="chartmogul")
def chartmogul_subscriptions(
    context: dg.AssetExecutionContext, chartmogul: ChartMogulResource, clock: Clock
) -> Extract:
    """All subscriptions, as they stand now."""
    day = snapshot_day(context, clock)
    return extract(tables.SUBSCRIPTIONS, map(normalise.subscription, chartmogul.subscriptions()), day)


@raw_asset(tables.PLANS, source="chartmogul")
def chartmogul_plans(context: dg.AssetExecutionContext, chartmogul: ChartMogulResource, clock: Clock) -> Extract:
    """All plans, as they stand now."""
    day = snapshot_day(context, clock)
    return extract(tables.PLANS, map(normalise.plan, chartmogul.plans()), day)
