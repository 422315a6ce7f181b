{# MRR from opening to closing, one row a period of `int_calendar_days`: 'week' or 'month'. #}
{% macro net_new_mrr(period) %}
{%- set types = ['new_business', 'expansion', 'contraction', 'churn', 'reactivation'] -%}
{%- set short = {'new_business': 'new', 'expansion': 'expansion', 'contraction': 'contraction',
                 'churn': 'churn', 'reactivation': 'reactivation'} -%}
{%- set counts = {'new_business': 'new_customers_n', 'expansion': 'expansions_n', 'contraction': 'contractions_n',
                  'churn': 'churned_customers_n', 'reactivation': 'reactivated_customers_n'} -%}
with periods as (

    select distinct {{ period }}_start, {{ period }}_end
    from {{ ref('int_calendar_days') }}

),

movements as (

    select
        {{ week_start('occurred_date') if period == 'week' else month_start('occurred_date') }} as {{ period }}_start,
        movement_type,
        delta_usd_minor
    from {{ ref('fct_mrr_movements') }}

),

-- What was there before the calendar begins.
earlier as (

    select
        coalesce(sum(movements.delta_usd_minor), 0) as mrr_usd_minor,
        {{ count_if("movement_type in ('new_business', 'reactivation')") }}
        - {{ count_if("movement_type = 'churn'") }} as customers_n
    from movements
    where {{ period }}_start < (select min({{ period }}_start) from periods)

),

summed as (

    select
        periods.{{ period }}_start,
        periods.{{ period }}_end,
        {%- for type in types %}
        coalesce(sum(case when movement_type = '{{ type }}' then delta_usd_minor end), 0)
            as {{ short[type] }}_usd_minor,
        {{ count_if("movement_type = '" ~ type ~ "'") }} as {{ counts[type] }},
        {%- endfor %}
        coalesce(sum(movements.delta_usd_minor), 0) as net_new_usd_minor
    from periods
    left join movements on periods.{{ period }}_start = movements.{{ period }}_start
    group by periods.{{ period }}_start, periods.{{ period }}_end

),

running as (

    select
        summed.*,
        earlier.mrr_usd_minor + sum(summed.net_new_usd_minor) over (
            order by summed.{{ period }}_start rows between unbounded preceding and current row
        ) as closing_usd_minor,
        earlier.customers_n + sum(new_customers_n + reactivated_customers_n - churned_customers_n) over (
            order by summed.{{ period }}_start rows between unbounded preceding and current row
        ) as customers_n
    from summed
    cross join earlier

)

select
    {{ period }}_start,
    {{ period }}_end,
    cast(closing_usd_minor - net_new_usd_minor as {{ type_decimal() }}) as opening_usd_minor,
    {%- for type in types %}
    cast({{ short[type] }}_usd_minor as {{ type_decimal() }}) as {{ short[type] }}_usd_minor,
    {%- endfor %}
    cast(net_new_usd_minor as {{ type_decimal() }}) as net_new_usd_minor,
    cast(closing_usd_minor as {{ type_decimal() }}) as closing_usd_minor,
    {%- for type in types %}
    {{ counts[type] }},
    {%- endfor %}
    cast(customers_n as int64) as customers_n,
    {{ period }}_end <= {{ as_of_date() }} as is_complete
from running
{% endmacro %}
