select
    activity_uuid,
    activity_at,
    activity_at_raw,
    movement_type,
    mrr_movement_minor,
    mrr_minor,
    arr_minor,
    upper(currency) as currency,
    customer_uuid,
    customer_external_id,
    customer_name,
    subscription_external_id,
    subscription_set_external_id,
    plan_external_id,
    billing_connector_uuid,
    description,
    _loaded_at as loaded_at
from {{ source('raw', 'chartmogul_activities') }}
