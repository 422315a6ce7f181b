"""The jobs. Daily tables and scoring windows are never in one selection: Dagster would drop or misorder them.

`daily`        one ranged run: raw days -> staging -> companies -> marts -> current charts
`weekly`       the weekly charts of one closed week
`score_window` one scoring window: raw runs -> LQI -> metric_series -> window charts
"""

import dagster as dg

from dreamclass_intel.contracts import Grain
from dreamclass_intel.defs.metrics.registry import metrics

WINDOW_TABLES = dg.AssetSelection.groups("lead_scoring") | dg.AssetSelection.assets("core/lqi")
CHARTS = dg.AssetSelection.tag("layer", "xmr")
SERIES = dg.AssetSelection.assets("marts/metric_series", "xmr/current", "xmr/proposals")


def _charts(grain: Grain) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(f"xmr/{m.id}" for m in metrics() if m.table_grain is grain))


SINGLE = {"dagster/max_retries": "1"}

daily = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.all() - WINDOW_TABLES - CHARTS,
    description="A range of days from every source to the marts; run by the `new_day` sensor.",
    tags=SINGLE,
)

weekly = dg.define_asset_job(
    "weekly",
    selection=_charts(Grain.WEEKLY),
    description="The weekly charts as of one week's close; run by the `closed_week` sensor.",
    tags=SINGLE,
)

score_window = dg.define_asset_job(
    "score_window",
    selection=WINDOW_TABLES | SERIES | _charts(Grain.SCORING_WINDOW),
    description="One scoring window from Supabase to its charts; run by the `scoring_runs` sensor.",
    tags=SINGLE,
)

score_window_tables = dg.define_asset_job(
    "score_window_tables",
    selection=WINDOW_TABLES,
    description="A range of scoring windows without charts: the first step of a backfill.",
)

score_window_charts = dg.define_asset_job(
    "score_window_charts",
    selection=_charts(Grain.SCORING_WINDOW),
    description="The charts of one scoring window, over what is stored: the last step of a backfill.",
)
