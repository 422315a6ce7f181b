"""From the warehouse to charts: the rows of metric_series, and every chart as it stands now."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr.baselines import load
from dreamclass_intel.defs.xmr.charts import MetricChart, chart_as_of
from dreamclass_intel.defs.xmr.dividers import known_decisions
from dreamclass_intel.settings import SOURCES, Mode, load_settings
from dreamclass_intel.warehouse.protocol import Warehouse

Rows = list[dict[str, Any]]
NONE_YET = "no complete period yet"
_COLUMNS = "metric_id, period_start, segment, value, numerator, denominator, n, is_complete"


def load_series(warehouse: Warehouse, chosen: Sequence[Metric], *, segments: bool = False) -> dict[str, Rows]:
    """Rows of `metric_series` by metric id: of the whole, or of the metrics' segments."""
    found = warehouse.read(
        f"SELECT {_COLUMNS} FROM {warehouse.name('marts.metric_series')} "
        f"WHERE segment {'<>' if segments else '='} 'all' AND {warehouse.within('metric_id')}",
        [[m.id for m in chosen]],
    )
    series: dict[str, Rows] = defaultdict(list)
    for row in found.to_pylist():
        series[row["metric_id"]].append(row)
    return series


def sources_off() -> set[str]:
    """Sources that are switched off now."""
    settings = load_settings()
    return {name for name in SOURCES if settings.source(name).mode is Mode.OFF}


def current_charts(
    warehouse: Warehouse, chosen: Sequence[Metric] | None = None
) -> Iterator[tuple[Metric, MetricChart | str]]:
    """The charts of the metrics (None: of all) with everything that is known now, up to each one's newest complete
    period; in words, why there is none.
    """
    wanted = metrics() if chosen is None else chosen
    series, known, off = load_series(warehouse, wanted), load(warehouse, wanted), sources_off()
    decisions = known_decisions(warehouse, wanted)
    for metric in wanted:
        newest = max((r["period_start"] for r in series[metric.id] if r["is_complete"]), default=None)
        if newest is None:
            yield metric, NONE_YET
            continue
        try:
            close = newest + metric.period
            yield metric, chart_as_of(metric, series[metric.id], close, off, known.get(metric.id), decisions)
        except ValueError as error:
            yield metric, f"cannot be drawn: {error}"
