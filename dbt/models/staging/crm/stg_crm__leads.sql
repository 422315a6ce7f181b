{# One row an object: its newest state. #}
select
    source,
    lead_id,
    sequence_no,
    email_hash,
    lower(email_domain) as email_domain,
    company_id,
    company_name,
    lead_source,
    medium,
    campaign,
    lead_origin,
    country,
    lead_status,
    outcome,
    is_converted,
    owner_id,
    created_at,
    converted_at,
    updated_at,
    _is_deleted as is_deleted,
    _loaded_at as loaded_at
from {{ source('raw', 'crm_leads') }}
