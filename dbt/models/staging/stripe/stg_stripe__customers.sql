{# One row an object: its newest state. #}
select
    customer_id,
    account_id,
    name,
    email_hash,
    lower(email_domain) as email_domain,
    phone,
    country,
    region,
    city,
    postcode,
    upper(currency) as currency,
    balance_minor,
    delinquent,
    created_at,
    metadata,
    livemode,
    _is_deleted as is_deleted,
    _loaded_at as loaded_at
from {{ source('raw', 'stripe_customers') }}
