{# The newest snapshot. #}
select
    subscription_uuid,
    customer_uuid,
    external_id,
    subscription_set_external_id,
    plan,
    quantity,
    mrr_minor,
    arr_minor,
    status,
    billing_cycle,
    billing_cycle_count,
    start_at,
    end_at,
    upper(currency) as currency,
    cast(_load_partition as date) as observed_date,
    _loaded_at as loaded_at
from {{ source('raw', 'chartmogul_subscriptions') }}
where _load_partition = {{ newest_partition(source('raw', 'chartmogul_subscriptions')) }}
