{# Periods of metric_series: whole multiples of days counted from START_DATE, which is a Monday, so that weeks are
   ISO weeks and 14-day periods are scoring windows, by arithmetic alone on every adapter. #}

{% macro period_start(date_expression, days) -%}
{%- set anchor = "cast('" ~ var('start_date') ~ "' as date)" -%}
{%- set past = "mod(" ~ dbt.datediff(anchor, date_expression, 'day') ~ ", " ~ days ~ ")" -%}
cast({{ dbt.dateadd('day', "(-1 * " ~ past ~ ")", date_expression) }} as date)
{%- endmacro %}

{# One row a day from `first` to `last` plus `ahead` days. dbt's own date_spine excludes its end. #}
{% macro days_until(first, last, ahead=0) -%}
select cast(date_day as date) as date_day
from (
    {{ dbt.date_spine('day', "cast('" ~ first ~ "' as date)", dbt.dateadd('day', ahead + 1, "cast('" ~ last ~ "' as date)")) }}
) as spine
{%- endmacro %}
