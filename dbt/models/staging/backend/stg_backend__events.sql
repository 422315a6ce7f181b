{# One row an event, dated by when it happened. An event received twice counts once: the newest reception wins. #}
with received as (

    select
        *,
        row_number() over (partition by event_id order by received_at desc, _loaded_at desc) as recency
    from {{ source('raw', 'backend_events') }}

)

select
    event_id,
    event_name,
    event_version,
    {{ utc_date('occurred_at') }} as occurred_date,
    occurred_at,
    received_at,
    lateness_s,
    account_id,
    user_id,
    user_role,
    actor_type,
    actor_type = 'impersonation' as is_impersonation,
    is_test,
    session_id,
    ga_client_id,
    source,
    cast({{ json_text('properties', 'count') }} as int64) as item_count,
    {{ json_text('properties', 'feature') }} as feature,
    {{ json_text('properties', 'trigger') }} as trigger_kind,
    properties,
    _loaded_at as loaded_at
from received
where recency = 1
