"""Which segment moved: the signals of a chart split over the segments of its metric."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from dreamclass_intel.defs.xmr.charts import MetricChart
from dreamclass_intel.xmr import Attribution, Signal, attribute, windows_of
from dreamclass_intel.xmr.limits import FloatArray

Rows = Sequence[Mapping[str, Any]]


class Moved(NamedTuple):
    """A signal and its attribution, or why there is none."""

    signal: Signal
    found: Attribution | None
    words: str


def attributions(made: MetricChart, rows: Rows) -> list[Moved]:
    """For each signal that became known at the judged point: who moved. `rows` are those of metric_series of the
    metric's segments; () for a metric without.
    """
    if not made.news or not rows:
        return []
    segments = sorted({row["segment"] for row in rows})
    place = {period: i for i, period in enumerate(made.periods)}
    shape = (len(segments), len(made.periods))
    numerators, denominators = np.full(shape, np.nan), np.full(shape, np.nan)
    number = {name: k for k, name in enumerate(segments)}
    for row in rows:
        if row["period_start"] in place:
            at = number[row["segment"]], place[row["period_start"]]
            for figures, name in ((numerators, "numerator"), (denominators, "denominator")):
                figures[at] = np.nan if row[name] is None else row[name]
    weights = denominators if made.metric.denominator else None
    return [_moved(made, signal, segments, numerators, weights) for signal in made.news]


def _moved(
    made: MetricChart, signal: Signal, segments: list[str], numerators: FloatArray, weights: FloatArray | None
) -> Moved:
    try:
        found = attribute(segments, numerators, *windows_of(made.chart, signal), denominators=weights)
    except ValueError as error:
        return Moved(signal, None, f"Not split by {made.metric.segments}: {error}")
    return Moved(signal, found, found.sentence)


def rows_of(made: MetricChart, moved: Sequence[Moved], partition: dt.date) -> Iterator[dict[str, Any]]:
    """Rows of xmr.contributions."""
    for signal, found, _ in moved:
        if found is None:
            continue
        chosen = {row.segment for row in found.moved}
        for row in found.rows:
            yield {
                "metric_id": made.metric.id,
                "partition_start": partition,
                "rule": signal.rule,
                "side": signal.side,
                "start_period": made.periods[signal.start],
                **asdict(row),
                "before": found.before,
                "after": found.after,
                "has_moved": row.segment in chosen,
            }
