"""Generates dbt's `metric_series` model and its properties from the registry: one readable block a metric."""

from collections.abc import Iterator

import yaml

from dreamclass_intel.defs.metrics.registry import PERIOD_DAYS, Metric, metrics
from dreamclass_intel.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "dbt" / "models" / "marts" / "metrics"
HEAD = """-- Generated from dreamclass_intel/defs/metrics/registry.yaml by `make generate`; edit that file.
-- Grain: metric x period x segment. The one tall input of the XmR charts.
with days as (

    {{ days_until(var("start_date"), as_of_day(), ahead=14) }}

),

"""

# A scoring window may be published before the day's other data are in, so its spine runs ahead of as_of_date.
PERIODS = """{grain}_periods as (

    select
        {{{{ period_start("date_day", {days}) }}}} as period_start,
        count(*) = {days} as is_over
    from days
{condition}    group by 1

)"""

AS_OF = "{{ as_of_date() }}"

BLOCK = """-- {title}: {question}
select
    '{id}' as metric_id,
    '{grain}' as grain,
    periods.period_start,
    {segment} as segment,
    {value} as value,
    {numerator} as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    {is_complete} as is_complete
from {grain}_periods as periods
{join} join (
    select
        {{{{ period_start("{date}", {days}) }}}} as period_start,{segment_column}
        cast({numerator_sql} as {{{{ type_double() }}}}) as numerator,
        cast({denominator_sql} as {{{{ type_double() }}}}) as denominator,
        {n_sql} as n,
        {days_sql} as days_n
    from {relation}
    group by {group_by}
) as figures on figures.period_start = periods.period_start"""


def _relation(metric: Metric) -> str:
    schema, _, table = metric.origin.table.rpartition(".")
    return f"{{{{ source('{schema}', '{table}') }}}}" if schema else f"{{{{ ref('{table}') }}}}"


def _block(metric: Metric, *, segments: str | None = None) -> str:
    """The rows of the whole, or those of its segments: only periods in which a segment has rows."""
    days = PERIOD_DAYS[metric.grain]
    numerator = "coalesce(figures.numerator, 0)" if metric.empty == "zero" else "figures.numerator"
    rate = "figures.numerator / nullif(figures.denominator, 0)"
    if metric.complete == "present":
        is_complete = "figures.numerator is not null"
    elif metric.every_day and not segments:
        is_complete = f"periods.is_over and coalesce(figures.days_n, 0) = {days}"
    else:
        is_complete = "periods.is_over"
    return BLOCK.format(
        title=metric.title,
        question=f"the same by {segments}" if segments else metric.question,
        id=metric.id,
        grain=metric.grain,
        days=days,
        segment="figures.segment" if segments else "'all'",
        segment_column=f"\n        coalesce({segments}, '(none)') as segment," if segments else "",
        join="inner" if segments else "left",
        group_by="1, 2" if segments else "1",
        value=rate if metric.denominator else numerator,
        numerator=numerator,
        is_complete=is_complete,
        numerator_sql=metric.numerator,
        denominator_sql=metric.denominator or "null",
        n_sql=metric.n or metric.denominator or "count(*)",
        days_sql=f"count(distinct case when {metric.every_day} then {metric.origin.date} end)"
        if metric.every_day
        else "null",
        relation=_relation(metric),
        date=metric.origin.date,
    )


def _blocks(metric: Metric) -> Iterator[str]:
    yield _block(metric)
    if metric.segments:
        yield _block(metric, segments=metric.segments)


def render_sql() -> str:
    """The model's SQL."""
    grains = dict.fromkeys(m.grain for m in metrics())
    periods = ",\n\n".join(
        PERIODS.format(
            grain=g,
            days=PERIOD_DAYS[g],
            condition="" if g == "scoring_window" else f"    where date_day <= {AS_OF}\n",
        )
        for g in grains
    )
    return HEAD + periods + "\n\n" + "\n\nunion all\n\n".join(block for m in metrics() for block in _blocks(m)) + "\n"


def render_properties() -> str:
    """The model's contract, tests and one unit test, as YAML."""
    columns = [
        ("metric_id", "string", "Metric of the registry"),
        ("grain", "string", "week, day or scoring_window"),
        ("period_start", "date", "First day of the period"),
        ("segment", "string", "Segment of the metric; all = the whole"),
        ("value", "float", "Value of the period in the metric's unit; null when nothing was measured"),
        ("numerator", "float", "What was added up"),
        ("denominator", "float", "What it is divided by; null for plain counts"),
        ("n", "bigint", "Observations behind the value [count]"),
        ("is_complete", "boolean", "Whether every day of the period is over and loaded"),
    ]
    # Names both warehouses know; only the double differs.
    types = {"float": "{{ 'double' if target.type == 'duckdb' else 'float64' }}", "bigint": "int64", "boolean": "bool"}
    model = {
        "name": "metric_series",
        "description": "Every charted metric in one tall table, generated from the registry.",
        "config": {"materialized": "table", "contract": {"enforced": True}},
        "data_tests": [{"unique_combination": {"arguments": {"columns": ["metric_id", "period_start", "segment"]}}}],
        "columns": [
            {
                "name": name,
                "data_type": types.get(kind, kind),
                "description": text,
                **({"data_tests": ["not_null"]} if name in ("metric_id", "period_start", "is_complete") else {}),
            }
            for name, kind, text in columns
        ],
    }
    ids = [m.id for m in metrics()]
    model["columns"][0]["data_tests"].append({"accepted_values": {"arguments": {"values": ids}}})  # type: ignore[index]
    head = "# Generated from dreamclass_intel/defs/metrics/registry.yaml by `make generate`.\n"
    return head + yaml.safe_dump({"version": 2, "models": [model]}, sort_keys=False, width=110)


FILES = {FOLDER / "metric_series.sql": render_sql, FOLDER / "_metric_series.yml": render_properties}
