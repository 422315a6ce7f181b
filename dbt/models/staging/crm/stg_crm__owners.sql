{# The newest snapshot. #}
select
    source,
    owner_id,
    user_id,
    email_hash,
    lower(email_domain) as email_domain,
    is_archived,
    created_at,
    updated_at,
    cast(_load_partition as date) as observed_date,
    _loaded_at as loaded_at
from {{ source('raw', 'crm_owners') }}
where _load_partition = {{ newest_partition(source('raw', 'crm_owners')) }}
