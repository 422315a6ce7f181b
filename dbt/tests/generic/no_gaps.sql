{# Days, weeks or months of the calendar that are absent between the first and the newest period. #}
{% test no_gaps(model, column_name, calendar_column) %}
with spine as (
    select distinct {{ calendar_column }} as period_start
    from {{ source('core', 'dim_dates') }}
),

found as (
    select distinct {{ column_name }} as period_start
    from {{ model }}
),

bounds as (
    select min(period_start) as first_period, max(period_start) as last_period
    from found
)

select spine.period_start
from spine
cross join bounds
left join found on spine.period_start = found.period_start
where spine.period_start between bounds.first_period and bounds.last_period
  and found.period_start is null
{% endtest %}
