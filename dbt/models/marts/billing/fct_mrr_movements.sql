{# Every change of a customer's MRR. Changes of several subscriptions at one moment are one movement, and a
   customer who keeps another subscription has not churned. Exchange rates are fixed: they move nothing. #}
with subscription_steps as (

    select
        customer_id,
        currency,
        valid_from as occurred_at,
        mrr_minor - coalesce(lag(mrr_minor) over (partition by subscription_id order by valid_from), 0)
            as step_minor
    from {{ ref('int_subscription_states') }}

),

customer_steps as (

    select
        customer_id,
        currency,
        occurred_at,
        sum(step_minor) as delta_minor
    from subscription_steps
    group by customer_id, currency, occurred_at
    having sum(step_minor) <> 0

),

running as (

    select
        *,
        sum(delta_minor) over (
            partition by customer_id, currency order by occurred_at
            rows between unbounded preceding and current row
        ) as mrr_after_minor,
        row_number() over (partition by customer_id, currency order by occurred_at) as movement_number
    from customer_steps

)

select
    running.customer_id,
    running.occurred_at,
    {{ utc_date('running.occurred_at') }} as occurred_date,
    case
        when running.movement_number = 1 then 'new_business'
        when running.mrr_after_minor - running.delta_minor = 0 then 'reactivation'
        when running.mrr_after_minor = 0 then 'churn'
        when running.delta_minor > 0 then 'expansion'
        else 'contraction'
    end as movement_type,
    cast(running.mrr_after_minor - running.delta_minor as {{ type_decimal() }}) as mrr_before_minor,
    cast(running.mrr_after_minor as {{ type_decimal() }}) as mrr_after_minor,
    cast(running.delta_minor as {{ type_decimal() }}) as delta_minor,
    running.currency,
    cast(
        running.delta_minor * {{ decimal_div('currencies.usd_rate * 100', 'power(10, currencies.exponent)') }}
        as {{ type_decimal() }}
    ) as delta_usd_minor
from running
left join {{ ref('currencies') }} as currencies on running.currency = currencies.currency
