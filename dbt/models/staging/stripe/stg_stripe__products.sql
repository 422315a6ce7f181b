{# One row an object: its newest state. #}
select
    product_id,
    name,
    active,
    unit_label,
    created_at,
    updated_at,
    metadata,
    livemode,
    _is_deleted as is_deleted,
    _loaded_at as loaded_at
from {{ source('raw', 'stripe_products') }}
