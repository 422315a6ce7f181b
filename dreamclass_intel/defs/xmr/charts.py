"""From a registered metric and its stored series to a chart. No Dagster here."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from dreamclass_intel.defs.metrics.registry import Metric
from dreamclass_intel.xmr import KINDS, Baseline, Chart, Limits, Signal, analyse, dividers_of, watch
from dreamclass_intel.xmr.chart import Segment
from dreamclass_intel.xmr.decisions import Decision, Decisions, latest, spoken_of

NO_DATA, NOT_ALL = "no data for the period yet", "the period's data are not all loaded"
NOT_LOADED = (NO_DATA, NOT_ALL)  # reasons that time may cure


@dataclass(frozen=True)
class MetricChart:
    """A metric's chart up to `judged`, the newest point that may be judged; -1 where there is none."""

    metric: Metric
    periods: tuple[dt.date, ...]
    rows: tuple[dict[str, Any], ...]
    chart: Chart
    judged: int
    problem: str | None = None  # why the newest point is not judged, in words
    decisions: Decisions = ()  # on this metric, those that the registry takes by itself included
    reasons: Mapping[int, str] = field(default_factory=dict)  # of the dividers, by index

    @property
    def news(self) -> tuple[Signal, ...]:
        """Signals that became known at the judged point."""
        return self.chart.signals_known_at(self.judged) if self.judged >= 0 else ()


def period_judged_in(metric: Metric, partition: dt.date) -> dt.date:
    """The period that partition `partition` judges: the newest that is mature at its close."""
    return partition - -(-metric.maturity_days // metric.period.days) * metric.period


def chart_as_of(
    metric: Metric,
    series: Sequence[dict[str, Any]],
    close: dt.date,
    off: Collection[str] = (),
    locked: Mapping[dt.date, Limits] | None = None,
    decisions: Decisions = (),
    decided_by: dt.date | None = None,
) -> MetricChart:
    """The chart as it could be drawn at the start of `close`, over values as loaded now.

    `series`: rows of metric_series of this metric (period_start, value, n, is_complete …), any order; `off`: sources
    that are switched off. A period is mature `maturity_days` after its end. Judges the newest mature period; if its
    data are not all loaded, or its source is off, nothing is judged and `problem` says so. A point over fewer than
    `min_n` observations is drawn, not judged. `locked`: limits kept by the first period of their basis; they judge
    where the chart would lock on that basis, whatever its values have become since. `decisions`: on rebaseline
    proposals, as they stood on `decided_by` (None: as they stand); accepted ones are dividers.
    """
    mature = metric.period + dt.timedelta(days=metric.maturity_days)
    rows = sorted((r for r in series if r["period_start"] + mature <= close), key=lambda r: r["period_start"])
    periods = tuple(r["period_start"] for r in rows)
    expected = close - mature
    newest_is_due = bool(periods) and periods[-1] > expected - metric.period
    problem = None
    open_points = {i for i, r in enumerate(rows) if not r["is_complete"]}
    small = {i for i, r in enumerate(rows) if r["value"] is not None and r["n"] < metric.min_n}
    silent = [source for source in metric.sources if source in off]
    if silent:
        problem = f"{', '.join(silent)} is off"
    elif not newest_is_due:
        problem = NO_DATA
    elif open_points and max(open_points) == len(rows) - 1:
        problem = NOT_ALL
    elif rows[-1]["value"] is None:
        problem = "nothing was measured in the period"
    elif small and max(small) == len(rows) - 1:
        problem = f"{rows[-1]['n']} observations are too few, {metric.min_n} are needed"
    start = metric.baseline.start
    if problem is None and start and periods[-1] < start:
        problem = f"run-up before the baseline, which starts {start}"
    run_up = {i for i, p in enumerate(periods) if start and p < start}
    labels = [label(metric, p) for p in periods]
    draw = partial(
        analyse,
        [r["value"] for r in rows],
        labels=labels,
        incomplete=sorted(open_points | run_up | small),
        bounds=metric.bounds,
        preset=metric.preset,
        chart=metric.chart,
        denominators=[r["denominator"] for r in rows] if KINDS[metric.chart].weighted else None,
        trend=metric.trend,
        season=metric.season,
    )
    policy = Baseline(count=metric.baseline.count)
    by = decided_by.isoformat() if decided_by else None
    own = latest((d for d in decisions if d.metric == metric.id), by)
    reasons = dividers_of(own, metric.id, labels)
    chart = draw(baseline=policy, dividers=sorted(reasons))
    if metric.rebaseline == "auto":
        own = latest((*own, *_automatic(own, chart, metric, periods)), by)
        reasons = dividers_of(own, metric.id, labels)
        chart = draw(baseline=policy, dividers=sorted(reasons))
    kept = [_kept(segment, periods, locked or {}) for segment in chart.segments]
    if any(kept):
        chart = draw(baseline=[limits or policy for limits in kept], dividers=sorted(reasons))
    judged = -1 if problem else len(rows) - 1
    return MetricChart(metric, periods, tuple(rows), chart, judged, problem, own, reasons)


def _kept(segment: Segment, periods: Sequence[dt.date], locked: Mapping[dt.date, Limits]) -> Limits | None:
    """The limits that this segment locked first, whatever its periods hold now; None where it has locked none by the
    newest period. `locked` by the first period of the basis, which the limits' `base` counts from.
    """
    here = periods[segment.start : segment.stop]
    for start in sorted(locked):
        if not here or start not in here:
            continue
        kept, first = locked[start], segment.start + here.index(start)
        last = first + kept.base[1]
        if last <= segment.stop:
            adjustment = kept.adjustment and kept.adjustment.moved(first)
            return replace(kept, base=(first, last), adjustment=adjustment)
    return None


def _automatic(decisions: Decisions, chart: Chart, metric: Metric, periods: Sequence[dt.date]) -> Iterator[Decision]:
    """The splits that a metric with `rebaseline: auto` takes by itself where no person has spoken: those of the
    prospective mode, from the close on at which they are ready.
    """
    for p in watch(chart):
        spoken = spoken_of(p, chart, metric.id, decisions)
        if not p.ready or p.kind != "shift" or (spoken is not None and spoken.state != "proposed"):
            continue
        ready = periods[p.known_at] + metric.period + dt.timedelta(days=metric.maturity_days)
        at = chart.label(p.index) if spoken is None else spoken.at
        why = "accepted by the registry (rebaseline: auto)"
        yield Decision(metric.id, at, "shift", "accepted", "auto", ready.isoformat(), why, p.sentence)


def label(metric: Metric, period: dt.date) -> str:
    """`2025-W07` for weeks, the start date otherwise."""
    if metric.grain == "week":
        year, week, _ = period.isocalendar()
        return f"{year}-W{week:02}"
    return period.isoformat()


def is_unfavourable(metric: Metric, side: str) -> bool:
    """Whether a signal on `side` is bad news; with no direction of good, or no side, any change is."""
    return metric.direction == "none" or side == "both" or (metric.direction == "up") == (side == "below")


def verdict(made: MetricChart) -> str:
    """The verdict in words, or why there is none."""
    return f"Not judged: {made.problem}" if made.problem else made.chart.verdict


def figures(made: MetricChart, index: int) -> dict[str, Any]:
    """The columns shared by `xmr.points` and `xmr.current` for one point; limits of the point's segment."""
    limits = next((s.limits for s in made.chart.segments if s.start <= index < s.stop), None)
    row: dict[str, Any] = {
        "metric_id": made.metric.id,
        "period_start": made.periods[index],
        "value": made.rows[index]["value"],
        "moving_range": _number(made.chart.moving_ranges[index]),
        "limits_status": limits.status if limits else "none",
        "chart": made.metric.chart,
        "preset": made.metric.preset,
    }
    if limits:
        center, upper, lower = (np.asarray(line).item() for line in limits.at(np.array([index])))
        row |= {
            "center": center,
            "unpl": upper,
            "lnpl": lower,
            "url": limits.url,
            "baseline_n": limits.n,
            "limits_id": limits.limits_id,
        }
    return row


def _number(value: float) -> float | None:
    return None if value != value else float(value)
