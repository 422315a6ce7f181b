{# One row an object: its newest state. #}
select
    event_id,
    event_type,
    created_at,
    api_version,
    object_type,
    object_id,
    customer_id,
    subscription_id,
    request_id,
    previous_attributes,
    livemode,
    _raw as payload,
    _loaded_at as loaded_at
from {{ source('raw', 'stripe_events') }}
