{# The newest period closes with exactly what all movements add up to. #}
{% test closing_is_sum_of_movements(model) %}
select newest.closing_usd_minor, movements.total_usd_minor
from (select max(period_end) as period_end from (
    select {{ 'week_end' if 'weekly' in model.name else 'month_end' }} as period_end from {{ model }}
) as ends) as last_period
inner join {{ model }} as newest
    on newest.{{ 'week_end' if 'weekly' in model.name else 'month_end' }} = last_period.period_end
cross join (
    select coalesce(sum(delta_usd_minor), 0) as total_usd_minor
    from {{ ref('fct_mrr_movements') }}
) as movements
where newest.closing_usd_minor <> movements.total_usd_minor
{% endtest %}
